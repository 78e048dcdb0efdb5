"""Prometheus and Alertmanager with the project's own rules, their addresses rewritten to this machine's."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sandbox.stack import ports
from sandbox.stack.errors import StackError
from sandbox.stack.fetch import HERE
from sandbox.stack.process import Server
from sandbox.stack.tools import program

DEPLOY = HERE.parents[1] / "deploy"
_ROUTE_NOWHERE = {"route": {"receiver": "nowhere"}, "receivers": [{"name": "nowhere"}]}


class _Web(Server):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._ports = ports.kept(self.directory / "ports.json", ("web",))

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._ports['web']}"

    @property
    def url(self) -> str:
        """For a browser."""
        return f"http://{self.address}"

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


class Alertmanager(_Web):
    """Routes alerts as deploy/ says; where it says nothing they are shown and go nowhere."""

    name = "alertmanager"

    def _prepare(self) -> None:
        found = sorted(DEPLOY.rglob("alertmanager.yml"))
        text = found[0].read_text() if found else yaml.safe_dump(_ROUTE_NOWHERE)
        (self.directory / "alertmanager.yml").write_text(text)

    def _command(self) -> Sequence[str]:
        return [
            program("prometheus-alertmanager"), f"--config.file={self.directory / 'alertmanager.yml'}",
            f"--storage.path={self.directory / 'data'}", f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
        ]  # fmt: skip


class Prometheus(_Web):
    """Reads what deploy/prometheus names. targets: scrape job → addresses here; a job that is not among them keeps its
    ports and moves to loopback."""

    name = "prometheus"

    def __init__(
        self, directory: Path, *, alertmanager: str | None = None, targets: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__(directory)
        self._alertmanager = alertmanager
        self._targets = {job: list(addresses) for job, addresses in (targets or {}).items()}

    def _prepare(self) -> None:
        source = DEPLOY / "prometheus" / "prometheus.yml"
        if not source.exists():
            raise StackError("the project's Prometheus configuration is not there", where=source, remedy="run from a checkout")
        config = localised(yaml.safe_load(source.read_text()), source.parent, self._targets, self._alertmanager)
        (self.directory / "prometheus.yml").write_text(yaml.safe_dump(config, sort_keys=False))

    def _command(self) -> Sequence[str]:
        return [
            program("prometheus"), f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}", f"--web.listen-address={self.address}",
        ]  # fmt: skip


def localised(
    config: Mapping[str, Any], folder: Path, targets: Mapping[str, Sequence[str]], alertmanager: str | None
) -> dict[str, Any]:
    """A Prometheus configuration with every address on loopback and rule files by their whole path.

    Jobs of `targets` that the configuration does not have are added.
    """
    jobs = [_job(job, targets.get(job["job_name"])) for job in config.get("scrape_configs", [])]
    known = {job["job_name"] for job in jobs}
    jobs += [_job({"job_name": name}, addresses) for name, addresses in targets.items() if name not in known]
    managers = [{"static_configs": [{"targets": [alertmanager]}]}] if alertmanager else []
    return {
        **config,
        "rule_files": [str(folder / name) for name in config.get("rule_files", [])],
        "scrape_configs": jobs,
        "alerting": {"alertmanagers": managers},
    }


def _job(job: Mapping[str, Any], addresses: Sequence[str] | None) -> dict[str, Any]:
    kept = {name: value for name, value in job.items() if not name.endswith("_configs") or name.endswith("relabel_configs")}
    here = addresses
    if here is None:
        named = [target for group in job.get("static_configs", []) for target in group["targets"]]
        here = [f"127.0.0.1:{target.rpartition(':')[2]}" for target in named]
    return {**kept, "static_configs": [{"targets": list(here)}]}
