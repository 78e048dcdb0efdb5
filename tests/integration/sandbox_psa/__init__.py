"""The PSA database and the activity upon it."""
