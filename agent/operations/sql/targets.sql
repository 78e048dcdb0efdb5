-- name: pause
INSERT INTO coexist.target (target, paused, paused_by, paused_reason, paused_at)
VALUES (%(target)s, true, %(actor)s, %(reason)s, clock_timestamp())
ON CONFLICT (target) DO UPDATE
SET paused = true, paused_by = excluded.paused_by, paused_reason = excluded.paused_reason, paused_at = excluded.paused_at
WHERE NOT coexist.target.paused

-- name: resume
UPDATE coexist.target
SET paused = false, paused_by = NULL, paused_reason = NULL, paused_at = NULL, stopped_reason = NULL
WHERE target = %(target)s AND (paused OR stopped_reason IS NOT NULL)
