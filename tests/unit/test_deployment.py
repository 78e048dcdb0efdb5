"""The deployment files fit their schemas, the code, the native stack and one another. (Nothing here starts a container.)"""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from tests.tools.compose_checks import Compose, compose_problems, load
from tests.tools.schema_checks import problems

Spoil = Callable[[Compose], object]


def test_the_deployment_files_are_right() -> None:
    assert problems() == []


def agent(compose: Compose) -> Compose:
    found: Compose = compose["services"]["agent"]
    return found


MISTAKES: dict[str, tuple[Spoil, str]] = {
    "a field that Compose does not know": (lambda c: agent(c).update(replica=2), "docker-compose.yml: services.agent"),
    "one replica": (lambda c: agent(c)["deploy"].update(replicas=1), "there are not two agents"),
    "a fixed name": (lambda c: agent(c).update(container_name="agent"), "agent has a fixed name"),
    "a port of the host for two": (lambda c: agent(c).update(ports=["127.0.0.1:9464:9464"]), "only one of its replicas"),
    "a port for everybody": (lambda c: c["services"]["grafana"].update(ports=["3000:3000"]), "opens 3000:3000 to everybody"),
    "a port where there is no way in": (
        lambda c: c["services"]["store"].update(ports=["127.0.0.1:5432:5432"]), "only in a network without a way in",
    ),
    "no limits": (lambda c: c["services"]["kafka"].pop("deploy"), "service kafka has no limits"),
    "an image of the day": (lambda c: c["services"]["kafka"].update(image="apache/kafka:latest"), "kafka has no pinned image"),
    "waiting for what nobody asks": (
        lambda c: c["services"]["store"].pop("healthcheck"), "agent waits for store, which nobody asks whether it is well",
    ),
    "waiting for what is not always there": (
        lambda c: agent(c)["depends_on"].update(erp={"condition": "service_healthy"}), "erp, which is not always started",
    ),
    "a password in the environment": (
        lambda c: c["services"]["store"]["environment"].update(POSTGRES_PASSWORD="x"), "POSTGRES_PASSWORD is written down",
    ),
    "a password by interpolation": (
        lambda c: agent(c).update(environment={"COEXIST_STORE_DSN": "${STORE_DSN}"}), "COEXIST_STORE_DSN is written down",
    ),
    "a secret that is not given": (lambda c: agent(c)["secrets"].remove("psa_dsn"), "agent reads the secret psa_dsn"),
    "a secret that there is not": (lambda c: agent(c)["secrets"].append("other"), "agent is given other"),
    "a secret that nobody makes": (
        lambda c: c["secrets"].update(other={"file": "./deploy/secrets/other"}), "make-secrets.sh does not make other",
    ),
    "a secret that nobody needs": (
        lambda c: c["services"]["grafana"]["secrets"].clear(), "nobody is given the secret grafana_password",
    ),
    "a worker without the connectors' passwords": (
        lambda c: c["services"]["connect"].update(secrets=[]), "which the worker is not given",
    ),
    "replicas that Prometheus does not find": (
        lambda c: agent(c)["networks"].update(inside={}), "Prometheus looks for agents",
    ),
    "a broker with another time-out": (
        lambda c: c["services"]["kafka"]["environment"].update(KAFKA_BROKER_SESSION_TIMEOUT_MS="9000"),
        "KAFKA_BROKER_SESSION_TIMEOUT_MS is 9000",
    ),
    "a file that could be written": (
        lambda c: agent(c)["volumes"].append("./deploy:/deploy"), "service agent could write to ./deploy",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_the_compose_file_is_found(spoil: Spoil, told: str) -> None:
    compose = copy.deepcopy(load())
    spoil(compose)
    assert any(told in problem for problem in compose_problems(compose))
