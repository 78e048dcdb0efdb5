"""Random tables, keys and transactions: the mirror, told of the direct rows only, comes to what a real database holds."""

from __future__ import annotations

import itertools

import psycopg
from hypothesis import HealthCheck, event, given, note, settings

from agent.store.embedded import EmbeddedServer
from agent.store.migrate import migrate
from tests.flow.derive.firm import Firm
from tests.support.foreign_key_strategies import Story, stories
from tests.support.line_oracle import Tuning

_numbers = itertools.count(1)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(story=stories(mariadb=False))
def test_random_keys_and_transactions(server: EmbeddedServer, story: Story) -> None:
    names = [f"keys_{kind}_{next(_numbers)}" for kind in ("source", "store")]
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        for name in names:
            admin.execute(f"CREATE DATABASE {name}".encode())
    source, store = (server.dsn_of(name) for name in names)
    with psycopg.connect(store, autocommit=True) as conn:
        migrate(conn)
    firm = Firm(source, store, Tuning(batch_rows=story.batch_rows))
    try:
        _play(firm, story)
    finally:
        firm.close()
        with psycopg.connect(server.dsn, autocommit=True) as admin:
            for name in names:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _play(firm: Firm, story: Story) -> None:
    filling = [f"{s.sql(mariadb=False)} ON CONFLICT DO NOTHING" for s in story.filling]
    firm.begin([t.ddl("text") for t in story.tables], [t.mapping for t in story.tables], filling)
    for transaction in story.transactions:
        with firm.txn():
            for s in transaction:
                text = s.sql(mariadb=False)
                note(f"{text}: {firm.attempt(s.table, s.verb, text)}")
    firm.catch_up()
    for what in firm.line.items("row_effects"):
        event(what)
