-- name: this_store
SELECT s.system_identifier::text, c.timeline_id FROM pg_control_system() s, pg_control_checkpoint() c

-- name: known_store
SELECT system_id, timeline FROM coexist.store_identity

-- name: remember_store
-- Replicas that start at once on an empty store all try.
INSERT INTO coexist.store_identity (system_id, timeline) VALUES (%s, %s) ON CONFLICT (only_row) DO NOTHING

-- name: accept_store
INSERT INTO coexist.store_identity (system_id, timeline, restored_at) VALUES (%s, %s, clock_timestamp())
ON CONFLICT (only_row) DO UPDATE
SET system_id = excluded.system_id, timeline = excluded.timeline, restored_at = excluded.restored_at

-- name: ask_about_all
UPDATE coexist.record SET must_ask = true, updated_at = clock_timestamp() WHERE NOT must_ask

-- name: lock_stream
SELECT stream_id, incarnation, snapshot_state, system_id, timeline, position FROM coexist.stream WHERE source = %s FOR UPDATE

-- name: discard_open_rows
DELETE FROM coexist.inbox i USING coexist.stream s
WHERE s.stream_id = %(stream)s AND i.stream_id = s.stream_id AND i.seq > s.last_seq

-- name: discard_open_held
DELETE FROM coexist.held_row h USING coexist.stream s
WHERE s.stream_id = %(stream)s AND h.stream_id = s.stream_id AND h.seq > s.last_seq

-- name: count_discarded
INSERT INTO coexist.ledger (ledger, scope, item, n) VALUES ('rows', %s, 'older', %s)
ON CONFLICT (ledger, scope, item) DO UPDATE SET n = coexist.ledger.n + excluded.n

-- name: begin_incarnation
UPDATE coexist.stream
SET snapshot_state = 'none', position = NULL, cursor = NULL, open_pos = NULL, open_rows = 0, system_id = NULL, timeline = NULL,
    incarnation = incarnation + 1, updated_at = now()
WHERE stream_id = %(stream)s
