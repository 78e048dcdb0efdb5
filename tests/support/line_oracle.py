"""The real line in one process, from a source's log to derived state, and the question whether that state is right.

A `Line` follows one random schema in a database shared with others: a source of its own in the store, capture over the
replication protocol, intake and deriver as the agent wires them. Everything may be stopped at any statement and made anew.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from pydantic import ConfigDict

from agent.capture.postgres.capture import PostgresCapture
from agent.derive.deriver import Deriver, Progress
from agent.errors import MappingError
from agent.inbox.intake import Intake
from agent.mapping.compile import compile_mapping
from agent.mapping.schema import SourceSchema
from agent.mirror.tables import mirror_schema
from agent.model.changes import CaptureBatch, ResumePoint
from agent.model.ids import CommitPos
from agent.model.mapping import CompiledMapping
from agent.operations.books import books
from agent.store.queries import queries
from agent.wiring.source import SourceMappings, build_deriver
from canonical.base import CanonicalEntity
from canonical.entities import ENTITIES
from cdc_config.models import AgentConfig, Config, MappingConfig, OwnershipConfig
from tests.support.mapping_strategies import RandomMapping

_SQL = queries("tests.support", "line_oracle")
PATIENCE = 30.0


class Thing(CanonicalEntity):
    """An entity that takes every field, so that any random mapping's rows pass."""

    model_config = ConfigDict(extra="allow")
    object_name: ClassVar[str] = "thing"


def _entity(number: int) -> str:
    """Every mapping of a source makes an entity of its own."""
    name = f"thing{number}"
    if name not in ENTITIES:
        ENTITIES[name] = type(name, (Thing,), {"object_name": name, "__module__": __name__})
    return name


class Killed(Exception):
    """The deriver's end in the middle of its work."""


class Mortal(psycopg.Connection[Any]):
    """A connection whose user dies, or whose server process is ended, right before its n-th next statement."""

    left: int = 0
    admin: psycopg.Connection[Any] | None = None

    def execute(self, *args: Any, **more: Any) -> Any:
        if self.left > 0:
            self.left -= 1
            if self.left == 0:
                self._die()
        return super().execute(*args, **more)

    def _die(self) -> None:
        if self.admin is None:
            raise Killed
        self.admin.execute("SELECT pg_terminate_backend(%s, 5000)", (self.info.backend_pid,))


@dataclass(frozen=True)
class Tuning:
    """How finely the line cuts its work."""

    batch_rows: int = 8192
    slice_entities: int = 8192
    max_slice_rows: int = 8192
    part_size: int = 512


@dataclass(frozen=True)
class Mapped:
    """A random mapping, compiled, and how it is configured."""

    random: RandomMapping
    compiled: CompiledMapping
    config: MappingConfig


class Line:
    """One source through the line, and its oracle."""

    def __init__(self, source: str, source_dsn: str, store_dsn: str, tuning: Tuning) -> None:
        self.source, self.tuning = source, tuning
        self._dsn, self._store_dsn = source_dsn, store_dsn
        self.mapped: list[Mapped] = []
        self.admin = psycopg.connect(store_dsn, autocommit=True)
        self.oracle = psycopg.connect(store_dsn, autocommit=True)
        self.oracle.execute("SET jit = off")
        self.oracle.execute("SET plan_cache_mode = force_generic_plan")
        self._intake_conn = psycopg.connect(store_dsn, autocommit=True)
        self._types: dict[str, dict[str, str]] = {}
        self._asked: tuple[int, bytes] = (0, b"")  # the question about so many mappings
        self._unsure = True  # something happened to the state since it was last found right
        self._conns: list[Mortal] = []
        self._batches: Iterator[CaptureBatch] | None = None
        self.acknowledged = ResumePoint(None)

    # ------------------------------------------------------------------------------------------------ capture, intake

    def open(self, tables: Sequence[tuple[str, str]]) -> None:
        """Snapshot the tables into the inbox."""
        self._tables = tuple(tables)
        self.intake = Intake(self._intake_conn, self.source)
        self.capture = self._capture()
        self.intake.pin(self.capture.check(self.intake.state.resume()))
        self.relations = self.capture.relations()
        self.snapshot()

    def _capture(self) -> PostgresCapture:
        return PostgresCapture(
            self._dsn, publication=f"p_{self.source}", slot=f"s_{self.source}", tables=self._tables, create=True,
            max_slice_rows=self.tuning.max_slice_rows, idle_seconds=0.5,
        )  # fmt: skip

    def snapshot(self) -> None:
        """A snapshot, the first or another."""
        self.intake.begin_snapshot()
        for batch in self.capture.snapshot():
            self.intake.append(batch)
        self._acknowledge()

    def snapshot_again(self) -> None:
        """The slot was lost: everything is read anew, and what was committed since was never streamed."""
        self._stop_stream()
        self.snapshot()

    def take_in(self, until_txn: int, *, acknowledge: bool = True, batches: int | None = None) -> bool:
        """Stream into the inbox until it holds that transaction, or that many batches; True when it does."""
        end = time.monotonic() + PATIENCE
        while self.intake.state.last_txn < until_txn:
            if batches == 0:
                return False
            batches = None if batches is None else batches - 1
            if self._batches is None:
                self._start(self.intake.state.resume())
                assert self._batches is not None
            self.intake.append(next(self._batches))
            if acknowledge:
                self._acknowledge()
            assert time.monotonic() < end, f"transaction {until_txn} never came: {self.intake.state}"
        return True

    def _acknowledge(self) -> None:
        resume = self.intake.state.resume()
        if resume.position is not None:
            self.capture.acknowledge(resume.position)
            self.acknowledged = ResumePoint(CommitPos(resume.position))

    def restart_intake(self, *, behind: bool) -> None:
        """A new reader, from where the store stands or (behind) from what was acknowledged last, all told again."""
        self._stop_stream()
        self.capture.close()
        self.capture = self._capture()
        self.intake = Intake(self._intake_conn, self.source)
        resume = self.acknowledged if behind else self.intake.state.resume()
        self._start(resume)

    def _start(self, resume: ResumePoint) -> None:
        # Where a stream starts is acknowledged by starting there.
        self._batches = iter(self.capture.stream(resume))
        self.acknowledged = ResumePoint(resume.position)

    def _stop_stream(self) -> None:
        if self._batches is not None:
            self._batches.close()  # type: ignore[attr-defined]
            self._batches = None

    # ------------------------------------------------------------------------------------------------ mappings, derive

    def compile(self, mapping: RandomMapping, default_schema: str, **options: Any) -> Mapped:
        """Through the real compiler; consent is given."""
        name, entity = f"{self.source}.m{len(self.mapped)}", _entity(len(self.mapped))
        compiled = compile_mapping(
            name=name, source=self.source, entity=entity, sql=mapping.sql, sql_path=f"{name}.sql", key=mapping.key,
            dialect="postgres", schema=SourceSchema.from_relations(self.relations, default_schema),
            mirror_schema=mirror_schema(self.source), consent_every_root=True,
        )  # fmt: skip
        config = MappingConfig(
            entity=entity, source=self.source, sql=Path(f"{name}.sql"), key=mapping.key, **options
        )
        return Mapped(mapping, compiled, config)

    def new_deriver(self, mortal: int = 0) -> None:
        """A deriver on a connection of its own, made by the agent's own wiring; the one before it is left as it is.

        mortal: it dies before the n-th statement of its making.
        """
        conn = Mortal.connect(self._store_dsn, autocommit=True)
        self._conns.append(conn)
        conn.left = mortal
        mappings = SourceMappings(
            self.source, tuple(m.compiled for m in self.mapped), {m.compiled.name: m.config for m in self.mapped}
        )
        self.deriver = build_deriver(
            conn, self._config(), self.source, self.intake.stream_id, self.intake.incarnation, mappings,
            self.relations,
        )  # fmt: skip
        self.deriver.entities.part_size = self.tuning.part_size
        conn.left = 0
        self.conn = conn
        self._unsure = True

    def _config(self) -> Config:
        tuned = AgentConfig(batch_rows=self.tuning.batch_rows, slice_entities=self.tuning.slice_entities)
        return Config.model_construct(  # type: ignore[call-arg]
            mappings={m.compiled.name: m.config for m in self.mapped}, value_maps={}, targets={}, agent=tuned,
            ownership=OwnershipConfig(version="1", rules=()),
        )  # fmt: skip

    def mortal_step(self, statements: int, *, by_server: bool) -> bool:
        """A step that dies before its n-th statement; True when it did."""
        self._unsure = True
        self.conn.left, self.conn.admin = statements, self.admin if by_server else None
        try:
            self.deriver.step()
        except (Killed, psycopg.OperationalError):
            return True
        finally:
            self.conn.left = 0
        return False

    def step(self) -> Progress:
        """One derive transaction, and the oracle's question after it."""
        progress = self.deriver.step()
        # One that found nothing to do is no step, unless it is the first after something else.
        if progress.worked or self._unsure:
            self.check()
        return progress

    def derive(self) -> None:
        """Everything that is in the inbox, checked after every step."""
        while self.step().worked:
            pass

    def retire(self, deriver: Deriver | None = None) -> None:
        """Close all derivers' connections but the newest."""
        for conn in self._conns:
            if conn is not self.conn:
                conn.close()
        self._conns = [self.conn]

    # ------------------------------------------------------------------------------------------------ the oracle

    def check(self) -> None:
        """The derived state of every mapping equals its view over the mirror; what still waits in slices is left out.

        Keys that the view yields twice keep their last state, and each has an open exception, and nothing else has.
        """
        wrong = self.oracle.execute(self._question(), prepare=True).fetchall()
        if wrong:
            mapped = self.mapped[int(wrong[0][0])]
            raise AssertionError(f"{mapped.compiled.name} {wrong[:4]}\n{mapped.random.sql}")
        self._unsure = False

    def _question(self) -> bytes:
        """One statement about all mappings."""
        if self._asked[0] != len(self.mapped):
            parts = [f"SELECT {n}, q.* FROM ({self._wrong(m.compiled)}) q" for n, m in enumerate(self.mapped)]
            self._asked = len(self.mapped), " UNION ALL ".join(parts).encode()
        return self._asked[1]

    def _wrong(self, mapping: CompiledMapping) -> str:
        types = self._types_of(mapping)
        keys = [k.output for k in mapping.key]
        fields = {
            "view": mapping.view_sql,
            "state": _state(mapping),
            "cast": ", ".join(f'v."{o.name}"::{types[o.name]} AS "{o.name}"' for o in mapping.outputs),
            "columns": ", ".join(f'"{o.name}"' for o in mapping.outputs),
            "keys": ", ".join(f'"{k}"' for k in keys),
            "v_keys": ", ".join(f'v."{k}"' for k in keys),
            "key_texts": ", ".join(f'"{k}"::text' for k in keys),
            "shown": " || '/' || ".join(_shown(f'"{k}"') for k in keys),
            "stream": str(self.intake.stream_id),
            "mapping": mapping.name,
        }
        made: str = _SQL["wrong"]
        for name, value in fields.items():
            made = made.replace("{" + name + "}", value)
        return made

    def _types_of(self, mapping: CompiledMapping) -> dict[str, str]:
        found = self._types.get(mapping.name)
        if found is None:
            found = dict(self.oracle.execute(_SQL["types"], (_state(mapping),)).fetchall())
            self._types[mapping.name] = found
        return found

    def check_source(self, conn: psycopg.Connection[Any]) -> None:
        """With nothing on its way: the mapping's own text, run by the source on its own tables, says the same."""
        for mapped in self.mapped:
            mapping = mapped.compiled
            types = self._types_of(mapping)
            listed = ", ".join(f'v."{o.name}"::{types[o.name]}' for o in mapping.outputs)
            keys = [[o.name for o in mapping.outputs].index(k.output) for k in mapping.key]
            said = conn.execute(f"SELECT {listed} FROM ({mapping.sql}) v".encode(), prepare=True).fetchall()
            plain = ", ".join(f'v."{o.name}"' for o in mapping.outputs)
            kept = self.oracle.execute(
                f"SELECT {plain} FROM {_state(mapping)} v WHERE NOT _deleted".encode(), prepare=True
            ).fetchall()
            times = Counter(tuple(row[k] for k in keys) for row in said)
            wanted = Counter(repr(_plain(row)) for row in said if times[tuple(row[k] for k in keys)] == 1)
            found = Counter(repr(_plain(row)) for row in kept if times[tuple(row[k] for k in keys)] < 2)
            if wanted != found:
                raise AssertionError(
                    f"{mapping.name} over the source: missing {dict(wanted - found)}"
                    f" surplus {dict(found - wanted)}\n{mapping.sql}"
                )

    def check_books(self) -> None:
        """The ledgers of this source balance."""
        wrong = [x for x in books(self.admin).out_of_balance if x.scope == self.source]
        assert not wrong, wrong

    # ------------------------------------------------------------------------------------------------ the end

    def close(self) -> None:
        """Take everything of this source away again."""
        self._stop_stream()
        if hasattr(self, "capture"):
            self.capture.close()
        for conn in self._conns:
            conn.close()
        self.admin.execute(
            f'DROP SCHEMA IF EXISTS "mirror_{self.source}", "mirror_{self.source}_rows", "state_{self.source}" CASCADE'.encode()
        )
        for other in (self.admin, self.oracle, self._intake_conn):
            other.close()


def usable(line: Line, mapping: RandomMapping, default_schema: str, **options: Any) -> Mapped | None:
    """The mapping compiled, or None when the compiler says that it cannot be kept."""
    try:
        return line.compile(mapping, default_schema, **options)
    except MappingError:
        return None


def _state(mapping: CompiledMapping) -> str:
    return f'"state_{mapping.source}"."{mapping.name.split(".")[-1]}"'


def _shown(key: str) -> str:
    # As exceptions name an entity's key.
    return f"rtrim({key}::text)"


def _plain(value: Any) -> Any:
    """Numbers without a memory of their scale, at any depth."""
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in sorted(value.items())}
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
