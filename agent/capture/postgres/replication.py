"""The COPY BOTH socket: XLogData and keepalives in, status updates out, batches for intake.

Row changes are counted (agent.capture.postgres.wirecount) before anything is decoded.
"""

from __future__ import annotations

import select
import threading
import time
from struct import Struct

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result

from agent.capture.postgres import wire
from agent.capture.postgres.assemble import Assembler
from agent.capture.postgres.lsn import flush_lsn, lsn_text, position_before
from agent.capture.postgres.pgoutput import (
    RELATION,
    DecodeError,
)
from agent.capture.postgres.wirecount import WireCount
from agent.errors import SourceError
from agent.model.changes import CaptureBatch, ResumePoint
from agent.model.ids import CommitPos

_XLOG, _KEEPALIVE = b"wk"
MAX_MESSAGES = 65_536  # read at a stretch before the clock is looked at (a long redelivery makes no batch)
MAX_SILENCE = 300.0  # seconds a consumer may sit on a batch before the server may hang up on us
FAREWELL = 0.5  # seconds
STATUS_GAP = 0.2  # seconds between status updates while batches follow one another
_PATIENCE = "SELECT extract(epoch FROM current_setting('wal_sender_timeout')::interval)"
_BODY = 25  # bytes of the XLogData envelope before the pgoutput message
_keepalive = Struct(">xQqB").unpack_from
_status = Struct(">cQQQqB").pack
_EPOCH_2000 = 946_684_800


class ReplicationStream:
    """One START_REPLICATION. Used by one thread, while a second one of its own keeps the server patient.

    Everything on the connection happens under `_lock`, which is free while the consumer works on a batch.
    """

    def __init__(
        self,
        conn: psycopg.Connection,
        dsn: str,
        resume: ResumePoint,
        assembler: Assembler,
        interrupt: wire.Interrupt,
        *,
        max_rows: int,
        idle_seconds: float,
    ) -> None:
        self._conn, self._dsn, self._pgconn = conn, dsn, conn.pgconn
        self._assembler = assembler
        self._interrupt = interrupt
        self._count = WireCount(resume)
        self._max_rows, self._idle, self._every = max_rows, idle_seconds, 10.0
        self._acked = CommitPos(resume.position or 0)
        self._end = self._acked
        self._told = -1
        self._received = 0
        self._cut: bytes | None = None
        self._urgent = False
        self._yielded = self._status_at = self._asked_at = time.monotonic()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="capture-heart", daemon=True)

    def start(self, slot: str, publication: str) -> None:
        """Begin streaming where the store stands. Raises SourceError, SourceUnavailable, wire.Stopped."""
        names = '"' + publication.replace('"', '""') + '"'
        options = f"proto_version '1', publication_names '{names.replace(chr(39), chr(39) * 2)}'"
        command = f'START_REPLICATION SLOT "{slot}" LOGICAL {lsn_text(flush_lsn(self._acked))} ({options})'
        # Servers hang up on a silent client after wal_sender_timeout (0: never).
        patience = wire.run(self._conn, _PATIENCE, self._dsn)[0][0]
        if float(patience or 0):
            self._every = min(self._every, float(patience or 0) / 4)
        wire.run(self._conn, command, self._dsn, self._interrupt)
        self._heart.start()

    def acknowledge(self, position: CommitPos) -> None:
        """Remember what is durable; the server hears of it with the next status update."""
        self._acked = max(self._acked, position)

    def close(self) -> None:
        """Tell the server the last of what is durable and hang up. May be called twice."""
        self._stop.set()
        if self._heart.is_alive():
            self._heart.join()
        with self._lock:
            if not self._conn.closed:
                self._hang_up()

    def _hang_up(self) -> None:
        try:
            self._send_status()
            self._pgconn.put_copy_end()
            self._pgconn.flush()
            self._await_farewell()
        except psycopg.Error:
            pass  # the connection is gone already, and the store knows more than the slot anyway
        self._conn.close()

    def _await_farewell(self) -> None:
        """Until the server let go of the slot, so that the next reader finds it free; not for long."""
        until = time.monotonic() + FAREWELL
        copying = True
        while (left := until - time.monotonic()) > 0:
            if copying:
                size, _ = self._pgconn.get_copy_data(1)
                copying = size >= 0
                if size != 0:
                    continue
            elif not self._pgconn.is_busy() and self._pgconn.get_result() is None:
                return
            select.select([self._pgconn.socket], [], [], left if self._pgconn.is_busy() else 0)
            self._pgconn.consume_input()

    def next_batch(self) -> CaptureBatch | None:
        """What is there, or an empty batch when nothing came for a while; None when told to stop.

        Raises SourceUnavailable when the connection is lost, SourceError when the server refuses to go on.
        """
        try:
            with self._lock:
                return self._next()
        except psycopg.Error as error:
            raise wire.translated(error, self._dsn) from None
        except DecodeError as error:
            raise SourceError(
                f"the source sent what pgoutput protocol 1 does not allow: {error}",
                where=wire.place(self._dsn),
                remedy="report it with the server's version; nothing was acknowledged",
            ) from error

    def _next(self) -> CaptureBatch | None:
        if self._acked != self._told and time.monotonic() - self._status_at > STATUS_GAP:
            self._send_status()
        while not self._interrupt.told:
            drained = self._fill()
            batch = self._batch()
            if batch is not None:
                self._yielded, self._end = time.monotonic(), batch.end_pos
                return batch
            self._keep_alive()
            if drained:
                self._interrupt.wait(self._pgconn.socket, self._quiet_for())
                self._pgconn.consume_input()
        return None

    def _fill(self) -> bool:
        """Take in what has arrived until the batch is full; True when nothing is left."""
        read, feed = self._pgconn.get_copy_data, self._assembler.feed
        see, full = self._count.see, self._count.full
        if self._cut is not None:
            feed(self._cut, _BODY)
            self._cut = None
        looked = False  # whether the socket was asked since the last message
        for _ in range(MAX_MESSAGES):
            size, data = read(1)
            if size == 0:
                if looked:
                    return True
                self._pgconn.consume_input()
                looked = True
                continue
            looked = False
            if size < 0:
                raise self._ended()
            if data[0] == _KEEPALIVE:
                self._heard(bytes(data))
                continue
            message = bytes(data)
            if message[_BODY] == RELATION and self._assembler.must_hand_over_before(message, _BODY):
                self._cut = message
                return False
            see(message, _BODY)
            feed(message, _BODY)
            if full(self._max_rows):
                return False
        return False

    def _batch(self) -> CaptureBatch | None:
        whole = self._assembler.whole
        # Of an unfinished transaction something is handed over only when it alone fills a batch, or when the
        # shape of its rows is about to change.
        partial = self._cut is not None or (not whole and self._count.full(self._max_rows))
        if whole or partial:
            relations, slices = self._assembler.take(partial=partial)
            end = max((s.commit_pos for s in slices if s.complete), default=self._end)
            return CaptureBatch(relations, slices, self._count.hand_over(partial=partial), end)
        if self._urgent or time.monotonic() - self._yielded >= self._idle:
            self._urgent = False
            return CaptureBatch((), (), 0, max(self._end, self._assembler.position))
        return None

    def _heard(self, data: bytes) -> None:
        wal_end, _, reply = _keepalive(data)
        self._received = max(self._received, wal_end)
        self._assembler.passed(position_before(wal_end))
        if reply:
            self._send_status()
            # A server that shuts down waits until all its WAL is confirmed: do not let it wait for the idle
            # clock.
            self._urgent = self._assembler.position > self._end

    def _keep_alive(self) -> None:
        now = time.monotonic()
        # Ahead of an idle batch, ask how far the server is, so that the batch carries a position worth
        # storing.
        ask = now - self._yielded >= self._idle / 2 and self._asked_at <= self._yielded
        if ask or self._acked != self._told or now - self._status_at >= self._every:
            self._send_status(ask=ask)

    def _quiet_for(self) -> float:
        now = time.monotonic()
        half = self._idle / 2 if self._asked_at <= self._yielded else self._idle
        return min(self._yielded + half, self._status_at + self._every) - now

    def _send_status(self, *, ask: bool = False) -> None:
        now = time.monotonic()
        flushed = flush_lsn(self._acked)
        written = max(self._received, flushed)
        micros = int((time.time() - _EPOCH_2000) * 1_000_000)
        self._pgconn.put_copy_data(_status(b"r", written, flushed, flushed, micros, ask))
        self._pgconn.flush()
        self._status_at, self._told = now, self._acked
        if ask:
            self._asked_at = now

    def _beat(self) -> None:
        """While the consumer works on a batch, somebody has to show the server that we live.

        Not for ever: a server that is being stopped waits for as long as we claim to live and do not confirm.
        """
        while not self._stop.wait(self._every):
            if time.monotonic() - self._yielded < MAX_SILENCE and self._lock.acquire(blocking=False):
                try:
                    self._send_status()
                except psycopg.Error:
                    return  # the reading thread meets the same and reports it
                finally:
                    self._lock.release()

    def _ended(self) -> Exception:
        result = self._pgconn.get_result()
        if result is not None and result.status == pq.ExecStatus.FATAL_ERROR:
            return error_from_result(result)
        return psycopg.OperationalError("the server ended the stream")
