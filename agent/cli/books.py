"""`coexist books`: do the three ledgers balance?"""

from __future__ import annotations

import click

from agent.cli import output
from agent.cli.session import Session, pass_session
from agent.operations.books import Books, Items
from agent.operations.books import books as count


@click.command()
@output.output_option
@pass_session
@click.pass_context
def books(ctx: click.Context, session: Session, form: str) -> None:
    """Count both sides of every ledger at one moment. Exit code 4 when one does not balance."""
    with session.store() as conn:
        found = count(conn)
    if form == "json":
        output.write_json("books", found)
    else:
        _table(found)
    ctx.exit(0 if found.balanced else 4)


def _table(found: Books) -> None:
    output.table(
        "Books",
        ("ledger", "scope", "left", "right", "difference"),
        [(b.ledger, b.scope, _side(b.left), _side(b.right), b.difference) for b in found.ledgers],
        right=("difference",),
    )
    for scope, items in found.effects.items():
        output.line(f"row effects of {scope}, counted apart: {_side(items)}", "dim")
    for out in found.out_of_balance:
        output.line(f"OUT OF BALANCE: {out.ledger} of {out.scope} by {out.difference:+d}", "bold red")
    if found.balanced:
        output.line("balanced", "green")


def _side(items: Items) -> str:
    return " + ".join(f"{name} {n}" for name, n in items.items()) + f" = {sum(items.values())}"
