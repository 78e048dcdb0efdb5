"""JSON between Python and jsonb columns: numbers with a fraction stay exact (Decimal), dates are ISO
texts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

# As `decode`, without looking for blanks around the value; the attribute is in the documentation, not in the stubs.
_scan = json.JSONDecoder(parse_float=Decimal).scan_once  # type: ignore[attr-defined]


def dumps(value: Any) -> str:
    """JSON text of `value`; a Decimal is written as the number it is, digit for digit."""
    return orjson.dumps(value, default=_extra, option=orjson.OPT_NON_STR_KEYS).decode()


def loads(text: str) -> Any:
    """The value of a JSON text (select jsonb columns as ::text); fractions come as Decimal."""
    return {} if text == "{}" else _scan(text, 0)[0]


def _extra(value: object) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
