"""The daemon: a process per stream for capture, a thread per stream for derive, one event loop for apply and observation."""
