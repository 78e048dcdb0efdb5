-- name: take
WITH taken AS MATERIALIZED (
    SELECT c.command_id, c.object, c.entity_id, coalesce(r.legal_entity, c.legal_entity) AS legal_entity,
           c.kind, c.step, c.wanted, c.refs, c.own_change,
           -- What was history and not loaded stays history: a later change of it must not post it as new.
           c.historical OR (r.lifecycle = 'absent' AND EXISTS (
               SELECT FROM coexist.command h
               WHERE h.entity_id = c.entity_id AND h.target = c.target AND h.object = c.object AND h.command_id < c.command_id
                 AND h.historical AND h.state = 'suppressed')) AS historical, c.defer_refs, c.attempts, c.call_id, c.correlation, c.event_id,
           r.external_key, r.lifecycle, r.native_id, r.token, r.agreed, r.documents
    FROM coexist.command c
    JOIN coexist.record r USING (target, object, entity_id)
    WHERE c.target = %(target)s AND c.state = 'waiting' AND c.blocked_on IS NULL
      AND (c.not_before IS NULL OR c.not_before <= %(now)s)
      AND NOT r.must_ask
      AND EXISTS (SELECT FROM coexist.target t
                  WHERE t.target = %(target)s AND t.baseline_done AND NOT t.paused AND t.stopped_reason IS NULL
                    AND (t.not_before IS NULL OR t.not_before <= %(now)s))
    ORDER BY c.command_id + 0  -- the order of command_waiting, and of no other index
    LIMIT %(limit)s
    FOR UPDATE OF c, r SKIP LOCKED
)
SELECT command_id, object, entity_id, legal_entity, kind, step, wanted::text, refs::text, own_change, historical,
       defer_refs, attempts, call_id, correlation, event_id, external_key::text, lifecycle, native_id, token,
       agreed::text, documents::text,
       nextval('coexist.call_id_seq'),  -- for the call it may become
       -- Only the head of a record's line may go: the oldest command that is not at an end.
       (SELECT e.command_id FROM coexist.command e
        WHERE e.target = %(target)s AND e.object = taken.object AND e.entity_id = taken.entity_id
          AND e.state IN ('waiting', 'in_flight', 'unknown', 'parked', 'braked') AND e.command_id < taken.command_id
        ORDER BY e.command_id LIMIT 1)
FROM taken

-- name: references
SELECT v.object, v.entity_id, r.external_key::text, r.native_id
FROM jsonb_to_recordset(%(refs)s::jsonb) AS v(object text, entity_id uuid, document boolean)
JOIN coexist.record r ON r.target = %(target)s AND r.object = v.object AND r.entity_id = v.entity_id
-- A document is there for others once it is posted: nobody settles a draft.
WHERE CASE WHEN v.document THEN r.lifecycle = 'posted' ELSE r.lifecycle <> 'absent' END

-- name: intend
-- The state is written so that no index of waiting commands can serve it (|| ''): planned while nothing waits, that index
-- would be read whole for every row. So it is wherever a command is looked up by its number.
WITH v AS MATERIALIZED (
    SELECT * FROM unnest(%(calls)s::bigint[], %(requests)s::bigint[], %(commands)s::bigint[], %(actions)s::text[],
                         %(keys)s::text[], %(digests)s::text[], %(bodies)s::text[], %(markers)s::text[], %(progress)s::text[])
        AS v (call_id, request_id, command_id, action, external_key, digest, body, marker, progress)
), request AS (
    INSERT INTO coexist.request (request_id, target, worker, lease_until, calls)
    SELECT v.request_id, %(target)s, %(worker)s, %(lease_until)s::timestamptz, array_agg(v.call_id) FROM v GROUP BY 1
), moved AS (
    UPDATE coexist.command c
    SET state = %(to)s, call_id = v.call_id, attempts = c.attempts + 1, reason = '', not_before = NULL
    FROM v WHERE c.command_id = v.command_id AND c.state || '' = ANY(%(from)s)
    RETURNING v.*, c.object, c.entity_id
)
INSERT INTO coexist.call (call_id, request_id, command_id, target, object, entity_id, action, external_key, digest, body,
                          marker, progress)
SELECT call_id, request_id, command_id, %(target)s, object, entity_id, action, external_key::jsonb, digest, body::jsonb,
       marker, progress::jsonb
FROM moved

-- name: settle
UPDATE coexist.command c
SET state = v.state, reason = v.reason, blocked_on = v.blocked_on,
    done_at = CASE WHEN v.state IN ('applied', 'suppressed') THEN %(now)s::timestamptz END
FROM jsonb_to_recordset(%(rows)s::jsonb) AS v(command_id bigint, state text, reason text, blocked_on uuid)
WHERE c.command_id = v.command_id AND c.state || '' = ANY(%(from)s)

-- name: open_exceptions
INSERT INTO coexist.exception (stage, subject, entity, entity_id, target, object, command_id, code, message, remedy,
                               diagnostics)
SELECT 'apply', format('record:%%s:%%s:%%s', %(target)s::text, v.object, v.entity_id), v.object, v.entity_id, %(target)s,
       v.object, v.command_id, v.code, v.message, v.remedy, v.diagnostics
FROM jsonb_to_recordset(%(rows)s::jsonb) AS v(command_id bigint, object text, entity_id uuid, code text,
                                              message text, remedy text, diagnostics jsonb)
ON CONFLICT (stage, subject) WHERE state = 'open'
DO UPDATE SET command_id = excluded.command_id, code = excluded.code, message = excluded.message,
              remedy = excluded.remedy, diagnostics = excluded.diagnostics

-- name: close_exceptions
UPDATE coexist.exception x
SET state = 'closed', closed_at = %(now)s, closed_by = 'agent', close_reason = v.reason
FROM jsonb_to_recordset(%(rows)s::jsonb) AS v(object text, entity_id uuid, reason text)
WHERE x.entity_id = v.entity_id AND x.object = v.object AND x.target = %(target)s AND x.stage = 'apply'
  AND x.state = 'open'
