-- What we ask a source's catalogue. Rows of pg_publication and pg_replication_slots come as jsonb, because their columns differ by version.

-- name: captured_columns
SELECT w.nspname, w.relname, c.oid::bigint, c.relkind::text, c.relreplident::text, k.indexrelid IS NOT NULL AS has_key,
       a.attname, format_type(a.atttypid, a.atttypmod), coalesce(a.attnum = ANY (k.keys), false) AS key, a.attnotnull
  FROM unnest(%(schemas)s::text[], %(tables)s::text[]) WITH ORDINALITY AS w (nspname, relname, place)
  LEFT JOIN pg_namespace n ON n.nspname = w.nspname
  LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.relname AND c.relkind IN ('r', 'p')
  LEFT JOIN LATERAL (
       SELECT i.indexrelid, (i.indkey::smallint[])[0:i.indnkeyatts - 1] AS keys
         FROM pg_index i
        WHERE i.indrelid = c.oid AND i.indisvalid
          AND CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'n' THEN false ELSE i.indisprimary END
        LIMIT 1) k ON true
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
 ORDER BY w.place, a.attnum;

-- name: relation_columns
SELECT a.attname, a.attnotnull, coalesce(a.attnum = ANY (k.keys), false)
  FROM pg_attribute a
  LEFT JOIN LATERAL (
       SELECT (i.indkey::smallint[])[0:i.indnkeyatts - 1] AS keys
         FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND i.indisvalid) k ON true
 WHERE a.attrelid = %s::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped;

-- name: type_names
SELECT coalesce(format_type(t.type_oid::oid, t.type_mod), '???')
  FROM unnest(%s::bigint[], %s::integer[]) WITH ORDINALITY AS t (type_oid, type_mod, place)
 ORDER BY t.place;

-- name: filenodes
SELECT p.relid::oid::bigint, pg_relation_filenode(p.relid)::bigint
  FROM unnest(%s::bigint[]) AS t (oid), LATERAL (
       SELECT relid FROM pg_partition_tree(t.oid::oid::regclass) WHERE isleaf
       UNION ALL
       SELECT t.oid::oid::regclass WHERE NOT EXISTS (SELECT FROM pg_partition_tree(t.oid::oid::regclass))) p
 ORDER BY 1;

-- name: server
SELECT current_setting('server_version_num')::int, current_setting('wal_level'), pg_is_in_recovery(), current_database(),
       (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user),
       current_setting('max_replication_slots')::int, (SELECT count(*)::int FROM pg_replication_slots);

-- name: slot
SELECT to_jsonb(s) || jsonb_build_object('confirmed', (s.confirmed_flush_lsn - '0/0')::text)
  FROM pg_replication_slots s WHERE s.slot_name = %s;

-- name: publication
SELECT to_jsonb(p) FROM pg_publication p WHERE p.pubname = %s;

-- name: publication_tables
SELECT n.nspname, c.relname, to_jsonb(r)
  FROM pg_publication_rel r
  JOIN pg_publication p ON p.oid = r.prpubid
  JOIN pg_class c ON c.oid = r.prrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE p.pubname = %s
 ORDER BY 1, 2;

-- name: publication_schemas
SELECT n.nspname
  FROM pg_publication_namespace s
  JOIN pg_publication p ON p.oid = s.pnpubid
  JOIN pg_namespace n ON n.oid = s.pnnspid
 WHERE p.pubname = %s;

-- name: unreadable
SELECT w.nspname || '.' || w.relname
  FROM unnest(%s::text[], %s::text[]) AS w (nspname, relname)
 WHERE NOT has_schema_privilege(w.nspname, 'USAGE')
    OR NOT has_table_privilege(format('%%I.%%I', w.nspname, w.relname), 'SELECT');

-- name: all_tables
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%%'
  AND n.nspname NOT LIKE 'pg_temp%%' ORDER BY 1, 2
