-- What is asked of a MariaDB. Read only; everything by parameter.

-- name: tables
SELECT table_schema, table_name
FROM information_schema.tables
WHERE table_schema = %(schema)s AND table_type = 'BASE TABLE'
ORDER BY table_name

-- name: columns
SELECT c.table_name, c.column_name, c.data_type, c.column_type, c.numeric_precision, c.numeric_scale,
       c.datetime_precision, c.character_set_name, c.collation_name, c.is_nullable = 'YES', c.column_key = 'PRI'
FROM information_schema.columns AS c
JOIN information_schema.tables AS t
  ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.table_type = 'BASE TABLE'
WHERE c.table_schema = %(schema)s
ORDER BY c.table_name, c.ordinal_position

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
