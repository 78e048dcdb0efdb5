-- Leases of replicas. Time is the store's.

-- name: take
-- Ours now? Free: never held, given back, run out, or its session is gone. The last holder's session, should it only sleep,
-- is ended: what it has not committed is undone, and its locks hold nobody up. Returns the fence, or no row.
WITH me AS (
    SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()
), old AS (
    SELECT * FROM coexist.lease WHERE name = %(name)s FOR UPDATE
), ended AS (
    SELECT pg_terminate_backend(a.pid) FROM old JOIN pg_stat_activity a ON a.pid = old.backend_pid AND a.backend_start = old.backend_start
    WHERE old.until <= clock_timestamp() AND a.pid <> pg_backend_pid()
)
INSERT INTO coexist.lease AS l (name, holder, until, backend_pid, backend_start)
SELECT %(name)s, %(holder)s, clock_timestamp() + make_interval(secs => %(seconds)s), me.pid, me.backend_start
FROM me WHERE (SELECT count(*) FROM ended) >= 0
ON CONFLICT (name) DO UPDATE SET
    holder = excluded.holder, until = excluded.until, backend_pid = excluded.backend_pid,
    backend_start = excluded.backend_start, fence = l.fence + 1
WHERE l.until <= clock_timestamp()
   OR NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.backend_pid AND a.backend_start = l.backend_start)
   OR (l.backend_pid = excluded.backend_pid AND l.backend_start = excluded.backend_start)
RETURNING l.fence

-- name: renew
UPDATE coexist.lease SET until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE name = %(name)s AND fence = %(fence)s AND until > clock_timestamp()

-- name: give_back
UPDATE coexist.lease SET until = clock_timestamp() WHERE name = %(name)s AND fence = %(fence)s

-- name: held
SELECT holder FROM coexist.lease l
WHERE name = %(name)s AND until > clock_timestamp()
  AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.backend_pid AND a.backend_start = l.backend_start)
