"""Everything a user of the PSA system does, one function per operation: (book, rng) → scenario, or None if nothing fits."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from sandbox.planning import Scenario
from sandbox.psa.model import Book
from sandbox.psa.operations import clients, engagements, sheets, tasks

Operation = Callable[[Book, Random], Scenario | None]

# How often each is chosen in a plain run; an operation of weight 0 runs only when asked for.
OPERATIONS: dict[str, tuple[Operation, float]] = {
    "client_new": (clients.new, 3),
    "client_edit": (clients.edit, 6),
    "client_aba": (clients.aba, 1),
    "client_renumber": (clients.renumber, 1),
    "client_delete": (clients.delete, 0.5),
    "consultant_edit": (clients.consultant_edit, 0.5),
    "engagement_new": (engagements.new, 4),
    "engagement_edit": (engagements.edit, 3),
    "engagement_open": (engagements.activate, 3),
    "engagement_close": (engagements.close, 2),
    "engagement_renumber": (engagements.renumber, 1),
    "engagement_delete": (engagements.delete, 1),
    "engagement_reprice": (engagements.reprice, 1),
    "task_new": (tasks.new, 3),
    "task_edit": (tasks.edit, 4),
    "task_renumber": (tasks.renumber, 2),
    "task_delete": (tasks.delete, 2),
    "task_comes_back": (tasks.delete_and_return, 0.5),
    "sheet_new": (sheets.new, 14),
    "sheet_edit": (sheets.edit, 12),
    "sheet_move": (sheets.move, 3),
    "sheet_approve": (sheets.approve, 8),
    "sheet_reject": (sheets.reject, 3),
    "sheet_fix": (sheets.fix, 2),
    "sheet_delete": (sheets.delete, 2),
    "sheet_comes_back": (sheets.delete_and_return, 1),
    "sheet_renumber": (sheets.renumber, 0.5),
}

CLIENTS = tuple(name for name in OPERATIONS if name.startswith(("client_", "consultant_")))
ENGAGEMENTS = tuple(name for name in OPERATIONS if name.startswith("engagement_"))
TASKS = tuple(name for name in OPERATIONS if name.startswith("task_"))
SHEETS = tuple(name for name in OPERATIONS if name.startswith("sheet_"))
