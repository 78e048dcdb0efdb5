-- The way of a command costs less: fewer and narrower indexes, and one sequence for calls and requests.

-- A command is in exactly one of these two by its entity: a uuid and a number, where the line of a record is looked up
-- (object and target only filter: few records share an entity), and one entry less each time an open command moves.
DROP INDEX coexist.command_open;
DROP INDEX coexist.command_by_entity;
CREATE INDEX command_open ON coexist.command (entity_id, command_id)
    WHERE state IN ('waiting', 'in_flight', 'unknown', 'parked', 'braked');
CREATE INDEX command_ended ON coexist.command (entity_id, command_id)
    WHERE state IN ('applied', 'superseded', 'suppressed', 'skipped');

-- Keys are compared as texts, which is several times cheaper than comparing them as jsonb. They hold texts only, and jsonb
-- writes equal objects alike, so no two keys that were equal become different.
DROP INDEX coexist.record_external_key;
CREATE UNIQUE INDEX record_external_key ON coexist.record (target, object, (external_key::text) COLLATE "C")
    WHERE external_key <> '{}';

-- The calls of a request, found by their numbers when it is given back or taken over.
ALTER TABLE coexist.request ADD COLUMN calls bigint[] NOT NULL DEFAULT '{}';
UPDATE coexist.request q
SET calls = (SELECT coalesce(array_agg(k.call_id), '{}') FROM coexist.call k WHERE k.request_id = q.request_id)
WHERE q.closed_at IS NULL;
DROP INDEX coexist.call_by_request;

DROP INDEX coexist.outcome_by_call;
ALTER TABLE coexist.outcome DROP CONSTRAINT outcome_pkey, ADD PRIMARY KEY (call_id, outcome_id);

-- A request is called by the number of its first call.
ALTER TABLE coexist.request ALTER COLUMN request_id DROP IDENTITY;
SELECT setval('coexist.call_id_seq', greatest(
    (SELECT last_value FROM coexist.call_id_seq),
    (SELECT coalesce(max(request_id), 0) FROM coexist.request),
    (SELECT coalesce(max(call_id), 0) FROM coexist.call)) + 1);
