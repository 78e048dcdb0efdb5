-- name: progress
SELECT s.position, s.snapshot_state, s.updated_at, extract(epoch FROM clock_timestamp() - s.updated_at)::float8 AS silent_seconds
FROM coexist.stream s WHERE s.source = %s

-- name: open
INSERT INTO coexist.exception (stage, subject, code, message, remedy)
VALUES ('capture', %(subject)s, %(code)s, %(message)s, %(remedy)s)
ON CONFLICT (stage, subject) WHERE state = 'open'
DO UPDATE SET code = excluded.code, message = excluded.message, remedy = excluded.remedy

-- name: close
UPDATE coexist.exception
SET state = 'closed', closed_at = clock_timestamp(), closed_by = 'agent', close_reason = %(reason)s
WHERE stage = 'capture' AND subject = %(subject)s AND state = 'open'

-- name: open_code
SELECT code FROM coexist.exception WHERE stage = 'capture' AND subject = %s AND state = 'open'

-- name: supervise
SELECT pg_try_advisory_lock(%s::int, hashtext(%s))

-- name: stands
SELECT (position, snapshot_state, open_rows)::text FROM coexist.stream WHERE source = %s
