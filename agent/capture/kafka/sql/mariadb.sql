-- What is asked of a MariaDB. Read only; everything by parameter.

-- name: tables
SELECT table_schema, table_name
FROM information_schema.tables
WHERE table_schema = %(schema)s AND table_type = 'BASE TABLE'
ORDER BY table_name

-- name: columns
SELECT c.table_name, c.column_name, c.data_type, c.column_type, c.numeric_precision, c.numeric_scale,
       c.datetime_precision, c.character_set_name, c.collation_name, c.is_nullable = 'YES',
       k.column_name IS NOT NULL
FROM information_schema.columns AS c
JOIN information_schema.tables AS t
  ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.table_type = 'BASE TABLE'
LEFT JOIN information_schema.key_column_usage AS k
  ON k.table_schema = c.table_schema AND k.table_name = c.table_name AND k.column_name = c.column_name
 AND k.constraint_name = 'PRIMARY'
WHERE c.table_schema = %(schema)s
ORDER BY c.table_name, c.ordinal_position

-- name: foreign_keys
SELECT r.table_name, r.constraint_name, k.column_name, k.referenced_table_schema, k.referenced_table_name,
       k.referenced_column_name, r.delete_rule, r.update_rule
FROM information_schema.referential_constraints AS r
JOIN information_schema.key_column_usage AS k
  ON k.constraint_schema = r.constraint_schema AND k.constraint_name = r.constraint_name AND k.table_name = r.table_name
WHERE r.constraint_schema = %(schema)s
ORDER BY r.table_name, r.constraint_name, k.ordinal_position

-- name: settings
SHOW GLOBAL VARIABLES WHERE variable_name IN
    ('log_bin', 'binlog_format', 'binlog_row_image', 'server_uid', 'server_id', 'gtid_domain_id', 'gtid_binlog_pos',
     'version')

-- name: privileges
SELECT privilege_type FROM information_schema.user_privileges
WHERE grantee = CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''',
                       SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')

-- name: position
SHOW MASTER STATUS

-- name: binary_logs
SHOW BINARY LOGS
