"""`python -m sandbox.erp`: serve until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
from typing import Any

import orjson

from sandbox.erp.config import Company
from sandbox.erp.server import ErpSandbox


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.erp", description="A pretend ERP tenant."
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--public-url", help="what others reach it by, where that is not http://host:port")
    parser.add_argument("--record", required=True, help="SQLite file; an existing one is continued")
    parser.add_argument("--tenant", default="contoso-test")
    parser.add_argument("--client-id", default="coexist-test")
    parser.add_argument(
        "--secret-env", required=True, metavar="VAR", help="environment variable with the client secret"
    )
    parser.add_argument("--page-size", type=int)
    parser.add_argument("--latency-ms", type=float)
    parser.add_argument("--token-seconds", type=float)
    parser.add_argument("--max-batch", type=int)
    parser.add_argument(
        "--company", action="append", metavar="CODE:CUR", help="legal entity; the first is the default"
    )
    return parser.parse_args()


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    names = (
        "host", "port", "public_url", "tenant", "client_id", "page_size", "latency_ms", "token_seconds", "max_batch",
    )  # fmt: skip
    settings = {n: getattr(arguments, n) for n in names if getattr(arguments, n) is not None}
    if arguments.company:
        pairs = [text.partition(":") for text in arguments.company]
        settings["companies"] = tuple(Company(code, code, currency) for code, _, currency in pairs)
        settings["default_company"] = pairs[0][0]
    return settings


async def _run(arguments: argparse.Namespace, secret: str) -> None:
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, done.set)
    async with ErpSandbox(record=arguments.record, client_secret=secret, **_settings(arguments)) as sandbox:
        gc.freeze()
        gc.set_threshold(
            10_000, 1_000_000, 1_000_000
        )  # rows are many and make no cycles: never walk the old ones
        print(orjson.dumps({"url": sandbox.url, "pid": os.getpid()}).decode(), flush=True)
        await done.wait()


def main() -> int:
    """Entry point."""
    arguments = _arguments()
    secret = os.environ.get(arguments.secret_env)
    if not secret:
        print(f"environment variable {arguments.secret_env} holds no secret", file=sys.stderr)
        return 2
    asyncio.run(_run(arguments, secret))
    return 0


if __name__ == "__main__":
    sys.exit(main())
