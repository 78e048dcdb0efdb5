-- name: unblock
-- Asked again by the claim itself: whoever waits for one of these entities is looked at anew.
UPDATE coexist.command SET blocked_on = NULL
WHERE command_id IN (
    SELECT command_id FROM coexist.command
    WHERE target = %(target)s AND state = 'waiting' AND blocked_on = ANY(%(entities)s::uuid[])
    FOR UPDATE SKIP LOCKED)

-- name: recheck
-- Every blocked command whose reason to wait is gone by now.
UPDATE coexist.command SET blocked_on = NULL
WHERE command_id IN (
    SELECT c.command_id FROM coexist.command c
    WHERE c.target = %(target)s AND c.state = 'waiting' AND c.blocked_on IS NOT NULL
      AND CASE WHEN c.blocked_on = c.entity_id THEN
              NOT EXISTS (SELECT FROM coexist.command e
                          WHERE e.target = c.target AND e.object = c.object AND e.entity_id = c.entity_id
                            AND e.state IN ('waiting', 'in_flight', 'unknown', 'parked', 'braked')
                            AND e.command_id < c.command_id)
          ELSE EXISTS (SELECT FROM jsonb_to_recordset(c.refs) AS x(object text, entity_id uuid)
                       JOIN coexist.record p ON p.target = c.target AND p.object = x.object
                                            AND p.entity_id = x.entity_id
                       WHERE x.entity_id = c.blocked_on
                         AND CASE WHEN x.object = ANY(%(documents)s) THEN p.lifecycle = 'posted'
                                  ELSE p.lifecycle <> 'absent' END)
          END
    FOR UPDATE SKIP LOCKED)

-- name: recheck_only
-- The same for the given commands, found by their numbers: a look at all of them after each claim would be quadratic.
WITH mine AS MATERIALIZED (
    SELECT * FROM coexist.command WHERE command_id = ANY(%(only)s) FOR UPDATE SKIP LOCKED
)
UPDATE coexist.command SET blocked_on = NULL
WHERE command_id IN (
    SELECT c.command_id FROM mine c
    WHERE c.target = %(target)s AND c.state = 'waiting' AND c.blocked_on IS NOT NULL
      AND CASE WHEN c.blocked_on = c.entity_id THEN
              NOT EXISTS (SELECT FROM coexist.command e
                          WHERE e.target = c.target AND e.object = c.object AND e.entity_id = c.entity_id
                            AND e.state IN ('waiting', 'in_flight', 'unknown', 'parked', 'braked')
                            AND e.command_id < c.command_id)
          ELSE EXISTS (SELECT FROM jsonb_to_recordset(c.refs) AS x(object text, entity_id uuid)
                       JOIN coexist.record p ON p.target = c.target AND p.object = x.object
                                            AND p.entity_id = x.entity_id
                       WHERE x.entity_id = c.blocked_on
                         AND CASE WHEN x.object = ANY(%(documents)s) THEN p.lifecycle = 'posted'
                                  ELSE p.lifecycle <> 'absent' END)
          END)

-- name: pass_parked
-- A newer wanted state takes the place of a parked one, except where nobody knows whether that one was done.
WITH old AS (
    UPDATE coexist.command c SET state = %(to)s, reason = 'a newer wanted state came', done_at = %(now)s
    WHERE c.command_id IN (
        SELECT p.command_id FROM coexist.command p
        WHERE p.target = %(target)s AND p.state = 'parked' AND p.state = ANY(%(from)s) AND p.kind = 'state'
          AND p.reason NOT IN ('unknown_outcome', 'found_twice', 'its external key belongs to another record')
          AND EXISTS (SELECT FROM coexist.command n
                      WHERE n.target = p.target AND n.object = p.object AND n.entity_id = p.entity_id
                        AND n.state = 'waiting' AND n.command_id > p.command_id)
        FOR UPDATE SKIP LOCKED)
    RETURNING c.command_id, c.entity_id
), closed AS (
    UPDATE coexist.exception x
    SET state = 'closed', closed_at = %(now)s, closed_by = 'agent', close_reason = 'superseded'
    FROM old WHERE x.command_id = old.command_id AND x.entity_id = old.entity_id AND x.state = 'open'
)
SELECT DISTINCT entity_id FROM old

-- name: deferrable
SELECT c.command_id, c.object, c.entity_id, c.refs::text
FROM coexist.command c
WHERE c.target = %(target)s AND c.state = 'waiting' AND c.blocked_on IS NOT NULL AND NOT c.defer_refs
  AND c.blocked_on <> c.entity_id AND c.refs @> '[{"deferrable": true}]'
ORDER BY c.command_id LIMIT %(limit)s

-- name: defer
UPDATE coexist.command SET defer_refs = true, blocked_on = NULL, reason = 'one of a cycle: sent in two steps'
WHERE command_id = ANY(%(commands)s) AND state = 'waiting'

-- name: next_due
SELECT min(not_before) FROM coexist.command
WHERE target = %(target)s AND state = 'waiting' AND blocked_on IS NULL AND not_before IS NOT NULL
