"""The view for given keys, starting from the keys; and the view as written, over the mirror."""

from __future__ import annotations

from sqlglot import exp

from agent.mapping.emit import Emitter, key_link, relation
from agent.mapping.ir import Query, Source
from agent.model.mapping import KEYS

Edit = tuple[int, int, str]


def evaluate(query: Query, root: Source, key: list[tuple[str, str]], emitter: Emitter) -> exp.Select:
    """The root block with the keys joined in first. key: (output name, root column) pairs."""
    keys = relation(KEYS, "_keys", [name for name, _ in key])
    link = key_link(root, [c for _, c in key], "_keys", [name for name, _ in key])
    block = query.root
    select = exp.Select()
    inside = {s.alias for s in block.sources()}
    outputs = [
        exp.alias_(emitter.expression(e, inside), exp.to_identifier(n, quoted=True), copy=False)
        for n, e in block.outputs.items()
    ]
    select.set("expressions", outputs)
    inner = [keys, root, *(s for s in block.inner if s is not root)]
    emitter.fill_from(select, inner, block.left, [*block.where, *link], set(), first=keys)
    if block.group:
        select.set("group", exp.Group(expressions=[emitter.expression(g, inside) for g in block.group]))
    if block.having:
        select.set(
            "having", exp.Having(this=exp.and_(*(emitter.expression(h, inside) for h in block.having)))
        )
    return select


def whole(query: Query, mirror_schema: str) -> exp.Select:
    """The view from the compiler's own form: for a text that is not PostgreSQL's."""
    return Emitter(query, mirror_schema).select(query.root, [], set())


def view(sql: str, tables: list[tuple[Source, exp.Table]], mirror_schema: str) -> str:
    """The text as written, each captured table's name replaced by the mirror's: no other character changes."""
    edits: dict[int, Edit] = {}
    for source, node in tables:
        assert source.table is not None
        first = node.args.get("db") or node.this
        start, end = first.meta["start"], node.this.meta["end"] + 1
        text = f'"{mirror_schema}"."{source.table.name}"'
        if node.args.get("alias") is None:
            text += f' AS "{source.table.name.table}"'
        edits[start] = (start, end, text)
    for start, end, text in sorted(edits.values(), reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql.strip().rstrip(";").rstrip()
