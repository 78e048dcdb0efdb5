-- name: mark_sent
-- The last claim check: once this is committed, whoever takes over must ask before sending again. Marking twice is no harm: a
-- worker that asks again has not sent (it lost the answer to its first question).
UPDATE coexist.request q SET sent_at = %(now)s
FROM coexist.target t
WHERE q.request_id = ANY(%(requests)s) AND q.worker = %(worker)s AND q.closed_at IS NULL AND q.lease_until > %(now)s
  AND t.target = q.target AND NOT t.paused AND t.stopped_reason IS NULL
  AND (t.not_before IS NULL OR t.not_before <= %(now)s)
RETURNING q.request_id

-- name: release
-- Claims of our own that will not be sent.
WITH gone AS (
    UPDATE coexist.request SET closed_at = %(now)s
    WHERE request_id = ANY(%(requests)s) AND worker = %(worker)s AND closed_at IS NULL AND sent_at IS NULL
    RETURNING calls
), freed AS (
    UPDATE coexist.command c SET state = %(to)s, attempts = greatest(c.attempts - 1, 0)
    FROM gone CROSS JOIN LATERAL unnest(gone.calls) AS g (call_id) JOIN coexist.call k USING (call_id)
    WHERE c.command_id = k.command_id AND c.call_id = k.call_id AND c.state || '' = ANY(%(from)s)
    RETURNING k.call_id
)
INSERT INTO coexist.outcome (call_id, kind) SELECT call_id, 'released' FROM freed

-- name: strays
SELECT request_id FROM coexist.request
WHERE target = %(target)s AND worker = %(worker)s AND closed_at IS NULL AND sent_at IS NULL
  AND NOT request_id = ANY(%(known)s::bigint[])

-- name: renew
UPDATE coexist.request SET lease_until = %(lease_until)s
WHERE target = %(target)s AND worker = %(worker)s AND closed_at IS NULL AND lease_until > %(now)s

-- name: take_over
WITH gone AS (
    UPDATE coexist.request q SET closed_at = %(now)s
    WHERE q.request_id IN (
        SELECT o.request_id FROM coexist.request o
        WHERE o.target = %(target)s AND o.closed_at IS NULL AND o.worker <> %(worker)s
          AND (o.lease_until <= %(now)s OR (%(alone)s AND starts_with(o.worker, %(instance)s)))
        FOR UPDATE SKIP LOCKED)
    RETURNING q.calls, q.request_id, q.sent_at
), moved AS (
    UPDATE coexist.command c
    SET state = CASE WHEN gone.sent_at IS NULL THEN %(released)s ELSE %(lost)s END,
        reason = CASE WHEN gone.sent_at IS NULL THEN '' ELSE 'sent by a worker that is gone; to be asked about' END,
        not_before = gone.sent_at + make_interval(secs => %(longest)s)
    FROM gone CROSS JOIN LATERAL unnest(gone.calls) AS g (call_id) JOIN coexist.call k USING (call_id)
    WHERE c.command_id = k.command_id AND c.call_id = k.call_id AND c.state || '' = ANY(%(from)s)
    RETURNING k.call_id, gone.sent_at
), noted AS (
    INSERT INTO coexist.outcome (call_id, kind, code)
    SELECT call_id, CASE WHEN sent_at IS NULL THEN 'released' ELSE 'unknown' END, 'taken_over' FROM moved
)
SELECT count(*) FILTER (WHERE sent_at IS NULL), count(*) FILTER (WHERE sent_at IS NOT NULL) FROM moved
