"""What one block cannot know of another: names that must exist, rules that must not overlap, secrets in
their place.

Every check adds to one list, so that an operator sees everything at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from canonical.entities import ENTITIES
from canonical.ownership import ANY, DEFAULT_GROUP, FROZEN, doubly_grouped, empty_periods, overlaps
from cdc_config import secrets
from cdc_config.base import SecretRef
from cdc_config.errors import Problem
from cdc_config.lines import Item
from cdc_config.models import Config, KafkaSource, MappingConfig, TargetConfig
from cdc_config.problems import did_you_mean, dotted
from cdc_config.source_checks import source_problems

ProfileRemedy = Callable[[str], str | None]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MAPPING_NAME = re.compile(rf"{_NAME.pattern}(\.{_NAME.pattern})?")
_ADDRESS = re.compile(r"https?://[^/\s]+\S*")


def check(config: Config, tree: Item, profile_remedy: ProfileRemedy) -> list[Problem]:
    """Every cross-reference that does not hold. `missing_secrets` is asked apart, when they are needed."""
    checks = _Checks(config, tree)
    checks.store()
    checks.names()
    checks.found += source_problems(config, tree)
    for name, mapping in config.mappings.items():
        checks.mapping(name, mapping)
    checks.entities()
    checks.groups()
    checks.rules()
    for name, target in config.targets.items():
        checks.target(name, target, profile_remedy)
    return checks.found


def missing_secrets(config: Config, tree: Item | None = None) -> list[Problem]:
    """Every secret that could not be read now, with the line that asks for it."""
    found: list[Problem] = []
    for loc, ref in _secret_refs(config):
        problem = secrets.missing(ref)
        if problem is not None:
            where = str(tree.find(loc).mark) if tree is not None else problem.where
            found.append(Problem(f"{dotted(loc)}: {problem.what}", where, problem.remedy))
    return found


def _secret_refs(config: Config) -> Iterator[tuple[tuple[str, ...], SecretRef]]:
    if config.store.dsn is not None:
        yield ("store", "dsn"), config.store.dsn
    for name, source in config.sources.items():
        yield ("sources", name, "dsn"), source.dsn
        if isinstance(source, KafkaSource):
            if source.kafka.sasl_password is not None:
                yield ("sources", name, "kafka", "sasl_password"), source.kafka.sasl_password
            if source.connect is not None and source.connect.password is not None:
                yield ("sources", name, "connect", "password"), source.connect.password
    for name, target in config.targets.items():
        yield ("targets", name, "auth", "client_secret"), target.auth.client_secret


class _Checks:
    """The checks over one configuration, and what they found."""

    def __init__(self, config: Config, tree: Item) -> None:
        self.config = config
        self.tree = tree
        self.found: list[Problem] = []

    def store(self) -> None:
        store = self.config.store
        if (store.dsn is None) == (store.embedded is None):
            given = "both" if store.dsn else "neither"
            self._say(("store",), f"{given} of dsn and embedded is given", "give exactly one of them")

    def names(self) -> None:
        config = self.config
        usable = "use a–z, 0–9 and _, at most 40, a letter first"
        for section, names, allowed in (
            ("sources", config.sources, _NAME),
            ("targets", config.targets, _NAME),
            ("mappings", config.mappings, _MAPPING_NAME),
        ):
            for name in names:
                if not allowed.fullmatch(name):
                    self._say((section, name), "not a usable name: tables are named after it", usable)
        for name in config.targets:
            if name in config.sources or name == FROZEN:
                self._say(
                    ("targets", name), "as an owner this name is ambiguous", "call the target differently"
                )
        if FROZEN in config.sources:
            self._say(
                ("sources", FROZEN), "as an owner this name is ambiguous", "call the source differently"
            )

    def entities(self) -> None:
        """One mapping per entity and source: two would give one source key to two entities."""
        seen: dict[tuple[str, str], str] = {}
        for name, mapping in self.config.mappings.items():
            at = (mapping.source, mapping.entity)
            if at in seen:
                self._say(
                    ("mappings", name, "entity"),
                    f"{mapping.entity!r} of source {mapping.source!r} is mapped by {seen[at]!r} already",
                    "make one view of the two (a join, a CASE), or give them different entities",
                )
            seen[at] = name

    def mapping(self, name: str, mapping: MappingConfig) -> None:
        loc = ("mappings", name)
        self._known("source", mapping.source, self.config.sources, (*loc, "source"))
        self._known("entity", mapping.entity, ENTITIES, (*loc, "entity"))
        if not mapping.sql.is_file():
            self._say(
                (*loc, "sql"), f"{mapping.sql} does not exist", "it is relative to the file that names it"
            )
        if not mapping.key:
            self._say(
                (*loc, "key"), "an entity needs a key", "name the outputs that are the root's primary key"
            )
        if mapping.keep == "every_change" and mapping.step_column is None:
            self._say(
                (*loc, "keep"), "every_change needs a step_column", "name the root's column that has the step"
            )
        for output, value_map in mapping.value_maps.items():
            self._known("value map", value_map, self.config.value_maps, (*loc, "value_maps", output))
            if mapping.entity in ENTITIES:
                fields = ENTITIES[mapping.entity].model_fields
                self._known("output", output.partition(".")[0], fields, (*loc, "value_maps", output))

    def groups(self) -> None:
        groups = self.config.ownership.groups
        for object_name, by_group in groups.items():
            loc = ("ownership", "groups", object_name)
            self._known("object", object_name, ENTITIES, loc)
            if object_name not in ENTITIES:
                continue
            for group, fields in by_group.items():
                for i, field in enumerate(fields):
                    self._known("field", field, ENTITIES[object_name].model_fields, (*loc, group, i))
        for object_name, field, group, other in doubly_grouped(groups):
            loc = ("ownership", "groups", object_name)
            self._say((*loc, other), f"{field!r} is in group {group!r} too", "a field belongs to one group")

    def rules(self) -> None:
        config, rules = self.config, self.config.ownership.rules
        owners = [*config.sources, *config.targets, FROZEN]
        for i, rule in enumerate(rules):
            loc = ("ownership", "rules", i)
            self._known("object", rule.object, ENTITIES, (*loc, "object"))
            self._known("owner", rule.owner, owners, (*loc, "owner"))
            groups = [ANY, DEFAULT_GROUP, *config.ownership.groups.get(rule.object, {})]
            self._known("group", rule.group, groups, (*loc, "group"))
        own, version = self.tree.find(("ownership", "rules")), self.tree.find(("ownership", "version"))
        if version.shipped and not own.shipped:
            # Every command names the version it was let through by: two rule books must not share one.
            self._say(
                ("ownership", "rules"),
                "rules of your own need a version of your own",
                "add ownership.version",
            )
        for i in empty_periods(rules):
            what = "it ends on or before the day it starts"
            self._say(("ownership", "rules", i), what, "from_date is inclusive, to_date exclusive")
        for i, j in overlaps(rules):
            rule, other = rules[i], self.tree.find(("ownership", "rules", i)).mark
            self._say(
                ("ownership", "rules", j),
                f"overlaps with the rule at {other}: both decide {rule.object}.{rule.group}"
                f" in scope {rule.scope!r} on the same day",
                "end the older one with to_date, or remove one",
            )

    def target(self, name: str, target: TargetConfig, profile_remedy: ProfileRemedy) -> None:
        loc = ("targets", name)
        remedy = profile_remedy(target.profile)
        if remedy is not None:
            self._say((*loc, "profile"), f"unknown profile {target.profile!r}", remedy)
        self._address((*loc, "base_url"), target.base_url)
        self._address((*loc, "auth", "token_url"), target.auth.token_url)
        if not target.tenant.strip():
            self._say((*loc, "tenant"), "the tenant must be pinned", "write the tenant's id")
        for object_name in target.objects:
            self._known("object", object_name, ENTITIES, (*loc, "objects", object_name))

    def _address(self, loc: tuple[str, ...], url: str) -> None:
        if not _ADDRESS.fullmatch(url):
            self._say(loc, f"{url!r} is not an address", "write http://… or https://…")

    def _known(self, kind: str, name: str, known: Iterable[str], loc: tuple[str | int, ...]) -> None:
        names = list(known)
        if name not in names:
            self._say(loc, f"unknown {kind} {name!r}", did_you_mean(name, names))

    def _say(self, loc: tuple[str | int, ...], what: str, remedy: str) -> None:
        self.found.append(Problem(f"{dotted(loc)}: {what}", str(self.tree.find(loc).mark), remedy))
