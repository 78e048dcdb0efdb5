"""`python -m tests.acceptance.sabotage GUARD …`: remove the guard, then be `coexist …`."""

from __future__ import annotations

import sys

from agent.cli import main
from tests.acceptance.sabotage.delivering import GUARDS as DELIVERING
from tests.acceptance.sabotage.receiving import GUARDS as RECEIVING

GUARDS = RECEIVING | DELIVERING

if __name__ == "__main__":
    GUARDS[sys.argv.pop(1)]()
    main()
