-- What the owner of the finance database runs once the tables are there, and again when a mapping reads one more: the connector's user reads
-- exactly the mapped tables, and the publication names them. With it no more than LOGIN, REPLICATION and SELECT is needed there.
SET lock_timeout = '5s';

GRANT USAGE ON SCHEMA fin TO coexist;
GRANT SELECT ON fin.aralloc, fin.arcuco, fin.arcust, fin.arinvh, fin.arinvl, fin.arpay, fin.cdtab, fin.co, fin.trms TO coexist;

SELECT 'CREATE PUBLICATION coexist' WHERE NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'coexist')
\gexec
ALTER PUBLICATION coexist SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = true);
ALTER PUBLICATION coexist SET TABLE
    ONLY fin.aralloc, ONLY fin.arcuco, ONLY fin.arcust, ONLY fin.arinvh, ONLY fin.arinvl, ONLY fin.arpay, ONLY fin.cdtab, ONLY fin.co, ONLY fin.trms;
