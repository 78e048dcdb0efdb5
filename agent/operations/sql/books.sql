-- name: snapshot
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY

-- name: captured
SELECT source, captured FROM coexist.stream

-- name: inbox
SELECT s.source, count(i.seq)
FROM coexist.stream s
LEFT JOIN coexist.derive_position d USING (stream_id)
LEFT JOIN coexist.inbox i ON i.stream_id = s.stream_id AND i.seq > coalesce(d.seq, 0)
GROUP BY s.source

-- name: dirty
SELECT s.source, count(d.dirty_id)
FROM coexist.stream s LEFT JOIN coexist.dirty d USING (stream_id) GROUP BY s.source

-- name: commands
SELECT target, state, count(*) FROM coexist.command GROUP BY 1, 2

-- name: stranded
-- In flight by its state, but its request is closed: an outcome that was lost. Nobody would ever ask about it.
SELECT c.target, count(*)
FROM coexist.command c JOIN coexist.call k ON k.call_id = c.call_id JOIN coexist.request q USING (request_id)
WHERE c.state = 'in_flight' AND q.closed_at IS NOT NULL GROUP BY 1

-- name: items
SELECT ledger, scope, item, n FROM coexist.ledger WHERE n <> 0 ORDER BY 1, 2, 3
