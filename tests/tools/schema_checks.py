"""`python -m tests.tools.schema_checks`: the deployment files against schemas, code, the native stack and one another.

Nothing is started. Prometheus' and Alertmanager's own checkers must be there; the unit test asks them only where they are.
"""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlglot
import yaml
from sqlglot import exp

from agent.observe.table import METRICS
from cdc_config.loader import load_config
from sandbox.stack.errors import StackError
from sandbox.stack.tools import program
from tests.tools.compose_checks import DEPLOY, ROOT, Compose, compose_problems, dockerfiles, images, load

STACK = ROOT / "sandbox" / "stack"
GUIDE = ROOT / "docs" / "guide" / "deploying.md"
_METRIC = re.compile(r"\bcoexist_[a-z_]+")
_GRANTS = re.compile(r"GRANT (SELECT, RELOAD[A-Z, ]*?)\s+ON \*\.\*")
_CHECKERS = (
    ("promtool", "check", "config", DEPLOY / "prometheus" / "prometheus.yml"),
    ("promtool", "check", "rules", DEPLOY / "prometheus" / "rules.yml"),
    ("promtool", "test", "rules", DEPLOY / "prometheus" / "rules.test.yml"),
    ("amtool", "check-config", DEPLOY / "alertmanager" / "alertmanager.yml"),
)


def main() -> int:
    """0 when nothing was found."""
    found = problems(checkers_required=True)
    for problem in found:
        sys.stderr.write(problem + "\n")
    print(f"deployment files: {len(found)} problems")
    return 1 if found else 0


def problems(*, checkers_required: bool = False) -> list[str]:
    """Everything that is wrong, in words. checkers_required: it is wrong too when promtool or amtool is not installed."""
    compose = load()
    for name in ("coexist.yaml", "coexist.direct.yaml"):
        load_config(DEPLOY / name)
    return [
        *compose_problems(compose), *_images(compose), *_dockerfiles(compose), *_versions(compose), *_databases(),
        *_package(), *_metrics(), *_rules(), *_checked(checkers_required),
    ]  # fmt: skip


def _images(compose: Compose) -> Iterator[str]:
    """The guide's table of images is what is pulled."""
    told = set(re.findall(r"^\| `([^`]+:[^`]+)` \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE))
    for image in sorted(told ^ images(compose)):
        yield f"{image} stands in only one of {GUIDE.name} and the files that pull it"


def _dockerfiles(compose: Compose) -> Iterator[str]:
    passed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    for path in dockerfiles(compose):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT)
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
            for source in sources.split():
                if not (ROOT / source).exists():
                    yield f"{name}: {source} does not exist"
                if not any(source == way or source.startswith(f"{way}/") for way in passed):
                    yield f"{name}: {source} is not let through by .dockerignore"
        if not re.search(r"^USER (?!root)", text, re.MULTILINE):
            yield f"{name}: it would run as root"
    if "HEALTHCHECK" not in (ROOT / "Dockerfile").read_text(encoding="utf-8"):
        yield "Dockerfile: nobody asks the agent whether it is well"


def _versions(compose: Compose) -> Iterator[str]:
    """Connect is Kafka's own image of the version that the tests run on, with the plugins of the list that they use."""
    found = re.search(r"connect-runtime</artifactId>\s*<version>([^<]+)<", (STACK / "pom.xml").read_text(encoding="utf-8"))
    kafka = f"apache/kafka:{found[1] if found else '?'}"
    text = (DEPLOY / "connect" / "Dockerfile").read_text(encoding="utf-8")
    if f"FROM {kafka}" not in text or compose["services"]["kafka"]["image"] != kafka:
        yield f"broker and worker are not both {kafka}, as in sandbox/stack/pom.xml"
    if "COPY sandbox/stack/plugins.xml plugins.xml" not in text or re.search(r"curl|wget|ADD ", text):
        yield "deploy/connect/Dockerfile: plugins come from elsewhere than sandbox/stack/plugins.xml"


def _databases() -> Iterator[str]:
    """The connector's user and the publication are what the mappings and the native stack need."""
    tables = sorted(_mapped("finance"))
    text = (DEPLOY / "finance" / "publication.sql").read_text(encoding="utf-8")
    granted = re.search(r"GRANT SELECT ON (.+) TO coexist", text)
    published = re.search(r"SET TABLE\s+(.+);", text)
    for what, match, prefix in (("granted", granted, ""), ("published", published, "ONLY ")):
        named = sorted(part.removeprefix(prefix) for part in match[1].split(", ")) if match else []
        if named != tables:
            yield f"publication.sql: {what} is {', '.join(named)}; the mappings read {', '.join(tables)}"
    ours = _GRANTS.search((DEPLOY / "psa" / "connector.sh").read_text(encoding="utf-8"))
    native = _GRANTS.search((STACK / "mariadb.sql").read_text(encoding="utf-8"))
    if ours is None or native is None or ours[1] != native[1]:
        yield "deploy/psa/connector.sh grants something else than sandbox/stack/mariadb.sql"


def _mapped(source: str) -> set[str]:
    config = load_config(DEPLOY / "coexist.yaml")
    texts = [m.sql.read_text(encoding="utf-8") for m in config.mappings.values() if m.source == source]
    parsed = [sqlglot.parse_one(text, read="postgres") for text in texts]
    return {f"{table.db}.{table.name}" for tree in parsed for table in tree.find_all(exp.Table) if table.db}


def _package() -> Iterator[str]:
    """What the code reads beside itself is in the wheel, and so in the image."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = [*project["tool"]["setuptools"]["package-data"]["*"], "*.py", "*.pyc", "*.md"]
    for package in ("agent", "canonical", "cdc_config", "sandbox"):
        for path in sorted((ROOT / package).rglob("*")):
            if path.is_file() and not any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns):
                yield f"{path.relative_to(ROOT)} would be left out of the wheel"


def _metrics() -> Iterator[str]:
    gauges = {f"coexist_{m.name}" for m in METRICS if m.kind == "gauge"}
    known = gauges | {f"coexist_{m.name}_total" for m in METRICS if m.kind == "counter"}
    known |= {f"coexist_{m.name}_{s}" for m in METRICS if m.kind == "histogram" for s in ("bucket", "sum", "count")}
    for expression in expressions():
        for name in _METRIC.findall(expression):
            if name not in known:
                yield f"{name} is used in {expression!r}, but the agent has no such metric"
        for name in re.findall(r"\bsum\b[^()]*\(\s*(coexist_\w+)", expression):
            if name in gauges and name != "coexist_leading":
                yield f"{expression!r}: every replica tells {name}; their sum means nothing"


def expressions() -> list[str]:
    """Every PromQL expression of the alert rules and the dashboard."""
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "coexist.json").read_text(encoding="utf-8"))
    return [rule["expr"] for rule in _alerts()] + [t["expr"] for panel in board["panels"] for t in panel["targets"]]


def _alerts() -> list[dict[str, Any]]:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
    return [rule for group in rules["groups"] for rule in group["rules"]]


def _rules() -> Iterator[str]:
    named = {rule["alert"] for rule in _alerts()}
    for rule in _alerts():
        labels = rule["labels"]
        if labels.get("severity") not in ("page", "warn") or labels.get("audience") not in ("operator", "controller"):
            yield f"alert {rule['alert']} says not how urgent it is, or for whom"
        if not {"summary", "action"} <= rule["annotations"].keys():
            yield f"alert {rule['alert']} does not say what to do"
    text = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8")
    for names in re.findall(r"alertname=~?\"([^\"]+)\"", text):
        for name in set(names.split("|")) - named:
            yield f"alertmanager.yml: there is no alert {name}"


def _checked(required: bool) -> Iterator[str]:
    for tool, *arguments in _CHECKERS:
        try:
            command = [program(str(tool)), *map(str, arguments)]
        except StackError as missing:
            if required:
                yield str(missing)
            continue
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            yield f"{Path(str(arguments[-1])).relative_to(ROOT)}: {(done.stdout + done.stderr).strip()}"


if __name__ == "__main__":
    raise SystemExit(main())
