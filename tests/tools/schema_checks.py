"""`python -m tests.tools.schema_checks`: the deployment files against schema, code and one another. Nothing is started."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from agent.observe.table import METRICS
from cdc_config.loader import load_config

ROOT = Path(__file__).parents[2]
SCHEMA = Path(__file__).parent / "schemas" / "compose_spec.json"
COMPOSE = ROOT / "docker-compose.yml"
DEPLOY = ROOT / "deploy"
_VARIABLE = re.compile(r"\$\{([A-Z_]+)")
_SECRET = re.compile(r"PASSWORD|SECRET|TOKEN", re.IGNORECASE)
_METRIC = re.compile(r"\bcoexist_[a-z_]+")


def main() -> int:
    """0 when nothing was found."""
    found = problems()
    for problem in found:
        sys.stderr.write(problem + "\n")
    print(f"deployment files: {len(found)} problems")
    return 1 if found else 0


def problems() -> list[str]:
    """Everything that is wrong, in words."""
    compose = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    load_config(DEPLOY / "coexist.yaml")
    return [
        *_schema(compose), *_names(compose), *_files(compose), *_secrets(compose), *_dockerfile(), *_metrics(),
    ]  # fmt: skip


def _schema(compose: dict[str, Any]) -> Iterator[str]:
    validator = jsonschema.Draft201909Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    for error in validator.iter_errors(compose):
        yield f"docker-compose.yml: {'.'.join(map(str, error.absolute_path))}: {error.message}"


def _names(compose: dict[str, Any]) -> Iterator[str]:
    services = compose["services"]
    for name, service in services.items():
        for other in service.get("depends_on", {}):
            if other not in services:
                yield f"service {name} depends on {other}, which there is not"
            elif "healthcheck" not in services[other]:
                yield f"service {name} waits for {other}, which has no healthcheck"
        for network in service.get("networks", []):
            if network not in compose["networks"]:
                yield f"service {name} is in network {network}, which there is not"
        if not service.get("restart"):
            yield f"service {name} is not restarted"
        image = service.get("image", "")
        if image.endswith(":latest") or ":" not in image:
            yield f"service {name} has no pinned image"
        for port in service.get("ports", []):
            if not port.startswith("127.0.0.1:"):
                yield f"service {name} opens {port} to everybody"


def _files(compose: dict[str, Any]) -> Iterator[str]:
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                if not (ROOT / source).exists():
                    yield f"service {name} mounts {source}, which there is not"
            elif source not in compose["volumes"]:
                yield f"service {name} uses volume {source}, which there is not"


def _secrets(compose: dict[str, Any]) -> Iterator[str]:
    text = COMPOSE.read_text(encoding="utf-8")
    example = (DEPLOY / "env.example").read_text(encoding="utf-8")
    listed = set(re.findall(r"^([A-Z_]+)=$", example, re.MULTILINE))
    needed = {v for v in _VARIABLE.findall(text) if f"${{{v}:?" in text}
    for variable in sorted(needed ^ listed):
        yield f"{variable} stands in only one of docker-compose.yml and deploy/env.example"
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            if _SECRET.search(variable) and not str(value).startswith("${"):
                yield f"service {name}: {variable} is written down"


def _dockerfile() -> Iterator[str]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            if not (ROOT / source).exists():
                yield f"Dockerfile: {source} does not exist"
            if f"!{source}" not in ignored:
                yield f"Dockerfile: {source} is not let through by .dockerignore"
    if not re.search(r"^USER (?!root)", text, re.MULTILINE):
        yield "Dockerfile: the agent would run as root"


def _metrics() -> Iterator[str]:
    known = {f"coexist_{m.name}" for m in METRICS if m.kind == "gauge"}
    known |= {f"coexist_{m.name}_total" for m in METRICS if m.kind == "counter"}
    known |= {f"coexist_{m.name}_{s}" for m in METRICS if m.kind == "histogram" for s in ("bucket", "sum", "count")}
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
    used = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "coexist.json").read_text(encoding="utf-8"))
    used += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    for expression in used:
        for name in _METRIC.findall(expression):
            if name not in known:
                yield f"{name} is used in {expression!r}, but the agent has no such metric"


if __name__ == "__main__":
    raise SystemExit(main())
