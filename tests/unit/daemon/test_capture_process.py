"""A capture process that does not do as it should: the agent says so, tries again or stops, and never hangs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import pytest

from agent.capture.postgres.settings import CaptureSettings
from agent.daemon import capture_process
from agent.daemon.capture_process import CaptureProcess
from agent.daemon.loop import Stop
from agent.daemon.wire import CaptureEnded
from agent.errors import CoexistError, Disposition, SourceUnavailable
from agent.observe.health import Health
from agent.observe.metrics import PrometheusObserver
from tests.support.processes import wait_until

# What a well-behaved process does first.
READ = "import sys; sys.stdin.buffer.readline(); "
Start = Callable[..., CaptureProcess]


@pytest.fixture
def now() -> list[float]:
    """The clock of the health, to be set."""
    return [0.0]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, now: list[float]) -> Start:
    """A capture process that runs this code."""

    def make(code: str, *, tables: int = 1, on_rows: Callable[[], None] = lambda: None) -> CaptureProcess:
        monkeypatch.setattr(capture_process, "COMMAND", [sys.executable, "-c", code])
        listed = tuple(("a schema", f"a table with a long name {n}") for n in range(tables))
        settings = CaptureSettings("dsn", "p", "s", listed, True, 1, None)
        return CaptureProcess(
            "finance", "dsn", lambda: settings, Stop(), PrometheusObserver(strict=True),
            Health(clock=lambda: now[0]).loop("capture finance", patience=300, silence=300), on_rows,
        )  # fmt: skip

    return make


def test_one_that_dies_is_to_be_replaced(start: Start) -> None:
    with pytest.raises(CaptureEnded, match="ended with -9") as ended:
        start(READ + "import os; os.kill(os.getpid(), 9)").work()
    assert ended.value.disposition is Disposition.RETRY


def test_one_that_dies_in_the_middle_of_a_word_is_to_be_replaced(start: Start) -> None:
    with pytest.raises(CaptureEnded):
        start(READ + """print('["idle"]\\n["eve', end='', flush=True); import os; os.kill(os.getpid(), 9)""").work()


def test_one_that_ends_before_it_ever_spoke_is_a_defect(start: Start) -> None:
    with pytest.raises(CoexistError, match="cannot start") as ended:
        start("raise SystemExit(2)").work()
    assert ended.value.disposition is Disposition.STOP


def test_one_for_which_there_is_no_room_is_tried_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    process = start("")
    monkeypatch.setattr(capture_process, "COMMAND", ["/no such program"])
    with pytest.raises(CaptureEnded, match="No such file"):
        process.work()


def test_what_it_failed_with_is_raised(start: Start) -> None:
    report = '["failed", "SourceUnavailable", "gone", "there", "wait"]'
    with pytest.raises(SourceUnavailable) as failed:
        start(READ + f"print('{report}')").work()
    assert (failed.value.what, failed.value.where, failed.value.remedy) == ("gone", "there", "wait")


def test_a_line_that_is_no_report_is_passed_over(start: Start) -> None:
    rows = threading.Event()
    code = READ + """print('what?'); print('["rows"]'); raise SystemExit(1)"""
    with pytest.raises(CaptureEnded):
        start(code, on_rows=rows.set).work()
    assert rows.is_set()


def test_one_that_does_not_read_a_long_order_holds_nobody_up(start: Start) -> None:
    process = start("import signal; signal.pause()", tables=5000)
    working = threading.Thread(target=process.work, daemon=True)
    working.start()
    wait_until("it runs", lambda: process._child is not None)
    stopping = threading.Thread(target=process._stop.set, daemon=True)
    stopping.start()
    stopping.join(5)
    assert not stopping.is_alive()


def test_one_that_does_not_end_when_it_is_asked_to_is_killed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_process, "_PATIENCE", 0.2)
    rows = threading.Event()
    process = start(READ + """print('["rows"]', flush=True); import signal; signal.pause()""", on_rows=rows.set)
    working = threading.Thread(target=process.work, daemon=True)
    working.start()
    assert rows.wait(20)
    process._stop.set()
    working.join(20)
    assert not working.is_alive()


def test_a_stop_said_twice_is_one_stop(start: Start) -> None:
    rows = threading.Event()
    heard = "sys.stdin.buffer.readline() + sys.stdin.buffer.readline()"
    process = start(READ + f"""print('["rows"]', flush=True); sys.exit({heard} != b'stop\\n')""", on_rows=rows.set)
    working = threading.Thread(target=process.work, daemon=True)
    working.start()
    assert rows.wait(20)
    child = process._child
    assert child is not None
    for _ in range(2):
        process._stop.set()
    assert child._process.stdin is not None
    child._process.stdin.close()
    working.join(20)
    assert child._process.returncode == 0


def test_the_first_signs_of_life_of_a_successor_do_not_hide_that_one_died(start: Start, now: list[float]) -> None:
    process = start(READ + """print('["idle"]', flush=True); import os; os.kill(os.getpid(), 9)""")
    for _ in range(2):
        with pytest.raises(CaptureEnded):
            process.work()
        process._loop.stuck("the capture process ended")
        now[0] += 200
    assert process._loop.complaint() is not None
