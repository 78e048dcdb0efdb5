-- name: standing
SELECT coalesce((SELECT sum(captured) FROM coexist.stream), 0)::bigint AS captured,
       (SELECT count(*) FROM coexist.journal) AS events,
       (SELECT count(*) FROM coexist.call) AS calls,
       count(*) FILTER (WHERE c.state = 'waiting') AS waiting,
       count(*) FILTER (WHERE c.state = 'in_flight') AS in_flight,
       count(*) FILTER (WHERE c.state = 'unknown') AS unknown,
       count(*) FILTER (WHERE c.state IN ('parked', 'braked')) AS held,
       (SELECT count(*) FROM coexist.outcome) AS outcomes,
       (SELECT count(*) FROM coexist.exception WHERE state = 'open') AS exceptions,
       (SELECT count(*) FROM coexist.dirty) AS dirty,
       (SELECT position FROM coexist.stream WHERE source = 'finance') AS position,
       coalesce((SELECT s.last_txn - d.txn_no FROM coexist.stream s
                 JOIN coexist.derive_position d USING (stream_id) WHERE s.source = 'finance'), 1) AS underived,
       coalesce((SELECT bool_and(d.baseline_done) FROM coexist.derive_position d), false)
           AND coalesce((SELECT bool_and(t.baseline_done) FROM coexist.target t), false) AS ready,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - min(j.committed_at))
                 FROM coexist.command o JOIN coexist.journal j USING (event_id)
                 WHERE o.state IN ('waiting', 'in_flight', 'unknown') AND j.cause = 'live'), 0)::float8 AS oldest,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - updated_at)
                 FROM coexist.stream WHERE source = 'finance'), 0)::float8 AS silent
FROM coexist.command c

-- name: in_flight
SELECT object, count(*) FROM coexist.command WHERE state = 'in_flight' GROUP BY 1 ORDER BY 1

-- name: numbers
-- Agents that worked, as the store saw them; and calls of unknown outcome that were settled by asking.
SELECT (SELECT count(DISTINCT worker) FROM coexist.request) AS agents,
       coalesce((SELECT sum(captured) FROM coexist.stream), 0)::bigint AS captured,
       (SELECT count(DISTINCT u.call_id) FROM coexist.outcome u
        WHERE u.kind = 'unknown') AS unknown,
       (SELECT count(DISTINCT u.call_id)
        FROM coexist.outcome u JOIN coexist.call k USING (call_id) JOIN coexist.command c USING (command_id)
        WHERE u.kind = 'unknown' AND c.state <> 'unknown'
          AND EXISTS (SELECT FROM coexist.outcome a
                      WHERE a.call_id = u.call_id AND a.outcome_id > u.outcome_id
                        AND a.kind IN ('found', 'absent', 'accepted'))) AS resolved

-- name: told
-- The record to tell about: one whose call had an unknown outcome and was found, an invoice rather than another.
SELECT k.object, k.entity_id, k.command_id, c.event_id
FROM coexist.outcome u
JOIN coexist.call k USING (call_id)
JOIN coexist.command c USING (command_id)
JOIN coexist.outcome f ON f.call_id = u.call_id AND f.kind = 'found'
JOIN coexist.journal j ON j.event_id = c.event_id
JOIN coexist.record r ON r.target = c.target AND r.object = c.object AND r.entity_id = c.entity_id
WHERE u.kind = 'unknown'
ORDER BY (r.lifecycle NOT IN ('absent', 'deleted')) DESC, (k.object = 'invoice') DESC, (c.state = 'applied') DESC, (c.kind = 'step') DESC, (j.cause = 'live') DESC, k.call_id DESC
LIMIT 1

-- name: left_alone
-- Commands parked because a process that is gone may have sent them, and the target does not have them.
SELECT exception_id FROM coexist.exception
WHERE state = 'open' AND code = 'unknown_outcome' ORDER BY exception_id
