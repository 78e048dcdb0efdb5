"""Values of a consulting firm, from the seeded random source only."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from random import Random

CURRENCIES = ("EUR", "EUR", "USD", "GBP")
COUNTRIES = ("DE", "CH", "GB", "US", "FR", "NL", None)
INDUSTRIES = ("PHA", "BNK", "PUB", "RET", None)
GRADES = ("PA", "MG", "SC", "CO", "AN")
_FIRST = ("Adler", "Brandt", "Çelik", "Dubois", "Fürst", "Harper", "Kowalski", "Møller", "Núñez", "O'Brien", "Åberg")
_SECOND = ("Werke AG", "Logistics", "& Söhne", "Systems", "Holding", "Pharma", "Energy", "株式会社")
_CITIES = ("Köln", "Zürich", "Leeds", "Boston", "Lyon", "Utrecht", "Kraków", "", None)
_PROJECTS = ("Rollout", "Vorstudie", "ERP migration", "Audit", "Betrieb", "PMO", "Carve-out")
_TASKS = ("Analyse", "Design", "Build", "Test", "Schulung", "Travel", "Project management")
_WORK = ("Workshop", "Abstimmung mit dem Kunden", "on site", "Nacharbeit", "", None)
_NAMES = ("Anna Weiß", "Bo Lindqvist", "Chiara Conti", "Dag Øster", "Émile Roux", "Fatma Aydın", "Grace O'Neill")


def company(rng: Random) -> str:
    """A client's name."""
    return f"{rng.choice(_FIRST)} {rng.choice(_SECOND)} {rng.randrange(10_000)}"


def city(rng: Random) -> str | None:
    """A city, blank, or nothing."""
    return rng.choice(_CITIES)


def person(rng: Random) -> str:
    """A consultant's name."""
    return f"{rng.choice(_NAMES)} {rng.randrange(1000)}"


def project(rng: Random) -> str:
    """What an engagement is called."""
    return f"{rng.choice(_PROJECTS)} {rng.randrange(2020, 2027)}"


def task(rng: Random) -> str:
    """What a task is called."""
    return rng.choice(_TASKS)


def work(rng: Random) -> str | None:
    """A line's text."""
    return rng.choice(_WORK)


def note(rng: Random) -> str | None:
    """A note: mostly none."""
    return rng.choice((None, None, None, "", "bitte prüfen", "two\nlines", "änderung " * rng.randrange(1, 300)))


def finance_number(rng: Random, number: int) -> str | None:
    """The finance system's customer number as somebody typed it."""
    plain = f"C{number:08d}"
    dashed = f"C-{number:08d}"
    return rng.choice((plain, plain, plain, f"{plain}  ", plain.lower(), dashed, f" {plain}", None))


def monday(rng: Random, weeks: int = 26) -> date:
    """The first day of a week of the half year in which the activity happens."""
    return date(2026, 3, 30) + timedelta(weeks=rng.randrange(weeks))


def hours(rng: Random) -> Decimal:
    """Quarter hours."""
    return Decimal(rng.randrange(1, 40)) / 4


def rate(rng: Random) -> Decimal:
    """An hourly rate."""
    return Decimal(rng.randrange(600_000, 2_500_000)) / 10_000
