"""`python -m tests.tools.reference`: write docs/reference/ from the code; `--check` only says what is out of date."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from agent import errors as agent_errors
from agent.cli import COMMANDS, cli
from agent.observe.table import METRICS
from agent.outbox.lifecycle import mermaid
from cdc_config import base, models, profile
from cdc_config import errors as config_errors
from cdc_config.errors import CoexistError

ROOT = Path(__file__).parents[2]
DIRECTORY = ROOT / "docs" / "reference"
_MADE = "<!-- Made from the code by `python -m tests.tools.reference`; do not edit. -->\n\n"
_WIDTH = 110
_FAILPOINT = re.compile(r'failpoint\("([a-z-]+)"\)')


def main(arguments: list[str]) -> int:
    """0 done or up to date, 1 out of date."""
    if "--check" in arguments:
        stale = out_of_date()
        for path in stale:
            sys.stderr.write(f"{path.relative_to(ROOT)} is out of date: python -m tests.tools.reference\n")
        return 1 if stale else 0
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (DIRECTORY / name).write_text(text, encoding="utf-8")
    return 0


def out_of_date() -> list[Path]:
    """Made pages that are not what the code says, missing ones and surplus ones; hand-written ones are left alone."""
    wanted = pages()
    texts = {path.name: path.read_text(encoding="utf-8") for path in DIRECTORY.glob("*.md")}
    there = {name: text for name, text in texts.items() if name in wanted or text.startswith(_MADE)}
    names = sorted(wanted.keys() | there.keys())
    return [DIRECTORY / name for name in names if wanted.get(name) != there.get(name)]


def pages() -> dict[str, str]:
    """Every page by file name."""
    made = {
        "README.md": _index(), "cli.md": _cli(), "configuration.md": _configuration(), "profile.md": _profile(),
        "metrics.md": _metrics(), "lifecycle.md": _lifecycle(), "errors.md": _errors(), "failpoints.md": _failpoints(),
    }  # fmt: skip
    return {name: _MADE + text.strip() + "\n" for name, text in made.items()}


def _index() -> str:
    written = [
        f"- [{text.splitlines()[0].removeprefix('# ')}]({path.name})"
        for path in sorted(DIRECTORY.glob("*.md"))
        if not (text := path.read_text(encoding="utf-8")).startswith(_MADE)
    ]
    return _INDEX + ("\nWritten by hand:\n\n" + "\n".join(written) + "\n" if written else "")


_INDEX = """# Reference

Made from the code, so it is never behind it:

- [Command line](cli.md)
- [Configuration](configuration.md) and [target profiles](profile.md)
- [Metrics](metrics.md)
- [Lifecycle of a command](lifecycle.md)
- [Errors and exit codes](errors.md)
- [Failpoints](failpoints.md), for crash tests
"""


def _cli() -> str:
    parts = ["# Command line", "```text\n" + _help(cli, "coexist", None) + "\n```"]
    top = click.Context(cli, info_name="coexist")
    for name in COMMANDS:
        command = cli.get_command(top, name)
        assert command is not None, name
        parts += _commands(command, f"coexist {name}", click.Context(command, info_name=name, parent=top))
    return "\n\n".join(parts)


def _commands(command: click.Command, title: str, context: click.Context) -> Iterator[str]:
    yield f"## {title}"
    yield "```text\n" + _help(command, title, context.parent) + "\n```"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, name
            yield from _commands(inner, f"{title} {name}", click.Context(inner, info_name=name, parent=context))


def _help(command: click.Command, title: str, parent: click.Context | None) -> str:
    context = click.Context(
        command, info_name=title.rpartition(" ")[2], parent=parent, terminal_width=_WIDTH, max_content_width=_WIDTH
    )
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


def _configuration() -> str:
    head = """# Configuration

`coexist.yaml` is one `Config`. `use: [finance]` lays shipped defaults underneath; `include:` joins other files. A secret is
`{env: NAME}` or `{file: PATH}`, read when it is needed. The shipped example is `cdc_config/defaults/coexist.example.yaml`.
"""
    first = [models.Config]
    others = [m for m in _models(models) if m is not models.Config]
    return head + "\n" + "\n\n".join(_model(m) for m in [*first, *others, base.SecretRef])


def _profile() -> str:
    head = "# Target profiles\n\nA profile is one `Profile`; shipped ones lie in `cdc_config/defaults/profiles/`.\n"
    first = [profile.Profile]
    return head + "\n" + "\n\n".join(_model(m) for m in [*first, *(m for m in _models(profile) if m not in first)])


def _models(module: ModuleType) -> list[type[BaseModel]]:
    return [
        value for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__
    ]  # fmt: skip


def _model(model: type[BaseModel]) -> str:
    rows = ["| field | type | default |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        kind = str(inspect.get_annotations(model).get(name, field.annotation)).replace("|", "\\|")
        rows.append(f"| `{name}` | `{kind}` | {_default(field)} |")
    return f"## {model.__name__}\n\n{inspect.cleandoc(model.__doc__ or '')}\n\n" + "\n".join(rows)


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return f"`{type(value).__name__}`'s"
    return f"`{str(value) if isinstance(value, Path) else value!r}`"


def _metrics() -> str:
    rows = [
        f"| `coexist_{m.name}{'_total' if m.kind == 'counter' else ''}` | {m.kind} | {', '.join(m.labels)} | {m.help} |"
        for m in METRICS
    ]
    head = "# Metrics\n\nServed at `/metrics` of `agent.http`; `/livez` and `/readyz` are beside it.\n\n"
    return head + "\n".join(["| metric | kind | labels | meaning |", "|---|---|---|---|", *rows])


def _lifecycle() -> str:
    return f"""# Lifecycle of a command

A command is one wanted change of one record. Made from the transition table in `agent/outbox/lifecycle.py`, which is the only
place that says what follows.

```mermaid
{mermaid().strip()}
```
"""


def _errors() -> str:
    codes = re.findall(r"(\d) ([^·\n]+(?:\n(?=\w)[^·\n]+)?)", _exit_codes())
    table = "\n".join(f"| {number} | {' '.join(text.split())} |" for number, text in codes)
    tree = "\n".join(_branch(CoexistError, 0))
    return f"""# Errors and exit codes

An error says what is wrong, where, and what to do. Its *disposition* is what the loop that meets it does next.

## Exit codes

| code | meaning |
|---|---|
{table}

## The tree

{tree}
"""


def _exit_codes() -> str:
    text = importlib.import_module("agent.cli").__doc__ or ""
    return next(part for part in text.split("\n\n") if part.startswith("0 ok"))


def _branch(error: type[CoexistError], depth: int) -> Iterator[str]:
    doc = " ".join(inspect.cleandoc(error.__doc__ or "").split("\n\n")[0].split())
    yield f"{'  ' * depth}- `{error.__name__}` ({error.disposition.value}, exit code {error.exit_code}): {doc}"
    ours = (agent_errors.__name__, config_errors.__name__)
    for child in sorted(error.__subclasses__(), key=lambda e: e.__name__):
        if child.__module__ in ours:
            yield from _branch(child, depth + 1)


def _failpoints() -> str:
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "agent").rglob("*.py")):
        for name in _FAILPOINT.findall(path.read_text(encoding="utf-8")):
            found.setdefault(name, []).append(str(path.relative_to(ROOT)))
    rows = [f"| `{name}` | {', '.join(f'`{p}`' for p in places)} |" for name, places in sorted(found.items())]
    head = """# Failpoints

`COEXIST_FAILPOINT=<name>:<n>` in the agent's environment makes it kill itself with SIGKILL the n-th time it passes that
point. For crash tests only; without the variable they cost nothing.
"""
    return head + "\n" + "\n".join(["| point | in |", "|---|---|", *rows])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
