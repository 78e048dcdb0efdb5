-- name: create_stream
INSERT INTO coexist.stream (source) VALUES (%s) ON CONFLICT (source) DO NOTHING

-- name: create_derive_position
INSERT INTO coexist.derive_position (stream_id) SELECT stream_id FROM coexist.stream WHERE source = %s
ON CONFLICT DO NOTHING

-- name: read_stream
SELECT stream_id, incarnation, system_id, timeline, snapshot_state, position, last_txn, last_seq, open_pos, open_rows, cursor
FROM coexist.stream WHERE source = %s

-- name: lock_stream
SELECT snapshot_state, position, last_txn, last_seq, open_pos, open_rows, cursor
FROM coexist.stream WHERE stream_id = %s FOR UPDATE

-- name: advance_stream
UPDATE coexist.stream
SET snapshot_state = %(snapshot_state)s, position = %(position)s, last_txn = %(last_txn)s, last_seq = %(last_seq)s,
    open_pos = %(open_pos)s, open_rows = %(open_rows)s, cursor = %(cursor)s, captured = captured + %(captured)s, updated_at = now()
WHERE stream_id = %(stream_id)s

-- name: pin_identity
UPDATE coexist.stream SET system_id = %s, timeline = %s WHERE stream_id = %s

-- name: discard_open_rows
DELETE FROM coexist.inbox WHERE stream_id = %s AND seq > %s

-- name: discard_open_held
-- Their numbers are given again; what was held of a snapshot that is begun anew is read anew.
DELETE FROM coexist.held_row WHERE stream_id = %s AND seq > %s

-- name: latest_relations
SELECT DISTINCT ON (ref) ref, relation_id, schema_name, table_name, columns, foreign_keys
FROM coexist.relation WHERE stream_id = %s ORDER BY ref, relation_id DESC

-- name: add_relation
INSERT INTO coexist.relation (stream_id, ref, schema_name, table_name, columns, foreign_keys) VALUES (%s, %s, %s, %s, %s, %s)
RETURNING relation_id

-- name: copy_rows
COPY coexist.inbox (stream_id, seq, txn_no, relation_id, op, old_values, new_values, unchanged, old_complete) FROM STDIN

-- name: add_txn
INSERT INTO coexist.inbox_txn (stream_id, incarnation, txn_no, commit_pos, xid, committed_at, first_seq, last_seq, snapshot)
SELECT s.stream_id, s.incarnation, x.*
FROM coexist.stream s,
     unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::boolean[]) AS x
WHERE s.stream_id = %s

-- name: hold_row
INSERT INTO coexist.held_row (stream_id, seq, txn_no, relation_id, op, stage, raw, key_text, error)
VALUES (%s, %s, %s, %s, %s, 'copy', %s, %s, %s)

-- name: open_exception
INSERT INTO coexist.exception (stage, subject, stream_id, code, message, remedy, diagnostics)
VALUES ('copy', %s, %s, 'unreadable_value', %s, %s, %s)
ON CONFLICT (stage, subject) WHERE state = 'open' DO UPDATE SET message = excluded.message, diagnostics = excluded.diagnostics

-- name: open_oddity
INSERT INTO coexist.exception (stage, subject, stream_id, code, message, remedy, diagnostics)
VALUES ('copy', %s, %s, 'foreign_record', %s,
        'find out who writes into the stream; no change is missing because of it, so `coexist exceptions skip` closes this', %s)
ON CONFLICT (stage, subject) WHERE state = 'open' DO NOTHING

-- name: count
INSERT INTO coexist.ledger (ledger, scope, item, n) VALUES (%s, %s, %s, %s)
ON CONFLICT (ledger, scope, item) DO UPDATE SET n = coexist.ledger.n + excluded.n
