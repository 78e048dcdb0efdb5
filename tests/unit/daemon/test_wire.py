"""Between the agent and its capture processes: orders, reports, and errors that arrive as what they were."""

from __future__ import annotations

import io
import json

import psycopg
import pytest

from agent import errors
from agent.capture.postgres.settings import CaptureSettings
from agent.daemon.wire import Order, Reports, UnexpectedInCapture, failure
from agent.errors import CoexistError, LostPosition, SourceError, SourceUnavailable, StoreUnavailable

SETTINGS = CaptureSettings("postgresql://u:hush@h/d", "p", "s", (("fin", "arcust"), ("fin", "co")), True, 8192, None)
ORDER = Order("finance", "postgresql://u:hush@store/d", SETTINGS, 42)


def _told(error: BaseException) -> Exception | None:
    pipe = io.BytesIO()
    Reports(pipe).failed(error, "the trace")
    return failure(json.loads(pipe.getvalue()))


def test_an_order_arrives_as_it_was_sent() -> None:
    assert Order.read(ORDER.line()) == ORDER


def test_no_dsn_stands_in_the_repr_of_an_order() -> None:
    assert "hush" not in repr(ORDER)


@pytest.mark.parametrize("kind", [SourceUnavailable, SourceError, LostPosition])
def test_an_error_arrives_with_its_class_and_its_three_parts(kind: type[CoexistError]) -> None:
    arrived = _told(kind("what", where="where", remedy="remedy"))
    assert type(arrived) is kind
    assert isinstance(arrived, CoexistError)
    assert (arrived.what, arrived.where, arrived.remedy) == ("what", "where", "remedy")
    assert arrived.disposition is kind.disposition


def test_every_error_of_the_tree_is_found_again_by_its_name() -> None:
    def below(kind: type[CoexistError]) -> list[type[CoexistError]]:
        return [kind, *(k for child in kind.__subclasses__() for k in below(child))]

    raised = [k for k in below(SourceError) + below(LostPosition) if k.__module__ == "agent.errors"]
    assert [type(_told(k("x"))) for k in raised] == raised
    assert errors.SourceUnavailable in raised


def test_a_lost_store_is_to_be_tried_again() -> None:
    assert isinstance(_told(psycopg.OperationalError("server closed the connection")), StoreUnavailable)


def test_a_defect_arrives_with_its_trace_and_is_nothing_to_try_again() -> None:
    arrived = _told(ZeroDivisionError("x"))
    assert isinstance(arrived, UnexpectedInCapture)
    assert str(arrived) == "ZeroDivisionError: x"
    assert arrived.__notes__ == ["the trace"]


def test_other_reports_are_no_failure() -> None:
    pipe = io.BytesIO()
    reports = Reports(pipe)
    reports.count("captured_rows", 3, source="finance")
    reports.rows()
    reports.idle()
    reports.event("info", "said", at=object())
    assert [failure(json.loads(line)) for line in pipe.getvalue().splitlines()] == [None] * 4
