"""Mirror: the latest image of every captured row in typed tables, exactly as far as the deriver is."""
