"""Writes what `decide` returned: journal, commands, records, exceptions, ledgers. Sets only; inside the derive transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from agent.decide.brake import BrakeRules, Braking
from agent.decide.copytext import Lines
from agent.decide.decide import Resolve, decide
from agent.decide.plan import EntityPlan
from agent.model.entities import (
    Broken,
    CommandRow,
    Decisions,
    EntityChange,
    EntityException,
    Part,
    Transaction,
)
from agent.store.arrays import plain, texts
from agent.store.beside import Beside
from agent.store.queries import queries

_SQL = queries("agent.decide", "write")
_MANY = 64  # rows for which a savepoint pays

Keep = Callable[[Sequence[EntityChange]], object]


class _Taken(NamedTuple):
    """A part, and the numbers of what it can come to at most."""

    part: Part
    events: Iterator[int]
    commands: Iterator[int]


@dataclass
class _Batch:
    """One mapping's parts on their way through `decide`. provisional: commands of a cause that spans several slices."""

    plan: EntityPlan
    cause: str
    provisional: bool
    lines: Lines
    keep: Keep
    decided: list[tuple[Decisions, list[int]]] = field(default_factory=list)
    unchanged: list[Sequence[str]] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        return sum(len(out.accepted) for out, _ in self.decided)


class Decider:
    """Decide and write, for all mappings of one source, on the deriver's connection."""

    def __init__(
        self, conn: psycopg.Connection[Any], stream_id: int, source: str, plans: Mapping[str, EntityPlan],
        versions: Mapping[str, str], resolve: Resolve, brakes: Mapping[str, BrakeRules],
    ) -> None:  # fmt: skip
        self._conn = conn
        self._stream_id = stream_id
        self._source = source
        self._plans = plans
        self._versions = versions
        self._resolve = resolve
        self._braking = Braking(conn, source, brakes)
        self._beside = Beside()
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def count_affected(self, n: int) -> None:
        """The left side of the entity ledger, counted when the keys are marked."""
        self._counts["entities", self._source, "affected"] += n

    def count_changed(self, n: int) -> None:
        """Entities whose new derived state was written: counted by what the state table took."""
        self._counts["entities", self._source, "changed"] += n

    def write_counts(self) -> None:
        """The ledgers of this transaction, once, at its end."""
        counts, self._counts = self._counts, Counter()
        rows = [(*at, n) for at, n in sorted(counts.items()) if n]
        if rows:
            self._conn.execute(_SQL["count"], [list(c) for c in zip(*rows, strict=True)], prepare=True)

    def forget_counts(self) -> None:
        """The transaction was aborted."""
        self._counts.clear()

    def close_exceptions(self, mapping: str) -> None:
        """Every entity of a mapping is about to be derived anew; what is still wrong will be opened again."""
        self._conn.execute(_SQL["close_mapping"], (self._stream_id, f"{mapping}:"))

    def settle_causes(self) -> None:
        """All slices are in: let the commands of each cause go, or hold them by the brake."""
        self._braking.settle(self._stream_id)

    def decide(
        self, mapping: str, parts: Sequence[Callable[[], Part]], transactions: Mapping[int, Transaction], cause: str,
        keep: Keep, *, counting: bool,
    ) -> int:  # fmt: skip
        """One mapping's parts → rows in the store, and `keep` for those whose new state is to stand; returns how many.

        With several, the store makes the next part and takes in the one before while one is decided.
        """
        plan = self._plans[mapping]
        fixed = (plan.entity.object_name, cause, mapping, self._versions[mapping])
        lines = Lines(transactions, self._source, fixed)
        batch = _Batch(plan, cause, counting and cause != "baseline", lines, keep)
        steps = [partial(self._take, batch, part) for part in parts]
        if len(steps) == 1:
            self._decide(batch, steps[0](), transactions)()
        else:
            self._decide_beside(batch, steps, transactions)
        self._settle(batch)
        broken = [_broken(plan, found, self._resolve) for found in batch.broken]
        self._exceptions(batch, broken)
        self._count(batch)
        return batch.accepted

    def _decide_beside(
        self, batch: _Batch, steps: Sequence[Callable[[], _Taken]], transactions: Mapping[int, Transaction]
    ) -> None:
        with self._beside:
            ahead = self._beside.ask(steps[0])
            for following in [*steps[1:], None]:
                taken = ahead()
                if following is not None:
                    ahead = self._beside.ask(following)
                self._beside.run(self._decide(batch, taken, transactions))

    def _take(self, batch: _Batch, part: Callable[[], Part]) -> _Taken:
        made = part()
        n = len(made.changes)
        commands = n * len(batch.plan.targets)
        return _Taken(
            made, iter(self._numbers("event_numbers", n)), iter(self._numbers("command_numbers", commands))
        )

    def _decide(
        self, batch: _Batch, taken: _Taken, transactions: Mapping[int, Transaction]
    ) -> Callable[[], None]:
        """Decide a part, number and render what it came to; the step that is returned writes it."""
        # Cut here, for it is now that the states of a part are parsed.
        out = decide(batch.plan, taken.part.changes[:], transactions, batch.cause, self._resolve)
        batch.unchanged.extend(taken.part.unchanged)
        batch.broken.extend(taken.part.broken)
        events = list(islice(taken.events, len(out.journal)))
        if batch.provisional:
            out.commands[:] = [self._braking.provisional(row) for row in out.commands]
        numbers = list(islice(taken.commands, len(out.commands)))
        batch.decided.append((out, numbers))
        journal = "".join(map(batch.lines.journal, events, out.journal))
        commands = "".join(
            batch.lines.command(n, row, events[row.event])
            for n, row in zip(numbers, out.commands, strict=True)
        )

        def write() -> None:
            if out.journal:
                self._copy("copy_journal", journal)
            if out.commands:
                self._copy("copy_commands", commands)
                self._records(out.commands, numbers)
            batch.keep(out.accepted)

        return write

    def _settle(self, batch: _Batch) -> None:
        """What the commands do to older ones, once it is known which of them go."""
        rows = [row for out, _ in batch.decided for row in out.commands]
        numbers = [n for _, part in batch.decided for n in part]
        held: set[int] = set()
        if not batch.provisional and batch.cause != "baseline":
            held = self._braking.check(self._stream_id, rows, numbers)
        self._supersede([(n, r) for n, r in zip(numbers, rows, strict=True) if n not in held])
        if batch.cause == "replay":
            self._replace_parked(rows, numbers)

    def _count(self, batch: _Batch) -> None:
        plan, counts = batch.plan, self._counts
        excepted = sum(e.stage in ("validate", "evaluate") for out, _ in batch.decided for e in out.exceptions)
        counts["entities", self._source, "unchanged"] += len(batch.unchanged)
        counts["entities", self._source, "excepted"] += excepted + len(batch.broken)
        for target in plan.targets:
            # Whatever is accepted must become one command per target; the commands are counted where they stand.
            counts["commands", target.target, "made"] += batch.accepted

    # ------------------------------------------------------------------------------------------------ rows

    def _copy(self, name: str, lines: str) -> None:
        with self._conn.cursor() as cur, cur.copy(_SQL[name]) as copy:
            copy.write(lines)

    def _records(self, rows: list[CommandRow], numbers: list[int]) -> None:
        new = [
            (n, r)
            for n, r in zip(numbers, rows, strict=True)
            if r.kind != "delete" and (r.created or r.external_key != b"{}")
        ]
        if not new:
            return
        columns = [
            texts(r.target for _, r in new),
            texts(r.object for _, r in new),
            plain(r.entity_id for _, r in new),
        ]
        values = (
            *columns, texts(r.legal_entity for _, r in new), texts(r.external_key.decode() for _, r in new),
        )  # fmt: skip
        fresh = len(new) >= _MANY and all(r.created for _, r in new)
        made = self._add_records(values, fresh=fresh)
        if made < len(new):
            self._doubles([n for n, _ in new], columns)

    def _add_records(self, values: Sequence[str], *, fresh: bool) -> int:
        if fresh:
            # As a rule none of them is there: to look first, for each, is a fifth of the work. (Not where some are known to be:
            # a savepoint taken back costs the session its prepared statements.)
            try:
                with self._conn.transaction():
                    return self._conn.execute(_SQL["new_records"], values, prepare=True).rowcount
            except psycopg.errors.UniqueViolation:
                pass
        return self._conn.execute(_SQL["add_records"], values, prepare=True).rowcount

    def _doubles(self, numbers: list[int], columns: Sequence[str]) -> None:
        """Two entities with one external key: the second is parked, never merged silently."""
        lost = [r[0] for r in self._conn.execute(_SQL["without_record"], (numbers, *columns)).fetchall()]
        for command_id, target, name, entity_id, _ in self._conn.execute(
            _SQL["park_doubles"], (lost,)
        ).fetchall():
            self._open([(EntityException(
                "decide", f"{name}:{entity_id}:{target}", name, entity_id, "ambiguous_key",
                "another record of this target already has the external key this entity would get",
                "find the doubled source key; one of the two must change", target,
            ), command_id)])  # fmt: skip

    def _supersede(self, commands: Sequence[tuple[int, CommandRow]]) -> None:
        # Only what will be sent takes an older one's place: a suppressed, parked or braked one would take it along.
        old = [(n, r) for n, r in commands if not r.created and r.state == "waiting"]
        if not old:
            return
        gone = self._conn.execute(
            _SQL["supersede"],
            (
                plain(n for n, _ in old),
                texts(r.target for _, r in old),
                texts(r.object for _, r in old),
                plain(r.entity_id for _, r in old),
                texts(r.kind for _, r in old),
            ),
            prepare=True,
        ).fetchall()
        if gone:
            self._conn.execute(_SQL["close_superseded"], ([g[0] for g in gone],), prepare=True)
            heirs = inheritance(dict(old), [g[1:] for g in gone])
            if heirs:
                self._conn.execute(_SQL["inherit"], [list(c) for c in zip(*heirs, strict=True)], prepare=True)

    def _replace_parked(self, rows: list[CommandRow], numbers: list[int]) -> None:
        """What was parked by a decision is decided anew by these, whatever they came to."""
        columns = [[r.target for r in rows], [r.object for r in rows], [r.entity_id for r in rows]]
        gone = self._conn.execute(_SQL["replace_parked"], (numbers, *columns)).fetchall()
        if gone:
            self._conn.execute(_SQL["close_superseded"], ([g[0] for g in gone],))

    def _exceptions(self, batch: _Batch, broken: Sequence[EntityException]) -> None:
        plan = batch.plan
        row = self._conn.execute(_SQL["any_open"], (self._stream_id,), prepare=True).fetchone()
        if row and row[0] and (batch.accepted or batch.unchanged):
            accepted = [change for out, _ in batch.decided for change in out.accepted]
            # One that is again as it was last accepted has nothing open either.
            subjects = [f"{plan.mapping}:{c.key}" for c in accepted]
            subjects += [f"{plan.mapping}:{_shown(key)}" for key in batch.unchanged]
            decided = [
                f"{plan.entity.object_name}:{c.entity_id}:{t.target}" for c in accepted for t in plan.targets
            ]
            self._conn.execute(_SQL["close_entities"], (subjects, decided))
        found = [
            (e, None if e.command is None else numbers[e.command])
            for out, numbers in batch.decided
            for e in out.exceptions
        ]
        found += [(e, None) for e in broken]
        if found:
            self._open(found)

    def _open(self, exceptions: Sequence[tuple[EntityException, int | None]]) -> None:
        """Each with the number of the command it parks."""
        unique = {(e.stage, e.subject): (e, command) for e, command in exceptions}
        rows = [(
            e.stage, e.subject, e.entity, e.entity_id, e.target, e.entity, command,
            e.code, e.message, e.remedy, Jsonb(dict(e.diagnostics)),
        ) for e, command in unique.values()]  # fmt: skip
        self._conn.execute(
            _SQL["open_exceptions"], (self._stream_id, *(list(c) for c in zip(*rows, strict=True)))
        )

    def _numbers(self, sequence: str, n: int) -> list[int]:
        return [int(r[0]) for r in self._conn.execute(_SQL[sequence], (n,), prepare=True).fetchall()]


def inheritance(
    rows: Mapping[int, CommandRow], gone: Sequence[tuple[int, bool, bool, str | None]]
) -> list[tuple[int, bool, bool]]:
    """Pure: (command, becomes historical, becomes an own change) for those that take it over from what they superseded.

    gone: (the newer command, and of the superseded one own_change, historical, step).
    """
    heirs: dict[int, tuple[bool, bool]] = {}
    for newer, own, historical, step in gone:
        row = rows[newer]
        loaded = (
            historical and not row.historical and row.kind == "state" and (row.step or "") == (step or "")
        )
        owns = own and not row.own_change
        if loaded or owns:
            before = heirs.get(newer, (False, False))
            heirs[newer] = (before[0] or loaded, before[1] or owns)
    return [(number, *flags) for number, flags in heirs.items()]


def _broken(plan: EntityPlan, found: Broken, resolve: Resolve) -> EntityException:
    shown = _shown(found.key)
    return EntityException(
        "evaluate", f"{plan.mapping}:{shown}", plan.entity.object_name, resolve(plan.entity.object_name, found.key), found.code,
        f"the view cannot be evaluated for {shown}: {found.message}", "correct the legacy row or its mapping",
        diagnostics={"mapping": plan.mapping, "key": shown, "txn_no": found.txn_no},
    )  # fmt: skip


def _shown(key: Sequence[str]) -> str:
    # As EntityChange.key has it, so that the next change finds the exception.
    return "/".join(part.rstrip().replace("\\", "\\\\").replace("/", "\\/") for part in key)
