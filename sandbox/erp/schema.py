"""The entity sets: fields, checks compiled once per field, keys, and how a row is stored."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sandbox.erp.errors import Refused, infolog, payload

Check = Callable[[Any], Any]
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:T\d\d:\d\d:\d\d(?:\.\d{1,7})?Z)?")
_NOON = "T12:00:00Z"
_LARGEST = 10.0**13


@dataclass(frozen=True)
class Field:
    """One property. access: rw, ro (server only), co (create only). size: longest text or most decimals. values: the only ones.
    """

    name: str
    column: str
    kind: str = "text"
    size: int | None = None
    required: bool = False
    nullable: bool = False
    default: Any = ""
    access: str = "rw"
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetSchema:
    """One entity set. `fields` start with the keys, in key order; `table` is its table in the record."""

    name: str
    type_name: str
    entity: str
    table: str
    keys: tuple[str, ...]
    fields: tuple[Field, ...]
    token: bool = False
    company: bool = False
    server_key: str | None = None
    actions: tuple[str, ...] = ()
    navigation: dict[str, str] = field(default_factory=dict)  # property → entity set of the children
    parent: str | None = None  # entity set whose key is ours but for the last field
    by_name: dict[str, Field] = field(init=False)
    create_checks: dict[str, Check] = field(init=False)
    patch_checks: dict[str, Check] = field(init=False)
    defaults: dict[str, Any] = field(init=False)
    key_pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "by_name", {f.name: f for f in self.fields})
        checks = {f.name: compile_check(f, self.type_name, self.entity) for f in self.fields}
        put(self, "create_checks", {n: c for n, c in checks.items() if self.by_name[n].access != "ro"})
        put(
            self,
            "patch_checks",
            {n: c for n, c in checks.items() if self.by_name[n].access == "rw" and n not in self.keys},
        )
        put(self, "defaults", {f.name: f.default for f in self.fields})
        parts = [f"{k}=({_KEY_LITERAL[self.by_name[k].kind]})" for k in self.keys]
        put(self, "key_pattern", re.compile(",".join(parts)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the state table."""
        return ("rec_id", "version", *(f.column for f in self.fields))


_KEY_LITERAL = {"text": "'(?:[^']|'')*'", "int": r"-?\d{1,18}"}
_EDM = {
    "text": "Edm.String",
    "decimal": "Edm.Decimal",
    "int": "Edm.Int64",
    "date": "Edm.DateTimeOffset",
    "yesno": "Microsoft.Dynamics.DataEntities.NoYes",
}


def edm(kind: str) -> str:
    """The OData type of a field kind."""
    return _EDM[kind]


def compile_check(spec: Field, type_name: str, entity: str) -> Check:
    """A function that returns the value as it is kept, or refuses it naming the property."""
    makers = {"text": _text, "decimal": _decimal, "int": _int, "date": _date, "yesno": _yesno}
    return makers[spec.kind](spec, entity)


def _wrong(spec: Field, value: Any) -> Refused:
    shown = str(value)[:60]
    wanted = f"Microsoft.Dynamics.DataEntities.{spec.name}" if spec.values else edm(spec.kind)
    return payload(
        f"Cannot convert the literal '{shown}' to the expected type '{wanted}' for property '{spec.name}'."
    )


def _text(spec: Field, entity: str) -> Check:
    longest = spec.size if spec.size is not None else 1 << 30
    name, required, values = spec.name, spec.required, spec.values

    def check(value: Any) -> Any:
        if value.__class__ is not str:
            if value is not None:
                raise _wrong(spec, value)
            value = ""
        if values and value not in values:
            raise _wrong(spec, value)
        if len(value) > longest:
            raise infolog(
                entity,
                f"The value of field '{name}' is too long: {len(value)} characters, maximum {longest}.",
            )
        if "\x00" in value:
            raise payload(f"The value of property '{name}' contains an invalid character.")
        if required and not value:
            raise infolog(entity, f"Field '{name}' must be filled in.")
        return value

    return check


def _decimal(spec: Field, entity: str) -> Check:
    scale = spec.size if spec.size is not None else 2

    def check(value: Any) -> Any:
        if value.__class__ is int:
            value = float(value)
        elif value.__class__ is not float:
            raise _wrong(spec, value)
        if not -_LARGEST < value < _LARGEST:
            raise infolog(entity, f"The value of field '{spec.name}' is out of range.")
        if round(value, scale) != value:
            raise infolog(entity, f"The value {value} of field '{spec.name}' has more than {scale} decimals.")
        return value

    return check


def _int(spec: Field, entity: str) -> Check:
    def check(value: Any) -> Any:
        if value.__class__ is not int:
            raise _wrong(spec, value)
        if not 0 < value < 1 << 31:
            raise infolog(entity, f"Field '{spec.name}' must be greater than zero and less than 2147483648.")
        return value

    return check


def _date(spec: Field, entity: str) -> Check:
    def check(value: Any) -> Any:
        if value is None and spec.nullable:
            return None
        match = _DATE.fullmatch(value) if value.__class__ is str else None
        if match is None:
            raise _wrong(spec, value)
        try:
            date.fromisoformat(match[1])
        except ValueError:
            raise _wrong(spec, value) from None
        return match[1] + _NOON

    return check


def _yesno(spec: Field, entity: str) -> Check:
    def check(value: Any) -> Any:
        if value == "Yes" or value == "No":
            return value
        raise _wrong(spec, value)

    return check


def cents(value: float) -> int:
    """Money and hours as an exact integer of hundredths."""
    return round(value * 100)
