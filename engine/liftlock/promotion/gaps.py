"""Gaps: children of indexes that a repository lacks, left open or filled by a promotion.

An index may name manifests that its repository lacks, where the registry allows it. Promoted, it
names them at the target, and grants there what the target has, or gets from elsewhere in the same
promotion.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from liftlock.promotion.closure import Member

Naming = Mapping[bytes, Sequence[bytes]]
"""Manifests that are named while absent, and the indexes that name each."""
NOBODY_NAMES: Final[Naming] = MappingProxyType({})


class Gaps(NamedTuple):
    """What becomes of gaps in a target."""

    absent: Collection[bytes] = ()
    """Children of the indexes to be linked that the target lacks then, too."""
    filled: Naming = NOBODY_NAMES
    """Manifests to be linked that indexes have named so far while absent, also earlier in the same
    promotion; and these indexes."""


NO_GAPS: Final = Gaps()


def strangers(new: Iterable[Member], members: Iterable[Member]) -> list[bytes]:
    """Return the children of `new` that are not among `members`: their source lacks them."""
    children = {child for member in new for child in member.edges.children}
    return sorted(children.difference(member.digest for member in members)) if children else []


def gaps_of(
    new: Sequence[Member],
    members: Iterable[Member],
    there: Sequence[Collection[bytes]],
    awaited: Naming,
    named: MutableMapping[bytes, list[bytes]],
) -> Gaps:
    """Decide what becomes of gaps.

    Args:
        new: manifests that will be linked.
        members: all that come from the same source, with all they reach.
        there: manifests that the target has or gets before these.
        awaited: which of `new` indexes of the target name so far.
        named: those that indexes name which the same promotion links; what fills them is taken out.
    """
    absent = [
        child for child in strangers(new, members) if not any(child in linked for linked in there)
    ]
    filled = {}
    if awaited or named:
        for member in new:
            parents = {*awaited.get(member.digest, ()), *named.pop(member.digest, ())}
            if parents:
                filled[member.digest] = sorted(parents)
    return Gaps(frozenset(absent), filled) if absent or filled else NO_GAPS


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
