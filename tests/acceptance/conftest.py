"""One pair of servers per test process, and an estate that serves round after round until something fails in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.estate import Estate, Servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL for the source and for the store, fsync on, one postmaster each."""
    pair = Servers()
    yield pair
    pair.remove()


class Running:
    """Hands out an estate whose baseline is done and whose agent is stopped; makes a new one when needed."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self._estate: Estate | None = None

    def get(self) -> Estate:
        """The one in use, or a new one."""
        if self._estate is None:
            estate = Estate(self.servers)
            self._estate = estate
            estate.start()
            estate.wait_until_drained()
            assert estate.stop() == 0
        return self._estate

    def discard(self) -> None:
        """What failed once is not used again."""
        if self._estate is not None:
            self._estate.close()
        self._estate = None


@pytest.fixture(scope="session")
def running_estates(servers: Servers) -> Iterator[Running]:
    """See Running."""
    running = Running(servers)
    yield running
    running.discard()


@pytest.fixture
def estate(running_estates: Running) -> Iterator[Estate]:
    """An estate that has its baseline; discarded when the test leaves an agent behind."""
    made = running_estates.get()
    yield made
    if made.agent is not None and made.agent.exit_code is not None and made.agent.exit_code == 0:
        return
    running_estates.discard()


@pytest.fixture
def fresh_estate(servers: Servers) -> Iterator[Estate]:
    """An estate whose snapshot is still to be taken."""
    with Estate(servers) as made:
        yield made
