"""`python -m agent.daemon.capture_main`: the process that captures one source for the agent that started it.

Decoding a source's changes computes all the time, and so does deciding; in one interpreter they would take turns. This
process imports only what capture and intake need, lives through one attempt, and never outlives its agent.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from typing import Any, BinaryIO

import psycopg

from agent.capture.configured import open_capture
from agent.daemon.capture_loop import CaptureLoop
from agent.daemon.interpreter import tune
from agent.daemon.loop import Stop
from agent.daemon.wire import STOP, Order, Reports
from agent.failpoints import die_with

_ORPHANED = 3  # exit code when the agent is gone


def main(orders: BinaryIO, reports: BinaryIO) -> int:
    """Carry out the order that comes first; 0 after a stop, 1 when the last report says what failed."""
    # A Ctrl-C or a SIGTERM to the whole group is the agent's to answer: it says when to stop.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    tune()
    told = Reports(reports)
    try:
        _capture(Order.read(orders.readline()), orders, told)
    except Exception as error:
        told.failed(error, traceback.format_exc())
        return 1
    return 0


def _capture(order: Order, orders: BinaryIO, told: Reports) -> None:
    die_with(order.agent)
    stop = Stop()
    threading.Thread(target=_listen, args=(orders, stop), name="orders", daemon=True).start()

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(
            order.store_dsn, autocommit=True, connect_timeout=10, application_name="coexist capture"
        )

    CaptureLoop(
        order.source, connect, lambda: open_capture(order.settings, told), stop, told, told, told.rows, order.lease_seconds
    ).work()


def _listen(orders: BinaryIO, stop: Stop) -> None:
    while line := orders.readline():
        if line == STOP:
            stop.set()
    # The agent is gone. What it has not been told of is in the store, or will be read again.
    os._exit(_ORPHANED)


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Orders and reports; what anything here prints goes to stderr from now on, and not between the reports."""
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, reports


def start() -> None:
    """Be that process."""
    status = main(*_pipes())
    # Not through the interpreter's end: the listening thread may hold the pipe just then.
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    start()
