-- What is asked of a PostgreSQL that Debezium captures.

-- name: stands
SELECT s.system_identifier::text, c.timeline_id,
       (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END - '0/0')::text
FROM pg_control_system() AS s, pg_control_checkpoint() AS c
