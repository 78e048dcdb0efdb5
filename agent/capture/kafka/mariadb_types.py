"""Which PostgreSQL type the mirror keeps a MariaDB column in (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple


class ColumnRow(NamedTuple):
    """One row of information_schema.columns, as far as a mirror cares. key: part of the primary key."""

    name: str
    data_type: str
    column_type: str
    precision: int | None
    scale: int | None
    datetime_precision: int | None
    character_set: str | None
    collation: str | None
    nullable: bool
    key: bool


# Before a collation: the values are stored without trailing blanks (CHAR).
UNPADDED: Final = "unpadded "

# Signed → unsigned where the sign's bit does not fit the same type.
_INTEGERS: Final = {
    "tinyint": ("smallint", "smallint"),
    "smallint": ("smallint", "integer"),
    "mediumint": ("integer", "integer"),
    "int": ("integer", "bigint"),
    "bigint": ("bigint", "numeric(20,0)"),
}
_PLAIN: Final = {
    "float": "real",
    "double": "double precision",
    "date": "date",
    "datetime": "timestamp without time zone",
    "timestamp": "timestamp with time zone",
    # MariaDB's TIME is a span: it goes from -838 to 838 hours.
    "time": "interval",
    "year": "smallint",
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json"), "text"),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), "bytea"),
}


def type_name(row: ColumnRow) -> str | None:
    """PostgreSQL's format_type() text for the mirror; None for a type that is not captured (geometry, uuid, inet…).

    A boolean (tinyint(1), bit(1)) becomes a number, because mappings compare and add it as MariaDB does. Texts lose their
    length limits; CHAR too, whose padding MariaDB itself takes away when it is read.
    """
    kind = row.data_type.lower()
    if kind in _INTEGERS:
        return _INTEGERS[kind]["unsigned" in row.column_type.lower()]
    if kind == "decimal":
        return f"numeric({row.precision},{row.scale})"
    if kind == "bit":
        return "smallint" if row.precision == 1 else f"bit({row.precision})"
    return _PLAIN.get(kind)


def collation(row: ColumnRow) -> str:
    """For Column.collation: the column's own, `unpadded ` before that of a CHAR; `binary` for a number that MariaDB prints as
    something else (BIT, YEAR, ZEROFILL), as COLLATION() says of the first of them."""
    kind = row.data_type.lower()
    if kind in ("bit", "year") or "zerofill" in row.column_type.lower():
        return "binary"
    if kind == "char" and row.collation:
        return UNPADDED + row.collation
    return row.collation or ""
