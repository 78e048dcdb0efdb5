-- name: ensure_target
INSERT INTO coexist.target (target, tenant) VALUES (%(target)s, %(tenant)s) ON CONFLICT DO NOTHING

-- name: state
SELECT t.baseline_done,
       -- Every source must have been derived whole once, so that all our records are there to be matched.
       NOT EXISTS (SELECT FROM unnest(%(sources)s::text[]) AS s(source)
                   LEFT JOIN coexist.stream m USING (source)
                   LEFT JOIN coexist.derive_position d USING (stream_id)
                   WHERE d.baseline_done IS NOT TRUE)
FROM coexist.target t WHERE t.target = %(target)s

-- name: unmarked
SELECT entity_id FROM coexist.record WHERE target = %(target)s AND object = %(object)s AND lifecycle = 'absent'

-- name: adopt_by_key
WITH v AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS v(
        external_key jsonb, entity_id uuid, lifecycle text, agreed jsonb, token text, native_id text, reference text)
), adopted AS (
    UPDATE coexist.record r
    SET lifecycle = v.lifecycle, agreed = v.agreed, token = v.token, native_id = v.native_id, must_ask = false,
        updated_at = clock_timestamp()
    FROM v
    WHERE r.target = %(target)s AND r.object = %(object)s AND r.lifecycle = 'absent'
      AND (r.external_key::text) COLLATE "C" = v.external_key::text AND r.external_key <> '{}'
    RETURNING r.entity_id, r.legal_entity, v.reference
), crossed AS (
    INSERT INTO coexist.cross_reference (entity, entity_id, system, legal_entity, native_id, method)
    SELECT %(object)s::text, entity_id, %(target)s::text, coalesce(legal_entity, ''), reference, 'matched_key' FROM adopted
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM adopted

-- name: adopt_by_entity
WITH v AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS v(
        external_key jsonb, entity_id uuid, lifecycle text, agreed jsonb, token text, native_id text, reference text)
), adopted AS (
    UPDATE coexist.record r
    SET lifecycle = v.lifecycle, agreed = v.agreed, token = v.token, native_id = v.native_id, must_ask = false,
        updated_at = clock_timestamp()
    FROM v
    WHERE r.target = %(target)s AND r.object = %(object)s AND r.lifecycle = 'absent'
      AND r.entity_id = v.entity_id
    RETURNING r.entity_id, r.legal_entity, v.reference
), crossed AS (
    INSERT INTO coexist.cross_reference (entity, entity_id, system, legal_entity, native_id, method)
    SELECT %(object)s::text, entity_id, %(target)s::text, coalesce(legal_entity, ''), reference, 'matched_key' FROM adopted
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM adopted

-- name: done
WITH target AS (UPDATE coexist.target SET baseline_done = true WHERE target = %(target)s AND NOT baseline_done)
INSERT INTO coexist.audit (actor, action, subject, details)
VALUES ('agent', 'baseline', 'target:' || %(target)s::text, %(details)s::jsonb)
