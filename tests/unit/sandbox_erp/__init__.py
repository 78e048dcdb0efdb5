"""The ERP sandbox, driven over HTTP as a stranger would."""
