"""`python -m tests.soak [what] [options]`: one long run, or all of them one after the other.

Each is a module of this package with `main(arguments) -> exit status`; `python -m tests.soak oracle --help` says more.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path


def known() -> list[str]:
    """The runs that there are."""
    names = (m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(n for n in names if not n.startswith("_"))


def main(arguments: list[str]) -> int:
    """Run what is named first, or everything with its defaults."""
    if arguments and arguments[0] in known():
        return _run(arguments[0], arguments[1:])
    if arguments and not arguments[0].startswith("-"):
        sys.stderr.write(f"there is no run {arguments[0]}; known: {', '.join(known())}\n")
        return 2
    return max([_run(name, arguments) for name in known()], default=0)


def _run(name: str, arguments: list[str]) -> int:
    print(f"soak: {name} {' '.join(arguments)}".rstrip(), flush=True)
    status: int = importlib.import_module(f"tests.soak.{name}").main(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
