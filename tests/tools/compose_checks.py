"""What docker-compose.yml promises: names that exist, secrets by reference, limits, replicas that can be two."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from sandbox.stack import connect, kafka

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SCHEMA = Path(__file__).parent / "schemas" / "compose_spec.json"
_SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|DSN|CREDENTIAL", re.IGNORECASE)
_MOUNTED = re.compile(r"/run/secrets/(\w+)")
_PINNED = re.compile(r".+:v?\d+\.\d+\.?\d*[\w.-]*")

Compose = dict[str, Any]


def load() -> Compose:
    """The file, merges resolved."""
    loaded: Compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


def compose_problems(compose: Compose) -> list[str]:
    """Everything that is wrong, in words."""
    found = [*_schema(compose)]
    if found:
        return found
    checks = (_waits, _shape, _replicas, _files, _secrets_named, _secrets_mounted, _secrets_made)
    return [problem for check in checks for problem in check(compose)] + [*_worker(compose), *_broker(compose)]


def images(compose: Compose) -> set[str]:
    """Every image that is pulled: the services' own, and what our Dockerfiles begin with."""
    services = compose["services"].values()
    pulled = {s["image"] for s in services} - {s["image"] for s in services if "build" in s}
    for dockerfile in dockerfiles(compose):
        pulled |= set(re.findall(r"^FROM (\S+)", dockerfile.read_text(encoding="utf-8"), re.MULTILINE))
    return pulled


def dockerfiles(compose: Compose) -> list[Path]:
    """What is built."""
    built = {service["build"]["dockerfile"] for service in compose["services"].values() if "build" in service}
    return sorted(ROOT / name for name in built)


def _schema(compose: Compose) -> Iterator[str]:
    validator = jsonschema.Draft201909Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    for error in validator.iter_errors(compose):
        yield f"docker-compose.yml: {'.'.join(map(str, error.absolute_path))}: {error.message}"


def _waits(compose: Compose) -> Iterator[str]:
    services = compose["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            awaited = services.get(other)
            if awaited is None:
                yield f"service {name} depends on {other}, which there is not"
            elif "profiles" in awaited and awaited["profiles"] != service.get("profiles"):
                yield f"service {name} depends on {other}, which is not always started"
            elif how["condition"] == "service_completed_successfully":
                if awaited["restart"] != "no":
                    yield f"service {name} waits for the end of {other}, which is started again"
            elif how["condition"] != "service_healthy" or "test" not in awaited.get("healthcheck", {}):
                yield f"service {name} waits for {other}, which nobody asks whether it is well"


def _shape(compose: Compose) -> Iterator[str]:
    for name, service in compose["services"].items():
        for network in service.get("networks", []):
            if network not in compose["networks"]:
                yield f"service {name} is in network {network}, which there is not"
        if not service.get("restart"):
            yield f"service {name} does not say whether it is restarted"
        if not _PINNED.fullmatch(service.get("image", "")):
            yield f"service {name} has no pinned image"
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        if not {"cpus", "memory"} <= limits.keys():
            yield f"service {name} has no limits"
        for port in service.get("ports", []):
            if not port.startswith("127.0.0.1:"):
                yield f"service {name} opens {port} to everybody"
            if "outside" not in service["networks"]:
                yield f"service {name} opens {port}, but is only in a network without a way in"


def _replicas(compose: Compose) -> Iterator[str]:
    agent = compose["services"]["agent"]
    if agent["deploy"].get("replicas") != 2:
        yield "there are not two agents"
    for name, service in compose["services"].items():
        if "container_name" in service or "hostname" in service:
            yield f"service {name} has a fixed name: a second one could not be started"
        if service.get("deploy", {}).get("replicas", 1) > 1 and ("ports" in service or "network_mode" in service):
            yield f"service {name} has a port of the host: only one of its replicas could have it"
    aliases = {
        alias
        for service in compose["services"].values()
        if isinstance(service["networks"], dict)
        for alias in service["networks"]["inside"].get("aliases", [])
    }
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    for job in prometheus["scrape_configs"]:
        for discovery in job.get("dns_sd_configs", []):
            for alias in set(discovery["names"]) - aliases:
                yield f"Prometheus looks for {alias}, which is no service's alias"


def _files(compose: Compose) -> Iterator[str]:
    used = set()
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            used.add(source)
            if source.startswith("."):
                if not (ROOT / source).exists():
                    yield f"service {name} mounts {source}, which there is not"
                if not volume.endswith(":ro"):
                    yield f"service {name} could write to {source}"
            elif source not in compose["volumes"]:
                yield f"service {name} uses volume {source}, which there is not"
    for volume in compose["volumes"].keys() - used:
        yield f"nobody uses volume {volume}"


def _secrets_named(compose: Compose) -> Iterator[str]:
    """No secret stands in the file: what looks like one names a mounted file."""
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            if _SECRET.search(variable) and not (variable.endswith("_FILE") and _MOUNTED.fullmatch(str(value))):
                yield f"service {name}: {variable} is written down"
    for address in re.findall(r"\w+://[^\s/\"]+:([^\s/\"@]+)@", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")):
        yield f"a password is part of an address: {len(address)} characters before an @"


def _secrets_mounted(compose: Compose) -> Iterator[str]:
    granted = {name: set(service.get("secrets", [])) for name, service in compose["services"].items()}
    for name, service in compose["services"].items():
        text = json.dumps(service)
        for volume in service.get("volumes", []):
            path = ROOT / volume.split(":")[0]
            if volume.startswith("./deploy") and path.is_file() and path.suffix != ".sh":
                text += re.sub(r"(?m)^\s*(#|--).*$|\$\{[^}]*\}", "", path.read_text(encoding="utf-8"))
        for secret in set(_MOUNTED.findall(text)) - granted[name]:
            yield f"service {name} reads the secret {secret}, which it is not given"
        for secret in granted[name] - compose["secrets"].keys():
            yield f"service {name} is given {secret}, which there is not"
    for secret in compose["secrets"].keys() - set().union(*granted.values()):
        yield f"nobody is given the secret {secret}"


def _secrets_made(compose: Compose) -> Iterator[str]:
    """`make-secrets.sh` makes each of them, and every key that a connector names of the worker's."""
    with tempfile.TemporaryDirectory() as aside:
        subprocess.run(["sh", str(DEPLOY / "make-secrets.sh"), aside], check=True, timeout=60)
        made = {path.name: path.read_text(encoding="utf-8") for path in Path(aside).iterdir()}
    for name, secret in compose["secrets"].items():
        if secret != {"file": f"./deploy/secrets/{name}"}:
            yield f"secret {name} does not lie in deploy/secrets"
        if not made.get(name, "").strip():
            yield f"deploy/make-secrets.sh does not make {name}"
    for name in made.keys() - compose["secrets"].keys():
        yield f"deploy/make-secrets.sh makes {name}, which nobody uses"
    config = (DEPLOY / "coexist.yaml").read_text(encoding="utf-8")
    for secret, key in re.findall(r"\$\{file:/run/secrets/(\w+):(\w+)\}", config):
        if f"\n{key}=" not in "\n" + made.get(secret, ""):
            yield f"a connector names {key} of the secret {secret}, which has no such line"
        if secret not in compose["services"]["connect"]["secrets"]:
            yield f"a connector names the secret {secret}, which the worker is not given"


def _worker(compose: Compose) -> Iterator[str]:
    """What carries a guarantee is the same as for the worker that the tests run on."""
    text = (DEPLOY / "connect" / "connect.properties").read_text(encoding="utf-8")
    told = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    for name, value in connect.PROMISES.items():
        if told.get(name) != str(value):
            yield f"connect.properties: {name} is {told.get(name)}, for the native stack's worker {value}"
    if told.get("config.providers.file.param.allowed.paths") != "/run/secrets":
        yield "connect.properties: a connector may read any file of the worker's"


def _broker(compose: Compose) -> Iterator[str]:
    told = compose["services"]["kafka"]["environment"]
    for name, value in kafka.PROMISES.items():
        variable = "KAFKA_" + name.upper().replace(".", "_")
        if told.get(variable) != str(value):
            yield f"kafka: {variable} is {told.get(variable)}, for the native stack's broker {value}"
