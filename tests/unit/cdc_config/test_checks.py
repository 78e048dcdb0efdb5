"""Cross checks: each names the line, the value, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdc_config.checks import missing_secrets
from cdc_config.errors import ConfigError
from cdc_config.loader import EXAMPLE, load
from tests.unit.cdc_config.conftest import Refused, Write

CASES = [
    ("an_unknown_source", ("source: finance", "source: finanze"), 10,
     "unknown source 'finanze'", "'finance'"),
    ("an_unknown_entity", ("entity: customer", "entity: custommer"), 9,
     "unknown entity", "'customer'"),
    ("a_missing_sql_file", ("sql/customer.sql", "sql/none.sql"), 11,
     "does not exist", "relative"),
    ("a_mapping_without_key", ("[external_number]", "[]"), 12,
     "needs a key", "primary key"),
    ("an_unknown_value_map", ("{country: countries}", "{country: contries}"), 13,
     "unknown value map", "countries"),
    ("an_unknown_output", ("{country: countries}", "{contry: countries}"), 13,
     "unknown output", "country"),
    ("an_unknown_group_field", ("[email, city]", "[emial, city]"), 21,
     "unknown field 'emial'", "email"),
    ("a_field_in_two_groups", ("{contact: [email, city]}", "{contact: [email], x: [email]}"), 21,
     "too", "one group"),
    ("an_unknown_owner", ("owner: erp", "owner: erpp"), 24,
     "unknown owner 'erpp'", "'erp'"),
    ("an_unknown_object", ("object: customer, owner", "object: custmer, owner"), 23,
     "unknown object", "customer"),
    ("an_unknown_group", ("group: contact", "group: contacts"), 24,
     "unknown group 'contacts'", "'contact'"),
    ("an_unknown_profile", ("profile: my_profile.yaml", "profile: d365_finanse"), 27,
     "unknown profile", ""),
    ("an_address_that_is_none", ("base_url: http://127.0.0.1:1", "base_url: localhost"), 28,
     "not an address", "http"),
    ("an_empty_tenant", ("tenant: contoso", 'tenant: " "'), 29,
     "pinned", "id"),
    ("an_unknown_target_object", ("customer: {mode", "custome: {mode"), 35,
     "unknown object", "customer"),
    ("an_unusable_name", ("  erp:\n", "  E-RP:\n"), 26,
     "not a usable name", "a–z"),
    ("two_stores", ("store:\n", "store:\n  dsn: {env: X}\n"), 1,
     "both of dsn and embedded", "exactly one"),
    ("every_change_without_step", ("key: [ext", "keep: every_change\n    key: [ext"), 12,
     "needs a step_column", "root"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "line", "what", "remedy"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_it_is_refused_with_line_and_remedy(
    refused: Refused, change: tuple[str, str], line: int, what: str, remedy: str
) -> None:
    problem = next(p for p in refused(change) if p.where.endswith(f"coexist.yaml:{line}"))
    assert what in problem.what
    assert remedy in problem.remedy


def test_overlapping_rules_are_refused_naming_both_lines(refused: Refused, tmp_path: Path) -> None:
    (problem,) = refused(("group: contact, owner: erp", "from_date: 2025-01-01, owner: erp"))
    assert problem.where == f"{tmp_path}/coexist.yaml:24"
    assert f"overlaps with the rule at {tmp_path}/coexist.yaml:23" in problem.what


def test_rules_that_follow_one_another_are_not_refused(write: Write) -> None:
    load(
        write(
            ("{object: customer, owner: finance}", "{object: customer, owner: finance, to_date: 2025-01-01}"),
            ("group: contact, owner: erp", "from_date: 2025-01-01, owner: erp"),
        )
    )


def test_a_rule_that_ends_before_it_starts_is_refused(refused: Refused) -> None:
    (problem,) = refused(("group: contact,", "group: contact, from_date: 2025-02-01, to_date: 2025-02-01,"))
    assert "ends on or before" in problem.what


def test_a_source_and_a_target_of_one_name_are_refused(refused: Refused) -> None:
    problems = refused(("  erp:\n", "  finance:\n"), ("owner: erp", "owner: finance"))
    assert ["ambiguous" in p.what for p in problems] == [True]


def test_a_slot_with_two_readers_is_refused(refused: Refused) -> None:
    (problem,) = refused(("mappings:\n", "  psa:\n    dsn: {env: FINANCE_DSN}\nmappings:\n"))
    assert "'coexist' is read by 'finance' too" in problem.what


def test_two_mappings_of_one_entity_from_one_source_are_refused(refused: Refused) -> None:
    twin = "  twin:\n    entity: customer\n    source: finance\n    sql: sql/customer.sql\n    key: [external_number]\n"
    (problem,) = refused(("mappings:\n", "mappings:\n" + twin))
    assert "is mapped by 'twin' already" in problem.what


def test_a_mapping_listed_under_another_source_is_refused(refused: Refused) -> None:
    (problem,) = refused(
        ("mappings:\n", "  psa:\n    dsn: {env: PSA}\n    mappings: [customer]\nmappings:\n")
    )
    assert "'customer' reads source 'finance'" in problem.what


def test_missing_secrets_are_named_with_the_line_that_asks(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FINANCE_DSN", "")
    loaded = load(write())
    dsn, client = missing_secrets(loaded.config, loaded.tree)
    assert dsn.what == "sources.finance.dsn: the secret's environment variable FINANCE_DSN is empty"
    assert dsn.where.endswith("coexist.yaml:6")
    assert "secret's file cannot be read" in client.what
    monkeypatch.setenv("FINANCE_DSN", "postgresql://x")
    (tmp_path / "secret.txt").write_text("s3cret\n")
    assert missing_secrets(loaded.config, loaded.tree) == []


def test_rules_of_ones_own_over_shipped_ones_need_a_version_of_their_own(tmp_path: Path) -> None:
    text = EXAMPLE.read_text() + "\nownership:\n  rules:\n    - {object: customer, owner: finance}\n"
    path = tmp_path / "coexist.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="rules of your own need a version of your own"):
        load(path)
    path.write_text(text.replace("ownership:\n", "ownership:\n  version: mine\n"))
    assert load(path).config.ownership.version == "mine"
