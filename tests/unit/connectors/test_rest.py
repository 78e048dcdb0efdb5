"""Talking to Kafka Connect: what is not it, what is busy, what says no; and no secret on the way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.connectors.rest import Connect
from agent.connectors.state import read_errors, trace_head
from agent.errors import SourceError, SourceUnavailable
from cdc_config.base import SecretRef
from cdc_config.models import ConnectWorker

Answers = Callable[..., "Stranger"]


class Stranger:
    """An HTTP server that gives the same answers to everything, in turn, the last one for ever."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.asked: list[dict[str, str]] = []
        left = list(answers)
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(dict(self.headers) | {"path": self.path})
                status, text = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", text)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def answering() -> Iterator[Answers]:
    made: list[Stranger] = []

    def answer(*answers: tuple[int, str]) -> Stranger:
        made.append(Stranger(*answers))
        return made[-1]

    yield answer
    for server in made:
        server.close()


def test_a_worker_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(SourceUnavailable, match="cannot be reached: Connection refused") as caught:
            Connect(ConnectWorker(url=url)).status("x")
    assert caught.value.where == url


def test_a_worker_that_does_not_answer_in_time_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        worker = ConnectWorker(url=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.2)
        with pytest.raises(SourceUnavailable, match="timed out"):
            Connect(worker).status("x")


def test_a_connection_that_is_cut_off_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: server.accept()[0].close())
        thread.start()
        with pytest.raises(SourceUnavailable):
            Connect(ConnectWorker(url=f"http://127.0.0.1:{server.getsockname()[1]}")).status("x")
        thread.join()


@pytest.mark.parametrize(
    "text", ["<html>Welcome</html>", '{"hello": "world"}', "[1]", '{"name": 1, "connector": 2, "tasks": 3}']
)
def test_what_does_not_speak_like_connect_is_refused(answering: Answers, text: str) -> None:
    with pytest.raises(SourceError, match="does not speak like Kafka Connect"):
        Connect(ConnectWorker(url=answering((200, text)).url)).status("x")
    with pytest.raises(SourceError, match="does not speak like Kafka Connect"):
        Connect(ConnectWorker(url=answering((200, text)).url)).plugins()


def test_while_the_cluster_rebalances_it_is_asked_again_for_a_while(answering: Answers) -> None:
    said = "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"
    busy = (409, f'{{"error_code": 409, "message": "{said}"}}')
    waited: list[float] = []
    server = answering(busy, busy, (200, "[]"))
    assert Connect(ConnectWorker(url=server.url), wait=waited.append).plugins() == {}
    assert len(waited) == 2
    with pytest.raises(SourceUnavailable, match="conflicting operation"):
        Connect(ConnectWorker(url=answering(busy).url), patience=0, wait=waited.append).plugins()


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_login_is_no_outage(answering: Answers, status: int) -> None:
    with pytest.raises(SourceError) as caught:
        Connect(ConnectWorker(url=answering((status, "no")).url)).status("x")
    assert not isinstance(caught.value, SourceUnavailable)
    assert "connect.password" in caught.value.remedy


def test_the_password_is_sent_as_basic_authentication_and_to_nobody_else(
    answering: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECT_PASSWORD", "hunter2")
    other = answering((200, "[]"))
    server = answering((302, other.url + "/elsewhere"))
    worker = ConnectWorker(url=server.url, username="me", password=SecretRef(env="CONNECT_PASSWORD"))
    assert Connect(worker).plugins() == {}
    assert server.asked[0]["Authorization"] == "Basic bWU6aHVudGVyMg=="
    assert "Authorization" not in other.asked[0]
    assert "hunter2" not in repr(worker)


def test_what_the_worker_says_is_shown_without_known_secrets(answering: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECT_PASSWORD", "hunter2!")
    worker = ConnectWorker(
        url=answering((500, '{"message": "hunter2! is wrong"}')).url, username="me", password=SecretRef(env="CONNECT_PASSWORD")
    )
    with pytest.raises(SourceError) as caught:
        Connect(worker).plugins()
    assert caught.value.what == "Kafka Connect says 500: *** is wrong"


def test_a_name_stays_one_part_of_the_address(answering: Answers) -> None:
    server = answering((404, "{}"))
    assert Connect(ConnectWorker(url=server.url + "/")).config("a/b c") is None
    assert server.asked[0]["path"] == "/connectors/a%2Fb%20c/config"


def test_a_trace_is_told_by_its_head_and_its_last_cause() -> None:
    trace = (
        "org.apache.kafka.connect.errors.ConnectException: An exception occurred in the change event producer.\n"
        "\tat io.debezium.pipeline.ErrorHandler.setProducerThrowable(ErrorHandler.java:67)\n"
        "Caused by: io.debezium.DebeziumException: x\n\tat a.b.C.d(C.java:1)\n"
        'Caused by: org.postgresql.util.PSQLException: FATAL: password authentication failed for user "me"\n\t... 9 more'
    )
    told = 'An exception occurred in the change event producer.: FATAL: password authentication failed for user "me"'
    assert trace_head(trace) == told
    assert (trace_head(None), trace_head("java.lang.NullPointerException\n\tat a.b.C")) == ("", "NullPointerException")


@given(st.text())
def test_any_text_has_a_head_of_one_line(text: str) -> None:
    assert "\n" not in trace_head(text)


def test_errors_of_a_validation_are_told_without_values() -> None:
    answer = {"configs": [
        {"value": {"name": "a", "value": "hunter2", "errors": ["too long"]}},
        {"value": {"name": "b", "value": None, "errors": []}},
    ]}  # fmt: skip
    assert [(e.property, e.said) for e in read_errors(answer)] == [("a", "too long")]
