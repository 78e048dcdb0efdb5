"""The legacy finance database: its schema, an initial book by seed and size, and activity upon it."""
