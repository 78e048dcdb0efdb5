"""What a sandbox can be told at its start; `/_control/settings` changes some of it later."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

TERMS = ("Net7", "Net10", "Net14", "Net30", "Net45", "Net60", "Net90", "COD")


@dataclass(frozen=True)
class Company:
    """A legal entity."""

    code: str
    name: str
    currency: str


COMPANIES = (
    Company("usmf", "Contoso Entertainment System USA", "USD"),
    Company("demf", "Contoso Entertainment System Germany", "EUR"),
    Company("gbsi", "Contoso Service Industries UK", "GBP"),
)


@dataclass
class Settings:
    """The tenant, its client and its limits."""

    record: Path | str
    client_secret: str = field(repr=False)
    client_id: str = "coexist-test"
    tenant: str = "contoso-test"
    host: str = "127.0.0.1"
    port: int = 0
    public_url: str | None = None  # what others reach it by, where that is not http://host:port
    companies: tuple[Company, ...] = COMPANIES
    default_company: str = "usmf"
    terms: tuple[str, ...] = TERMS
    page_size: int = 10_000
    max_batch: int = 1_000
    token_seconds: float = 3600.0
    latency_ms: float = 0.0
    rate: tuple[int, float] | None = None  # requests per window of seconds
    retry_after: bool = True  # whether a 429 says how long
