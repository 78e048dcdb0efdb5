"""Debezium's numbers and ISO texts for dates and times, as PostgreSQL prints them (pure).

With `time.precision.mode=microseconds` a date is days, all else without a zone is microseconds, whatever the column's
precision, and what has a zone is an ISO text in UTC. Years before Christ and beyond 9999 are possible, so Python's own
calendar is not enough. `isostring` is not used: it loses the era of a date (seen with Debezium 3.7).
"""

from __future__ import annotations

import re

# What Debezium makes of PostgreSQL's infinite dates: in the stream; in snapshots and arrays. No real date is that far away.
_INFINITE, _ENDLESS = frozenset({2146033979, -622191234}), frozenset({-2147472691, -625821272})
_LONGEST = 2**63
_DAY = 86_400_000_000
_ISO = re.compile(r"^(?P<year>[+-]?\d{4,})-(?P<rest>\d\d-\d\d)(?:T(?P<time>[\d:.]+))?(?P<zone>Z|[+-][\d:]+)?$")


def date_text(days: int) -> str:
    """Days since 1970 as a date: `2024-02-29`, `0044-03-15 BC`, `infinity`."""
    if days in _INFINITE:
        return "infinity"
    if days in _ENDLESS:
        return "-infinity"
    date, era = _calendar(days)
    return date + era


def timestamp_text(micros: int) -> str:
    """Microseconds since 1970 as a timestamp without a zone: `2024-01-01 10:00:00.123`."""
    if micros == _LONGEST - 1:
        return "infinity"
    if micros == -_LONGEST:
        return "-infinity"
    days, rest = divmod(micros, _DAY)
    date, era = _calendar(days)
    return f"{date} {time_text(rest)}{era}"


def time_text(micros: int) -> str:
    """Microseconds since midnight as a time of day, or a longer or negative span: `-12:34:56`, `838:59:59.5`."""
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    seconds, fraction = divmod(micros, 1_000_000)
    text = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}".rstrip("0") if fraction else text


def zoned_text(text: str) -> str:
    """An ISO timestamp in UTC as PostgreSQL prints it in UTC: `2024-01-01 08:00:00.123456+00`; infinities as they are."""
    return _iso(text, zone="+00")


def zoneless_text(text: str) -> str:
    """An ISO date or timestamp whose Z is no fact, for the column has no zone."""
    return _iso(text, zone="")


def zoned_time_text(text: str) -> str:
    """`08:11:12Z` as `08:11:12+00`."""
    return _trimmed(text.removesuffix("Z")) + "+00" if text.endswith("Z") else text


def _iso(text: str, *, zone: str) -> str:
    match = _ISO.match(text)
    if match is None:
        return text  # infinity, or what the mirror will refuse and hold
    year = int(match["year"])
    date = f"{year if year > 0 else 1 - year:04}-{match['rest']}"
    era = "" if year > 0 else " BC"
    if match["time"] is None:
        return date + era
    given = match["zone"]
    return f"{date} {_trimmed(match['time'])}{zone if given in (None, 'Z') or not zone else given}{era}"


def _trimmed(time: str) -> str:
    if len(time) == 5:
        return time + ":00"
    return time.rstrip("0").rstrip(".") if "." in time else time


def _calendar(days: int) -> tuple[str, str]:
    """Year-month-day and era of a day in the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date
    algorithms").
    """
    shifted = days + 719_468
    era, of_era = divmod(shifted, 146_097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    year = year_of_era + era * 400 + (month <= 2)
    return (f"{year:04}-{month:02}-{day:02}", "") if year > 0 else (f"{1 - year:04}-{month:02}-{day:02}", " BC")
