"""The mapping compiler: SQL text in, the statements that keep its entities true and their lineage out."""
