"""The guide's "map your first table" works as written: its blocks are run in order, in one shell, and say what it says."""

from __future__ import annotations

import fnmatch
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from agent.store.embedded import EmbeddedServer

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide" / "integration-engineer.md"
_END = "--- end of block ---"
_FILE = re.compile(r"\A(?:--|#) file: (\S+)\n")


@dataclass(frozen=True)
class Block:
    line: int
    language: str
    text: str


def blocks() -> list[Block]:
    """The fenced blocks of the tutorial."""
    whole = GUIDE.read_text(encoding="utf-8")
    begin = whole.index("\n## Map your first table")
    end = whole.index("\n## ", begin + 5)
    found = []
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", whole[begin:end], re.MULTILINE | re.DOTALL):
        found.append(Block(whole.count("\n", 0, begin + match.start()) + 1, match[1], match[2]))
    return found


@dataclass
class Shell:
    """One bash for all blocks, so that what one exports or starts the next one has."""

    directory: Path
    said: str = ""
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.process = subprocess.Popen(
            ["bash", "-eu"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=self.directory, start_new_session=True,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        )  # fmt: skip

    def run(self, text: str, seconds: float = 120) -> str:
        """What the block printed. A command that fails ends the shell and with it the test."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{text}\necho '{_END}'\n")
        self.process.stdin.flush()
        lines: list[str] = []
        late = threading.Timer(seconds, lambda: os.killpg(self.process.pid, signal.SIGKILL))
        late.start()
        try:
            for line in self.process.stdout:
                if line.strip() == _END:
                    return "".join(lines)
                lines.append(line)
        finally:
            late.cancel()
        raise AssertionError("the block failed or took too long:\n" + text + "".join(lines) + self.log())

    def variable(self, name: str) -> str:
        return self.run(f'echo "${{{name}}}"').strip()

    def log(self) -> str:
        log = self.directory / "agent.log"
        return log.read_text()[-2000:] if log.exists() else ""

    def close(self) -> None:
        """Whatever still runs is in the shell's own session."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(30)
        for name in ("legacy", "store"):
            EmbeddedServer(self.directory / name, 0, "").stop("immediate")


@pytest.fixture
def shell() -> Iterator[Shell]:
    with tempfile.TemporaryDirectory(prefix="coexist-guide-") as name:
        Path(name).chmod(0o755)
        shell = Shell(Path(name))
        yield shell
        shell.close()


def test_the_blocks_run_as_written(shell: Shell) -> None:
    said = ""
    for block in blocks():
        named = _FILE.match(block.text)
        if named is not None:
            path = shell.directory / named[1]
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)
        elif block.language == "shell":
            said = shell.run(block.text)
        elif block.language == "sql":
            with psycopg.connect(shell.variable("LEGACY_DSN"), autocommit=True) as conn:
                conn.execute(block.text)  # type: ignore[call-overload]
        else:
            assert block.language == "text", f"line {block.line}: what is a {block.language} block?"
            _says(block, said)
    assert shell.run("jobs -r") == "", "the guide ends what it starts"


def _says(block: Block, said: str) -> None:
    """Every line of the block stands in what the last shell block printed; … stands for anything."""
    lines = [" ".join(line.split()) for line in said.splitlines()]
    for wanted in block.text.splitlines():
        parts = re.escape(" ".join(wanted.split())).replace(re.escape("…"), ".*").replace(r"\ .*\ ", r"\ .*")
        assert any(re.search(parts, line) for line in lines), f"line {block.line}: {wanted!r} is not in\n{said}"


def test_the_guide_names_only_commands_that_exist() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "from agent.cli import main; main()", "--help"], capture_output=True, text=True, check=True
    ).stdout
    used = {match for block in blocks() if block.language == "shell" for match in re.findall(r"coexist (\w+)", block.text)}
    assert used
    for name in used:
        assert fnmatch.filter(shown.split(), name), f"coexist {name}"
