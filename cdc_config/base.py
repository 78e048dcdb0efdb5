"""The shared strictness of every configuration model, and references to secrets."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, model_validator


class ConfigModel(BaseModel):
    """Frozen; an unknown field is an error, not a silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SecretRef(ConfigModel):
    """Where a secret lives; never the secret. Exactly one of `env` (variable name) and `file` (path)."""

    env: str | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _one(self) -> SecretRef:
        if (self.env is None) == (self.file is None):
            raise ValueError("give exactly one of env and file")
        return self
