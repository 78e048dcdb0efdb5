"""A configuration on disk that is right, to be spoilt one line at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cdc_config.errors import ConfigError, Problem
from cdc_config.loader import load

RIGHT = """\
store:
  embedded:
    directory: var/store
sources:
  finance:
    dsn: {env: FINANCE_DSN}
mappings:
  customer:
    entity: customer
    source: finance
    sql: sql/customer.sql
    key: [external_number]
    value_maps: {country: countries}
value_maps:
  countries:
    values: {NO: NOR, 007: BND}
    on_missing: keep
ownership:
  version: "1"
  groups:
    customer: {contact: [email, city]}
  rules:
    - {object: customer, owner: finance}
    - {object: customer, group: contact, owner: erp}
targets:
  erp:
    profile: my_profile.yaml
    base_url: http://127.0.0.1:1
    tenant: contoso
    auth:
      token_url: http://127.0.0.1:1/token
      client_id: coexist
      client_secret: {file: secret.txt}
    objects:
      customer: {mode: shadow}
"""

Write = Callable[..., Path]
Refused = Callable[..., tuple[Problem, ...]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the right configuration with some texts replaced; returns its path."""

    def writer(*changes: tuple[str, str]) -> Path:
        text = RIGHT
        for before, after in changes:
            assert before in text, before
            text = text.replace(before, after, 1)
        (tmp_path / "sql").mkdir(exist_ok=True)
        (tmp_path / "sql/customer.sql").write_text("SELECT 1")
        (tmp_path / "my_profile.yaml").write_text("name: mine\nprotocol: odata_v4\nobjects: {}\nerrors: []\n")
        path = tmp_path / "coexist.yaml"
        path.write_text(text)
        return path

    return writer


@pytest.fixture
def refused(write: Write) -> Refused:
    """The problems of a spoilt configuration."""

    def refuse(*changes: tuple[str, str]) -> tuple[Problem, ...]:
        with pytest.raises(ConfigError) as caught:
            load(write(*changes))
        return caught.value.problems

    return refuse
