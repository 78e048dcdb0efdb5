-- name: record
-- One statement per batch of results. What a call's intent said it would make of its record (`progress`) becomes true if it was
-- accepted or found done; a command moves only if it still stands where this very call left it.
WITH v AS MATERIALIZED (
    SELECT * FROM unnest(%(call_id)s::bigint[], %(command_id)s::bigint[], %(kind)s::text[], %(native_id)s::text[],
                         %(token)s::text[], %(status)s::integer[], %(code)s::text[], %(message)s::text[],
                         %(happened)s::boolean[], %(ask)s::boolean[], %(to)s::text[], %(reason)s::text[],
                         %(not_before)s::timestamptz[], %(attempts)s::integer[])
        AS v (call_id, command_id, kind, native_id, token, status, code, message, happened, ask, "to", reason,
              not_before, attempts)
), moved AS (
    UPDATE coexist.command c
    SET state = v."to", reason = v.reason, not_before = v.not_before, blocked_on = NULL,
        attempts = coalesce(v.attempts, c.attempts),
        done_at = CASE WHEN v."to" = 'applied' THEN %(now)s::timestamptz END
    FROM v
    WHERE c.command_id = v.command_id AND c.call_id = v.call_id AND c.state || '' = ANY(CASE WHEN v.happened THEN %(from_late)s ELSE %(from)s END::text[])
    RETURNING v.*, c.target, c.object, c.entity_id
), noted AS (
    INSERT INTO coexist.outcome (call_id, kind, native_id, token, status, code, message)
    SELECT call_id, kind, native_id, token, status, code, message FROM v
), changed AS (
    UPDATE coexist.record r
    SET agreed = CASE
            WHEN NOT m.happened OR NOT k.progress ? 'agreed' THEN r.agreed
            WHEN (k.progress->>'reset')::boolean THEN k.progress->'agreed'
            ELSE r.agreed || (k.progress->'agreed') END,
        lifecycle = CASE WHEN m.happened THEN coalesce(k.progress->>'lifecycle', r.lifecycle) ELSE r.lifecycle END,
        token = CASE WHEN NOT m.happened OR k.progress ? 'at' THEN r.token
                     WHEN k.progress ? 'gone' THEN NULL ELSE m.token END,
        native_id = CASE WHEN NOT m.happened OR k.progress ? 'at' THEN r.native_id
                         WHEN k.progress ? 'gone' THEN NULL ELSE coalesce(m.native_id, r.native_id) END,
        external_key = CASE WHEN m.happened AND r.external_key = '{}' AND k.action = 'create'
                                 AND NOT k.progress ? 'at' THEN k.external_key ELSE r.external_key END,
        documents = CASE
            WHEN NOT m.happened OR NOT k.progress ? 'documents' THEN r.documents
            ELSE jsonb_set(k.progress->'documents', ARRAY[k.progress->>'at'],
                     (k.progress->'documents'->((k.progress->>'at')::int))
                     || jsonb_build_object('token', m.token)
                     || CASE WHEN m.native_id IS NULL THEN '{}'::jsonb
                             ELSE jsonb_build_object('native_id', m.native_id) END) END,
        must_ask = r.must_ask OR m.ask,
        updated_at = clock_timestamp()
    FROM moved m JOIN coexist.call k USING (call_id)
    WHERE (m.happened OR m.ask)
      AND r.target = m.target AND r.object = m.object AND r.entity_id = m.entity_id
    RETURNING r.object, r.entity_id, r.target, r.legal_entity, k.action, k.external_key, k.progress, m.native_id
), crossed AS (
    INSERT INTO coexist.cross_reference (entity, entity_id, system, legal_entity, native_id, role)
    SELECT object, entity_id, target, coalesce(legal_entity, ''),
           coalesce(native_id, (SELECT string_agg(value, '/' ORDER BY key) FROM jsonb_each_text(external_key))),
           coalesce(progress->>'role', 'original')
    FROM changed WHERE action = 'create'
    ON CONFLICT DO NOTHING
)
SELECT array_agg(m.call_id) FROM moved m

-- name: close_exceptions
UPDATE coexist.exception
SET state = 'closed', closed_at = %(now)s, closed_by = 'agent', close_reason = 'applied'
WHERE entity_id = ANY(%(entities)s::uuid[]) AND target = %(target)s AND stage = 'apply' AND state = 'open'

-- name: stale
-- Done, but its command has moved on without knowing: read before anything else is planned.
UPDATE coexist.record r SET must_ask = true, updated_at = clock_timestamp()
FROM coexist.call k
WHERE k.call_id = ANY(%(calls)s)
  AND (SELECT count(*) FROM coexist.outcome o WHERE o.call_id = k.call_id AND o.kind IN ('accepted', 'found')) < 2
  AND r.target = k.target AND r.object = k.object AND r.entity_id = k.entity_id

-- name: close_requests
UPDATE coexist.request SET closed_at = %(now)s WHERE request_id = ANY(%(requests)s) AND closed_at IS NULL

-- name: open_exceptions
INSERT INTO coexist.exception (stage, subject, entity, entity_id, target, object, command_id, code, message, remedy,
                               diagnostics)
SELECT 'apply', format('record:%%s:%%s:%%s', %(target)s::text, v.object, v.entity_id), v.object, v.entity_id, %(target)s,
       v.object, v.command_id, v.code, v.message, v.remedy, v.diagnostics
FROM jsonb_to_recordset(%(rows)s::jsonb) AS v(command_id bigint, object text, entity_id uuid, code text,
                                              message text, remedy text, diagnostics jsonb)
JOIN coexist.command c ON c.command_id = v.command_id AND c.state = 'parked'
ON CONFLICT (stage, subject) WHERE state = 'open'
DO UPDATE SET command_id = excluded.command_id, code = excluded.code, message = excluded.message,
              remedy = excluded.remedy, diagnostics = excluded.diagnostics

-- name: hold_target
UPDATE coexist.target SET not_before = greatest(not_before, %(until)s) WHERE target = %(target)s

-- name: stop_target
UPDATE coexist.target SET stopped_reason = %(reason)s WHERE target = %(target)s AND stopped_reason IS NULL

-- name: stranded
-- Books: commands in flight whose request is closed. One here is an outcome that was lost.
SELECT c.command_id FROM coexist.command c
JOIN coexist.call k ON k.call_id = c.call_id
JOIN coexist.request q USING (request_id)
WHERE c.target = %(target)s AND c.state = 'in_flight' AND q.closed_at IS NOT NULL
