"""The URL of a MariaDB: read whole, refused without repeating its password."""

from __future__ import annotations

import contextlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.capture.kafka.mariadb_dsn import MariaDbDsn
from agent.errors import SourceError


@given(st.text(min_size=1), st.text(), st.integers(1, 65535), st.text(min_size=1).filter(lambda t: "/" not in t))
def test_user_password_and_database_may_be_any_text(user: str, password: str, port: int, database: str) -> None:
    try:
        encoded = [quote(t, safe="") for t in (user, password, database)]
    except UnicodeEncodeError:
        return  # half a surrogate pair is no text
    dsn = MariaDbDsn.parse(f"mysql://{encoded[0]}:{encoded[1]}@db.example:{port}/{encoded[2]}")
    assert (dsn.user, dsn.password, dsn.host, dsn.port, dsn.database) == (user, password, "db.example", port, database)


def test_the_port_may_be_left_out_and_a_certificate_given() -> None:
    dsn = MariaDbDsn.parse("mariadb://u:p@h/psa?ssl_ca=/etc/ca.pem")
    assert (dsn.port, dsn.ssl_ca) == (3306, "/etc/ca.pem")
    assert "p@h" not in repr(dsn)
    assert dsn.place == "mysql://u@h:3306/psa"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("postgresql://u:sesame@h/x", "does not begin with"),
        ("mysql://u:sesame@h/", "needs a user, a host and one database"),
        ("mysql://h/x", "needs a user"),
        ("mysql://u:sesame@h:notaport/x", "cannot be read"),
        ("mysql://u:sesame@h/x?sesame=1", "unknown options"),
        ("mysql://u:sesame@[::/x", "cannot be read"),
        ("", "does not begin with"),
    ],
)
def test_an_address_that_is_none_is_refused_in_our_words(text: str, why: str) -> None:
    with pytest.raises(SourceError, match=why) as caught:
        MariaDbDsn.parse(text)
    assert "u:sesame" not in f"{caught.value} {caught.value!r}"
    assert caught.value.remedy.startswith("write mysql://")


@given(st.text())
def test_whatever_the_text_it_is_read_or_refused(text: str) -> None:
    for candidate in (text, f"mysql://{text}", f"mysql://u:p@{text}"):
        with contextlib.suppress(SourceError):
            MariaDbDsn.parse(candidate)
