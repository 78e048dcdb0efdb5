"""Derive: affected entities before and after a batch, evaluated by their mappings, compared with what they were."""
