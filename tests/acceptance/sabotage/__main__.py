"""`python -m tests.acceptance.sabotage GUARD …`: remove the guard, then be `coexist …`.

`--capture` after the guard: be the process that the agent captures a source with.
"""

from __future__ import annotations

import sys

from agent.cli import main
from agent.daemon import capture_main, capture_process
from tests.acceptance.sabotage.delivering import GUARDS as DELIVERING
from tests.acceptance.sabotage.kafka import GUARDS as KAFKA
from tests.acceptance.sabotage.receiving import GUARDS as RECEIVING

GUARDS = RECEIVING | DELIVERING | KAFKA

if __name__ == "__main__":
    guard = sys.argv.pop(1)
    GUARDS[guard]()
    if sys.argv[1:] == ["--capture"]:
        capture_main.start()
    capture_process.COMMAND = [sys.executable, "-m", "tests.acceptance.sabotage", guard, "--capture"]
    main()
