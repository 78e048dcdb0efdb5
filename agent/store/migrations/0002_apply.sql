-- What apply needs to stay cheap with a long backlog, and to know what must be asked before anything else.

-- A waiting command that cannot go yet names what it waits for: the entity of a reference that is not at the target, or its own
-- entity when an earlier command of its record is still open. The claim skips it without looking; whoever changes
-- that entity's record asks again, and so does a slow timer.
ALTER TABLE coexist.command ADD COLUMN blocked_on uuid;

DROP INDEX coexist.command_waiting;
-- The sum is there so that only this index gives the claim's order: the primary key would walk over everything that is done.
CREATE INDEX command_waiting ON coexist.command (target, (command_id + 0)) WHERE state = 'waiting' AND blocked_on IS NULL;
CREATE INDEX command_blocked ON coexist.command (target, blocked_on) WHERE state = 'waiting' AND blocked_on IS NOT NULL;
CREATE INDEX command_unknown ON coexist.command (target, command_id) WHERE state = 'unknown';
CREATE INDEX command_parked ON coexist.command (target, object, entity_id) WHERE state = 'parked';
CREATE INDEX record_must_ask ON coexist.record (target, object, entity_id) WHERE must_ask;
