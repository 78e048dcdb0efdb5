"""What a target's profile means for values: pure functions from canonical to native and back. No socket, no
store."""

from agent.profile.errors import NotFitting
from agent.profile.keys import digest, marker_of, render_external_key, server_external_key
from agent.profile.native import (
    NativeDocument,
    canonicalise,
    changed_children,
    changed_fields,
    native_children,
    native_document,
    native_fields,
    reversal_of,
)
from agent.profile.normalise import normalise

__all__ = [
    "NativeDocument",
    "NotFitting",
    "canonicalise",
    "changed_children",
    "changed_fields",
    "digest",
    "marker_of",
    "native_children",
    "native_document",
    "native_fields",
    "normalise",
    "render_external_key",
    "reversal_of",
    "server_external_key",
]
