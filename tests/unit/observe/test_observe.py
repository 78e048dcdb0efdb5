"""Observation: metrics from one table, logs without secrets, liveness by progress, over real HTTP."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import structlog

from agent.errors import CoexistError, SourceUnavailable
from agent.observe import logs
from agent.observe.health import Health
from agent.observe.http import ObservationServer
from agent.observe.metrics import PrometheusObserver, UnknownMetric
from agent.observe.table import METRICS
from agent.ports import Observer
from cdc_config.secrets import Secret


class Clock:
    """A clock that tests turn."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock)


@pytest.fixture
def observer() -> PrometheusObserver:
    return PrometheusObserver(strict=True)


@pytest.fixture
async def server(observer: PrometheusObserver, health: Health) -> AsyncIterator[ObservationServer]:
    running = ObservationServer("127.0.0.1", 0, observer.exposition, health)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def stderr() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure("json", stream=stream)
    yield stream
    structlog.reset_defaults()


async def get(server: ObservationServer, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{server.port}{path}") as answer,
    ):
        return answer.status, await answer.text()


async def test_metrics_are_served(server: ObservationServer, observer: Observer) -> None:
    observer.count("captured_rows", 3, source="finance")
    observer.gauge("lag_seconds", 1.5, source="finance")
    observer.observe("target_request_seconds", 0.02, target="erp")
    status, text = await get(server, "/metrics")
    assert status == 200
    assert 'coexist_captured_rows_total{source="finance"} 3.0' in text
    assert 'coexist_lag_seconds{source="finance"} 1.5' in text
    assert 'coexist_target_request_seconds_bucket{le="0.02",target="erp"} 1.0' in text


@pytest.mark.parametrize("labels", [{}, {"sauce": "finance"}, {"source": "a", "target": "b"}])
def test_a_label_that_is_not_in_the_table_is_an_error_in_tests(
    observer: PrometheusObserver, labels: dict[str, str]
) -> None:
    with pytest.raises(UnknownMetric):
        observer.count("captured_rows", 1, **labels)


def test_an_unknown_name_or_kind_is_an_error_in_tests(observer: PrometheusObserver) -> None:
    with pytest.raises(UnknownMetric):
        observer.count("captured_rose", source="finance")
    with pytest.raises(UnknownMetric):
        observer.gauge("captured_rows", 1, source="finance")


def test_an_unknown_name_in_production_is_logged_once_and_stops_nothing(stderr: io.StringIO) -> None:
    lenient = PrometheusObserver()
    lenient.count("captured_rose", source="finance")
    lenient.count("captured_rose", source="finance")
    assert stderr.getvalue().count("captured_rose") == 1


def test_every_metric_has_help_and_a_name_of_its_own() -> None:
    assert len({m.name for m in METRICS}) == len(METRICS)
    assert all(m.help.endswith(".") for m in METRICS)


async def test_a_loop_with_work_and_no_progress_fails_liveness(
    server: ObservationServer, health: Health, clock: Clock
) -> None:
    loop = health.loop("derive finance", patience=30)
    loop.progressed()
    clock.now += 29
    assert (await get(server, "/livez"))[0] == 200
    clock.now += 2
    assert await get(server, "/livez") == (503, "derive finance: no progress for 31 s\n")
    loop.progressed()
    assert (await get(server, "/livez"))[0] == 200


async def test_an_idle_loop_is_alive_however_long(
    server: ObservationServer, health: Health, clock: Clock
) -> None:
    health.loop("apply erp").idle()
    clock.now += 1e6
    assert (await get(server, "/livez"))[0] == 200


async def test_a_step_that_hangs_after_an_idle_one_fails_liveness(
    server: ObservationServer, health: Health, clock: Clock
) -> None:
    loop = health.loop("derive finance", patience=30)
    loop.idle()
    clock.now += 1e6
    loop.working()
    clock.now += 20
    loop.working()
    clock.now += 20
    assert (await get(server, "/livez"))[0] == 503


async def test_a_loop_that_only_fails_is_dead_from_its_first_failure_on(
    server: ObservationServer, health: Health, clock: Clock
) -> None:
    loop = health.loop("capture finance", patience=10)
    loop.stuck("connection refused")
    clock.now += 6
    loop.stuck("connection refused")
    clock.now += 6
    assert await get(server, "/livez") == (
        503,
        "capture finance: no progress for 12 s (connection refused)\n",
    )


async def test_a_loop_that_must_report_and_does_not_is_dead(
    server: ObservationServer, health: Health, clock: Clock
) -> None:
    health.loop("capture finance", silence=60).idle()
    clock.now += 61
    assert (await get(server, "/livez"))[0] == 503


async def test_ready_when_nothing_is_missing(server: ObservationServer, health: Health) -> None:
    health.not_ready("store", "migrating")
    assert await get(server, "/readyz") == (503, "store: migrating\n")
    health.ready("store")
    assert (await get(server, "/readyz"))[0] == 200


async def test_a_taken_port_is_refused_with_a_remedy(server: ObservationServer, health: Health) -> None:
    with pytest.raises(CoexistError, match=r"agent\.http\.port"):
        await ObservationServer("127.0.0.1", server.port, bytes, health).start()


def test_log_lines_are_json_without_secrets(stderr: io.StringIO, observer: Observer) -> None:
    secret = Secret("correct-horse")
    observer.event(
        "warning", "token refused for correct-horse", target="erp", client_secret="x", secret=secret,
        nested={"password": "y", "list": ["correct-horse", 1]},
    )  # fmt: skip
    line = json.loads(stderr.getvalue())
    assert line["event"] == "token refused for ***"
    assert (line["level"], line["target"], line["client_secret"]) == ("warning", "erp", "***")
    assert line["nested"] == {"password": "***", "list": ["***", 1]}


def test_our_errors_are_logged_as_what_where_and_remedy(stderr: io.StringIO, observer: Observer) -> None:
    observer.event("error", "stopped", error=SourceUnavailable("gone", where="db:5432", remedy="start it"))
    line = json.loads(stderr.getvalue())
    assert (line["error"], line["where"], line["remedy"]) == ("gone", "db:5432", "start it")


def test_a_terminal_that_wants_no_colour_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    logs.configure(stream=stream)
    structlog.get_logger().info("hello", n=1)
    structlog.reset_defaults()
    assert "hello" in stream.getvalue()
    assert "\x1b[" not in stream.getvalue()
