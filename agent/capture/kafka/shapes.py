"""The shapes of captured tables as the messages have them: fields in their order, typed by the source's catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agent.capture.kafka.semantics import meant
from agent.capture.kafka.values import (
    Convert,
    array,
    captured,
    converter,
    form,
    image_values,
    image_values_with_placeholders,
)
from agent.errors import StreamBroken
from agent.model.changes import Column, Relation, Value

Table = tuple[str, str]
_RESNAPSHOT = "take a new snapshot (`coexist source resnapshot`), and have the connector take one too"


@dataclass(frozen=True, slots=True)
class Shape:
    """One table as messages carry it now. kept: the fields that we take, where that is not all of them."""

    relation: Relation
    fields: tuple[str, ...]
    converts: tuple[Convert | None, ...]
    kept: tuple[str, ...] | None
    semantics: dict[str, str]

    def values(self, image: dict[str, Any], *, placeholders: bool) -> tuple[Value, ...]:
        """A complete image's values in column order."""
        image = image if self.kept is None else {name: image[name] for name in self.kept}
        if placeholders:
            return image_values_with_placeholders(image, self.relation.columns, self.converts)
        return image_values(image, self.converts)

    def key_only(self, image: dict[str, Any]) -> tuple[Value, ...]:
        """An image of which only the key is real."""
        return tuple(
            None if not column.key or image[column.name] is None else (convert or str)(image[column.name])
            for column, convert in zip(self.relation.columns, self.converts, strict=True)
        )


class Shapes:
    """Knows the captured tables; asks the catalogue again when a message has other fields than expected."""

    def __init__(self, wanted: Iterable[Table], describe: Callable[[Table], Relation | None]) -> None:
        self._wanted = frozenset(wanted)
        self._describe = describe
        self._known: dict[Table, Shape] = {}
        self._fresh: list[Relation] = []

    def captured(self, table: Table) -> bool:
        """Is it one of ours?"""
        return table in self._wanted

    def of(self, table: Table, image: dict[str, Any], semantics: dict[str, str]) -> Shape:
        """The shape that an image of the table has. Raises StreamBroken, SourceUnavailable."""
        known = self._known.get(table)
        fields = tuple(image)
        if known is None or known.fields != fields or known.semantics != semantics:
            known = self._learn(table, fields, semantics, known)
        return known

    def relation(self, table: Table) -> Relation:
        """For a change without an image (a truncate): the last known shape, else what the catalogue says."""
        known = self._known.get(table)
        if known is not None:
            return known.relation
        described = self._described(table)
        return self._keep(table, described, described.columns, {}).relation

    def forget(self, tables: Iterable[Table]) -> None:
        """A DDL statement changed them: ask again."""
        for table in tables:
            self._known.pop(table, None)

    def changed(self, table: Table, image: dict[str, Any] | None, semantics: dict[str, str]) -> bool:
        """Whether an image of this table has another shape than rows that were read before it."""
        known = self._known.get(table)
        if known is None or image is None:
            return False
        return known.fields != tuple(image) or known.semantics != semantics

    def retyped(self) -> tuple[Table, ...]:
        """Tables of which columns have another type now than when they were last asked for: PostgreSQL's connector does not
        tell. Raises StreamBroken where rows told meanwhile may have been read wrongly.
        """
        found = []
        for table, known in self._known.items():
            now = {c.name: c for c in self._described(table).columns}
            for column in known.relation.columns:
                is_now = now.get(column.name, column)
                if form(is_now.type_name) != form(column.type_name):
                    raise StreamBroken(
                        f"column {column.name} of {'.'.join(table)} was {column.type_name} and is {is_now.type_name}:"
                        " which of its values came before and which after that cannot be told", remedy=_RESNAPSHOT,
                    )  # fmt: skip
                if is_now.type_name != column.type_name:
                    found.append(table)
        return tuple(dict.fromkeys(found))

    def take(self) -> tuple[Relation, ...]:
        """Relations that are new since the last call."""
        fresh, self._fresh = self._fresh, []
        return tuple(fresh)

    def _learn(
        self, table: Table, fields: tuple[str, ...], semantics: dict[str, str], known: Shape | None
    ) -> Shape:
        described = self._described(table)
        now = {c.name: c for c in described.columns}
        before = {c.name: c for c in known.relation.columns} if known else {}
        # A field that the catalogue has no more was dropped since this row was written; its values are still texts.
        columns = [now.get(f) or before.get(f) or Column(f, "text", key=False) for f in fields]
        if not any(c.key for c in columns):
            raise StreamBroken(
                f"rows of {'.'.join(table)} come without the columns that are its key now",
                remedy="is it the topic of this database? If the key was changed, take a new snapshot"
                " (`coexist source resnapshot`)",
            )
        return self._keep(table, described, columns, semantics)

    def _keep(self, table: Table, described: Relation, columns: Sequence[Column], semantics: dict[str, str]) -> Shape:
        kept = tuple(c for c in columns if captured(c))
        relation = Relation(described.ref, *table, kept, described.foreign_keys)
        converts = tuple(_convert(semantics.get(c.name), c) for c in kept)
        some = None if len(kept) == len(columns) else tuple(c.name for c in kept)
        shape = Shape(relation, tuple(c.name for c in columns), converts, some, semantics)
        if self._known.get(table) is None or self._known[table].relation != relation:
            self._fresh.append(relation)
        self._known[table] = shape
        return shape

    def _described(self, table: Table) -> Relation:
        relation = self._describe(table)
        if relation is None:
            raise StreamBroken(
                f"the topic tells of table {'.'.join(table)}, which the database does not have (any more)",
                remedy="if it was dropped on purpose, take it out of the mappings and of the connector's tables",
            )
        return relation


def _convert(name: str | None, column: Column) -> Convert | None:
    if name is not None and name.endswith("[]"):
        element = meant(name.removesuffix("[]"))
        return converter(column.type_name) if element is None else array(element)
    return meant(name) or converter(column.type_name)


def without_uncaptured(relation: Relation) -> tuple[Relation, tuple[Column, ...]]:
    """The relation without columns that Debezium does not tell faithfully, and those columns."""
    left_out = tuple(c for c in relation.columns if not captured(c))
    kept = tuple(c for c in relation.columns if captured(c))
    return Relation(relation.ref, relation.schema, relation.table, kept, relation.foreign_keys), left_out
