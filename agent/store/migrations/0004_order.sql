-- New entities cost less: an index begins with what tells its rows apart. Targets and objects are few, so every
-- comparison on the way down went through two equal texts first.

ALTER TABLE coexist.record DROP CONSTRAINT record_pkey, ADD PRIMARY KEY (entity_id, object, target);
DROP INDEX coexist.record_external_key;
CREATE UNIQUE INDEX record_external_key ON coexist.record ((external_key::text) COLLATE "C", object, target)
    WHERE external_key <> '{}';

DROP INDEX coexist.source_key_current;
CREATE UNIQUE INDEX source_key_current ON coexist.source_key (key_text, entity, source) WHERE valid_to IS NULL;

-- A journal is written once and read by a person, if ever: its texts need not be taken apart for every row.
ALTER TABLE coexist.journal ALTER COLUMN changes TYPE json;
