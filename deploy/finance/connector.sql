-- Run once, as the database is made: the user that Debezium and the agent read with. What it may read is granted in publication.sql.
\set password `cat /run/secrets/finance_connector_password`
CREATE ROLE coexist LOGIN REPLICATION PASSWORD :'password';
