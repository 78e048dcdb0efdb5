-- name: make_admin
CREATE USER admin@'127.0.0.1' IDENTIFIED BY %(password)s;

-- name: allow_admin
GRANT ALL PRIVILEGES ON *.* TO admin@'127.0.0.1' WITH GRANT OPTION;

-- name: make_owner
CREATE USER owner@'127.0.0.1' IDENTIFIED BY %(password)s;

-- name: make_connector
CREATE USER connector@'127.0.0.1' IDENTIFIED BY %(password)s;

-- name: allow_connector
GRANT SELECT, RELOAD, LOCK TABLES, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT, BINLOG MONITOR
    ON *.* TO connector@'127.0.0.1';
