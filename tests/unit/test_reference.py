"""The reference pages say what the code says."""

from __future__ import annotations

from tests.tools.reference import ROOT, out_of_date


def test_the_reference_is_up_to_date() -> None:
    stale = [str(path.relative_to(ROOT)) for path in out_of_date()]
    assert not stale, f"run `python -m tests.tools.reference`: {', '.join(stale)}"
