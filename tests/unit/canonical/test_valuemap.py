"""Value maps: listed codes are replaced, and what an unlisted one becomes is stated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.valuemap import Gap, OnMissing, apply, map_code


@dataclass(frozen=True)
class Codes:
    values: dict[str, str]
    on_missing: OnMissing = "mandatory"


MAPS = {"terms": Codes({"1": "NET10", "30": "NET30"})}


def test_a_listed_code_is_replaced_and_the_rest_of_the_state_stays() -> None:
    mapped = apply({"terms": "30", "name": "A"}, {"terms": "terms"}, MAPS)
    assert mapped.state == {"terms": "NET30", "name": "A"}
    assert not mapped.gaps


def test_a_numeric_code_is_looked_up_by_its_text() -> None:
    assert apply({"terms": 1}, {"terms": "terms"}, MAPS).state == {"terms": "NET10"}


def test_null_is_no_code() -> None:
    mapped = apply({"terms": None}, {"terms": "terms"}, MAPS)
    assert (mapped.state, mapped.gaps) == ({"terms": None}, ())


@pytest.mark.parametrize(
    ("policy", "value", "gap", "blocked"),
    [("keep", "99", False, False), ("mandatory", "99", True, True), ("if_possible", "99", True, False),
     ("clear", None, False, False)],
)  # fmt: skip
def test_an_unlisted_code_follows_its_maps_policy(
    policy: OnMissing, value: str | None, gap: bool, blocked: bool
) -> None:
    mapped = apply({"terms": "99"}, {"terms": "m"}, {"m": Codes({}, policy)})
    assert mapped.state == {"terms": value}
    assert mapped.gaps == ((Gap("terms", "m", "99", blocked),) if gap else ())
    assert mapped.blocked is blocked


def test_codes_inside_list_elements_are_mapped() -> None:
    state: dict[str, Any] = {"lines": [{"item": "1", "n": 1}, {"item": None, "n": 2}, {"n": 3}]}
    mapped = apply(state, {"lines.item": "terms"}, MAPS)
    assert mapped.state["lines"] == [{"item": "NET10", "n": 1}, {"item": None, "n": 2}, {"n": 3}]
    assert state["lines"][0]["item"] == "1"


def test_two_maps_on_one_list_both_apply() -> None:
    mapped = apply({"lines": [{"a": "1", "b": "30"}]}, {"lines.a": "terms", "lines.b": "terms"}, MAPS)
    assert mapped.state == {"lines": [{"a": "NET10", "b": "NET30"}]}


def test_an_output_that_is_not_there_is_left_alone() -> None:
    state = {"name": "A"}
    assert apply(state, {"terms": "terms"}, MAPS).state is state


@given(
    st.dictionaries(st.text(max_size=3), st.text(max_size=3)), st.none() | st.text(max_size=3) | st.integers()
)
def test_a_code_comes_out_listed_kept_or_cleared(values: dict[str, str], code: Any) -> None:
    value, listed = map_code(Codes(values, "clear"), code)
    assert listed == (code is None or str(code) in values)
    assert value == (values.get(str(code)) if code is not None else None)
