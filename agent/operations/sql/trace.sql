-- name: find
SELECT DISTINCT entity, entity_id FROM (
    SELECT entity, entity_id FROM coexist.source_key WHERE entity_id = %(id)s OR key_text = %(text)s
    UNION ALL
    SELECT entity, entity_id FROM coexist.journal WHERE entity_id = %(id)s
    UNION ALL
    SELECT entity, entity_id FROM coexist.cross_reference WHERE entity_id = %(id)s OR native_id = %(text)s
    UNION ALL
    SELECT object, entity_id FROM coexist.record
    WHERE entity_id = %(id)s OR native_id = %(text)s
       OR (%(text)s <> '' AND EXISTS (SELECT 1 FROM jsonb_each_text(external_key) k
                                      WHERE lower(k.value) = lower(%(text)s)))
) found
ORDER BY entity, entity_id

-- name: keys
SELECT source, key_text, valid_from, valid_to, method FROM coexist.source_key WHERE entity_id = %s ORDER BY valid_from, key_text

-- name: events
SELECT event_id, event_type, cause, source, source_key, txn_no, commit_pos, xid, committed_at, correlation, mapping,
       mapping_version, changes, at
FROM (SELECT * FROM coexist.journal WHERE entity_id = %s ORDER BY event_id DESC LIMIT %s) newest
ORDER BY event_id

-- name: commands
SELECT command_id, target, object, kind, step, state, reason, rule, event_id, correlation, attempts, made_at, done_at
FROM (
    (SELECT * FROM coexist.command
     WHERE entity_id = %(id)s AND state IN ('waiting', 'in_flight', 'unknown', 'parked', 'braked')
     ORDER BY command_id DESC LIMIT %(limit)s)
    UNION ALL
    (SELECT * FROM coexist.command
     WHERE entity_id = %(id)s AND state IN ('applied', 'superseded', 'suppressed', 'skipped')
     ORDER BY command_id DESC LIMIT %(limit)s)
    ORDER BY command_id DESC LIMIT %(limit)s) newest
ORDER BY command_id

-- name: calls
SELECT call_id, command_id, action, external_key, digest, marker, body, made_at
FROM coexist.call WHERE command_id = ANY (%s) ORDER BY call_id

-- name: outcomes
SELECT call_id, kind, status, code, message, native_id, at
FROM coexist.outcome WHERE call_id = ANY (%s) ORDER BY outcome_id

-- name: records
SELECT target, object, legal_entity, external_key, lifecycle, native_id, agreed, documents
FROM coexist.record WHERE entity_id = %s ORDER BY target, object

-- name: cross_references
SELECT system, legal_entity, native_id, role, method, valid_from
FROM coexist.cross_reference WHERE entity_id = %s ORDER BY system, valid_from

-- name: exceptions
SELECT exception_id, stage, code, message, remedy, state, opened_at
FROM coexist.exception WHERE entity_id = %s ORDER BY exception_id
