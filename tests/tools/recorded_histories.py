# ruff: noqa: E501
"""What the recorder does to a database: awkward values of every type, and everything that a stream must survive.

A step is a name and its statements; a list inside is one transaction. The first steps are done before the connector is made.
"""

from __future__ import annotations

from typing import NamedTuple

LARGE = 2100  # characters: beyond what PostgreSQL keeps in the row itself


class Step(NamedTuple):
    """statements: texts, or lists of texts that are one transaction. restart: the connector is stopped and goes on before."""

    name: str
    statements: tuple[str | list[str], ...] = ()
    restart: bool = False


_PG_TYPES = {
    "small": "smallint", "whole": "integer", "big": "bigint", "amount": "numeric(12,2)", "free": "numeric", "single": "real",
    "twice": "double precision", "price": "money", "yes": "boolean", "fixed": "char(4)", "short": "varchar(20)", "long": "text",
    "word": "name", "bytes": "bytea", "one_bit": "bit(1)", "bits": "bit(11)", "d": "date", "ts": "timestamp",
    "ts3": "timestamp(3)", "tz": "timestamptz", "t": "time", "t0": "time(0)", "ttz": "timetz", "span": "interval",
    "id16": "uuid", "js": "json", "jb": "jsonb", "mood": "mood", "posint": "positive", "ip": "inet",
    "net": "cidr", "mac": "macaddr", "period": "daterange", "words": "tsvector", "obj": "oid",
    "small_l": "smallint[]", "whole_l": "integer[]", "big_l": "bigint[]", "amount_l": "numeric(12,2)[]", "text_l": "text[]",
    "vc_l": "varchar(9)[]", "yes_l": "boolean[]", "d_l": "date[]", "ts_l": "timestamp[]", "tz_l": "timestamptz[]",
    "id_l": "uuid[]", "js_l": "jsonb[]", "real_l": "real[]", "twice_l": "double precision[]", "bytes_l": "bytea[]",
    "t_l": "time[]", "ip_l": "inet[]", "mood_l": "mood[]",
}  # fmt: skip
_PG_USUAL = {
    "small": "7", "whole": "42", "big": "4200000000", "amount": "12.50", "free": "1.2300", "single": "1.1", "twice": "0.1",
    "price": "12.50", "yes": "true", "fixed": "ab", "short": "Cärl 😀", "long": "line\nbreak, \"quoted\" \\ {x}", "word": "word",
    "bytes": "\\x00ff41", "one_bit": "1", "bits": "10000000001", "d": "2024-02-29", "ts": "2024-02-29 23:59:59.123456",
    "ts3": "2024-02-29 23:59:59.120", "tz": "2024-02-29 23:59:59.123456+05:30", "t": "23:59:59.999999", "t0": "08:00:00",
    "ttz": "10:11:12+02", "span": "1 year 2 mons -3 days 04:05:06.789", "id16": "6f1c1f9e-0b6e-4a8e-8b0a-6f2b1a0c9d3e",
    "js": '{"b": 1,  "a": [null, "x"]}', "jb": '{"b": 1, "a": [null, "x"]}', "mood": "it''s fine",
    "posint": "5", "ip": "10.0.0.1/24", "net": "10.0.0.0/8", "mac": "08:00:2b:01:02:03", "period": "[2024-01-01,2024-02-01)",
    "words": "a b", "obj": "4000000000", "small_l": "{1,NULL,-1}", "whole_l": "{1,2}", "big_l": "{4200000000,NULL}",
    "amount_l": "{12.50,NULL}", "text_l": '{plain,"with, comma","quo\\"te","back\\\\slash",NULL,"NULL",""," "}',
    "vc_l": "{a,b}", "yes_l": "{t,f,NULL}", "d_l": "{2024-02-29,NULL}", "ts_l": '{"2024-02-29 23:59:59.5"}',
    "tz_l": '{"2024-02-29 23:59:59.5+02"}', "id_l": "{6f1c1f9e-0b6e-4a8e-8b0a-6f2b1a0c9d3e}", "js_l": '{"{\\"a\\": 1}"}',
    "real_l": "{1.5,NULL}", "twice_l": "{0.1}", "bytes_l": '{"\\\\x00ff"}', "t_l": "{10:00:00.5}", "ip_l": "{10.0.0.1}",
    "mood_l": "{\"it''s fine\",sad}",
}  # fmt: skip
_PG_LOW = {
    "small": "-32768", "whole": "-2147483648", "big": "-9223372036854775808", "amount": "-0.10", "free": "-Infinity", "single": "1.17549435e-38",
    "twice": "-Infinity", "price": "-12.50", "yes": "false", "fixed": "", "short": " ", "long": "__almost_unavailable",
    "bytes": "\\x", "one_bit": "0", "bits": "00000000000", "d": "0044-03-15 BC", "ts": "0044-03-15 10:00:00 BC",
    "ts3": "1969-12-31 23:59:59.999", "tz": "0044-03-15 10:00:00+00 BC", "t": "00:00:00", "t0": "00:00:00", "ttz": "00:00:00-12",
    "span": "-1 year -2 mons +3 days -04:05:06.789", "js": "null", "jb": "[]", "text_l": "{}", "whole_l": "{}",
}  # fmt: skip
_PG_HIGH = {
    "small": "32767", "whole": "2147483647", "big": "9223372036854775807", "amount": "9999999999.99",
    "free": "123456789012345678901234567890.123456789012345678901234567890", "single": "3.4e38", "twice": "1e15",
    "bits": "11111111111", "d": "12024-01-01", "ts": "12024-01-01 00:00:00.000001", "tz": "12024-01-01 00:00:00.000001+00",
    "t": "24:00:00", "span": "P178000Y", "ts3": "9999-12-31 23:59:59.999",
}  # fmt: skip
_PG_ENDLESS = {"free": "NaN", "single": "Infinity", "twice": "NaN", "d": "infinity", "ts": "infinity", "tz": "infinity"}
_PG_ENDLESS_BELOW = {"d": "-infinity", "ts": "-infinity", "tz": "-infinity"}

# Not among them: arrays of smallint, numeric, timestamps, floats and booleans, for which Debezium has no placeholder and fails.
_PG_WRONG = {"d_l": "{infinity,-infinity,0044-03-15 BC}"}  # which Debezium tells wrongly (in arrays only)
_PG_LARGE = {
    "body": "text", "body2": "varchar", "js": "json", "jb": "jsonb", "raw": "bytea", "text_l": "text[]", "vc_l": "varchar[]",
    "whole_l": "integer[]", "big_l": "bigint[]", "d_l": "date[]", "id_l": "uuid[]", "js_l": "jsonb[]",
    "free": "numeric",
}  # fmt: skip


def _pg_large_value(name: str, kind: str) -> str:
    plain = {
        "json": f"to_json(repeat('x', {LARGE}))", "jsonb": f"to_jsonb(repeat('x', {LARGE}))",
        "bytea": f"decode(repeat('ab', {LARGE}), 'hex')", "numeric": f"repeat('7', {LARGE * 2})::numeric",
    }  # fmt: skip
    one = {
        "text": "'element ' || n", "varchar": "'element ' || n", "smallint": "n", "integer": "n", "bigint": "n",
        "date": "date '2024-01-01' + n", "uuid": "lpad(n::text, 32, '0')::uuid", "jsonb": "to_jsonb(n)",
    }  # fmt: skip
    if kind.endswith("[]"):
        count = 700 if "int" in kind else 200
        return f"(SELECT array_agg(({one[kind[:-2]]})::{kind[:-2]}) FROM generate_series(1, {count}) n)"
    return plain.get(kind, f"repeat('x', {LARGE})")


def _pg_insert(key: int, values: dict[str, str]) -> str:
    names = ", ".join(["id", *values])
    told = ", ".join([str(key), *(f"'{value}'" for value in values.values())])
    return f"INSERT INTO typed ({names}) VALUES ({told})"


def _pg_typed(first: int) -> list[str]:
    return [
        _pg_insert(first + n, values)
        for n, values in enumerate(({}, _PG_USUAL, _PG_LOW, _PG_HIGH, _PG_ENDLESS, _PG_ENDLESS_BELOW, _PG_WRONG))
    ]


POSTGRES_TABLES = ("absent", "typed", "big", "keyed", "whole", "changing", "huge")  # absent: empty, and the first to be read
POSTGRES = (
    Step("make", (
        "CREATE TYPE mood AS ENUM ('it''s fine', 'sad')",
        "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)",
        "CREATE TABLE absent (id int PRIMARY KEY, note text)",
        "CREATE TABLE typed (id int PRIMARY KEY, " + ", ".join(f"{n} {t}" for n, t in _PG_TYPES.items()) + ")",
        "CREATE TABLE big (id int PRIMARY KEY, n int, " + ", ".join(f"{n} {t}" for n, t in _PG_LARGE.items()) + ")",
        "DO $$ DECLARE c text; BEGIN FOR c IN SELECT attname FROM pg_attribute WHERE attrelid = 'big'::regclass AND attnum > 2"
        " LOOP EXECUTE format('ALTER TABLE big ALTER %I SET STORAGE EXTERNAL', c); END LOOP; END $$",
        "CREATE TABLE keyed (a int, b text, v text, PRIMARY KEY (a, b))",
        "CREATE TABLE whole (id int PRIMARY KEY, n numeric(12,2) NOT NULL, body text)",
        "ALTER TABLE whole ALTER body SET STORAGE EXTERNAL, REPLICA IDENTITY FULL",
        "CREATE TABLE changing (id int PRIMARY KEY, v int, gone date)",
        "CREATE TABLE huge (id int PRIMARY KEY, note text NOT NULL)",
        "CREATE TABLE unmapped (id int PRIMARY KEY, note text)",
        "CREATE TABLE left_out (id int PRIMARY KEY)",
    )),
    Step("fill", (
        _pg_typed(1),
        "INSERT INTO big SELECT 1, 0, " + ", ".join(_pg_large_value(*item) for item in _PG_LARGE.items()),
        f"INSERT INTO whole VALUES (1, 1.50, repeat('y', {LARGE})), (2, 2.50, NULL)",
        "INSERT INTO keyed VALUES (1, 'one', 'v'), (2, 'two', 'v'), (3, 'P-3 ', NULL)",
        "INSERT INTO changing VALUES (1, 1, '2024-01-01')",
        "INSERT INTO unmapped VALUES (1, 'x')",
    )),
)  # fmt: skip
POSTGRES_LIVE = (
    Step("awkward values", (_pg_typed(101),)),
    Step("large values that a statement did not touch", (
        "UPDATE big SET n = 1", "UPDATE big SET n = 2, body = 'small now'", "UPDATE whole SET n = 3.50 WHERE id = 1",
        "UPDATE big SET id = 2",
        "INSERT INTO big (id, body, text_l) VALUES (3, '__debezium_unavailable', '{__debezium}')",
    )),
    Step("keys that change", (
        "UPDATE keyed SET a = 20 WHERE a = 2", ["UPDATE keyed SET b = b || '!', v = 'w'", "DELETE FROM keyed WHERE a = 1"],
        "UPDATE whole SET id = 10 WHERE id = 1",
        ["UPDATE keyed SET a = a + 100", "UPDATE keyed SET a = a - 100", "INSERT INTO unmapped VALUES (2, 'between')"],
    )),
    Step("deletes", ("DELETE FROM whole WHERE id = 2", "DELETE FROM typed WHERE id IN (102, 103)")),
    Step("logical messages", (
        ["SELECT pg_logical_emit_message(true, 'p', 'inside')", "UPDATE whole SET n = 4.50",
         "SELECT pg_logical_emit_message(true, 'p', 'inside')"],
        "SELECT pg_logical_emit_message(true, 'p', 'alone')",
        "SELECT pg_logical_emit_message(false, 'p', 'outside of any transaction')",
        ["INSERT INTO keyed VALUES (7, 'a', 'a')", "SELECT pg_logical_emit_message(false, 'p', 'outside, in the middle')",
         "INSERT INTO keyed VALUES (8, 'b', 'b')"],
    )),
    Step("only tables of others", ("INSERT INTO left_out VALUES (1)", "INSERT INTO unmapped VALUES (3, 'alone')")),
    Step("truncates", (
        "INSERT INTO absent VALUES (1, 'x')", "TRUNCATE absent",
        ["INSERT INTO absent VALUES (2, 'y')", "TRUNCATE absent, unmapped", "INSERT INTO absent VALUES (3, 'z')"],
    )),
    Step("savepoints and nothing", (
        ["INSERT INTO keyed VALUES (30, 'kept', 'k')", "SAVEPOINT s", "INSERT INTO keyed VALUES (31, 'undone', 'u')",
         "ROLLBACK TO s", "INSERT INTO keyed VALUES (32, 'kept', 'k')"],
        ["INSERT INTO keyed VALUES (33, 'undone', 'u')", "ROLLBACK"],
    )),
    Step("a new column", ("ALTER TABLE changing ADD extra text DEFAULT 'e'", "INSERT INTO changing VALUES (2, 2, '2024-02-02', 'x')")),
    Step("columns that go and are renamed", (
        "INSERT INTO changing VALUES (3, 3, '2024-03-03', 'y')", "ALTER TABLE changing DROP gone",
        "INSERT INTO changing VALUES (4, 4, 'z')", "ALTER TABLE changing RENAME extra TO further",
        "UPDATE changing SET further = 'again'",
    )),
    Step("a huge one", ("INSERT INTO huge SELECT n, 'note ' || n FROM generate_series(1, 120) n", "UPDATE huge SET note = note || '!' WHERE id < 40")),
    Step("an incremental snapshot", (
        "INSERT INTO signals VALUES ('i1', 'execute-snapshot', '{\"type\": \"incremental\", \"data-collections\":"
        " [\"public.huge\", \"public.keyed\"]}')",
    )),
    Step("a blocking snapshot of some tables", (
        "INSERT INTO signals VALUES ('b1', 'execute-snapshot', '{\"type\": \"blocking\", \"data-collections\": [\"public.keyed\"]}')",
    )),
    Step("after a restart", ("INSERT INTO keyed VALUES (40, 'after', 'restart')", "UPDATE keyed SET v = 'r' WHERE a = 40"), restart=True),
)  # fmt: skip

WITH_SCHEMAS = ("awkward values", "large values that a statement did not touch", "keys that change", "truncates", "a new column",
                "columns that go and are renamed")  # fmt: skip

_MY_TYPES = {
    "tiny": "tinyint", "tiny_u": "tinyint unsigned", "small": "smallint", "small_u": "smallint unsigned", "med": "mediumint",
    "med_u": "mediumint unsigned", "whole": "int", "whole_u": "int unsigned", "big": "bigint", "big_u": "bigint unsigned",
    "filled": "int(6) zerofill", "yes": "tinyint(1)", "one_bit": "bit(1)", "bits": "bit(9)", "bits64": "bit(64)",
    "amount": "decimal(12,2)", "wide": "decimal(65,30)", "amount_u": "decimal(8,0) unsigned", "single": "float",
    "twice": "double", "fixed": "char(4)", "short": "varchar(20)", "latin": "varchar(20) CHARACTER SET latin1",
    "tt": "tinytext", "mt": "mediumtext", "lt": "longtext", "b4": "binary(4)", "vb": "varbinary(20)", "blb": "blob",
    "d": "date", "ts": "datetime", "ts3": "datetime(3)", "ts6": "datetime(6)", "tz": "timestamp NULL", "tz6": "timestamp(6) NULL",
    "t": "time", "t3": "time(3)", "t6": "time(6)", "y": "year", "choice": "enum('a','it''s')", "some": "set('a','b','c')",
    "js": "json",
}  # fmt: skip
_MY_USUAL = {
    "tiny": "7", "tiny_u": "200", "small": "7", "small_u": "40000", "med": "7", "med_u": "10000000", "whole": "42",
    "whole_u": "3000000000", "big": "4200000000", "big_u": "18446744073709551615", "filled": "42", "yes": "1", "one_bit": "b'1'",
    "bits": "b'100000001'", "bits64": "b'1" + "0" * 62 + "1'", "amount": "12.50", "wide": "1.000000000000000000000000000001",
    "amount_u": "99999999", "single": "1.1", "twice": "0.1", "fixed": "'ab '", "short": "'Cärl 😀 '", "latin": "'Cärl'",
    "tt": "'tiny'", "mt": "'line\\nbreak \"q\" \\\\ {x}'", "lt": f"repeat('x', {LARGE})", "b4": "x'41000000'", "vb": "x'00ff00'",
    "blb": "x'00ff41'", "d": "'2024-02-29'", "ts": "'2024-02-29 23:59:59'", "ts3": "'2024-02-29 23:59:59.120'",
    "ts6": "'2024-02-29 23:59:59.123456'", "tz": "'2024-02-29 23:59:59'", "tz6": "'2024-02-29 23:59:59.123456'",
    "t": "'23:59:59'", "t3": "'10:00:00.500'", "t6": "'10:00:00.000001'", "y": "2024", "choice": "'it''s'", "some": "'a,c'",
    "js": "'{\"b\": 1,  \"a\": [null]}'",
}  # fmt: skip
_MY_LOW = {
    "tiny": "-128", "tiny_u": "0", "small": "-32768", "med": "-8388608", "whole": "-2147483648", "big": "-9223372036854775808",
    "big_u": "9223372036854775808", "filled": "0", "yes": "-5", "one_bit": "b'0'", "bits": "b'0'", "bits64": "b'0'",
    "amount": "-0.10", "wide": "-" + "9" * 35 + "." + "9" * 30, "single": "-1.5e-10", "twice": "-1e300", "fixed": "''",
    "short": "''", "b4": "x''", "vb": "x''", "blb": "x''", "d": "'1000-01-01'", "ts": "'1000-01-01 00:00:00'",
    "ts6": "'1000-01-01 00:00:00.000001'", "tz6": "'1970-01-01 00:00:01.5'", "t": "'-838:59:59'", "t3": "'-00:00:00.500'",
    "t6": "'-12:34:56.789012'", "y": "1901", "some": "''",
}  # fmt: skip
_MY_HIGH = {
    "d": "'9999-12-31'", "ts": "'9999-12-31 23:59:59'", "ts6": "'9999-12-31 23:59:59.999999'", "tz": "'2038-01-19 03:14:07'",
    "t": "'838:59:59'", "t6": "'100:00:00.5'", "y": "2155", "twice": "1e15", "single": "1.5e10",
}  # fmt: skip
_MY_ZERO = {"d": "'0000-00-00'", "ts": "'0000-00-00 00:00:00'", "tz": "'0000-00-00 00:00:00'", "y": "0", "d_not": "'0000-00-00'",
            "ts_not": "'0000-00-00 00:00:00'", "early": "'0001-01-01 00:00:00'"}  # fmt: skip


def _my_insert(key: int, values: dict[str, str]) -> str:
    return f"INSERT INTO typed ({', '.join(['id', *values])}) VALUES ({', '.join([str(key), *values.values()])})"


def _my_typed(first: int) -> list[str]:
    return [_my_insert(first + n, values) for n, values in enumerate(({}, _MY_USUAL, _MY_LOW, _MY_HIGH))]


MARIADB_TABLES = ("absent", "typed", "keyed", "wider", "changing", "huge", "zero")
MARIADB = (
    Step("make", (
        "CREATE TABLE absent (id int PRIMARY KEY, note text)",
        "CREATE TABLE typed (id int PRIMARY KEY, " + ", ".join(f"`{n}` {t}" for n, t in _MY_TYPES.items()) + ")",
        "CREATE TABLE keyed (a int, b varchar(20), v text, PRIMARY KEY (a, b))",
        "CREATE TABLE wider (id bigint unsigned PRIMARY KEY, v int)",
        "CREATE TABLE changing (id int PRIMARY KEY, v int, gone date)",
        "CREATE TABLE huge (id int PRIMARY KEY, note text NOT NULL)",
        "CREATE TABLE zero (id int PRIMARY KEY, d date, ts datetime, tz timestamp NULL, y year, d_not date NOT NULL, ts_not datetime NOT NULL, early datetime)",
        "CREATE TABLE unmapped (id int PRIMARY KEY, note text)",
        "CREATE TABLE left_out (id int PRIMARY KEY)",
    )),
    Step("fill", (
        _my_typed(1),
        "INSERT INTO keyed VALUES (1, 'one', 'v'), (2, 'two', 'v'), (3, 'P-3 ', NULL)",
        "INSERT INTO wider VALUES (18446744073709551615, 1)",
        "INSERT INTO changing VALUES (1, 1, '2024-01-01')",
        "INSERT INTO unmapped VALUES (1, 'x')",
    )),
)  # fmt: skip
MARIADB_LIVE = (
    Step("awkward values", (_my_typed(101),)),
    Step("dates of zeros", ("SET sql_mode = ''", f"INSERT INTO zero VALUES (1, {', '.join(_MY_ZERO.values())})", "SET sql_mode = DEFAULT")),
    Step("keys that change", (
        "UPDATE keyed SET a = 20 WHERE a = 2", ["UPDATE keyed SET b = CONCAT(b, '!'), v = 'w'", "DELETE FROM keyed WHERE a = 1"],
        "UPDATE wider SET id = id - 1",
        ["UPDATE keyed SET a = a + 100", "UPDATE keyed SET a = a - 100", "INSERT INTO unmapped VALUES (2, 'between')"],
    )),
    Step("deletes", ("DELETE FROM typed WHERE id IN (102, 103)",)),
    Step("only tables of others", ("INSERT INTO left_out VALUES (1)", "INSERT INTO unmapped VALUES (3, 'alone')")),
    Step("truncates", ("INSERT INTO absent VALUES (1, 'x')", "TRUNCATE absent", "TRUNCATE unmapped", "INSERT INTO absent VALUES (3, 'z')")),
    Step("savepoints and nothing", (
        ["INSERT INTO keyed VALUES (30, 'kept', 'k')", "SAVEPOINT s", "INSERT INTO keyed VALUES (31, 'undone', 'u')",
         "ROLLBACK TO s", "INSERT INTO keyed VALUES (32, 'kept', 'k')"],
        ["INSERT INTO keyed VALUES (33, 'undone', 'u')", "ROLLBACK"],
    )),
    Step("a new column", ("ALTER TABLE changing ADD extra varchar(9) DEFAULT 'e'", "INSERT INTO changing VALUES (2, 2, '2024-02-02', 'x')")),
    Step("columns that go, change and are renamed", (
        "INSERT INTO changing VALUES (3, 3, '2024-03-03', 'y')", "ALTER TABLE changing DROP gone",
        "INSERT INTO changing VALUES (4, 4, 'z')", "ALTER TABLE changing CHANGE extra further text",
        "UPDATE changing SET further = 'again'", "ALTER TABLE changing MODIFY v varchar(20)",
        "INSERT INTO changing VALUES (5, 'five', NULL)",
    )),
    Step("statements on tables of others", (
        "CREATE TABLE copied AS SELECT * FROM keyed", "ALTER TABLE copied ADD more int", "INSERT INTO copied (a, b) VALUES (9, 'x')",
        "RENAME TABLE copied TO moved", "DROP TABLE moved", "CREATE TABLE copied LIKE keyed",
        "INSERT INTO copied SELECT * FROM keyed", "CREATE OR REPLACE VIEW seen AS SELECT a FROM keyed",
        "CREATE INDEX by_v ON huge (note(10))", "ANALYZE TABLE huge", "OPTIMIZE TABLE keyed",
        ["INSERT INTO keyed VALUES (50, 'before', NULL)", "CREATE TEMPORARY TABLE tmp (a int)", "INSERT INTO tmp VALUES (1)",
         "INSERT INTO keyed VALUES (51, 'after', NULL)"],
        "INSERT INTO keyed VALUES (52, 'x', NULL)",
    )),
    Step("a huge one", ("INSERT INTO huge SELECT seq, CONCAT('note ', seq) FROM seq_1_to_120", "UPDATE huge SET note = CONCAT(note, '!') WHERE id < 40")),
    Step("an incremental snapshot", (
        "INSERT INTO signals VALUES ('i1', 'execute-snapshot', '{{\"type\": \"incremental\", \"data-collections\":"
        " [\"{database}.huge\", \"{database}.keyed\"]}}')",
    )),
    Step("a blocking snapshot of some tables", (
        "INSERT INTO signals VALUES ('b1', 'execute-snapshot',"
        " '{{\"type\": \"blocking\", \"data-collections\": [\"{database}.keyed\"]}}')",
    )),
    Step("after a restart", ("INSERT INTO keyed VALUES (40, 'after', 'restart')", "UPDATE keyed SET v = 'r' WHERE a = 40"), restart=True),
)  # fmt: skip
