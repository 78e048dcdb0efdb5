"""The command line: a face of agent.operations. stdout is data, stderr is chatter, the exit code says how it went.

0 ok · 1 error · 2 usage or configuration · 3 degraded · 4 differences found · 5 awaiting approval · 6 refused by policy ·
7 source or target unreachable
"""

from __future__ import annotations

from pathlib import Path

import click

from agent.cli.errors import Guarded
from agent.cli.session import Session

# Looked up by name when used, so that `coexist status` does not pay for importing the daemon or the demo.
COMMANDS = {
    "run": "agent.cli.run:run",
    "status": "agent.cli.status:status",
    "books": "agent.cli.books:books",
    "config": "agent.cli.config:config",
    "map": "agent.cli.maps:maps",
    "target": "agent.cli.targets:target",
    "source": "agent.cli.restores:source",
    "connect": "agent.cli.connect:connect",
    "store": "agent.cli.restores:store",
    "trace": "agent.cli.trace:trace",
    "exception": "agent.cli.exceptions:exception",
    "demo": "agent.cli.demo:demo",
    "demo-kafka": "agent.cli.demo.firm:demo_kafka",
}


class _Coexist(Guarded):
    """The top group: commands by name, errors as texts."""

    commands_by_name = COMMANDS


@click.group(cls=_Coexist, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "-c", "--config", "path", envvar="COEXIST_CONFIG", default="coexist.yaml", show_default=True, show_envvar=True,
    type=click.Path(path_type=Path), help="The configuration file.",
)  # fmt: skip
@click.version_option(package_name="coexist", message="coexist %(version)s")
@click.pass_context
def cli(ctx: click.Context, path: Path) -> None:
    """Keep a legacy finance database and a cloud ERP true to each other while both run."""
    ctx.obj = Session(path)


def main() -> None:
    """Entry point of the `coexist` command."""
    cli(prog_name="coexist")
