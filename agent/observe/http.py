"""/metrics, /livez and /readyz over HTTP."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from agent.errors import CoexistError
from agent.observe.health import Health

Exposition = Callable[[], bytes]


class ObservationServer:
    """A small HTTP server in the daemon's event loop. `port` is the bound one once started (0: any free)."""

    def __init__(self, host: str, port: int, exposition: Exposition, health: Health) -> None:
        self._host = host
        self.port = port
        self._exposition = exposition
        self._health = health
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Bind and serve. Raises CoexistError when the port is taken."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self.port).start()
        except OSError as error:
            await runner.cleanup()
            raise CoexistError(
                f"cannot listen: {error.strerror}",
                where=f"{self._host}:{self.port}",
                remedy="set agent.http.port to a free port, or end the process that has it",
            ) from error
        self._runner = runner
        self.port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def _livez(self, _: web.Request) -> web.Response:
        return _verdict(self._health.complaints())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _verdict(self._health.missing() + self._health.complaints())


def _verdict(complaints: list[str]) -> web.Response:
    if not complaints:
        return web.Response(text="ok\n")
    return web.Response(status=503, text="".join(f"{line}\n" for line in complaints))
