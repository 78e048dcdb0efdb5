-- name: event_numbers
SELECT nextval('coexist.event_id_seq') FROM generate_series(1, %s)

-- name: command_numbers
SELECT nextval('coexist.command_id_seq') FROM generate_series(1, %s)

-- name: copy_journal
COPY coexist.journal (event_id, entity_id, event_type, source_key, changes, txn_no, commit_pos, xid, committed_at, correlation,
                      entity, cause, source, mapping, mapping_version) FROM STDIN

-- name: copy_commands
COPY coexist.command (command_id, event_id, target, object, entity_id, legal_entity, kind, step, wanted, refs, own_change,
                      historical, state, reason, rule, txn_no, source, correlation) FROM STDIN

-- name: add_records
-- A store that was restored does not know what its original created after the copy was made: such records are asked about.
INSERT INTO coexist.record (target, object, entity_id, legal_entity, external_key, must_ask)
SELECT x.*, EXISTS (SELECT 1 FROM coexist.store_identity WHERE restored_at IS NOT NULL)
FROM unnest(%s::text[], %s::text[], %s::uuid[], %s::text[], %s::jsonb[]) AS x
ON CONFLICT DO NOTHING

-- name: new_records
INSERT INTO coexist.record (target, object, entity_id, legal_entity, external_key, must_ask)
SELECT x.*, EXISTS (SELECT 1 FROM coexist.store_identity WHERE restored_at IS NOT NULL)
FROM unnest(%s::text[], %s::text[], %s::uuid[], %s::text[], %s::jsonb[]) AS x

-- name: without_record
SELECT n.command_id FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::uuid[]) AS n (command_id, target, object, entity_id)
WHERE NOT EXISTS (SELECT 1 FROM coexist.record r
                  WHERE r.target = n.target AND r.object = n.object AND r.entity_id = n.entity_id)

-- name: park_doubles
UPDATE coexist.command SET state = 'parked', reason = 'its external key belongs to another record'
WHERE command_id = ANY (%s) AND state IN ('waiting', 'braked') RETURNING command_id, target, object, entity_id::text, legal_entity

-- name: supersede
-- Step by step from the new command to its record's line (OFFSET 0 keeps it so): a plan made while no command is open sees
-- an empty index, and would read all of it for every row on the day it is full.
UPDATE coexist.command o
SET state = 'superseded', done_at = now(), reason = 'by command ' || old.newer
FROM (
    SELECT x.command_id, n.command_id AS newer
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::uuid[], %s::text[]) AS n (command_id, target, object, entity_id, kind)
    CROSS JOIN LATERAL (
        SELECT c.command_id FROM coexist.command c
        WHERE c.target = n.target AND c.object = n.object AND c.entity_id = n.entity_id AND c.command_id < n.command_id
          AND c.state IN ('waiting', 'parked') AND c.kind = 'state'
          -- Where nobody knows what the target has, or which record is meant, only a person opens the line again.
          AND c.reason NOT IN ('unknown_outcome', 'found_twice', 'its external key belongs to another record')
          -- A create that was sent without an answer may still be under way, though it was asked about. A delete does not spare the
          -- repetition: that takes the key, the late one finds it taken, and then the record is deleted.
          AND NOT (n.kind = 'delete' AND c.state || '' = 'waiting' AND EXISTS (
              SELECT 1 FROM coexist.record r
              WHERE r.target = n.target AND r.object = n.object AND r.entity_id = n.entity_id AND r.lifecycle = 'absent' OFFSET 0)
            AND EXISTS (
              SELECT 1 FROM (
                  SELECT p.command_id FROM coexist.command p WHERE p.entity_id = n.entity_id
                      AND p.state IN ('waiting', 'in_flight', 'unknown', 'parked', 'braked')
                  UNION ALL
                  SELECT p.command_id FROM coexist.command p WHERE p.entity_id = n.entity_id
                      AND p.state IN ('applied', 'superseded', 'suppressed', 'skipped')) p
              CROSS JOIN LATERAL (
                  SELECT 1 FROM coexist.call k
                  CROSS JOIN LATERAL (SELECT 1 FROM coexist.outcome u WHERE u.call_id = k.call_id AND u.kind = 'unknown' OFFSET 0) u
                  WHERE k.command_id = p.command_id AND k.target = n.target AND k.object = n.object AND k.action = 'create'
                  OFFSET 0) lost
              OFFSET 0))
          -- Nothing is superseded across a step that is still open.
          AND NOT EXISTS (
              SELECT 1 FROM coexist.command s
              WHERE s.target = n.target AND s.object = n.object AND s.entity_id = n.entity_id AND s.kind <> 'state'
                AND s.state IN ('waiting', 'in_flight', 'unknown', 'parked', 'braked')
                AND s.command_id > c.command_id AND s.command_id < n.command_id OFFSET 0)
        OFFSET 0) x
) old
-- Asked again of the row itself: a claim that committed while we waited for it has taken it. Not as the index of open
-- commands has it (|| ''), or it is read whole once for each of ours.
WHERE o.command_id = old.command_id AND o.state || '' IN ('waiting', 'parked')
RETURNING o.command_id, old.newer, o.own_change, o.historical, o.step

-- name: inherit
-- What the first snapshot loaded without posting is not posted because it changed before it was sent.
-- And a document's own change stays its own, though what came after it was reference data.
UPDATE coexist.command n SET historical = n.historical OR g.historical, own_change = n.own_change OR g.own_change
FROM unnest(%s::bigint[], %s::boolean[], %s::boolean[]) AS g (command_id, historical, own_change)
WHERE n.command_id = g.command_id

-- name: replace_parked
WITH gone AS (
    UPDATE coexist.command o SET state = 'superseded', done_at = now(), reason = 'by command ' || n.command_id
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::uuid[]) AS n (command_id, target, object, entity_id)
    WHERE o.target = n.target AND o.object = n.object AND o.entity_id = n.entity_id AND o.command_id < n.command_id
      AND o.state = 'parked'
      AND EXISTS (SELECT 1 FROM coexist.exception x WHERE x.command_id = o.command_id AND x.stage = 'decide')
    RETURNING o.command_id, n.command_id AS newer, o.historical, o.own_change
), inherited AS (
    UPDATE coexist.command c SET historical = c.historical OR g.historical, own_change = c.own_change OR g.own_change
    FROM (SELECT newer, bool_or(historical) AS historical, bool_or(own_change) AS own_change FROM gone GROUP BY newer) g
    WHERE c.command_id = g.newer
)
SELECT command_id FROM gone

-- name: close_superseded
UPDATE coexist.exception SET state = 'closed', closed_at = now(), closed_by = 'agent', close_reason = 'a newer wanted state'
WHERE state = 'open' AND command_id = ANY (%s)

-- name: open_exceptions
INSERT INTO coexist.exception (stage, subject, entity, entity_id, target, object, command_id, stream_id, code, message, remedy, diagnostics)
SELECT stage, subject, entity, entity_id, target, object, command_id, %s, code, message, remedy, diagnostics
FROM unnest(%s::text[], %s::text[], %s::text[], %s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[],
            %s::jsonb[]) AS x (stage, subject, entity, entity_id, target, object, command_id, code, message, remedy, diagnostics)
ON CONFLICT (stage, subject) WHERE state = 'open'
DO UPDATE SET code = excluded.code, message = excluded.message, remedy = excluded.remedy, diagnostics = excluded.diagnostics,
              command_id = excluded.command_id

-- name: any_open
SELECT EXISTS (SELECT 1 FROM coexist.exception WHERE state = 'open' AND stage IN ('evaluate', 'validate', 'decide') AND stream_id = %s)

-- name: close_entities
-- One whose command is still parked stays: it is what says why.
UPDATE coexist.exception x SET state = 'closed', closed_at = now(), closed_by = 'agent', close_reason = 'a newer change of the entity'
WHERE state = 'open' AND ((stage IN ('evaluate', 'validate') AND subject = ANY (%s))
                          OR (stage = 'decide' AND subject = ANY (%s)
                              AND NOT EXISTS (SELECT 1 FROM coexist.command c WHERE c.command_id = x.command_id AND c.state = 'parked')))

-- name: close_mapping
UPDATE coexist.exception SET state = 'closed', closed_at = now(), closed_by = 'agent', close_reason = 'derived anew'
WHERE state = 'open' AND stage IN ('evaluate', 'validate') AND stream_id = %s AND starts_with(subject, %s)

-- name: records_of
SELECT count(*) FROM coexist.record WHERE target = %s AND object = %s AND lifecycle NOT IN ('absent', 'deleted')

-- name: existing_of
SELECT count(*) FROM unnest(%s::uuid[]) AS n (entity_id)
JOIN coexist.record r ON r.target = %s AND r.object = %s AND r.entity_id = n.entity_id AND r.lifecycle NOT IN ('absent', 'deleted')

-- name: counting_of
SELECT c.target, c.object, c.txn_no, count(r.entity_id)
FROM coexist.command c
LEFT JOIN coexist.record r ON r.target = c.target AND r.object = c.object AND r.entity_id = c.entity_id
                              AND r.lifecycle NOT IN ('absent', 'deleted')
WHERE c.source = %s AND c.state = 'braked' AND c.reason = %s GROUP BY 1, 2, 3

-- name: end_counting
UPDATE coexist.command SET state = %s, reason = %s
WHERE source = %s AND target = %s AND object = %s AND txn_no = %s AND state = 'braked' AND reason = %s

-- name: brake
UPDATE coexist.command SET state = 'braked', reason = %s WHERE command_id = ANY (%s) AND state = 'waiting'

-- name: count
INSERT INTO coexist.ledger (ledger, scope, item, n)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[])
ON CONFLICT (ledger, scope, item) DO UPDATE SET n = coexist.ledger.n + excluded.n
