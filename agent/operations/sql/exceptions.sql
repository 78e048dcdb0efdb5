-- name: list
SELECT exception_id, stage, subject, entity, entity_id, target, object, command_id, code, message, remedy, state, opened_at
FROM coexist.exception
WHERE (%(state)s::text IS NULL OR state = %(state)s)
  AND (%(stage)s::text IS NULL OR stage = %(stage)s)
  AND (%(target)s::text IS NULL OR target = %(target)s)
  AND (%(code)s::text IS NULL OR code = %(code)s)
ORDER BY exception_id DESC LIMIT %(limit)s

-- name: show
SELECT exception_id, stage, subject, entity, entity_id, target, object, command_id, code, message, remedy, state, opened_at,
       stream_id, diagnostics, closed_at, closed_by, close_reason
FROM coexist.exception WHERE exception_id = %s

-- name: lock
SELECT exception_id, stage, subject, entity, entity_id, target, object, command_id, code, message, remedy, state, opened_at,
       stream_id, diagnostics, closed_at, closed_by, close_reason
FROM coexist.exception WHERE exception_id = %s FOR UPDATE

-- name: blocks
SELECT count(*) FROM coexist.command
WHERE (%(command)s::bigint IS NOT NULL AND target = %(target)s AND object = %(object)s AND entity_id = %(entity_id)s
       AND command_id > %(command)s AND state IN ('waiting', 'parked', 'braked'))
   OR (state = 'braked' AND reason = %(subject)s)
   OR (blocked_on = %(entity_id)s AND state = 'waiting')

-- name: close
UPDATE coexist.exception
SET state = 'closed', closed_at = clock_timestamp(), closed_by = %s, close_reason = %s
WHERE exception_id = %s AND state = 'open'

-- name: move_command
UPDATE coexist.command
SET state = %(to)s, reason = %(reason)s, not_before = NULL, blocked_on = NULL,
    done_at = CASE WHEN %(ends)s THEN clock_timestamp() END
WHERE command_id = %(command)s AND state = ANY (%(from)s)

-- name: move_braked
UPDATE coexist.command
SET state = %(to)s, reason = %(reason)s, not_before = NULL, blocked_on = NULL,
    done_at = CASE WHEN %(ends)s THEN clock_timestamp() END
WHERE state = 'braked' AND reason = %(subject)s AND state = ANY (%(from)s)
RETURNING target, entity_id

-- name: command_state
SELECT state, target, entity_id FROM coexist.command WHERE command_id = %s

-- name: unblock
-- What waited behind a skipped command is asked again at once instead of by the slow timer.
UPDATE coexist.command c SET blocked_on = NULL
FROM unnest(%s::text[], %s::uuid[]) AS n (target, entity_id)
WHERE c.target = n.target AND c.blocked_on = n.entity_id AND c.state = 'waiting'

-- name: lock_position
SELECT d.txn_no, s.source FROM coexist.derive_position d JOIN coexist.stream s USING (stream_id)
WHERE d.stream_id = %s FOR UPDATE OF d

-- name: mark_dirty
INSERT INTO coexist.dirty (stream_id, mapping, key_values, txn_no, own, cause)
SELECT %(stream)s, %(mapping)s, %(key)s::text[], %(txn)s, true, %(cause)s
WHERE NOT EXISTS (SELECT 1 FROM coexist.dirty
                  WHERE stream_id = %(stream)s AND mapping = %(mapping)s AND key_values = %(key)s::text[] AND cause = %(cause)s)

-- name: event_of
SELECT j.mapping, j.source_key FROM coexist.command c JOIN coexist.journal j USING (event_id) WHERE c.command_id = %s

-- name: count_affected
INSERT INTO coexist.ledger (ledger, scope, item, n) VALUES ('entities', %s, 'affected', %s)
ON CONFLICT (ledger, scope, item) DO UPDATE SET n = coexist.ledger.n + excluded.n
