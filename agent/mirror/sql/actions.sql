-- Templates: {braces} are filled with quoted names and casts made from the captured schema; values are parameters.

-- name: any_trigger
SELECT EXISTS (
    SELECT 1 FROM coexist.inbox i
    WHERE i.stream_id = %(stream)s AND i.seq BETWEEN %(first)s AND %(last)s AND i.relation_id = %(relation)s AND ({sets_off}))

-- name: sets_off
i.op = 'd' OR i.op = 'u' AND (i.old_values IS NULL OR {referred_old} IS DISTINCT FROM {referred_new})

-- name: events
SELECT i.seq, i.txn_no, t.commit_pos, i.op::text, i.old_complete, {old}, {new}, {old_key}, {new_key}
FROM coexist.inbox i JOIN coexist.inbox_txn t ON t.stream_id = i.stream_id AND t.txn_no = i.txn_no
WHERE i.stream_id = %(stream)s AND i.seq BETWEEN %(first)s AND %(last)s AND i.relation_id = %(relation)s
  AND i.op <> 'h' AND ({wanted})

-- name: standing
SELECT DISTINCT ARRAY[{columns}]::text[], m._inc, m._pos, m._phase::int, m._ord
FROM unnest({arrays}) v ({names}) JOIN {rows} m ON {meets}
WHERE NOT m._deleted

-- name: create_actions
CREATE TEMP TABLE IF NOT EXISTS coexist_actions (
    stream_id integer NOT NULL, seq bigint NOT NULL, txn_no bigint NOT NULL, relation_id integer NOT NULL, op "char" NOT NULL,
    old_values text[], new_values text[], unchanged smallint[]
)

-- name: clear_actions
TRUNCATE pg_temp.coexist_actions

-- name: copy_actions
COPY pg_temp.coexist_actions (stream_id, seq, txn_no, relation_id, op, old_values, new_values, unchanged) FROM STDIN
