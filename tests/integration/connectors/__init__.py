"""Connectors as they are rendered, on a real worker."""
