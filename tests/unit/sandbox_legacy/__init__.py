"""Planning of the legacy generator, without a database."""
