"""Everything a user of the old system does, one function per operation: (book, rng) → scenario, or None if
nothing fits."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from sandbox.legacy.model import Book, Scenario
from sandbox.legacy.operations import customers, drafts, payments, posted, reference

Operation = Callable[[Book, Random], Scenario | None]

# How often each is chosen in a plain run; an operation of weight 0 runs only when asked for.
OPERATIONS: dict[str, tuple[Operation, float]] = {
    "customer_edit": (customers.edit, 14),
    "customer_aba": (customers.aba, 3),
    "customer_new": (customers.new, 5),
    "customer_delete": (customers.delete, 1),
    "customer_comes_back": (customers.delete_and_return, 2),
    "customer_renumber": (customers.renumber, 2),
    "customer_note": (customers.note, 3),
    "customer_cycle": (customers.cycle, 1),
    "account_edit": (customers.account_edit, 6),
    "account_delete": (customers.account_delete, 1),
    "draft_new": (drafts.new, 10),
    "draft_edit": (drafts.edit, 10),
    "draft_aba": (drafts.aba, 2),
    "draft_move": (drafts.move, 3),
    "draft_delete": (drafts.delete, 1),
    "draft_comes_back": (drafts.delete_and_return, 1),
    "draft_renumber": (drafts.renumber, 1),
    "draft_note": (drafts.note, 1),
    "post": (posted.post, 9),
    "post_and_void": (posted.post_and_void, 2),
    "void": (posted.void, 1),
    "posted_fix": (posted.fix, 2),
    "posted_move": (posted.move, 1),
    "posted_delete": (posted.delete, 0.5),
    "payment_new": (payments.new, 6),
    "payment_allocate": (payments.allocate, 2),
    "payment_release": (payments.release, 0.5),
    "payment_fix": (payments.fix, 0.5),
    "payment_delete": (payments.delete, 0.3),
    "code_edit": (reference.code_edit, 0.1),
    "terms_edit": (reference.terms_edit, 0.1),
    "company_edit": (reference.company_edit, 0.1),
    "print_queue": (reference.print_queue, 1),
}

CUSTOMERS = tuple(name for name in OPERATIONS if name.startswith("customer_"))
DRAFTS = tuple(name for name in OPERATIONS if name.startswith("draft_"))
POSTED = ("post", "post_and_void", "void", "posted_fix", "posted_move", "posted_delete")
PAYMENTS = tuple(name for name in OPERATIONS if name.startswith("payment_"))
