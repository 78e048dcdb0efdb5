"""Operations over a real store: what they read is what is there, what they change is audited."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import PolicyRefused
from agent.identity.ids import key_text
from agent.observe.metrics import PrometheusObserver
from agent.operations import exceptions, gauges, targets, trace
from agent.operations.books import books
from agent.operations.status import status
from tests.flow.operations.story import CUSTOMER, OTHER, Story

WHO = {"actor": "ada", "reason": "ticket 7"}


def test_status_tells_depth_lag_and_command_states(story: Story) -> None:
    now = status(story.conn)
    (stream,) = now.streams
    assert (stream.source, stream.inbox_rows, stream.inbox_transactions, stream.dirty) == ("finance", 3, 2, 0)
    assert 26 < stream.lag_seconds < 300
    assert now.targets[0].commands == {"applied": 1, "parked": 1, "waiting": 1, "braked": 1}
    assert now.degraded == ()


def test_status_names_what_needs_a_person(story: Story) -> None:
    targets.pause(story.conn, "erp", **WHO)
    story.exception("apply", "a", command_id=2)
    story.run("UPDATE coexist.target SET stopped_reason = 'wrong tenant'")
    assert status(story.conn).degraded == (
        "target erp is paused by ada: ticket 7",
        "target erp is stopped: wrong tenant",
        "1 open exception",
    )


def test_a_new_store_is_all_right(store: psycopg.Connection) -> None:
    assert status(store).degraded == ()
    assert books(store).balanced


def test_the_books_balance_in_the_middle_of_work(story: Story) -> None:
    found = books(story.conn)
    assert found.balanced, found.out_of_balance
    assert {(one.ledger, one.scope) for one in found.ledgers} == {
        ("rows", "finance"), ("entities", "finance"), ("commands", "erp"),
    }  # fmt: skip
    assert found.effects == {"finance": {"truncate": 1}}


@pytest.mark.parametrize(
    ("loss", "ledger", "difference"),
    [
        ("UPDATE coexist.stream SET captured = captured + 1", "rows", 1),
        ("DELETE FROM coexist.inbox WHERE seq = 11", "rows", 1),
        ("UPDATE coexist.ledger SET n = n - 1 WHERE item = 'merged'", "rows", 1),
        ("UPDATE coexist.ledger SET n = n + 1 WHERE item = 'affected'", "entities", 1),
        ("UPDATE coexist.ledger SET n = n + 1 WHERE item = 'changed'", "entities", -1),
        ("DELETE FROM coexist.command WHERE command_id = 3", "commands", 1),
        ("UPDATE coexist.ledger SET n = n + 2 WHERE item = 'pruned:applied'", "commands", -2),
    ],
)
def test_losing_one_names_the_ledger(story: Story, loss: str, ledger: str, difference: int) -> None:
    story.run(loss)
    (out,) = books(story.conn).out_of_balance
    assert (out.ledger, out.difference) == (ledger, difference)


def test_the_books_are_counted_as_of_one_moment(story: Story, server: object) -> None:
    with story.conn.transaction():
        story.run("INSERT INTO coexist.dirty (stream_id, mapping, key_values, txn_no, own)"
                  " SELECT stream_id, 'm', '{a}', 2, true"
                  " FROM coexist.stream")  # fmt: skip
        with psycopg.connect(
            story.conn.info.dsn, password=story.conn.info.password, autocommit=True
        ) as other:
            assert books(other).balanced
        story.run("UPDATE coexist.ledger SET n = n + 1 WHERE item = 'affected'")
    assert books(story.conn).balanced


def test_pausing_and_resuming_is_audited_and_idempotent(story: Story) -> None:
    assert targets.pause(story.conn, "erp", **WHO).changed
    assert not targets.pause(story.conn, "erp", actor="bob", reason="again").changed
    assert story.one("SELECT paused, paused_by FROM coexist.target") == (True, "ada")
    assert targets.resume(story.conn, "erp", **WHO).changed
    assert story.one("SELECT paused, paused_by FROM coexist.target") == (False, None)
    assert [row[:3] for row in story.audit()] == [
        ("ada", "target.pause", "erp"), ("bob", "target.pause", "erp"), ("ada", "target.resume", "erp"),
    ]  # fmt: skip


def test_resuming_clears_what_stopped_the_target(story: Story) -> None:
    story.run("UPDATE coexist.target SET stopped_reason = 'credentials'")
    targets.resume(story.conn, "erp", **WHO)
    assert story.one("SELECT stopped_reason FROM coexist.target") is None


def test_a_target_never_seen_can_be_paused_before_it_is_used(story: Story) -> None:
    targets.pause(story.conn, "crm", **WHO)
    assert story.one("SELECT paused FROM coexist.target WHERE target = 'crm'") is True


@pytest.mark.parametrize("who", [{"actor": "ada", "reason": " "}, {"actor": "", "reason": "x"}])
def test_a_change_without_actor_or_reason_is_refused_and_does_nothing(
    story: Story, who: dict[str, str]
) -> None:
    with pytest.raises(PolicyRefused):
        targets.pause(story.conn, "erp", **who)
    assert story.one("SELECT paused FROM coexist.target") is False


@pytest.mark.parametrize("text", [str(CUSTOMER), "C/1", "guid-9", "P-77", "p-77"])
def test_a_trace_is_found_by_id_source_key_native_id_and_external_key(story: Story, text: str) -> None:
    assert trace.find(story.conn, text) == (("customer", CUSTOMER),)


def test_a_text_that_names_nothing_finds_nothing(story: Story) -> None:
    assert trace.find(story.conn, "nobody") == ()
    assert trace.find(story.conn, "") == ()


def test_a_trace_goes_from_source_transaction_to_cross_reference(story: Story) -> None:
    found = trace.trace(story.conn, "customer", CUSTOMER)
    assert [key["key_text"] for key in found.keys] == ["C/1"]
    (event,) = found.events
    assert (event.event_type, event.commit_pos, event.mapping_version) == ("customer.created", 62, "v1")
    assert event.changes == {"name": [None, "Adler"]}
    assert [c.state for c in found.commands] == ["applied", "parked", "waiting"]
    assert found.commands[0].rule == "customer.*@*#1"
    (call,) = found.commands[0].calls
    assert [outcome["kind"] for outcome in call.outcomes] == ["unknown", "found"]
    assert found.records[0]["native_id"] == found.cross_references[0]["native_id"] == "guid-9"


def test_of_a_long_story_the_newest_part_is_told_in_order(story: Story) -> None:
    assert [c.command_id for c in trace.trace(story.conn, "customer", CUSTOMER, limit=2).commands] == [2, 3]


def test_exceptions_are_listed_newest_first_and_by_stage(story: Story) -> None:
    first = story.exception("apply", "a", command_id=2)
    second = story.exception("validate", "b")
    assert [e.exception_id for e in exceptions.list_exceptions(story.conn)] == [second, first]
    assert [e.exception_id for e in exceptions.list_exceptions(story.conn, stage="apply")] == [first]


def test_an_exception_shows_what_it_blocks(story: Story) -> None:
    assert exceptions.show(story.conn, story.exception("apply", "a", command_id=2)).blocks == 1


def test_replaying_puts_the_parked_command_back_in_line(story: Story) -> None:
    number = story.exception("apply", "a", command_id=2)
    assert exceptions.replay(story.conn, number, **WHO).moved == 1
    assert story.state(2) == "waiting"
    assert exceptions.show(story.conn, number).close_reason == "replay: ticket 7"
    assert story.audit() == [("ada", "exception.replay", str(number), "ticket 7")]
    assert books(story.conn).balanced


def test_replaying_leaves_a_command_alone_that_went_on_by_itself(story: Story) -> None:
    number = story.exception("apply", "a", command_id=1)
    assert exceptions.replay(story.conn, number, **WHO).moved == 0
    assert story.state(1) == "applied"


def test_replaying_an_entity_marks_it_once_and_keeps_the_books(story: Story) -> None:
    diagnostics = '{"mapping": "finance.customer", "key": "C\\\\/1/DE"}'
    for subject in ("x", "y"):
        number = story.exception("validate", subject, diagnostics=diagnostics)
        exceptions.replay(story.conn, number, **WHO)
    row = story.one("SELECT mapping, key_values, txn_no, cause FROM coexist.dirty")
    assert row == ("finance.customer", ["C/1", "DE"], 2, "live")
    assert story.one("SELECT count(*) FROM coexist.dirty") == 1
    assert books(story.conn).balanced


def test_replaying_a_brake_lets_its_commands_through(story: Story) -> None:
    number = story.exception("brake", "brake:finance:2:erp:customer")
    assert exceptions.replay(story.conn, number, **WHO).moved == 1
    assert story.state(4) == "waiting"


def test_skipping_a_brake_drops_its_commands(story: Story) -> None:
    number = story.exception("brake", "brake:finance:2:erp:customer")
    assert exceptions.skip(story.conn, number, **WHO).moved == 1
    assert story.one("SELECT state, reason, done_at IS NOT NULL FROM coexist.command WHERE command_id = 4") == (
        "skipped", "skipped by ada: ticket 7", True,
    )  # fmt: skip


def test_what_waited_behind_a_skipped_command_goes_on(story: Story) -> None:
    exceptions.skip(story.conn, story.exception("apply", "a", command_id=2), **WHO)
    assert story.state(2) == "skipped"
    assert story.one("SELECT blocked_on FROM coexist.command WHERE command_id = 3") is None
    assert books(story.conn).balanced


def test_a_row_that_cannot_be_read_is_not_replayed_but_can_be_skipped(story: Story) -> None:
    number = story.exception("copy", "row:1")
    with pytest.raises(PolicyRefused, match="change the row in the source"):
        exceptions.replay(story.conn, number, **WHO)
    assert exceptions.skip(story.conn, number, **WHO).moved == 0
    with pytest.raises(PolicyRefused, match="closed already"):
        exceptions.skip(story.conn, number, **WHO)


def test_an_exception_that_is_not_there_is_refused(story: Story) -> None:
    with pytest.raises(PolicyRefused, match="no exception 99"):
        exceptions.show(story.conn, 99)


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0")).map(str.rstrip), min_size=1, max_size=4
    )
)
def test_a_key_text_comes_apart_into_what_it_was_made_of(values: list[str]) -> None:
    assert exceptions.key_values(key_text(values)) == values


def test_the_stores_gauges_are_published_by_their_table(story: Story) -> None:
    story.exception("apply", "a", command_id=2)
    observer = PrometheusObserver(strict=True)
    gauges.publish(story.conn, observer)
    text = observer.exposition().decode()
    assert 'coexist_commands{state="parked",target="erp"} 1.0' in text
    assert 'coexist_books_difference{ledger="rows",scope="finance"} 0.0' in text
    assert 'coexist_open_exceptions{stage="apply"} 1.0' in text
    assert str(OTHER) not in text
