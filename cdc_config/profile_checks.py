"""A profile speaks of canonical objects and fields: each name must be one."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping

from pydantic import BaseModel

from canonical.entities import ENTITIES
from cdc_config.errors import Problem
from cdc_config.lines import Item
from cdc_config.problems import did_you_mean, dotted
from cdc_config.profile import FieldProfile, Profile

Loc = tuple[str | int, ...]


def profile_problems(profile: Profile, tree: Item) -> list[Problem]:
    """Every canonical name in it that there is none of, with file and line."""
    found: list[Problem] = []

    def known(kind: str, name: str, names: Iterable[str], loc: Loc) -> bool:
        names = list(names)
        if name not in names:
            remedy = did_you_mean(name, names)
            found.append(
                Problem(f"{dotted(loc)}: unknown {kind} {name!r}", str(tree.find(loc).mark), remedy)
            )
        return name in names

    def fields(given: Mapping[str, FieldProfile], entity: type[BaseModel], loc: Loc) -> None:
        for name, field in given.items():
            known("field", name, entity.model_fields, (*loc, name))
            if field.reference is not None:
                known("object", field.reference, ENTITIES, (*loc, name, "reference"))

    for object_name, settings in profile.objects.items():
        loc: Loc = ("objects", object_name)
        if not known("object", object_name, ENTITIES, loc):
            continue
        entity = ENTITIES[object_name]
        fields(settings.fields, entity, (*loc, "fields"))
        children = settings.children
        if children is not None and known(
            "field", children.field, entity.model_fields, (*loc, "children", "field")
        ):
            line = _element(entity.model_fields[children.field].annotation)
            if line is not None:
                fields(children.fields, line, (*loc, "children", "fields"))
    return found


def _element(annotation: object) -> type[BaseModel] | None:
    """The model of a list field's elements."""
    for argument in typing.get_args(annotation):
        if isinstance(argument, type) and issubclass(argument, BaseModel):
            return argument
    return None
