"""A store in the middle of its work, written by hand: one source, one target, one customer's story."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import psycopg

CUSTOMER = uuid5(UUID(int=7), "customer")
OTHER = uuid5(UUID(int=7), "other")

_STORY = """
INSERT INTO coexist.stream (source, snapshot_state, position, last_txn, last_seq, captured)
VALUES ('finance', 'done', 90, 4, 12, 12);
INSERT INTO coexist.derive_position (stream_id, txn_no, seq, commit_pos, baseline_done)
SELECT stream_id, 2, 9, 70, true FROM coexist.stream;
INSERT INTO coexist.inbox_txn (stream_id, txn_no, commit_pos, xid, committed_at, first_seq, last_seq)
SELECT s.stream_id, t.no, 60 + t.no, t.no, now() - interval '30 s' + t.no * interval '1 s', t.first, t.last
FROM coexist.stream s, (VALUES (2, 1, 9), (3, 10, 11), (4, 12, 12)) AS t (no, first, last);
INSERT INTO coexist.inbox (stream_id, seq, txn_no, relation_id, op)
SELECT s.stream_id, n, 3, 1, 'u' FROM coexist.stream s, generate_series(10, 12) n;
INSERT INTO coexist.ledger (ledger, scope, item, n) VALUES
    ('rows', 'finance', 'merged', 6), ('rows', 'finance', 'folded', 2), ('rows', 'finance', 'held', 1),
    ('row_effects', 'finance', 'truncate', 1),
    ('entities', 'finance', 'affected', 5), ('entities', 'finance', 'changed', 3), ('entities', 'finance', 'unchanged', 1),
    ('entities', 'finance', 'excepted', 1),
    ('commands', 'erp', 'made', 14), ('commands', 'erp', 'pruned:applied', 10);
INSERT INTO coexist.target (target, tenant, baseline_done) VALUES ('erp', 'contoso', true);
INSERT INTO coexist.source_key (entity, source, key_text, entity_id) VALUES ('customer', 'finance', 'C/1', %(customer)s);
INSERT INTO coexist.journal (event_id, entity, entity_id, event_type, cause, source, source_key, txn_no, commit_pos, xid,
                             committed_at, correlation, mapping, mapping_version, changes)
VALUES (1, 'customer', %(customer)s, 'customer.created', 'live', 'finance', 'C/1', 2, 62, 2, now(), 'finance:1:2:62',
        'finance.customer', 'v1', '{"name": [null, "Adler"]}');
INSERT INTO coexist.record (target, object, entity_id, external_key, lifecycle, native_id)
VALUES ('erp', 'customer', %(customer)s, '{"PartyNumber": "P-77"}', 'live', 'guid-9');
INSERT INTO coexist.command (command_id, target, object, entity_id, kind, wanted, state, reason, rule, event_id, blocked_on)
VALUES (1, 'erp', 'customer', %(customer)s, 'state', '{"name": "Adler"}', 'applied', '', 'customer.*@*#1', 1, NULL),
       (2, 'erp', 'customer', %(customer)s, 'state', '{"name": "B"}', 'parked', 'validation', 'customer.*@*#1', 1, NULL),
       (3, 'erp', 'customer', %(customer)s, 'state', '{"name": "C"}', 'waiting', '', 'customer.*@*#1', 1, %(customer)s),
       (4, 'erp', 'customer', %(other)s, 'state', '{"name": "D"}', 'braked', 'brake:finance:2:erp:customer', '', 1, NULL);
INSERT INTO coexist.call (call_id, request_id, command_id, target, object, entity_id, action, external_key, digest, body)
VALUES (5, 1, 1, 'erp', 'customer', %(customer)s, 'create', '{"PartyNumber": "P-77"}', 'd1', '{"Name": "Adler"}');
INSERT INTO coexist.outcome (call_id, kind, status, native_id) VALUES (5, 'unknown', NULL, NULL), (5, 'found', 200, 'guid-9');
INSERT INTO coexist.cross_reference (entity, entity_id, system, native_id) VALUES ('customer', %(customer)s, 'erp', 'guid-9');
"""

_EXCEPTION = """
INSERT INTO coexist.exception (stage, subject, entity, entity_id, target, object, command_id, stream_id, code, message,
                               remedy, diagnostics)
VALUES (%(stage)s, %(subject)s, %(entity)s, %(entity_id)s, %(target)s, %(object)s, %(command_id)s,
        (SELECT stream_id FROM coexist.stream), 'code', 'what happened', 'what to do', %(diagnostics)s)
RETURNING exception_id
"""


@dataclass(frozen=True)
class Story:
    """The store, and ways to look into it and spoil it."""

    conn: psycopg.Connection

    @classmethod
    def tell(cls, conn: psycopg.Connection) -> Story:
        cursor = psycopg.ClientCursor(conn)
        cursor.execute(_STORY, {"customer": CUSTOMER, "other": OTHER})
        return cls(conn)

    def run(self, sql: str, *params: object) -> None:
        self.conn.execute(sql, params)

    def one(self, sql: str, *params: object) -> Any:
        row = self.conn.execute(sql, params).fetchone()
        return row[0] if row is not None and len(row) == 1 else row

    def exception(
        self, stage: str, subject: str, *, command_id: int | None = None, diagnostics: str = "{}"
    ) -> int:
        about = {"entity": "customer", "entity_id": CUSTOMER, "target": "erp", "object": "customer"}
        found = self.conn.execute(
            _EXCEPTION,
            about
            | {"stage": stage, "subject": subject, "command_id": command_id, "diagnostics": diagnostics},
        ).fetchone()
        assert found is not None
        return int(found[0])

    def state(self, command_id: int) -> str:
        return str(self.one("SELECT state FROM coexist.command WHERE command_id = %s", command_id))

    def audit(self) -> list[tuple[Any, ...]]:
        return self.conn.execute(
            "SELECT actor, action, subject, reason FROM coexist.audit ORDER BY audit_id"
        ).fetchall()
