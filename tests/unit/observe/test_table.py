"""The table of metrics and the code agree: what is named is there, with its labels, and what is there is named."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import agent
from agent.observe.table import METRICS

KINDS = {"count": "counter", "gauge": "gauge", "observe": "histogram"}
ROOT = Path(agent.__file__).parent
# Named through a variable: agent.apply.engine counts its steps by name.
BY_VARIABLE = {"claimed", "recorded", "asked"}


def named() -> Iterator[tuple[str, str, str, frozenset[str]]]:
    """(place, kind, name, labels) of every observer call with a literal name."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in KINDS
            ):
                continue
            if not ast.unparse(node.func.value).endswith("observer"):
                continue
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                labels = frozenset(k.arg for k in node.keywords if k.arg not in (None, "value"))
                yield (
                    f"{path.name}:{node.lineno}",
                    KINDS[node.func.attr],
                    first.value,
                    frozenset(map(str, labels)),
                )


def test_every_metric_that_the_code_names_is_in_the_table_with_its_labels() -> None:
    table = {(m.kind, m.name, frozenset(m.labels)) for m in METRICS}
    strays = [f"{place}: {kind} {name} {sorted(labels)}" for place, kind, name, labels in named()
              if (kind, name, labels) not in table]  # fmt: skip
    assert strays == []


def test_every_metric_in_the_table_is_named_by_the_code() -> None:
    used = {name for _, _, name, _ in named()} | BY_VARIABLE
    assert [m.name for m in METRICS if m.name not in used] == []
