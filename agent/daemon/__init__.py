"""The daemon: one thread per stream for capture, one for derive, one event loop for apply and for observation."""

from agent.daemon.run import run

__all__ = ["run"]
