-- New entities cost less: an index of texts begins with what tells its rows apart, so that the way down it does not compare two equal
-- ones first. (The primary key of a record stays as it is: records are also counted by target and object.)

DROP INDEX coexist.record_external_key;
CREATE UNIQUE INDEX record_external_key ON coexist.record ((external_key::text) COLLATE "C", object, target)
    WHERE external_key <> '{}';

DROP INDEX coexist.source_key_current;
CREATE UNIQUE INDEX source_key_current ON coexist.source_key (key_text, entity, source) WHERE valid_to IS NULL;

-- A journal is written once and read by a person, if ever: its texts need not be taken apart for every row.
ALTER TABLE coexist.journal ALTER COLUMN changes TYPE json;
