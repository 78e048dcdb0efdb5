"""Tests of cdc_config."""
