"""The legacy PSA database (MariaDB): its schema, an initial book by seed and size, and activity upon it."""
