"""External keys, markers and digests: the names under which a target is asked about what we wrote."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from agent.model.commands import Json
from agent.profile.compiled import KeyPart, compiled
from agent.profile.errors import NotFitting
from agent.profile.values import plain
from cdc_config.profile import ObjectProfile

LEGAL_ENTITY = "legal_entity"


def target_legal_entity(code: str, legal_entities: Mapping[str, str]) -> str:
    """Our company code in the target's words. An empty table means that both use the same codes."""
    if not legal_entities:
        return code
    try:
        return legal_entities[code]
    except KeyError:
        raise NotFitting(
            "mapping_missing",
            LEGAL_ENTITY,
            f"the target's code for legal entity {code!r} is not configured",
            "add it to the target's legal_entities",
        ) from None


def render_external_key(
    obj: ObjectProfile, canonical: Json, legal_entities: Mapping[str, str], suffix: str = ""
) -> dict[str, str]:
    """Native key fields → values, from the profile's templates. Raises NotFitting when a part is missing or
    too long.

    suffix: goes to the end of the last key field; it names further documents of the same record ("-R1",
    "-C1").
    Empty for an object whose key the server assigns: see `server_external_key`.
    """
    return {} if obj.server_key is not None else _parts(obj, canonical, legal_entities, suffix)


def server_external_key(
    obj: ObjectProfile, canonical: Json, legal_entities: Mapping[str, str], native_id: str
) -> dict[str, str]:
    """The whole key of a record that the server numbered `native_id`."""
    return {**_parts(obj, canonical, legal_entities, ""), obj.server_key or "": native_id}


def _parts(
    obj: ObjectProfile, canonical: Json, legal_entities: Mapping[str, str], suffix: str
) -> dict[str, str]:
    parts = compiled(obj).key
    last = len(parts) - 1
    return {
        part.native: _render(part, canonical, legal_entities, suffix if index == last else "")
        for index, part in enumerate(parts)
    }


def _render(part: KeyPart, canonical: Json, legal_entities: Mapping[str, str], suffix: str) -> str:
    texts = list(part.pieces)
    for index in range(1, len(texts), 2):
        name = texts[index]
        value = canonical.get(name)
        if value is None or value == "":
            raise NotFitting("key_missing", name, f"the target's key {part.native} needs it", "map the field")
        text = str(value).strip()
        texts[index] = target_legal_entity(text, legal_entities) if name == LEGAL_ENTITY else text
    key = "".join(texts) + suffix
    key = key.upper() if part.upper else key
    if part.max_length is not None and len(key.encode("utf-16-le", "surrogatepass")) // 2 > part.max_length:
        raise NotFitting(
            "too_long",
            part.native,
            f"key {key!r} is longer than the target's {part.max_length} characters",
            "shorten the key template in the profile; an existing record keeps its key",
        )
    return key


def marker_of(entity_id: UUID, part: str = "0") -> str:
    """The text by which a document can be found where the server numbers it: same entity and part, same
    marker.

    32 characters or a few more, letters, digits and dashes only, so that it survives any text field and any
    filter.
    """
    return f"CX-{base64.b32encode(entity_id.bytes).decode().rstrip('=')}-{part}"


def digest(*parts: Any) -> str:
    """A short digest of what a call says; equal for equal content whatever the order of fields or zeros of a
    number."""
    text = orjson.dumps(parts, default=_plain_number, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _plain_number(value: object) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(plain(value), "f"))
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be part of a digest")
