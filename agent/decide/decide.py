"""decide(batch): entity changes in, journal rows, commands and exceptions out. Pure: no clock, no store, no socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import orjson
from pydantic import ValidationError

from agent.decide.plan import EntityPlan, ReferencePlan, TargetPlan
from agent.model.entities import (
    CommandRow,
    Decisions,
    EntityChange,
    EntityException,
    JournalRow,
    Rows,
    Transaction,
)
from agent.model.ids import EntityText
from agent.profile.errors import NotFitting
from agent.profile.keys import render_external_key
from canonical import valuemap
from canonical.lifecycle import check_transition
from canonical.ownership import Split

Resolve = Callable[[str, Sequence[object]], EntityText]  # (entity, source key values) → entity id
_EMPTY: Mapping[str, Any] = {}
_NOT_FIELDS = ("key_", "ref_")


def decide(
    plan: EntityPlan, rows: Rows, transactions: Mapping[int, Transaction], cause: str, resolve: Resolve
) -> Decisions:
    """One batch of one mapping. cause: live, baseline, remap (makes no business events) or replay (neither, and every field
    counts as changed: the rules may have)."""
    out = Decisions()
    for row in rows:
        _decide_one(plan, row, transactions[row.txn_no], cause, resolve, out)
    return out


def _decide_one(
    plan: EntityPlan, row: EntityChange, txn: Transaction, cause: str, resolve: Resolve, out: Decisions
) -> None:
    if row.new is None:
        _gone(plan, row, txn, cause, out)
        return
    fields = {name: value for name, value in row.new.items() if name[:4] not in _NOT_FIELDS}
    mapped = valuemap.apply(fields, plan.value_map_uses, plan.value_maps) if plan.value_map_uses else None
    if mapped is not None:
        fields = dict(mapped.state)
    if mapped is not None and mapped.gaps:
        out.gaps.extend((gap.map_name, gap.path, gap.code) for gap in mapped.gaps)
        if mapped.blocked:
            blocking = next(gap for gap in mapped.gaps if gap.blocks)
            out.exceptions.append(_excepted(
                plan, row, "validate", "mapping_missing",
                f"value map {blocking.map_name} does not list code {blocking.code!r} of {blocking.path}",
                "add the code to the value map, or set on_missing",
            ))  # fmt: skip
            return
    try:
        state = plan.entity.model_validate(fields).model_dump(mode="json")
    except ValidationError as error:
        out.exceptions.append(_violates(plan, row, error))
        return
    _keep(plan, row, txn, cause, resolve, out, state)


def _keep(
    plan: EntityPlan,
    row: EntityChange,
    txn: Transaction,
    cause: str,
    resolve: Resolve,
    out: Decisions,
    state: dict[str, Any],
) -> None:
    old = _canonical_old(plan, row.old)
    state_field = plan.entity.state_field
    before = old.get(state_field) if state_field and row.old is not None else None
    after = state.get(state_field) if state_field else None
    if after is not None:
        regression = check_transition(plan.entity.object_name, before, after)
        if regression is not None:
            out.exceptions.append(_excepted(
                plan, row, "validate", "state_regression", str(regression),
                "correct the legacy document; it is accepted again as soon as its state is",
            ))  # fmt: skip
            return
    changed = frozenset(row.new or ()) if cause == "replay" else _changed(row)
    step = after if after != before and after in plan.entity.steps else None
    out.accepted.append(row)
    out.journal.append(JournalRow(
        row.entity_id, _event_type(plan, row, cause, step), row.key, txn,
        _dump({
            name: [old.get(name), state.get(name)] for name in changed
            if name in state and (cause != "replay" or old.get(name) != state[name])
        }),
    ))  # fmt: skip
    own = row.own and (not plan.own_fields or row.old is None or bool(plan.own_fields & changed))
    refs = _references(plan, row.new or _EMPTY, resolve)
    for target in plan.targets:
        _command(plan, target, row, txn, cause, out, state, changed, step, own, refs)


def _command(
    plan: EntityPlan, target: TargetPlan, row: EntityChange, txn: Transaction, cause: str, out: Decisions,
    state: dict[str, Any], changed: frozenset[str], step: str | None, own: bool, refs: bytes,
) -> None:  # fmt: skip
    entity = plan.entity
    legal_entity = state.get(entity.legal_entity_field) if entity.legal_entity_field else None
    split = plan.ownership.split(
        entity.object_name, legal_entity, _business_date(plan, state, txn), tuple(state)
    )
    kept, reason, held = _judge(split, changed)
    created = not row.known
    key, misfit = _external_key(target, state) if created or cause != "live" else (b"{}", None)
    if misfit is not None:
        kept, reason = "parked", str(misfit)
    index = len(out.commands)
    out.commands.append(CommandRow(
        event=len(out.journal) - 1, target=target.target, object=entity.object_name, entity_id=row.entity_id,
        legal_entity=legal_entity, kind="step" if step and plan.every_change else "state",
        step=state.get(entity.state_field) if entity.state_field else None,
        wanted=_dump({name: state[name] for name in split.owned}), refs=refs, own_change=own,
        historical=cause == "baseline", state=kept, reason=reason, rule=split.label, created=created, external_key=key,
        txn_no=txn.txn_no,
    ))  # fmt: skip
    subject = f"{entity.object_name}:{row.entity_id}:{target.target}"
    if misfit is not None:
        out.exceptions.append(EntityException(
            "decide", subject, entity.object_name, row.entity_id, "no_external_key", str(misfit),
            "make the source key fit the target's, then replay", target.target, index, _about(plan, row),
        ))  # fmt: skip
    elif held:
        out.exceptions.append(EntityException(
            "decide", subject, entity.object_name, row.entity_id, "no_owner",
            f"no ownership rule covers {', '.join(held)} in legal entity {legal_entity or '*'}",
            "add an ownership rule, apply the configuration, then replay", target.target, index if kept == "parked" else None,
            _about(plan, row),
        ))  # fmt: skip


def _judge(split: Split, changed: frozenset[str]) -> tuple[str, str, list[str]]:
    """(command state, reason, held fields among the changed ones)."""
    held = [name for name in split.held if name in changed]
    if not changed.isdisjoint(split.owned):
        return "waiting", "", held
    if held:
        return "parked", f"no owner for {', '.join(held)}", held
    owners = sorted({s.owner for s in split.suppressed if s.field in changed})
    rules = sorted({s.rule for s in split.suppressed if s.field in changed})
    if not owners:
        return "waiting", "", held
    return "suppressed", f"owned by {', '.join(owners)} ({', '.join(rules)})", held


def _gone(plan: EntityPlan, row: EntityChange, txn: Transaction, cause: str, out: Decisions) -> None:
    old = _canonical_old(plan, row.old)
    name = plan.entity.object_name
    out.accepted.append(row)
    out.journal.append(JournalRow(row.entity_id, f"{name}.deleted", row.key, txn, _dump({})))
    legal_entity = old.get(plan.entity.legal_entity_field) if plan.entity.legal_entity_field else None
    split = plan.ownership.split(
        name, legal_entity, _business_date(plan, old, txn), tuple(plan.entity.model_fields)
    )
    for target in plan.targets:
        state, reason = ("waiting", "") if split.owned else ("suppressed", "not owned by this source")
        out.commands.append(CommandRow(
            len(out.journal) - 1, target.target, name, row.entity_id, legal_entity, "delete", "deleted", b"{}", b"[]",
            row.own, cause == "baseline", state, reason, split.label, False, b"{}", txn.txn_no,
        ))  # fmt: skip


# ---------------------------------------------------------------------------------------------------- small parts


def _changed(row: EntityChange) -> frozenset[str]:
    new = row.new or _EMPTY
    if row.old is None:
        return frozenset(new)
    old = row.old
    return frozenset([name for name, value in new.items() if old.get(name) != value])


def _canonical_old(plan: EntityPlan, old: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if old is None:
        return _EMPTY
    if not plan.value_map_uses:
        return old
    return valuemap.apply(old, plan.value_map_uses, plan.value_maps).state


def _event_type(plan: EntityPlan, row: EntityChange, cause: str, step: str | None) -> str:
    name = plan.entity.object_name
    if cause != "live":
        return f"{name}.{cause}"
    if step is not None and step in plan.entity.events:
        return plan.entity.events[step]
    if row.old is None:
        return plan.entity.events.get("created", f"{name}.created")
    return f"{name}.changed"


def _business_date(plan: EntityPlan, state: Mapping[str, Any], txn: Transaction) -> date:
    name = plan.entity.business_date_field
    if name is None:
        return txn.committed_at.date()
    try:
        return date.fromisoformat(str(state[name])[:10])
    except (KeyError, ValueError):
        return txn.committed_at.date()


def _references(plan: EntityPlan, view: Mapping[str, Any], resolve: Resolve) -> bytes:
    found: list[dict[str, Any]] = []
    for reference in plan.references:
        values = [view.get(output) for output in reference.outputs]
        if any(value is None for value in values):
            continue
        if reference.list_field is None:
            found.append(_reference(reference, reference.field, values, resolve))
            continue
        # Lists of key values run along with the list of lines they belong to.
        for index, keys in enumerate(zip(*values, strict=True)):
            if all(key is not None for key in keys):
                found.append(
                    _reference(reference, f"{reference.list_field}.{index}.{reference.field}", keys, resolve)
                )
    return orjson.dumps(found) if found else b"[]"


def _reference(plan: ReferencePlan, field: str, values: Sequence[object], resolve: Resolve) -> dict[str, Any]:
    return {
        "field": field,
        "object": plan.object,
        "entity_id": resolve(plan.object, values),
        "deferrable": plan.deferrable,
    }


def _external_key(target: TargetPlan, state: Mapping[str, Any]) -> tuple[bytes, NotFitting | None]:
    if target.profile.server_key is not None:
        return b"{}", None
    try:
        return orjson.dumps(render_external_key(target.profile, state, target.legal_entities)), None
    except NotFitting as error:
        return b"{}", error


def _violates(plan: EntityPlan, row: EntityChange, error: ValidationError) -> EntityException:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    first = details[0]
    where = ".".join(str(part) for part in first["loc"])
    return _excepted(
        plan, row, "validate", "invalid",
        f"{where}: {first['msg']}" + (f" (and {len(details) - 1} more)" if details[1:] else ""),
        "correct the legacy row or its mapping; the next change of it is tried again",
    )  # fmt: skip


def _excepted(
    plan: EntityPlan, row: EntityChange, stage: str, code: str, message: str, remedy: str
) -> EntityException:
    return EntityException(
        stage, f"{plan.mapping}:{row.key}", plan.entity.object_name, row.entity_id, code, message, remedy,
        diagnostics=_about(plan, row),
    )  # fmt: skip


def _about(plan: EntityPlan, row: EntityChange) -> Mapping[str, Any]:
    return {"mapping": plan.mapping, "key": row.key, "txn_no": row.txn_no}


def _dump(value: Any) -> bytes:
    return orjson.dumps(value, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(type(value).__name__)
