-- Templates: {braces} are filled with quoted names made from the compiled mapping; values are parameters.

-- name: lock_position
SELECT txn_no, seq, commit_pos, baseline_done, fence FROM coexist.derive_position WHERE stream_id = %s FOR UPDATE

-- name: pending_dirty
SELECT mapping, cause FROM coexist.dirty WHERE stream_id = %s ORDER BY dirty_id LIMIT 1

-- name: next_transactions
SELECT txn_no, commit_pos, xid, committed_at, first_seq, last_seq, snapshot, incarnation
FROM coexist.inbox_txn WHERE stream_id = %s AND txn_no > %s ORDER BY txn_no LIMIT %s

-- name: transactions_by_number
SELECT txn_no, commit_pos, xid, committed_at, incarnation FROM coexist.inbox_txn WHERE stream_id = %s AND txn_no = ANY (%s)

-- name: relations_in
SELECT i.txn_no, r.schema_name, r.table_name, i.relation_id
FROM coexist.inbox i JOIN coexist.relation r USING (relation_id)
WHERE i.stream_id = %s AND i.seq BETWEEN %s AND %s
GROUP BY 1, 2, 3, 4 ORDER BY 1

-- name: advance
UPDATE coexist.derive_position
SET txn_no = %s, seq = %s, commit_pos = %s, fence = fence + 1, updated_at = now() WHERE stream_id = %s

-- name: passed
UPDATE coexist.derive_position SET fence = fence + 1, updated_at = now() WHERE stream_id = %s

-- name: baseline_done
UPDATE coexist.derive_position SET baseline_done = true WHERE stream_id = %s

-- name: prune_inbox
DELETE FROM coexist.inbox WHERE stream_id = %s AND seq <= %s

-- name: create_temporary
CREATE TEMP TABLE IF NOT EXISTS {dirty} ({key_columns}, _txn bigint NOT NULL, _own boolean NOT NULL, PRIMARY KEY ({keys}))

-- name: create_evaluated
CREATE TEMP TABLE IF NOT EXISTS {evaluated} ({columns}, PRIMARY KEY ({keys}))

-- name: mark_root
INSERT INTO {dirty} AS d ({keys}, _txn, _own)
SELECT {root_keys}, f._txn, true FROM {staged} f
ON CONFLICT ({keys}) DO UPDATE SET _txn = greatest(d._txn, excluded._txn), _own = d._own OR excluded._own

-- name: mark_affected
INSERT INTO {dirty} AS d ({keys}, _txn, _own)
SELECT {affected_keys}, %(txn)s, %(own)s FROM ({affected}) a
ON CONFLICT ({keys}) DO UPDATE SET _txn = greatest(d._txn, excluded._txn), _own = d._own OR excluded._own

-- name: attribute
UPDATE {dirty} d SET _txn = f._txn
FROM (SELECT {linked_columns}, max(_txn) AS _txn FROM {staged} f GROUP BY {linked_columns}) f
WHERE {link} AND d._txn <= f._txn

-- name: mark_every_root
INSERT INTO {dirty} AS d ({keys}, _txn, _own)
SELECT {root_columns}, %(txn)s, %(own)s FROM {root}
ON CONFLICT ({keys}) DO UPDATE SET _txn = greatest(d._txn, excluded._txn), _own = d._own OR excluded._own

-- name: mark_every_state
INSERT INTO {dirty} AS d ({keys}, _txn, _own)
SELECT {keys}, %(txn)s, %(own)s FROM {state} WHERE NOT _deleted
ON CONFLICT ({keys}) DO UPDATE SET _txn = greatest(d._txn, excluded._txn), _own = d._own OR excluded._own

-- name: txns_of_dirty
SELECT DISTINCT _txn FROM {dirty}

-- name: count_dirty
SELECT count(*) FROM {dirty}

-- name: put_off
INSERT INTO coexist.dirty (stream_id, mapping, key_values, txn_no, own, cause)
SELECT %(stream)s, %(mapping)s, ARRAY[{key_texts}], coalesce(nullif(d._txn, 0), %(last)s), d._own, %(cause)s
FROM {dirty} d ORDER BY {keys}

-- name: take_slice
WITH taken AS (
    DELETE FROM coexist.dirty WHERE dirty_id IN (
        SELECT dirty_id FROM coexist.dirty
        WHERE stream_id = %(stream)s AND mapping = %(mapping)s AND cause = %(cause)s ORDER BY dirty_id LIMIT %(limit)s)
    RETURNING key_values, txn_no, own
), slice AS (
    INSERT INTO {dirty} ({keys}, _txn, _own) SELECT {key_from_texts}, max(txn_no), bool_or(own) FROM taken GROUP BY key_values
)
-- Marked twice before it was looked at, a key is evaluated once.
SELECT count(*), count(*) - count(DISTINCT key_values) FROM taken

-- name: cuts
SELECT {d_key_texts} FROM (SELECT {keys}, row_number() OVER (ORDER BY {keys}) AS _n FROM {dirty}) d
WHERE mod(_n - 1, %(size)s::bigint) = 0 AND _n > 1 ORDER BY _n

-- name: within
(SELECT * FROM {dirty} WHERE {range})

-- name: evaluate
INSERT INTO {evaluated} ({output_names}) {select}

-- name: keys_of_dirty
SELECT {d_key_texts}, d._txn FROM {part} d ORDER BY {affected_d_keys}

-- name: remove_dirty
DELETE FROM {dirty} WHERE {range}

-- name: differences
-- Rows are called by where they stand (ctid), which nothing in this transaction changes before they are kept.
SELECT e.ctid::text, s.ctid::text, {d_key_texts}, d._txn, d._own, s._id::text, s._deleted,
       CASE WHEN e.ctid IS NULL THEN NULL
            WHEN c.same THEN 'same'
            ELSE (SELECT to_json(x) FROM (SELECT {e_columns}) x)::text END,
       CASE WHEN s._id IS NULL OR s._deleted OR c.same THEN NULL
            ELSE (SELECT to_json(x) FROM (SELECT {s_columns}) x)::text END
FROM {part} d
LEFT JOIN {evaluated} e ON {e_is_d}
LEFT JOIN {state} s ON {s_is_d}
CROSS JOIN LATERAL (
    SELECT e.ctid IS NOT NULL AND s._id IS NOT NULL AND NOT s._deleted AND ROW({e_columns}) IS NOT DISTINCT FROM ROW({s_columns}) AS same
    OFFSET 0) c

-- name: differences_all
SELECT e.ctid::text, s.ctid::text, {d_key_texts}, d._txn, d._own, s._id::text, s._deleted,
       CASE WHEN e.ctid IS NOT NULL THEN (SELECT to_json(x) FROM (SELECT {e_columns}) x)::text END,
       CASE WHEN s._id IS NOT NULL AND NOT s._deleted THEN (SELECT to_json(x) FROM (SELECT {s_columns}) x)::text END
FROM {part} d
LEFT JOIN {evaluated} e ON {e_is_d}
LEFT JOIN {state} s ON {s_is_d}

-- name: keep_new
INSERT INTO {state} ({output_names}, _id, _deleted)
SELECT {e_columns}, n.id, false
FROM unnest(%(rows)s::tid[], %(ids)s::uuid[]) AS n (place, id) JOIN {evaluated} e ON e.ctid = n.place

-- name: keep_known
UPDATE {state} s SET {e_assignments}_deleted = false
FROM unnest(%(rows)s::tid[], %(stands)s::tid[]) AS n (place, stand) JOIN {evaluated} e ON e.ctid = n.place
WHERE s.ctid = n.stand

-- name: bury
UPDATE {state} SET _deleted = true WHERE _id = ANY (%(ids)s::uuid[]) AND NOT _deleted

-- name: move
WITH gone AS (
    DELETE FROM {state} s USING (SELECT * FROM unnest({old_arrays}) AS m ({old_columns})) m
    WHERE {s_is_old} RETURNING s.*
), there AS MATERIALIZED (SELECT * FROM gone ORDER BY _id)
INSERT INTO {state} ({output_names}, _id, _deleted)
SELECT {moved_columns}, t._id, t._deleted
FROM there t JOIN (SELECT * FROM unnest({old_arrays}, {new_arrays}) AS m ({old_columns}, {new_columns})) m ON {t_is_old}
RETURNING _id::text, ARRAY[{own_key_texts}]

-- name: evict
DELETE FROM {state} s USING (SELECT * FROM unnest({new_arrays}) AS m ({new_columns})) m
WHERE {s_is_new} AND NOT ({s_in_old})
RETURNING s._id::text, s._deleted, (SELECT to_json(x) FROM (SELECT {s_columns}) x)::text, {s_key_texts}

-- name: former_mappings
-- State tables of mappings that are in the configuration no longer, the latest first.
SELECT x.short FROM (
    SELECT substr(v.mapping, length(%(source)s) + 2) AS short, bool_or(v.active) AS active, max(v.activated_at) AS at
    FROM coexist.mapping_version v WHERE starts_with(v.mapping, %(source)s || '.') GROUP BY v.mapping
) x JOIN pg_tables t ON t.schemaname = %(schema)s AND t.tablename = x.short
WHERE NOT x.active ORDER BY x.at DESC

-- name: entity_of_state
SELECT k.entity FROM (SELECT _id FROM {state} LIMIT 1) s JOIN coexist.source_key k ON k.entity_id = s._id LIMIT 1

-- name: current_ids
-- Whether a state row bears the id. Ids that none bears are of entities that were never accepted, and of all where the state was
-- built anew or the mapping goes by another name: one that was computed again would make a second record of each.
SELECT k.key_text, k.entity_id::text, EXISTS (SELECT 1 FROM {state} s WHERE s._id = k.entity_id OFFSET 0)
FROM coexist.source_key k
WHERE k.entity = %s AND k.source = %s AND k.key_text = ANY (%s::text[]) AND k.valid_to IS NULL

-- name: taken_ids
SELECT DISTINCT entity_id::text FROM coexist.source_key WHERE entity_id = ANY (%s::uuid[])

-- name: add_keys
INSERT INTO coexist.source_key (entity, source, key_text, entity_id, valid_from, method)
SELECT %s, %s, k, i, t, %s FROM unnest(%s::text[], %s::uuid[], %s::bigint[]) AS n (k, i, t)

-- name: take_keys
INSERT INTO coexist.source_key (entity, source, key_text, entity_id, valid_from, method)
SELECT %s, %s, k, i, t, %s FROM unnest(%s::text[], %s::uuid[], %s::bigint[]) AS n (k, i, t)
ON CONFLICT (key_text, entity, source) WHERE valid_to IS NULL
DO UPDATE SET entity_id = excluded.entity_id, valid_from = excluded.valid_from, method = excluded.method

-- name: leave_keys
UPDATE coexist.source_key SET valid_to = %s
WHERE entity = %s AND source = %s AND key_text = ANY (%s) AND valid_to IS NULL

-- name: moved_keys
SELECT entity, key_text, entity_id::text FROM coexist.source_key
WHERE source = %s AND valid_to IS NULL AND method <> 'key'
