"""OData on the wire: literals, $batch bodies, what answers mean."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.apply.protocols.classify import classifier, retry_after
from agent.apply.protocols.literals import entity_path, equals, literal
from agent.apply.protocols.messages import Answer, Operation
from agent.apply.protocols.multipart import BOUNDARY, Malformed, build_batch, parse_batch
from agent.apply.protocols.odata_v4 import ODataV4, dump
from agent.model.commands import Action, Call, ChildWrite, RecordKey, ResultKind
from agent.model.ids import CallId, CommandId, EntityId, ObjectName, TargetName
from cdc_config.loader import load_profile
from cdc_config.profile import Limits

PROFILE = load_profile("d365fo")
ODATA = ODataV4(PROFILE)
NOW = datetime(2024, 5, 1, tzinfo=UTC)


def call(object_name: str, action: Action, number: int = 1, **more: Any) -> Call:
    key = RecordKey(TargetName("erp"), ObjectName(object_name), EntityId(UUID(int=number)))
    more = {"external_key": {}, "body": {}, **more}
    return Call(CallId(number), CommandId(number), key, action, **more)


@given(st.text(st.characters(codec="utf-8")))
def test_a_text_literal_is_read_back_whatever_is_in_it(text: str) -> None:
    quoted = unquote(literal(text))
    assert quoted[0] == quoted[-1] == "'"
    assert quoted[1:-1].replace("''", "'") == text
    assert not set(literal(text)) & set(' /?&#\r\n+"<>')


def test_keys_and_filters_are_written_as_odata_has_them() -> None:
    key = {"dataAreaId": "usmf", "InvoiceNumber": "O'Neil/1 ä", "LineNumber": 3}
    path = "SalesInvoiceLines(dataAreaId='usmf',InvoiceNumber='O%27%27Neil%2F1%20%C3%A4',LineNumber=3)"
    assert entity_path("SalesInvoiceLines", key) == path
    assert equals("PaymentReference", "CX-1") == "PaymentReference%20eq%20'CX-1'"
    assert [literal(v) for v in (None, True, Decimal("1.50"))] == ["null", "true", "1.50"]


operations = st.builds(
    Operation,
    st.sampled_from(["POST", "PATCH", "DELETE"]),
    st.sampled_from(["Parties", "Parties('C1')?cross-company=true"]),
    st.just((("Content-Type", "application/json"),)),
    st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3).map(orjson.dumps),
)


@given(st.lists(st.lists(operations, min_size=1, max_size=4), min_size=1, max_size=6))
def test_every_operation_of_a_built_batch_is_there_once_under_its_content_id(groups: list[Any]) -> None:
    """Read by our own answer parser, with each request line taken for a status line."""
    body = build_batch(groups)
    for operation in {op for group in groups for op in group}:
        body = body.replace(f"{operation.method} {operation.path} HTTP/1.1".encode(), b"HTTP/1.1 200 OK")
    found = parse_batch(f"multipart/mixed; boundary={BOUNDARY}", body)
    expected = {f"{n}.{i}": op.body for n, group in enumerate(groups) for i, op in enumerate(group)}
    assert {number: answer.body for number, answer in found.items()} == expected


ANSWER = b"""--b\r
Content-Type: application/http\r
Content-ID: 0.0\r
\r
HTTP/1.1 204 No Content\r
etag: W/"5"\r
\r
\r
--b\r
Content-Type: multipart/mixed; boundary=c\r
\r
--c\r
Content-Type: application/http\r
Content-ID: 1.0\r
\r
HTTP/1.1 201 Created\r
\r
{"a":1}\r
--c--\r
--b\r
Content-Type: application/http\r
Content-ID: 2.1\r
\r
HTTP/1.1 400 Bad Request\r
\r
{}\r
--b--\r
"""
MIXED = 'multipart/mixed; boundary="b"'


def test_answers_are_told_apart_by_content_id_also_inside_changesets() -> None:
    found = parse_batch(MIXED, ANSWER)
    assert {n: (a.status, a.body) for n, a in found.items()} == {
        "0.0": (204, b""),
        "1.0": (201, b'{"a":1}'),
        "2.1": (400, b"{}"),
    }
    assert found["0.0"].headers["etag"] == 'W/"5"'


@given(st.integers(0, len(ANSWER)))
def test_a_body_cut_anywhere_yields_only_answers_that_arrived_whole(cut: int) -> None:
    whole = parse_batch(MIXED, ANSWER)
    try:
        found = parse_batch(MIXED, ANSWER[:cut])
    except Malformed:
        return
    assert found.items() <= whole.items()


@given(st.binary(max_size=200))
def test_nonsense_is_never_more_than_malformed(body: bytes) -> None:
    for text in (body, b"--b\r\n" + body + b"\r\n--b--", b"--b\r\nContent-ID: 1\r\n\r\nHTTP/1.1 " + body):
        with suppress(Malformed):
            parse_batch(MIXED, text)
    with pytest.raises(Malformed):
        parse_batch("text/html", body)


def test_two_answers_with_one_content_id_are_none() -> None:
    assert "0.0" not in parse_batch(MIXED, ANSWER.replace(b"2.1", b"0.0"))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_money_is_sent_digit_for_digit(number: Decimal) -> None:
    text = dump({"a": number, "b": [{"c": number}]}).decode()
    assert text == f'{{"a":{number:f},"b":[{{"c":{number:f}}}]}}'


def refusal(status: int, message: str = "", **headers: str) -> Answer:
    body = orjson.dumps({"error": {"code": "", "message": "outer", "innererror": {"message": message}}})
    return Answer(status, headers, body)


@pytest.mark.parametrize(
    ("action", "answer", "kind", "code"),
    [
        (Action.CREATE, refusal(400, "Infolog: X. The record already exists."), "conflict", "exists"),
        (Action.UPDATE, refusal(412), "conflict", "version_stale"),
        (Action.UPDATE, refusal(428), "conflict", "version_missing"),
        (Action.UPDATE, refusal(404), "conflict", "gone"),
        (Action.CREATE, refusal(404), "park", "gone"),
        (Action.POST, refusal(400, "Invoice X is already posted."), "conflict", "already_posted"),
        (Action.POST, refusal(400, "Fiscal period for date D is not open. Period closed."), "park",
         "period_closed"),
        (Action.REVERSE, refusal(400, "Payment X is already reversed."), "accepted", "already_reversed"),
        (Action.UPDATE, refusal(400, "anything else"), "park", "validation"),
        (Action.UPDATE, refusal(409), "park", "http_409"),
        (Action.UPDATE, refusal(429), "retry", "throttled"),
        (Action.UPDATE, refusal(500), "unknown", "http_500"),
        (Action.UPDATE, Answer(302, {}, b""), "unknown", "http_302"),
    ],
)  # fmt: skip
def test_the_error_table_decides_what_an_answer_means(
    action: Action, answer: Answer, kind: str, code: str
) -> None:
    verdict = classifier(PROFILE.errors)(action, answer)
    assert (verdict.kind, verdict.code) == (kind, code)


@given(st.binary(max_size=300), st.integers(100, 599), st.sampled_from(list(Action)))
def test_any_answer_means_something(body: bytes, status: int, action: Action) -> None:
    verdict = classifier(PROFILE.errors)(action, Answer(status, {}, body))
    assert len(verdict.message) <= 400
    assert (verdict.kind is ResultKind.ACCEPTED) == (200 <= status < 300)


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    def read(text: str) -> datetime | None:
        return retry_after(Answer(429, {"retry-after": text}, b""), NOW)

    assert read("2") == NOW + timedelta(seconds=2)
    assert read("Wed, 01 May 2024 00:01:00 GMT") == NOW + timedelta(minutes=1)
    assert [read(text) for text in ("", "soon", "-1", "9" * 400, "²")] == [None] * 5


def test_a_document_is_one_changeset_header_first_with_the_token_guarding_its_lines() -> None:
    key = {"dataAreaId": "usmf", "InvoiceNumber": "I1"}
    line = ChildWrite(
        Action.UPDATE, "SalesInvoiceLines", {**key, "LineNumber": 1}, {"Quantity": Decimal("2.50")}
    )
    update = call("invoice", Action.UPDATE, external_key=key, children=(line,), token='W/"7"')
    header, child = ODATA.operations(update)
    assert header.path == "SalesInvoiceHeaders(dataAreaId='usmf',InvoiceNumber='I1')?cross-company=true"
    assert (header.method, header.body, dict(header.headers)["If-Match"]) == ("PATCH", b"{}", 'W/"7"')
    assert (child.method, child.body) == ("PATCH", b'{"Quantity":2.50}')


def test_settlements_of_a_posted_payment_go_without_touching_its_journal() -> None:
    key = {"dataAreaId": "usmf", "JournalNumber": "J1", "InvoiceNumber": "I1"}
    line = ChildWrite(Action.DELETE, "CustomerPaymentSettlements", key, {})
    (operation,) = ODATA.operations(call("payment", Action.UPDATE, external_key=key, children=(line,)))
    assert operation.method == "DELETE"


def test_actions_are_posted_to_the_record() -> None:
    key = {"dataAreaId": "usmf", "InvoiceNumber": "I1"}
    (post,) = ODATA.operations(call("invoice", Action.POST, external_key=key, token="t"))
    assert post.path.endswith("InvoiceNumber='I1')/Microsoft.Dynamics.DataEntities.Post?cross-company=true")
    assert dict(post.headers)["If-Match"] == "t"
    (reverse,) = ODATA.operations(call("payment", Action.REVERSE, external_key={"JournalNumber": "J1"}))
    assert "DataEntities.Reverse" in reverse.path


def test_calls_are_grouped_within_all_limits() -> None:
    calls = [call("customer", Action.CREATE, n, body={"PartyNumber": str(n)}) for n in range(25)]
    line = ChildWrite(Action.CREATE, "SalesInvoiceLines", {}, {})
    calls.append(call("invoice", Action.CREATE, 99, children=(line,) * 9))
    groups = ODATA.plan(calls, Limits(batch=10, operations=12))
    assert [len(group) for group in groups] == [10, 10, 5, 1]
    assert [planned.place for group in groups for planned in group] == list(range(26))


def test_success_that_is_not_in_the_protocol_is_unknown() -> None:
    create = call("payment", Action.CREATE, body={"Amount": Decimal(1)})
    (planned,) = ODATA.plan([create], Limits())[0]
    json = {"content-type": "application/json; odata.metadata=minimal"}

    def kind(answer: Answer) -> ResultKind:
        return ODATA.result(planned, [answer], NOW).kind

    assert kind(Answer(201, json, b'{"JournalNumber":"J1"}')) is ResultKind.ACCEPTED
    assert kind(Answer(201, json, b'{"Journal')) is ResultKind.UNKNOWN
    assert kind(Answer(201, json, b'{"JournalNumber":""}')) is ResultKind.UNKNOWN
    assert kind(Answer(200, json, b'{"JournalNumber":"J1"}')) is ResultKind.UNKNOWN
    assert kind(Answer(200, {"content-type": "text/html"}, b"<html>")) is ResultKind.UNKNOWN
