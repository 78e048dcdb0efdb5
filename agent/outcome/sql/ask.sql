-- name: unknown
-- Unknown commands that may be asked about now. `not_before` moves on, so that another worker does not ask too.
WITH due AS (
    UPDATE coexist.command SET not_before = %(again)s
    WHERE command_id IN (
        SELECT command_id FROM coexist.command
        WHERE target = %(target)s AND state = 'unknown' AND (not_before IS NULL OR not_before <= %(now)s)
          AND EXISTS (SELECT FROM coexist.target t WHERE t.target = %(target)s AND t.stopped_reason IS NULL)
        ORDER BY command_id LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED)
    RETURNING command_id, call_id, kind, target, object, entity_id
)
SELECT due.command_id, due.kind, r.object, r.entity_id, r.legal_entity, r.external_key::text, r.lifecycle, r.native_id,
       r.token, r.agreed::text, r.documents::text, r.updated_at,
       k.call_id, k.action, k.external_key::text, k.body::text, k.marker, k.progress::text,
       EXISTS (SELECT FROM coexist.outcome o WHERE o.call_id = k.call_id AND o.code = 'taken_over')
FROM due
JOIN coexist.record r USING (target, object, entity_id)
JOIN coexist.call k ON k.call_id = due.call_id

-- name: must_ask
-- Records to be read back before their next command is planned. A call in flight is waited for.
SELECT c.command_id, c.kind, r.object, r.entity_id, r.legal_entity, r.external_key::text, r.lifecycle, r.native_id,
       r.token, r.agreed::text, r.documents::text, r.updated_at,
       k.call_id, k.action, k.external_key::text, k.body::text, k.marker, k.progress::text, false
FROM coexist.record r
JOIN LATERAL (
    SELECT o.command_id, o.kind, o.state, o.call_id, o.not_before FROM coexist.command o
    WHERE o.target = r.target AND o.object = r.object AND o.entity_id = r.entity_id
      AND o.state IN ('waiting', 'in_flight', 'unknown', 'parked', 'braked')
    ORDER BY o.command_id LIMIT 1) c ON c.state = 'waiting'
LEFT JOIN coexist.call k ON k.call_id = c.call_id
WHERE r.target = %(target)s AND r.must_ask
  AND EXISTS (SELECT FROM coexist.target t WHERE t.target = %(target)s AND t.stopped_reason IS NULL)
LIMIT %(limit)s

-- name: answer
-- What asking showed: the record as the target has it, and where its command goes. Fenced by the record's version and the
-- command's call, because somebody else may have asked and gone on meanwhile.
WITH v AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS v(
        object text, entity_id uuid, version timestamptz, command_id bigint, call_id bigint, "from" text, "to" text,
        reason text, kind text, code text, patch jsonb, not_before timestamptz)
), held AS (
    SELECT v.* FROM v JOIN coexist.record r
        ON r.target = %(target)s AND r.object = v.object AND r.entity_id = v.entity_id AND r.updated_at = v.version
    FOR UPDATE OF r
), moved AS (
    UPDATE coexist.command c
    SET state = h."to", reason = h.reason, not_before = h.not_before, blocked_on = NULL,
        done_at = CASE WHEN h."to" = 'applied' THEN %(now)s::timestamptz END
    FROM held h
    WHERE c.command_id = h.command_id AND c.state = h."from" AND c.call_id IS NOT DISTINCT FROM h.call_id
    RETURNING h.*
), changed AS (
    UPDATE coexist.record r
    SET must_ask = false,
        lifecycle = coalesce(m.patch->>'lifecycle', r.lifecycle),
        agreed = coalesce(m.patch->'agreed', r.agreed),
        token = CASE WHEN m.patch ? 'token' THEN m.patch->>'token' ELSE r.token END,
        native_id = CASE WHEN m.patch ? 'native_id' THEN m.patch->>'native_id' ELSE r.native_id END,
        documents = coalesce(m.patch->'documents', r.documents),
        updated_at = clock_timestamp()
    FROM moved m
    WHERE r.target = %(target)s AND r.object = m.object AND r.entity_id = m.entity_id
), noted AS (
    INSERT INTO coexist.outcome (call_id, kind, native_id, token, code)
    SELECT m.call_id, m.kind, m.patch->>'native_id', m.patch->>'token', coalesce(m.code, '')
    FROM moved m WHERE m.call_id IS NOT NULL
), crossed AS (
    INSERT INTO coexist.cross_reference (entity, entity_id, system, legal_entity, native_id, role, method)
    SELECT m.object, m.entity_id, %(target)s::text, coalesce(r.legal_entity, ''), m.patch->>'reference',
           coalesce(m.patch->>'role', 'original'), coalesce(m.patch->>'method', 'created')
    FROM moved m JOIN coexist.record r ON r.target = %(target)s AND r.object = m.object AND r.entity_id = m.entity_id
    WHERE m.patch ? 'reference'
    ON CONFLICT DO NOTHING
), audited AS (
    INSERT INTO coexist.audit (actor, action, subject, details)
    SELECT 'agent', 'conflict', format('record:%%s:%%s:%%s', %(target)s::text, m.object, m.entity_id), m.patch->'conflict'
    FROM moved m WHERE m.patch ? 'conflict'
), closed AS (
    UPDATE coexist.exception x
    SET state = 'closed', closed_at = %(now)s, closed_by = 'agent', close_reason = 'found done'
    FROM moved m
    WHERE m."to" = 'applied' AND x.entity_id = m.entity_id AND x.object = m.object AND x.target = %(target)s
      AND x.stage = 'apply' AND x.state = 'open'
)
SELECT command_id, entity_id, "to" FROM moved

-- name: next_question
SELECT min(not_before) FROM coexist.command WHERE target = %(target)s AND state = 'unknown'
