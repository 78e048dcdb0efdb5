"""Ports stay with a server over restarts, and nobody else gets them meanwhile."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.stack import ports
from sandbox.stack.errors import StackError

ROOT = Path(__file__).parents[3]


def test_a_port_lies_below_those_that_the_kernel_gives_to_clients() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert ports.free_port() < lowest


def test_the_same_folder_has_the_same_ports(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    assert ports.kept(file, ("a", "b")) == ports.kept(file, ("a", "b"))


def test_a_port_that_nobody_listens_at_is_still_ours_for_another_process(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    ports.kept(file, ("a",))
    ask = "from pathlib import Path; import sys; from sandbox.stack import ports; ports.kept(Path(sys.argv[1]), ('a',))"
    asked = subprocess.run([sys.executable, "-c", ask, str(file)], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert asked.returncode != 0
    assert "is taken" in asked.stderr


def test_a_remembered_port_that_a_stranger_listens_at_is_refused(tmp_path: Path) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        (tmp_path / "ports.json").write_text(json.dumps({"a": port}))
        with pytest.raises(StackError, match=f"port {port} is taken"):
            ports.kept(tmp_path / "ports.json", ("a",))
