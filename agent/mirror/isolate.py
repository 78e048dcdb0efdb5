"""Which rows of a batch no cast survives, found by bisection under savepoints."""

from __future__ import annotations

from typing import Any

import psycopg

from agent.mirror.statements import TableStatements

_BREAKING = (psycopg.errors.DataError, psycopg.errors.NotNullViolation)


def breaking_rows(
    conn: psycopg.Connection[Any], statements: TableStatements, params: dict[str, Any], seqs: list[int]
) -> list[tuple[int, str]]:
    """(row number, what PostgreSQL said) of those of `seqs` that break. params: stream and relation."""
    if not seqs:
        return []
    try:
        with conn.transaction():
            conn.execute(statements.text("probe"), {**params, "first": seqs[0], "last": seqs[-1]})
        return []
    except _BREAKING as error:
        if len(seqs) == 1:
            return [(seqs[0], str(error).splitlines()[0])]
    half = len(seqs) // 2
    return [
        *breaking_rows(conn, statements, params, seqs[:half]),
        *breaking_rows(conn, statements, params, seqs[half:]),
    ]
