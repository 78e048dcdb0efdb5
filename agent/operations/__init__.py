"""What a person can do, written once, over the store. The CLI, the admin API and the console are faces of it.

One noun per file. Every function takes a psycopg connection and returns frozen dataclasses; one that changes
something takes actor and reason, and writes coexist.audit in the same transaction.
"""
