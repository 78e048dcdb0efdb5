"""Loading: files become one typed configuration, or every problem with its line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc_config.errors import ConfigError
from cdc_config.loader import config_digest, load, load_config, load_profile
from tests.unit.cdc_config.conftest import Refused, Write


def line_of(path: Path, text: str) -> str:
    lines = path.read_text().splitlines()
    return f"{path}:{next(n for n, line in enumerate(lines, 1) if text in line)}"


def test_a_right_file_becomes_a_config_with_absolute_paths(write: Write, tmp_path: Path) -> None:
    config = load_config(write())
    assert config.mappings["customer"].sql == tmp_path / "sql/customer.sql"
    assert config.store.embedded is not None
    assert config.store.embedded.directory == tmp_path / "var/store"
    assert config.targets["erp"].auth.client_secret.file == str(tmp_path / "secret.txt")


def test_texts_stay_what_was_written(write: Write) -> None:
    assert load_config(write()).value_maps["countries"].values == {"NO": "NOR", "007": "BND"}


def test_numbers_dates_and_booleans_are_read_where_they_are_wanted(write: Write) -> None:
    path = write(
        ("{object: customer, owner: finance}", "{object: customer, owner: finance, from_date: 2025-01-01}"),
        ("dsn: {env: FINANCE_DSN}", "dsn: {env: FINANCE_DSN}\n    create: no\n    max_slice_rows: 100"),
    )
    config = load_config(path)
    assert config.ownership.rules[0].from_date == date(2025, 1, 1)
    assert (config.sources["finance"].create, config.sources["finance"].max_slice_rows) == (False, 100)


def test_an_unknown_field_is_named_with_its_line_and_the_likely_one(refused: Refused, tmp_path: Path) -> None:
    (problem,) = refused(("dsn: {env: FINANCE_DSN}", "dsn: {env: FINANCE_DSN}\n    publicaton: p"))
    assert problem.where == f"{tmp_path}/coexist.yaml:7"
    assert problem.what == "sources.finance.publicaton: unknown field"
    assert problem.remedy == "did you mean 'publication'?"


def test_a_missing_field_is_named_at_the_block_that_lacks_it(refused: Refused) -> None:
    (problem,) = refused(("    tenant: contoso\n", ""))
    assert problem.what == "targets.erp.tenant is missing"
    assert problem.where.endswith("coexist.yaml:26")


def test_a_wrong_value_is_shown_with_its_field(refused: Refused) -> None:
    (problem,) = refused(("on_missing: keep", "on_missing: kep"))
    assert "value_maps.countries.on_missing: 'kep' is wrong" in problem.what
    assert "'mandatory'" in problem.what
    assert problem.where.endswith("coexist.yaml:17")


def test_all_problems_are_told_at_once(refused: Refused) -> None:
    problems = refused(("on_missing: keep", "on_missing: kep"), ("profile: my", "profil: my"))
    assert len(problems) == 3


def test_a_secret_written_into_the_file_is_refused_and_not_repeated(refused: Refused) -> None:
    for change in (("{file: secret.txt}", "hunter2"), ("{file: secret.txt}", "{file: a, env: hunter2}")):
        (problem,) = refused(change)
        assert "targets.erp.auth.client_secret must say where the secret lives" in problem.what
        assert "hunter2" not in str(problem)


def test_a_key_given_twice_is_refused_with_both_lines(refused: Refused) -> None:
    (problem,) = refused(("on_missing: keep", "on_missing: keep\n    on_missing: clear"))
    assert problem.what == "'on_missing' is given twice, first at line 17"
    assert problem.where.endswith(":18")


def test_broken_yaml_is_refused_with_its_line(refused: Refused) -> None:
    (problem,) = refused(("tenant: contoso", "tenant: [contoso"))
    assert "not valid YAML" in problem.what
    assert "coexist.yaml:" in problem.where


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load(tmp_path / "none.yaml")


def test_included_files_are_joined_and_their_paths_are_their_own(write: Write, tmp_path: Path) -> None:
    (tmp_path / "more/sql").mkdir(parents=True)
    (tmp_path / "more/sql/le.sql").write_text("SELECT 2")
    (tmp_path / "more/entities.yaml").write_text(
        "mappings:\n  le: {entity: legal_entity, source: finance, sql: sql/le.sql, key: [code]}\n"
        "ownership:\n  rules:\n    - {object: legal_entity, owner: finance}\n"
    )
    loaded = load(write(("store:\n", "include: more/*.yaml\nstore:\n")))
    assert loaded.config.mappings["le"].sql == tmp_path / "more/sql/le.sql"
    assert [rule.object for rule in loaded.config.ownership.rules] == ["customer", "customer", "legal_entity"]
    assert loaded.where("mappings", "le", "key") == f"{tmp_path}/more/entities.yaml:2"


def test_a_value_given_in_two_files_is_refused_with_both_lines(write: Write, tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("targets:\n  erp:\n    tenant: other\n")
    with pytest.raises(ConfigError) as caught:
        load(write(("store:\n", "include: [more.yaml]\nstore:\n")))
    (problem,) = caught.value.problems
    assert problem.what == f"targets.erp.tenant is given twice, also at {tmp_path}/coexist.yaml:30"
    assert problem.where == f"{tmp_path}/more.yaml:3"


def test_an_include_that_matches_nothing_is_refused(refused: Refused) -> None:
    (problem,) = refused(("store:\n", "include: [mor.yaml]\nstore:\n"))
    assert "'mor.yaml' matches no file" in problem.what


def test_a_file_that_includes_itself_is_refused(refused: Refused) -> None:
    (problem,) = refused(("store:\n", "include: [coexist.yaml]\nstore:\n"))
    assert "is included twice" in problem.what


def test_an_unknown_default_is_refused_with_those_there_are(refused: Refused) -> None:
    (problem,) = refused(("store:\n", "use: [finanse]\nstore:\n"))
    assert (problem.what, problem.remedy) == ("use: unknown default 'finanse'", "did you mean 'finance'?")


def test_anchors_and_merge_keys_work(write: Write) -> None:
    path = write(
        (
            "objects:\n      customer: {mode: shadow}",
            "objects:\n      customer: &c {mode: shadow}\n      invoice: *c",
        ),
        ("{object: customer, owner: finance}", "&r {object: customer, owner: finance}"),
        ("{object: customer, group: contact, owner: erp}", "{<<: *r, group: contact, owner: erp}"),
    )
    config = load_config(path)
    assert config.targets["erp"].objects["invoice"].mode == "shadow"
    assert config.ownership.rules[1].model_dump()["owner"] == "erp"


def test_an_anchor_that_contains_itself_is_refused(refused: Refused) -> None:
    (problem,) = refused(("key: [external_number]", "key: &a [*a]"))
    assert "contains itself" in problem.what


def test_the_digest_is_the_meaning_not_the_place(write: Write, tmp_path: Path) -> None:
    before = config_digest(load_config(write()))
    (tmp_path / "coexist.yaml").write_text("# a remark\n" + (tmp_path / "coexist.yaml").read_text())
    assert config_digest(load_config(tmp_path / "coexist.yaml")) == before
    (tmp_path / "sql/customer.sql").write_text("SELECT 2")
    assert config_digest(load_config(tmp_path / "coexist.yaml")) != before


def test_a_profile_of_the_operators_is_read_by_path(write: Write, tmp_path: Path) -> None:
    config = load_config(write())
    assert load_profile(config.targets["erp"].profile).name == "mine"


def test_a_broken_profile_is_refused_with_its_line(write: Write, tmp_path: Path) -> None:
    config = load_config(write())
    (tmp_path / "my_profile.yaml").write_text("name: mine\nprotocol: odata_v9\nobjects: {}\nerrors: []\n")
    with pytest.raises(ConfigError, match=r"my_profile.yaml:2: protocol: 'odata_v9' is wrong"):
        load_profile(config.targets["erp"].profile)


@given(text=st.text(max_size=60))
def test_no_text_makes_the_reader_fail_otherwise_than_by_name(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "coexist.yaml"
    path.write_text(text, encoding="utf-8", errors="ignore")
    with pytest.raises(ConfigError):
        load(path)
