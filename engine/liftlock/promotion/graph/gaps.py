"""Gaps: what manifests name and a repository lacks, left open or filled by a promotion.

A manifest may name children and blobs that its repository lacks, where the registry allows it.
Promoted, it names them at the target, and grants there what the target has, or gets from elsewhere
in the same promotion. Here are the children, and what is told of both; how blobs come in is the
same as of foreign layers (`bringing`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from liftlock.promotion.graph.closure import Member

Naming = Mapping[bytes, Sequence[bytes]]
"""Manifests that are named while absent, and the indexes that name each."""
NOBODY_NAMES: Final[Naming] = MappingProxyType({})


class Gaps(NamedTuple):
    """What becomes of gaps in a target."""

    children: Collection[bytes] = ()
    """Of the indexes to be linked: those that the target lacks then, too."""
    blobs: Collection[bytes] = ()
    """Of the images to be linked, but for foreign layers: those that the target lacks then."""
    filled: Naming = NOBODY_NAMES
    """Manifests to be linked that indexes have named so far while absent, also earlier in the same
    promotion; and these indexes."""
    completed: tuple[tuple[bytes, bytes], ...] = ()
    """Such a manifest and index: those that the same promotion links."""


NO_GAPS: Final = Gaps()


def strangers(new: Iterable[Member], members: Iterable[Member]) -> list[bytes]:
    """Return the children of `new` that are not among `members`: their source lacks them."""
    children = [child for member in new for child in member.edges.children]
    return sorted({*children}.difference(m.digest for m in members)) if children else []


def gaps_of(
    new: Sequence[Member],
    members: Iterable[Member],
    there: Sequence[Collection[bytes]],
    awaited: Naming,
    named: MutableMapping[bytes, list[bytes]],
    absent_blobs: Collection[bytes],
) -> Gaps:
    """Decide what becomes of gaps.

    Args:
        new: manifests that will be linked.
        members: all that come from the same source, with all they reach.
        there: manifests that the target has or gets before these.
        awaited: which of `new` indexes of the target name so far.
        named: those that indexes name which the same promotion links; what fills them is taken out.
        absent_blobs: those that neither the target nor the source has; also foreign layers.
    """
    children = strangers(new, members)
    if not (children or absent_blobs or awaited or named):
        return NO_GAPS
    if children:
        children = [c for c in children if not any(c in linked for linked in there)]
    filled: dict[bytes, list[bytes]] = {}
    completed: list[tuple[bytes, bytes]] = []
    if awaited or named:
        for member in new:
            coming = named.pop(member.digest, ())
            completed += [(member.digest, parent) for parent in coming]
            parents = {*awaited.get(member.digest, ()), *coming}
            if parents:
                filled[member.digest] = sorted(parents)
    blobs = _needed(new, absent_blobs)
    if not (children or blobs or filled):
        return NO_GAPS
    return Gaps(frozenset(children), blobs, filled, tuple(completed))


def _needed(members: Iterable[Member], absent: Collection[bytes]) -> Collection[bytes]:
    """Return those of some absent blobs that one of `members` names other than as foreign."""
    if not absent:
        return ()
    return {blob for member in members for blob in member.edges.blobs if blob in absent}


def note_named(
    named: MutableMapping[bytes, list[bytes]], new: Iterable[Member], absent: Collection[bytes]
) -> None:
    """Remember which of `new` name what is absent."""
    if not absent:
        return
    for member in new:
        for child in member.edges.children:
            if child in absent:
                named.setdefault(child, []).append(member.digest)
