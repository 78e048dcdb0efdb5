"""Reference data and working tables: code table, terms, companies, the print queue that nobody maps."""

from __future__ import annotations

from random import Random

from sandbox.legacy.model import Book, Scenario, Statement

_SEGMENTS = {
    "ENT": ("Enterprise", "Large enterprise"),
    "MID": ("Mid-market", "Midmarket"),
    "PUB": ("Public sector", "Government"),
    "NGO": ("Non-profit", "Non profit"),
}


def code_edit(book: Book, rng: Random) -> Scenario | None:
    """A segment's text changes: every customer of it changes without a row of its own being written."""
    if "cdtab" in book.busy:
        return None
    code = rng.choice(sorted(_SEGMENTS))
    sql = "UPDATE fin.cdtab SET txt = %s, upd_ts = localtimestamp WHERE tab_id = 'SEGM' AND cd = %s"
    return Scenario("code_edit", [[Statement(sql, (rng.choice(_SEGMENTS[code]), code))]], {"cdtab"})


def terms_edit(book: Book, rng: Random) -> Scenario | None:
    """The terms with discount get another external code; or only their text, which no mapping reads."""
    if "trms" in book.busy:
        return None
    column, value = rng.choice(
        (("ext_cd", "Net30"), ("ext_cd", "Net10"), ("txt", "30 Tage, 10 Tage 2 % Skonto"))
    )
    sql = f"UPDATE fin.trms SET {column} = %s, upd_ts = localtimestamp WHERE trm_cd = 'S210'"
    return Scenario("terms_edit", [[Statement(sql, (value,))]], {"trms"})


def company_edit(book: Book, rng: Random) -> Scenario | None:
    """A company's name or its tax registration changes."""
    if "co" in book.busy:
        return None
    column, value = rng.choice(
        (("nm", f"Hollmann Consulting Ltd {rng.randrange(9)}"), ("tax_reg", "GB123456780"))
    )
    sql = f"UPDATE fin.co SET {column} = %s, upd_ts = localtimestamp WHERE co_cd = 'GB01'"
    return Scenario("company_edit", [[Statement(sql, (value,))]], {"co"})


def print_queue(book: Book, rng: Random) -> Scenario | None:
    """The print queue is emptied by TRUNCATE and filled again; nobody maps it."""
    if "wrkprt" in book.busy:
        return None
    insert = "INSERT INTO fin.wrkprt (job_no, doc_no, usr_id, dat_tx) VALUES (%s, %s, 'BATCH', 'queued')"
    statements = [
        Statement(insert, (n, f"R25-{rng.randrange(10**7):07d}")) for n in range(1, rng.randint(2, 6))
    ]
    return Scenario("print_queue", [[Statement("TRUNCATE fin.wrkprt"), *statements]], {"wrkprt"})
