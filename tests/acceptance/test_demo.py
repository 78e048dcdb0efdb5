"""The demo as a user runs it: it ends balanced, says what it must, leaves nothing behind, and sees a difference."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.cli.demo.estate import Estate
from agent.cli.demo.interrupts import Interrupts
from agent.cli.demo.report import Failed, Told, report
from tests.support.processes import wait_until

pytestmark = pytest.mark.acceptance

_COEXIST = (sys.executable, "-c", "from agent.cli import main; main()")


@dataclass(frozen=True)
class Run:
    code: int
    lines: list[str]
    directory: Path

    def number(self, what: str) -> int:
        found = [line for line in self.lines if line.endswith(what)]
        assert len(found) == 1, f"{what!r} stands in {len(found)} lines"
        return int(found[0].split()[0].replace(",", ""))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One shortened run whose directory is kept."""
    done = subprocess.run(
        [*_COEXIST, "demo", "--seconds", "8", "--keep"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    kept = re.search(r"kept in (\S+)/$", done.stderr.strip())
    assert kept is not None, done.stdout + done.stderr
    yield Run(done.returncode, done.stdout.splitlines(), Path(kept[1]))
    shutil.rmtree(kept[1])


@pytest.fixture
def public_path() -> Iterator[Path]:
    """An empty directory that the servers get through to, which run as nobody when root starts them."""
    with tempfile.TemporaryDirectory(prefix="coexist-demo-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_it_ends_balanced(run: Run) -> None:
    assert (run.code, run.lines[-1]) == (0, "demo: balanced"), "\n".join(run.lines)


@pytest.mark.parametrize(
    "what",
    [
        "agent processes killed with SIGKILL while they worked",
        "row changes captured after the restart",
        "unknown outcomes resolved by asking the ERP",
    ],
)
def test_its_numbers_are_above_zero(run: Run, what: str) -> None:
    assert run.number(what) > 0


def test_it_shows_both_sides_and_one_record_whole(run: Run) -> None:
    text = "\n".join(run.lines)
    for row in ("customer ", "customer_account  DE01", "invoice posted    US01", "payment           GB01"):
        assert row in text
    story = [line.split()[0] for line in run.lines if re.match(r"  (row|event|rule|command|call|document) ", line)]
    assert [story[0], *dict.fromkeys(story)] == ["row", "row", "event", "rule", "command", "call", "document"]
    assert text.count("(balanced)") == 3


def test_it_leaves_no_process_behind(run: Run) -> None:
    assert _processes_of(run.directory) == []


def test_a_difference_at_the_erp_is_named_in_the_last_line_and_is_exit_code_4(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(run.directory / "erp.sqlite")) as erp, erp:
        erp.execute(
            "UPDATE invoice SET total_cents = total_cents + 1 WHERE rec_id = (SELECT max(rec_id) FROM invoice)"
        )
    with Interrupts() as interrupts, Estate(interrupts, keep=True, directory=run.directory) as estate:
        estate.reopen()
        code = report(estate, Told(kills=1, captured_at_kill=0))
    last = capsys.readouterr().out.splitlines()[-1]
    assert code == 4
    assert re.match(r"demo: NOT balanced: invoice .* at the ERP, .* in the source", last)


def test_a_number_that_is_not_above_zero_fails_the_demo_by_name(run: Run) -> None:
    with Interrupts() as interrupts, Estate(interrupts, keep=True, directory=run.directory) as estate:
        estate.reopen()
        with pytest.raises(Failed, match="agent processes killed"):
            report(estate, Told(kills=0, captured_at_kill=0))


def test_ctrl_c_ends_every_process_and_removes_the_directory(public_path: Path) -> None:
    demo = subprocess.Popen(
        [*_COEXIST, "demo", "--seconds", "60"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(public_path), "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )  # fmt: skip
    assert demo.stdout is not None
    for line in demo.stdout:
        if "agent started" in line:
            break
    assert len(_processes_of(public_path)) >= 3
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 130, out + err
    assert "demo: stopped" in err
    wait_until("everything has ended", lambda: _processes_of(public_path) == [], 10)
    assert list(public_path.iterdir()) == []


def _processes_of(directory: Path) -> list[int]:
    """Living processes whose command line names the directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(directory) in command:
                found.append(int(entry.name))
    return found
