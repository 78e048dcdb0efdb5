"""Secrets: read when needed, shown never."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from cdc_config.base import SecretRef
from cdc_config.errors import ConfigError
from cdc_config.secrets import Secret, SecretSource, redact, resolve


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("correct horse")
    assert f"{secret} {secret!r} {secret:>10} {[secret]} {secret!s}".count("***") == 5
    assert secret.reveal() == "correct horse"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_rotated_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("first-one\n")
    source = SecretSource(SecretRef(file=str(path)))
    assert source.get().reveal() == "first-one"
    path.write_text("second-one\n")
    assert source.get().reveal() == "second-one"
    assert "one" not in repr(source).removeprefix(f"SecretSource(file {path}")


def test_an_unset_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COEXIST_TEST_SECRET", raising=False)
    with pytest.raises(ConfigError, match="COEXIST_TEST_SECRET is not set"):
        resolve(SecretRef(env="COEXIST_TEST_SECRET"))


def test_secrets_read_so_far_are_hidden_in_texts_also_inside_a_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COEXIST_TEST_DSN", "postgresql://app:p%40ssw0rd@db/x")
    resolve(SecretRef(env="COEXIST_TEST_DSN"))
    assert redact("cannot connect: postgresql://app:p%40ssw0rd@db/x") == "cannot connect: ***"
    assert redact("password was p@ssw0rd!") == "password was ***!"
