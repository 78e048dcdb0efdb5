"""Values the generator writes, from the seeded random source only."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from random import Random

COMPANY_CURRENCY = {"DE01": "EUR", "US01": "USD", "GB01": "GBP"}
TERMS = ("N000", "N014", "N030", "S210", "N060", None)
SEGMENTS = ("ENT", "MID", "SMB", "PUB", "NGO", None)
COUNTRIES = ("D", "CH", "GB", "USA", "F", "NL")
_FIRST = (
    "Adler",
    "Brandt",
    "Çelik",
    "Dubois",
    "Fürst",
    "Harper",
    "Kowalski",
    "Møller",
    "Núñez",
    "O'Brien",
    "Åberg",
)
_SECOND = ("Werke AG", "Logistics", "& Söhne", "Systems", "Holding", "Pharma", "Energy", "株式会社", "Ελλάς")
_CITIES = ("Köln", "Zürich", "Leeds", "Boston", "Lyon", "Utrecht", "Bern", "Kraków", "")
_ITEMS = ("CONS-SR", "CONS-JR", "TRAVEL", "FIXED", None)
_WORK = ("Beratung", "Travel", "Senior consultant", "Workshop", "Change request", None)


def name(rng: Random) -> str:
    """A customer name."""
    return f"{rng.choice(_FIRST)} {rng.choice(_SECOND)} {rng.randrange(10_000)}"


def city(rng: Random) -> str:
    """A city, sometimes blank."""
    return rng.choice(_CITIES)


def item(rng: Random) -> str | None:
    """A service item code."""
    return rng.choice(_ITEMS)


def work(rng: Random) -> str | None:
    """A line text."""
    return rng.choice(_WORK)


def long_text(rng: Random) -> str:
    """A text too long to stay in its row."""
    return f"{rng.randrange(10**12):012d} änderung " * rng.randrange(150, 400)


def today(rng: Random) -> date:
    """A day of the quarter in which the activity happens."""
    return date(2026, 7, 1) + timedelta(days=rng.randrange(80))


def quantity(rng: Random) -> Decimal:
    """Quarter hours."""
    return Decimal(rng.randrange(1, 160)) / 4


def price(rng: Random) -> Decimal:
    """An hourly price."""
    return Decimal(rng.randrange(1000, 25_000)) / 100


def amount_of(qty: Decimal, price_: Decimal) -> Decimal:
    """Line amount, as the old system rounds it."""
    return (qty * price_).quantize(Decimal("0.01"))
