"""One field's value: canonical → normalised → native and back, compiled once per FieldProfile into
closures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import ROUND_DOWN, Context, Decimal, Inexact, InvalidOperation
from typing import Any, NamedTuple

from agent.profile.errors import NotFitting
from cdc_config.profile import FieldProfile

Convert = Callable[[Any], Any]
_EXACT = Context(prec=60, rounding=ROUND_DOWN, traps=[InvalidOperation, Inexact])


class Field(NamedTuple):
    """One canonical field, ready to use. `fit` raises NotFitting; `read` never does."""

    name: str
    native: str
    fit: Convert  # any canonical value → its normalised form
    write: Convert  # normalised → native
    read: Convert  # native → normalised, as far as it can be
    omit_null: bool


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:40]}… ({len(text)} characters)"


def _wrong(name: str, value: object, wanted: str) -> NotFitting:
    return NotFitting(
        "wrong_type",
        name,
        f"{_shown(value)} is not {wanted}",
        "correct the mapping's output or the field's type in the profile",
    )


def _fit_text(name: str, profile: FieldProfile) -> Convert:
    limit, upper = profile.max_length, profile.upper

    def fit(value: Any) -> str | None:
        if not isinstance(value, str):
            raise _wrong(name, value, "a text")
        text = value.strip()
        if upper:
            text = text.upper()
        if limit is not None and _units(text) > limit:
            raise NotFitting(
                "too_long",
                name,
                f"{_units(text)} characters do not fit the target's {limit}: {_shown(text)}",
                "shorten it in the source or map a shorter value; nothing is cut",
            )
        if "\x00" in text:
            raise _wrong(name, value, "a text the target can hold (it contains NUL)")
        return text or None

    return fit


def _units(text: str) -> int:
    """Length as nvarchar columns count it: UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _number(name: str, value: Any) -> Decimal:
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, bool):
        raise _wrong(name, value, "a number")
    elif isinstance(value, int):
        number = Decimal(value)
    elif isinstance(value, str):
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise _wrong(name, value, "a number") from None
    else:
        raise _wrong(name, value, "an exact number")
    if not number.is_finite():
        raise _wrong(name, value, "a finite number")
    return number


def plain(number: Decimal) -> Decimal:
    """The same number without trailing zeros or exponent: 1E+2 → 100, 1.50 → 1.5, -0 → 0."""
    if not number:
        return Decimal(0)
    number = number.normalize(_EXACT)
    return number.quantize(Decimal(1), context=_EXACT) if number.as_tuple().exponent > 0 else number  # type: ignore[operator]


def _fit_decimal(name: str, profile: FieldProfile) -> Convert:
    scale, ceiling = profile.scale, None if profile.digits is None else Decimal(10) ** profile.digits
    step = None if scale is None else Decimal(1).scaleb(-scale)

    def fit(value: Any) -> Decimal:
        number = _number(name, value)
        if ceiling is not None and abs(number) >= ceiling:
            raise NotFitting(
                "too_large",
                name,
                f"{_shown(str(number))} has more than {profile.digits} digits before the decimal point",
                "the target cannot hold it: correct the value in the source",
            )
        try:
            if step is None:
                return plain(number)
            fitted = number.quantize(step, context=_EXACT)
        except (Inexact, InvalidOperation):
            raise NotFitting(
                "too_many_decimals",
                name,
                f"{_shown(str(number))} has more digits than the target keeps ({scale} decimals)",
                "round it in the mapping, by a rule the business agreed to",
            ) from None
        return fitted or abs(fitted)

    return fit


def _fit_integer(name: str) -> Convert:
    def fit(value: Any) -> int:
        if type(value) is int:
            return value
        number = _number(name, value)
        if number != number.to_integral_value():
            raise _wrong(name, value, "a whole number")
        return int(number)

    return fit


def _fit_boolean(name: str) -> Convert:
    def fit(value: Any) -> bool:
        if not isinstance(value, bool):
            raise _wrong(name, value, "true or false")
        return value

    return fit


def _fit_date(name: str) -> Convert:
    def fit(value: Any) -> str:
        if isinstance(value, date) and not isinstance(value, datetime):
            return value.isoformat()
        try:
            return date.fromisoformat(value).isoformat()
        except (TypeError, ValueError):
            raise _wrong(name, value, "a date (YYYY-MM-DD)") from None

    return fit


def _mapped(name: str, inner: Convert, codes: dict[str, str]) -> tuple[Convert, Convert, Convert]:
    """Codes translated both ways. Two of our codes for one of theirs: the first listed stands for both."""
    first: dict[str, str] = {}
    for ours, theirs in codes.items():
        first.setdefault(theirs, ours)

    def fit(value: Any) -> Any:
        code = inner(value)
        if code is None:
            return None
        if code not in codes:
            raise NotFitting(
                "mapping_missing",
                name,
                f"no code of the target is known for {_shown(code)}",
                "add it to the field's values in the profile",
            )
        return first[codes[code]]

    return fit, lambda value: codes[value], lambda native: first.get(native, native)


def _same(value: Any) -> Any:
    return value


def _read_day(native: Any) -> Any:
    return native[:10] if isinstance(native, str) else native


def compile_field(name: str, profile: FieldProfile) -> Field:
    """The closures for one field; nulls and `clear` are handled here, so that the typed parts see values
    only."""
    write: Convert = _same
    read: Convert = _same
    match profile.type:
        case "text":
            fit = _fit_text(name, profile)
        case "decimal":
            fit = _fit_decimal(name, profile)
        case "integer":
            fit = _fit_integer(name)
        case "boolean":
            fit = _fit_boolean(name)
        case "yes_no":
            fit = _fit_boolean(name)
            write = {True: "Yes", False: "No"}.__getitem__
            read = lambda native: {"Yes": True, "No": False}.get(native, native)  # noqa: E731
        case "date":
            fit, read = _fit_date(name), _read_day
    if profile.values is not None:
        fit, write, read = _mapped(name, fit, profile.values)
    empty = "" if profile.clear == "empty" else None
    null = fit(0) if profile.clear == "zero" else None
    omit = profile.clear == "omit"
    reader = _reader(fit, read, null)
    return Field(name, profile.native, _nullable(fit, null), _writer(write, empty), reader, omit)


def _nullable(fit: Convert, null: Any) -> Convert:
    return lambda value: null if value is None else fit(value)


def _writer(write: Convert, empty: str | None) -> Convert:
    if write is _same and empty is None:
        return _same
    return lambda value: empty if value is None else write(value)


def _reader(fit: Convert, read: Convert, null: Any) -> Convert:
    """What the target holds, in our terms; what does not fit is kept as it is, so that the difference
    shows."""

    def convert(native: Any) -> Any:
        if native is None or native == "":
            return null
        value = read(native)
        try:
            return fit(value)
        except NotFitting:
            return value

    return convert
