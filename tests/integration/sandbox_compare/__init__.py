"""The comparison of both sides, on a real legacy database and a real record file."""
