-- name: streams
SELECT s.source, s.incarnation, s.snapshot_state, s.position, s.captured,
       coalesce(d.commit_pos, 0) AS derived_position,
       greatest(s.last_seq - coalesce(d.seq, 0), 0) AS inbox_rows,
       greatest(s.last_txn - coalesce(d.txn_no, 0), 0) AS inbox_transactions,
       (SELECT count(*) FROM coexist.dirty x WHERE x.stream_id = s.stream_id) AS dirty,
       coalesce(d.baseline_done, false) AS baseline_done,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - t.committed_at)
                 FROM coexist.inbox_txn t
                 WHERE t.stream_id = s.stream_id AND t.txn_no > coalesce(d.txn_no, 0)
                 ORDER BY t.txn_no LIMIT 1), 0)::float8 AS lag_seconds,
       s.updated_at
FROM coexist.stream s LEFT JOIN coexist.derive_position d USING (stream_id)
ORDER BY s.source

-- name: targets
SELECT t.target, t.tenant, t.paused, t.paused_by, t.paused_reason, t.stopped_reason, t.baseline_done, t.not_before
FROM coexist.target t
UNION
SELECT DISTINCT c.target, NULL, false, NULL, NULL, NULL, false, NULL::timestamptz
FROM coexist.command c WHERE NOT EXISTS (SELECT 1 FROM coexist.target t WHERE t.target = c.target)
ORDER BY 1

-- name: command_states
SELECT target, state, count(*) FROM coexist.command GROUP BY 1, 2 ORDER BY 1, 2

-- name: open_exceptions
SELECT stage, count(*) FROM coexist.exception WHERE state = 'open' GROUP BY 1 ORDER BY 1
