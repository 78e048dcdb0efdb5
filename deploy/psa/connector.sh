#!/bin/sh
# Run once, as the database is made: the user that Debezium and the agent read with. Debezium needs these grants on everything: FLUSH,
# replication and the list of databases are the server's, not a database's.
( # of its own: the image sources what is not executable, and its own shell must stay as it is
  set -eu
  secrets=${SECRETS:-/run/secrets}
  password=$(cat "$secrets/psa_connector_password")
  case $password in
    '' | *[!A-Za-z0-9_-]*)
      echo "connector.sh: write a password of letters, digits, - and _ into psa_connector_password" >&2
      exit 1
      ;;
  esac
  MYSQL_PWD=$(cat "$secrets/psa_root_password")
  export MYSQL_PWD
  mariadb --protocol=socket --user=root <<END
CREATE USER coexist@'%' IDENTIFIED BY '$password';
GRANT SELECT, RELOAD, LOCK TABLES, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT, BINLOG MONITOR ON *.* TO coexist@'%';
END
)
