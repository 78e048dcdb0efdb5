"""The command line: data on stdout, chatter on stderr, an exit code that says how it went."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest

from tests.flow.cli.conftest import Coexist
from tests.flow.operations.story import CUSTOMER, Story

WHY = ("--reason", "ticket 7", "--actor", "ada")


def test_status_is_a_table_for_people(story: Story, coexist: Coexist) -> None:
    result = coexist("status")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "finance  done" in result.stdout
    assert "0/5A" in result.stdout


def test_status_is_versioned_json_for_scripts(story: Story, coexist: Coexist) -> None:
    found = json.loads(coexist("status", "-o", "json").stdout)
    assert (found["version"], found["kind"]) == (1, "status")
    assert found["streams"][0]["inbox_rows"] == 3
    assert found["targets"][0]["commands"]["parked"] == 1


def test_status_exits_3_when_something_needs_a_person(story: Story, coexist: Coexist) -> None:
    story.exception("apply", "a", command_id=2)
    result = coexist("status")
    assert result.exit_code == 3
    assert "1 open exception" in result.stdout


def test_books_exit_0_when_balanced_and_4_when_not(story: Story, coexist: Coexist) -> None:
    assert coexist("books").exit_code == 0
    story.run("UPDATE coexist.stream SET captured = captured + 1")
    result = coexist("books")
    assert result.exit_code == 4
    assert "OUT OF BALANCE: rows of finance by +1" in result.stdout
    found = json.loads(coexist("books", "-o", "json").stdout)
    assert (found["balanced"], found["out_of_balance"][0]["difference"]) == (False, 1)


def test_pausing_needs_a_reason_and_no_confirmation(story: Story, coexist: Coexist) -> None:
    assert coexist("target", "pause", "erp").exit_code == 2
    assert coexist("target", "pause", "erp", *WHY).stdout == "target erp paused\n"
    assert coexist("target", "pause", "erp", *WHY).stdout == "target erp was paused already\n"
    assert story.one("SELECT paused_by FROM coexist.target") == "ada"


def test_resuming_without_a_terminal_needs_a_yes(story: Story, coexist: Coexist) -> None:
    coexist("target", "pause", "erp", *WHY)
    refused = coexist("target", "resume", "erp", *WHY)
    assert refused.exit_code == 6
    assert "remedy: add --yes" in refused.stderr
    assert coexist("target", "resume", "erp", *WHY, "--yes").stdout == "target erp resumed\n"


def test_a_dry_run_takes_everything_back(story: Story, coexist: Coexist) -> None:
    result = coexist("target", "pause", "erp", *WHY, "--dry-run")
    assert result.stdout == "target erp paused (dry run: taken back)\n"
    assert story.one("SELECT paused FROM coexist.target") is False
    assert story.audit() == []


def test_an_unknown_target_is_refused_with_the_likely_one(story: Story, coexist: Coexist) -> None:
    result = coexist("target", "pause", "epr", *WHY)
    assert result.exit_code == 2
    assert "did you mean 'erp'?" in result.stderr


def test_a_trace_tells_the_story_in_order(story: Story, coexist: Coexist) -> None:
    out = coexist("trace", "P-77").stdout
    order = ["key     finance: C/1", "row     finance transaction 2", "event   1 customer.created", "rule    customer.*@*#1",
             "command 1 erp customer state: applied", "call  5 create", "unknown", "found 200", "record  erp",
             "xref    erp: guid-9"]  # fmt: skip
    places = [out.index(text) for text in order]
    assert places == sorted(places)


def test_a_trace_as_json_has_calls_inside_commands(story: Story, coexist: Coexist) -> None:
    (found,) = json.loads(coexist("trace", str(CUSTOMER), "-o", "json").stdout)["traces"]
    assert found["commands"][0]["calls"][0]["outcomes"][1]["native_id"] == "guid-9"


def test_a_trace_of_nothing_says_so(story: Story, coexist: Coexist) -> None:
    result = coexist("trace", "nobody")
    assert result.exit_code == 6
    assert "nothing is known by 'nobody'" in result.stderr


def test_exceptions_are_listed_shown_and_replayed(story: Story, coexist: Coexist) -> None:
    number = str(story.exception("apply", "a", command_id=2, diagnostics='{"vendor": "text"}'))
    assert "what happened" in coexist("exception", "list").stdout
    assert '"vendor": "text"' in coexist("exception", "show", number).stdout
    assert coexist("exception", "replay", number, *WHY).exit_code == 6
    assert coexist("exception", "replay", number, *WHY, "--yes").stdout == (
        f"exception {number}: put the command back in line (1)\n"
    )
    assert coexist("exception", "list").stdout == "Exceptions: none\n"
    assert len(json.loads(coexist("exception", "list", "--all", "-o", "json").stdout)["exceptions"]) == 1


def test_of_several_exceptions_all_are_changed_or_none(story: Story, coexist: Coexist) -> None:
    number = str(story.exception("apply", "a", command_id=2))
    result = coexist("exception", "skip", number, "99", *WHY, "--yes")
    assert (result.exit_code, story.state(2)) == (6, "parked")


def test_config_check_tells_what_was_read_or_what_is_wrong(
    coexist: Coexist, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = coexist("config", "check")
    assert result.exit_code == 2
    assert "TEST_FINANCE_DSN is not set" in result.stderr
    assert f"where:  {config}:4" in result.stderr
    monkeypatch.setenv("TEST_FINANCE_DSN", "postgresql://x")
    assert "the configuration is right" in coexist("config", "check").stdout
    config.write_text(config.read_text().replace("profile: d365fo", "profile: d365f"))
    assert "did you mean 'd365fo'?" in coexist("config", "check").stderr


@pytest.fixture
def legacy(new_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A source with the legacy finance schema in it."""
    with psycopg.connect(new_database, autocommit=True) as conn:
        conn.execute(files("sandbox.legacy").joinpath("sql/schema.sql").read_text(encoding="utf-8").encode())
    monkeypatch.setenv("TEST_FINANCE_DSN", new_database)
    return new_database


def test_the_shipped_mappings_are_right_for_the_legacy_schema(legacy: str, coexist: Coexist) -> None:
    result = coexist("map", "check", "-o", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = {mapping["name"]: mapping for mapping in json.loads(result.stdout)["mappings"]}
    assert found["finance.invoice"]["root"] == "fin.arinvh"
    assert all(mapping["right"] and not mapping["every_root"] for mapping in found.values())
    assert "finance.invoice: right" in coexist("map", "check", "finance.invoice").stdout


def test_a_mapping_that_is_wrong_is_named_with_file_and_line(
    legacy: str, coexist: Coexist, config: Path
) -> None:
    (config.parent / "le.sql").write_text("SELECT c.co_cd AS key_co_cd,\n  c.nmm AS name\nFROM fin.co c\n")
    config.write_text(f"{config.read_text()}mappings:\n  finance.legal_entity: {{sql: le.sql}}\n")
    result = coexist("map", "check", "finance.legal_entity")
    assert result.exit_code == 2
    assert f"where:  {config.parent}/le.sql:2" in result.stderr
    (config.parent / "le.sql").write_text("SELECT c.co_cd AS key_co_cd,\n  c.nm AS nam\nFROM fin.co c\n")
    told = coexist("map", "check", "finance.legal_entity").stderr
    assert "output nam is no field of legal_entity" in told
    assert "did you mean 'name'?" in told
    assert "legal_entity needs functional_currency" in told


def test_a_source_that_is_away_exits_7(coexist: Coexist, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_FINANCE_DSN", "postgresql://app:correct-horse@127.0.0.1:1/x")
    result = coexist("map", "check")
    assert result.exit_code == 7
    assert "correct-horse" not in result.stderr


def test_a_store_that_is_away_is_told_without_its_password(
    coexist: Coexist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_STORE_DSN", "postgresql://app:correct-horse@127.0.0.1:1/x")
    result = coexist("status")
    assert result.exit_code == 1
    assert "the store cannot be reached" in result.stderr
    assert "correct-horse" not in result.stderr


def test_a_defect_is_one_line_and_not_a_traceback(coexist: Coexist, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("agent.cli.session.load", broken)
    result = coexist("status")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: internal error: RuntimeError: a defect\n")
    monkeypatch.setenv("COEXIST_DEBUG", "1")
    with pytest.raises(RuntimeError):
        coexist("status")


def test_the_installed_command_works_as_a_process(story: Story, config: Path) -> None:
    command = [str(Path(sys.executable).with_name("coexist")), "status", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=config.parent, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["kind"] == "status"
    away = subprocess.run([*command[:1], "statu"], capture_output=True, text=True, check=False)
    assert (away.returncode, away.stdout) == (2, "")
