-- What a capture through Kafka needs to remember, and what MariaDB does without telling.

-- A text of the capture's own, moved on with the position: where the source stood when it told of the last transaction.
ALTER TABLE coexist.stream ADD COLUMN cursor text;

-- [{columns, parent_schema, parent_table, parent_columns, on_delete, on_update}]: actions that leave no row changes behind.
ALTER TABLE coexist.relation ADD COLUMN foreign_keys jsonb NOT NULL DEFAULT '[]';
ALTER TABLE coexist.mirror_table ADD COLUMN foreign_keys jsonb NOT NULL DEFAULT '[]';
