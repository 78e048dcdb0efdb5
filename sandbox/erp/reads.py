"""GET: one record, collections with filter and paging, the service document and the metadata."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import orjson

from sandbox.erp.config import Settings
from sandbox.erp.errors import no_resource, not_found, url
from sandbox.erp.schema import SetSchema, edm
from sandbox.erp.sets import SETS
from sandbox.erp.state import Key, Row, State, Table, canonical
from sandbox.erp.target import Query, Target, parse_filter, satisfies

JSON = ("Content-Type", "application/json; odata.metadata=minimal; charset=utf-8")
_XML = ("Content-Type", "application/xml; charset=utf-8")
_MAX_PAGE = "odata.maxpagesize="

Answer = tuple[int, list[tuple[str, str]], bytes]


class Reader:
    """Answers GETs from the state."""

    def __init__(self, state: State, settings: Settings, base: str) -> None:
        self.state = state
        self.settings = settings
        self.base = base

    def get(self, target: Target, prefer: str) -> Answer:
        """One GET under /data."""
        if target.schema is None:
            return self._special(target)
        if target.action is not None:
            raise no_resource(target.raw)
        table = self.state.tables[target.schema.name]
        _check_names(target.schema, target.query)
        if target.key is not None:
            return self._one(table, target)
        return self._many(table, target, prefer)

    def visible(self, schema: SetSchema, key: Key, query: Query) -> bool:
        """Whether the request may see records of this company."""
        return not schema.company or query.cross_company or key[0] == self.settings.default_company.upper()

    def _one(self, table: Table, target: Target) -> Answer:
        query, key = target.query, target.key
        if query.filter or query.top is not None or query.skip or query.count or query.after:
            raise url("Query options $filter, $top, $skip and $count apply to collections only.")
        row = table.rows.get(key) if key is not None else None
        if row is None or key is None or not self.visible(table.schema, key, query):
            raise not_found(table.schema.name)
        shown = {
            "@odata.context": f"{self.base}/data/$metadata#{table.schema.name}/$entity",
            **self._shown(table.schema, key, row, query),
        }
        headers = [JSON]
        if table.schema.token:
            headers.append(("ETag", row.fields["@odata.etag"]))
        return 200, headers, orjson.dumps(shown)

    def _many(self, table: Table, target: Target, prefer: str) -> Answer:
        schema, query = table.schema, target.query
        found = self._matching(table, query)
        answer: dict[str, Any] = {"@odata.context": f"{self.base}/data/$metadata#{schema.name}"}
        if query.count:
            answer["@odata.count"] = len(found)
        begin = query.skip
        if query.after is not None:
            begin = bisect_right(found, query.after, key=_rec_id)
        end = len(found) if query.top is None else min(len(found), begin + query.top)
        size = self._page_size(prefer)
        page = found[begin : min(end, begin + size)]
        answer["value"] = [self._shown(schema, key, row, query) for key, row in page]
        if end > begin + size:
            answer["@odata.nextLink"] = self._next(schema, query, page[-1][1].rec_id, size)
        return 200, [JSON], orjson.dumps(answer)

    def _matching(self, table: Table, query: Query) -> list[tuple[Key, Row]]:
        """The records the caller may see that meet the filter, in creation order."""
        schema = table.schema
        clauses = parse_filter(schema.name, query.filter) if query.filter else ()
        found = self._candidates(table, dict(clauses))
        if schema.company and not query.cross_company:
            home = self.settings.default_company.upper()
            found = [item for item in found if item[0][0] == home]
        if clauses:
            found = [item for item in found if satisfies(schema, item[1].fields, clauses)]
        return found

    def _candidates(self, table: Table, wanted: dict[str, Any]) -> list[tuple[Key, Row]]:
        """Few records that may match, by key or index; else all."""
        schema = table.schema
        keys: Iterable[Key] | None = None
        values = [wanted[k] for k in schema.keys if k in wanted]
        if len(values) == len(schema.keys):
            keys = [tuple(int(v) if v.__class__ is float else v for v in canonical(tuple(values)))]
        elif schema.parent is not None and all(k in wanted for k in schema.keys[:-1]):
            keys = table.by_parent.get(canonical(tuple(wanted[k] for k in schema.keys[:-1])), ())
        elif table.index_field is not None and wanted.get(table.index_field):
            keys = table.by_value.get(wanted[table.index_field], ())
        if keys is None:
            return list(table.in_order().items())
        return sorted([(k, table.rows[k]) for k in keys if k in table.rows], key=_rec_id)

    def _page_size(self, prefer: str) -> int:
        size = self.settings.page_size
        at = prefer.find(_MAX_PAGE)
        asked = prefer[at + len(_MAX_PAGE) :].split(",")[0].strip() if at >= 0 else ""
        return min(size, int(asked)) if asked.isdigit() and int(asked) > 0 else size

    def _next(self, schema: SetSchema, query: Query, after: int, size: int) -> str:
        options = []
        if query.cross_company:
            options.append("cross-company=true")
        if query.filter:
            options.append("$filter=" + quote(query.filter))
        if query.top is not None:
            options.append(f"$top={query.top - size}")
        if query.select:
            options.append("$select=" + ",".join(query.select))
        if query.expand:
            options.append("$expand=" + ",".join(query.expand))
        options.append(f"$skiptoken={after}")
        return f"{self.base}/data/{schema.name}?{'&'.join(options)}"

    def _shown(self, schema: SetSchema, key: Key, row: Row, query: Query) -> dict[str, Any]:
        fields = row.fields
        if query.select:
            wanted = ("@odata.etag", *query.select) if schema.token else query.select
            fields = {name: fields[name] for name in wanted}
        if query.expand:
            fields = dict(fields)
            for name in query.expand:
                children = self.state.tables[schema.navigation[name]].children(key)
                fields[name] = [child.fields for child in children]
        return fields

    def _special(self, target: Target) -> Answer:
        if target.name == "":
            value = [{"name": n, "kind": "EntitySet", "url": n} for n in SETS]
            return (
                200,
                [JSON],
                orjson.dumps({"@odata.context": f"{self.base}/data/$metadata", "value": value}),
            )
        if target.name == "$metadata":
            return 200, [_XML], metadata().encode()
        raise no_resource(target.raw)


def _rec_id(item: tuple[Key, Row]) -> int:
    return item[1].rec_id


def _check_names(schema: SetSchema, query: Query) -> None:
    for name in query.select:
        if name not in schema.by_name:
            raise url(
                f"Could not find a property named '{name}' on type "
                f"'Microsoft.Dynamics.DataEntities.{schema.type_name}'."
            )
    for name in query.expand:
        if name not in schema.navigation:
            raise url(
                f"The property '{name}' of '{schema.type_name}' cannot be used in the $expand query option."
            )


def metadata() -> str:
    """The service's CSDL."""
    types, sets = [], []
    for schema in SETS.values():
        keys = "".join(f"<PropertyRef Name={quoteattr(k)}/>" for k in schema.keys)
        properties = "".join(
            _property(f.name, edm(f.kind), f.size if f.kind == "text" else None) for f in schema.fields
        )
        types.append(
            f"<EntityType Name={quoteattr(schema.type_name)}><Key>{keys}</Key>{properties}</EntityType>"
        )
        kind = quoteattr("Microsoft.Dynamics.DataEntities." + schema.type_name)
        sets.append(f"<EntitySet Name={quoteattr(schema.name)} EntityType={kind}/>")
    enum = '<EnumType Name="NoYes"><Member Name="No" Value="0"/><Member Name="Yes" Value="1"/></EnumType>'
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        '<Schema Namespace="Microsoft.Dynamics.DataEntities" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        f'{enum}{"".join(types)}<EntityContainer Name="Resources">{"".join(sets)}</EntityContainer>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    )


def _property(name: str, kind: str, longest: int | None) -> str:
    limit = f' MaxLength="{longest}"' if longest else ""
    return f'<Property Name="{name}" Type="{kind}"{limit}/>'
