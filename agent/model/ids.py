"""Typed names and numbers, so that a stream is never passed where a source is wanted."""

from __future__ import annotations

from typing import NewType
from uuid import UUID

SourceName = NewType("SourceName", str)
TargetName = NewType("TargetName", str)
MappingName = NewType("MappingName", str)  # "<source>.<name>", unique
ObjectName = NewType("ObjectName", str)  # a canonical entity as a target object: "customer", "invoice", …
StreamId = NewType("StreamId", int)
RelationId = NewType("RelationId", int)  # one version of one captured table's columns
CommitPos = NewType("CommitPos", int)  # PostgreSQL: the commit LSN as an integer
Seq = NewType("Seq", int)  # gap-free number of a row change within its stream
TxnNo = NewType("TxnNo", int)  # gap-free number of a source transaction within its stream
EntityId = NewType("EntityId", UUID)
EntityText = NewType("EntityText", str)  # the same as canonical text: a batch writes it many times and never looks into it
CommandId = NewType("CommandId", int)
CallId = NewType("CallId", int)
