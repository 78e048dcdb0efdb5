-- Templates: {braces} are filled with quoted names and casts made from the captured schema; values are parameters.

-- name: groups
SELECT i.relation_id, count(*) FILTER (WHERE i.op NOT IN ('t', 'h') AND {captured}) AS rows,
       count(*) FILTER (WHERE i.op = 't') AS truncates,
       coalesce(max(i.seq) FILTER (WHERE i.op = 't'), 0) AS last_truncate,
       bool_or(i.unchanged IS NOT NULL) AS unchanged,
       bool_or(i.op = 'u' AND i.old_values IS NOT NULL) AS old_keys,
       max(i.txn_no) AS last_txn,
       count(*) FILTER (WHERE i.op = 'h') AS held,
       count(*) FILTER (WHERE NOT {captured}) AS acted
FROM {changes} i
WHERE i.stream_id = %(stream)s AND i.seq BETWEEN %(first)s AND %(last)s
GROUP BY i.relation_id

-- name: changes_acted
SELECT stream_id, seq, txn_no, relation_id, op, old_values, new_values, unchanged, true AS captured FROM coexist.inbox
UNION ALL
SELECT stream_id, seq, txn_no, relation_id, op, old_values, new_values, unchanged, false FROM pg_temp.coexist_actions

-- name: relation
SELECT r.ref, r.schema_name, r.table_name, r.columns,
       (SELECT n.foreign_keys FROM coexist.relation n
        WHERE n.stream_id = r.stream_id AND n.schema_name = r.schema_name AND n.table_name = r.table_name
        ORDER BY n.relation_id DESC LIMIT 1)
FROM coexist.relation r WHERE r.relation_id = %s

-- name: latest_relation
SELECT max(relation_id) FROM coexist.relation WHERE stream_id = %s AND schema_name = %s AND table_name = %s

-- name: create_staged
CREATE TEMP TABLE IF NOT EXISTS {staged} (
    {key_columns}, _seq bigint NOT NULL, _txn bigint NOT NULL, _pos bigint NOT NULL, _main boolean NOT NULL, _op "char" NOT NULL,
    _vals text[], _unch smallint[], _n bigint NOT NULL DEFAULT 0, _mixed boolean NOT NULL DEFAULT false, _origin text[],
    _acted boolean NOT NULL DEFAULT false,
    PRIMARY KEY ({keys})
)

-- name: stage
-- _n: captured rows that this one stands for, so that what is folded is counted and not concluded.
-- _mixed: one of them carries a large value that another did not, so that the mirror may not be the place to find it.
-- _acted: no captured change, but what a foreign key did.
-- The position is looked up row by row: a join would be planned once, by what the two tables hold at a quiet moment.
INSERT INTO {staged} ({keys}, _seq, _txn, _pos, _main, _op, _vals, _unch, _acted, _n, _mixed)
SELECT DISTINCT ON ({keys}) *, count(*) FILTER (WHERE _main) OVER same,
       bool_or(_unch IS NULL) OVER same AND bool_or(_unch IS NOT NULL) OVER same
       OR min(_unch) OVER same IS DISTINCT FROM max(_unch) OVER same
FROM (
    SELECT {key_casts}, i.seq AS _seq, i.txn_no AS _txn,
           (SELECT t.commit_pos FROM coexist.inbox_txn t WHERE t.stream_id = i.stream_id AND t.txn_no = i.txn_no) AS _pos,
           {captured} AS _main, i.op AS _op, i.new_values AS _vals, i.unchanged AS _unch, NOT {captured} AS _acted
    FROM {changes} i
    WHERE i.stream_id = %(stream)s AND i.seq BETWEEN %(first)s AND %(last)s AND i.relation_id = %(relation)s
      AND i.op NOT IN ('t', 'h') AND i.seq > %(truncate)s
    {moved_keys}
) e WINDOW same AS (PARTITION BY {keys}) ORDER BY {keys}, _seq DESC, _main DESC

-- name: moved_keys
UNION ALL
    SELECT {old_key_casts}, i.seq, i.txn_no,
           (SELECT t.commit_pos FROM coexist.inbox_txn t WHERE t.stream_id = i.stream_id AND t.txn_no = i.txn_no),
           false, 'd', NULL, NULL, NOT {captured}
    FROM {changes} i
    WHERE i.stream_id = %(stream)s AND i.seq BETWEEN %(first)s AND %(last)s AND i.relation_id = %(relation)s
      AND i.op = 'u' AND i.old_values IS NOT NULL AND i.seq > %(truncate)s
      AND ROW({old_key_texts}) IS DISTINCT FROM ROW({new_key_texts})

-- name: stage_truncate
INSERT INTO {staged} ({keys}, _seq, _txn, _pos, _main, _op)
SELECT {keys}, %(truncate)s, t.txn_no, t.commit_pos, false, 'd'
FROM {live}, (SELECT it.txn_no, it.commit_pos FROM coexist.inbox i JOIN coexist.inbox_txn it USING (stream_id, txn_no)
              WHERE i.stream_id = %(stream)s AND i.seq = %(truncate)s) t
ON CONFLICT ({keys}) DO NOTHING

-- name: raise_floor
UPDATE coexist.mirror_table
SET floor_pos = (SELECT t.commit_pos FROM coexist.inbox i JOIN coexist.inbox_txn t USING (stream_id, txn_no)
                 WHERE i.stream_id = %(stream)s AND i.seq = %(truncate)s),
    floor_inc = %(inc)s
WHERE stream_id = %(stream)s AND schema_name = %(schema)s AND table_name = %(table)s

-- name: create_events
CREATE TEMP TABLE IF NOT EXISTS coexist_events (
    key text[] NOT NULL, seq bigint NOT NULL, prev text[] NOT NULL, op "char" NOT NULL, vals text[], unch smallint[], PRIMARY KEY (key, seq)
)

-- name: clear_events
DELETE FROM coexist_events

-- name: load_events
INSERT INTO coexist_events (key, seq, prev, op, vals, unch)
SELECT CASE WHEN i.op = 'd' THEN ARRAY[{old_key_texts}] ELSE ARRAY[{new_key_texts}] END, i.seq,
       CASE WHEN i.old_values IS NULL THEN ARRAY[{new_key_texts}] ELSE ARRAY[{old_key_texts}] END, i.op, i.new_values, i.unchanged
FROM {changes} i
WHERE i.stream_id = %(stream)s AND i.seq BETWEEN %(first)s AND %(last)s AND i.relation_id = %(relation)s
  AND i.op NOT IN ('t', 'h') AND i.seq > %(truncate)s
  AND (%(moves)s OR EXISTS (SELECT 1 FROM {staged} f WHERE {staged_is_new} AND f._mixed OFFSET 0))

-- name: resolve_unchanged
-- A row that kept its key and never carried its large values (the common case) finds them under that very key: no walk.
-- Written so that every step is a look-up by key whatever the planner believes of these tables (LATERAL with OFFSET 0; an
-- upsert that always meets its row).
WITH RECURSIVE walk AS (
    SELECT e.key AS own, f._seq AS final, f._seq AS seq, e.prev, f._vals AS vals, f._unch AS unch
    FROM {staged} f CROSS JOIN LATERAL (
        SELECT * FROM coexist_events x WHERE x.key = ARRAY[{staged_new_texts}] AND x.seq = f._seq OFFSET 0) e
    WHERE f._unch IS NOT NULL AND (%(moves)s OR f._mixed)
    UNION ALL
    SELECT w.own, w.final, p.seq, p.prev,
           CASE WHEN w.unch <@ p.unch THEN w.vals ELSE
               (SELECT array_agg(CASE WHEN n = ANY (w.unch) THEN p.vals[n] ELSE w.vals[n] END ORDER BY n)
                FROM generate_subscripts(w.vals, 1) n) END,
           (SELECT array_agg(u) FROM unnest(w.unch) u WHERE u = ANY (p.unch))
    FROM walk w CROSS JOIN LATERAL (
        SELECT * FROM coexist_events x WHERE x.key = w.prev AND x.seq < w.seq ORDER BY x.seq DESC LIMIT 1) p
    WHERE w.unch IS NOT NULL AND p.op <> 'd'
)
INSERT INTO {staged} AS f ({keys}, _seq, _txn, _pos, _main, _op, _vals, _unch, _origin)
SELECT {own_casts}, w.final, 0, 0, true, 'u', w.vals, w.unch, CASE WHEN w.unch IS NULL THEN NULL ELSE w.prev END
FROM (SELECT DISTINCT ON (final, own) * FROM walk ORDER BY final, own, seq) w
ON CONFLICT ({keys}) DO UPDATE SET _vals = excluded._vals, _unch = excluded._unch, _origin = excluded._origin
WHERE f._seq = excluded._seq AND f._unch IS NOT NULL

-- name: upsert
INSERT INTO {rows} AS m ({columns}, _inc, _pos, _phase, _ord, _deleted)
SELECT {casts}, %(inc)s, f._pos, 1, f._seq, false FROM {staged} f {origin}
WHERE f._op <> 'd' AND (%(inc)s, f._pos) >= ({floor_inc}, {floor_pos}) {which}
ON CONFLICT ({keys}) DO UPDATE SET {assignments},
    _inc = excluded._inc, _pos = excluded._pos, _phase = excluded._phase, _ord = excluded._ord, _deleted = false
WHERE (m._inc, m._pos, m._phase, m._ord) < (excluded._inc, excluded._pos, excluded._phase, excluded._ord)

-- name: bury
INSERT INTO {rows} AS m ({keys}, _inc, _pos, _phase, _ord, _deleted)
SELECT {staged_keys}, %(inc)s, f._pos, 1, f._seq, true FROM {staged} f
WHERE f._op = 'd' AND f._main = %(main)s {which}
ON CONFLICT ({keys}) DO UPDATE SET
    _inc = excluded._inc, _pos = excluded._pos, _phase = excluded._phase, _ord = excluded._ord, _deleted = true
WHERE (m._inc, m._pos, m._phase, m._ord) < (excluded._inc, excluded._pos, excluded._phase, excluded._ord)

-- name: count_staged
SELECT count(*) FILTER (WHERE _main), coalesce(sum(_n), 0) - count(*) FILTER (WHERE _main),
       coalesce(bool_or(_unch IS NOT NULL AND _mixed), false)
FROM {staged}

-- name: count_truncated
SELECT count(*) FROM coexist.inbox
WHERE stream_id = %(stream)s AND seq BETWEEN %(first)s AND %(last)s AND relation_id = %(relation)s
  AND op NOT IN ('t', 'h') AND seq <= %(truncate)s

-- name: count_older
SELECT count(*) FROM {staged} f LEFT JOIN {rows} m ON {staged_is_row}
WHERE f._main AND ((m._inc, m._pos, m._phase, m._ord) > (%(inc)s, f._pos, 1, f._seq)
                   OR f._op <> 'd' AND (%(inc)s, f._pos) < ({floor_inc}, {floor_pos}))

-- name: snapshot_merge
INSERT INTO {rows} AS m ({columns}, _inc, _pos, _phase, _ord, _deleted)
SELECT {casts}, %(inc)s, %(pos)s, 0, i.seq, false
FROM (SELECT seq, new_values AS _vals FROM coexist.inbox
      WHERE stream_id = %(stream)s AND seq BETWEEN %(first)s AND %(last)s AND relation_id = %(relation)s AND op = 'r') i
ON CONFLICT ({keys}) DO UPDATE SET {assignments},
    _inc = excluded._inc, _pos = excluded._pos, _phase = excluded._phase, _ord = excluded._ord, _deleted = false
WHERE (m._inc, m._pos, m._phase, m._ord) < (excluded._inc, excluded._pos, excluded._phase, excluded._ord)

-- name: snapshot_older
SELECT count(*) FROM coexist.inbox i JOIN {rows} m ON {row_is_read}
WHERE i.stream_id = %(stream)s AND i.seq BETWEEN %(first)s AND %(last)s AND i.relation_id = %(relation)s AND i.op = 'r'
  AND (m._inc, m._pos, m._phase, m._ord) > (%(inc)s, %(pos)s, 0, i.seq)

-- name: sweep
UPDATE {rows} m SET _deleted = true, _inc = %(inc)s, _pos = %(pos)s, _phase = 0, _ord = %(last)s
WHERE NOT m._deleted AND (m._inc, m._pos, m._phase, m._ord) < (%(inc)s, %(pos)s, 0, %(first)s)
{but_held}

-- name: held_relations
SELECT DISTINCT relation_id FROM coexist.held_row WHERE stream_id = %(stream)s AND seq BETWEEN %(first)s AND %(last)s

-- name: but_held
-- A row of the snapshot that is held is there all the same, only unreadable; and where not even its key could be read, it may be any.
AND NOT EXISTS (SELECT 1 FROM coexist.held_row h
                WHERE h.stream_id = %(stream)s AND h.seq BETWEEN %(first)s AND %(last)s AND h.relation_id = ANY (%(relations)s)
                  AND h.key_text IN ('', {row_key}))

-- name: probe
SELECT count(ROW({casts}, {old_probe})::text) FROM (
    SELECT new_values AS _vals, old_values AS _old FROM coexist.inbox
    WHERE stream_id = %(stream)s AND seq BETWEEN %(first)s AND %(last)s AND relation_id = %(relation)s
      AND op NOT IN ('t', 'h')) i

-- name: sequence_numbers
SELECT seq FROM coexist.inbox
WHERE stream_id = %(stream)s AND seq BETWEEN %(first)s AND %(last)s AND relation_id = %(relation)s AND op NOT IN ('t', 'h') ORDER BY seq

-- name: hold
WITH held AS (
    SELECT * FROM coexist.inbox WHERE stream_id = %(stream)s AND seq = %(seq)s
), marked AS (
    UPDATE coexist.inbox SET op = 'h' WHERE stream_id = %(stream)s AND seq = %(seq)s
)
INSERT INTO coexist.held_row (stream_id, seq, txn_no, relation_id, op, stage, raw, key_text, error)
SELECT stream_id, seq, txn_no, relation_id, op, 'merge',
       convert_to(json_build_object('old', old_values, 'new', new_values, 'unchanged', unchanged)::text, 'UTF8'),
       {held_key}, %(error)s FROM held
RETURNING key_text

-- name: open_exception
INSERT INTO coexist.exception (stage, subject, stream_id, code, message, remedy, diagnostics)
VALUES ('merge', %s, %s, 'unreadable_value', %s, %s, %s)
ON CONFLICT (stage, subject) WHERE state = 'open' DO UPDATE SET message = excluded.message, diagnostics = excluded.diagnostics

-- name: any_open_rows
SELECT EXISTS (SELECT 1 FROM coexist.exception WHERE state = 'open' AND stream_id = %s AND stage IN ('copy', 'merge'))

-- name: close_rows
UPDATE coexist.exception x SET state = 'closed', closed_at = now(), closed_by = 'agent', close_reason = 'a newer change of the row'
FROM {staged} f
WHERE x.state = 'open' AND x.stage IN ('copy', 'merge')
  AND x.subject = %(prefix)s || {staged_key} AND (x.diagnostics->>'seq')::bigint < f._seq

-- name: key_changes
SELECT ARRAY[{old_key_texts}], ARRAY[{new_key_texts}], i.txn_no
FROM {changes} i
WHERE i.stream_id = %(stream)s AND i.seq BETWEEN %(first)s AND %(last)s AND i.relation_id = %(relation)s
  AND i.op = 'u' AND i.old_values IS NOT NULL
  -- What a truncate has taken has not gone anywhere.
  AND i.seq > %(truncate)s AND ROW({old_key_texts}) IS DISTINCT FROM ROW({new_key_texts})
ORDER BY i.seq

-- name: count
INSERT INTO coexist.ledger (ledger, scope, item, n)
SELECT l, %s, i, n FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS x (l, i, n)
ON CONFLICT (ledger, scope, item) DO UPDATE SET n = coexist.ledger.n + excluded.n
