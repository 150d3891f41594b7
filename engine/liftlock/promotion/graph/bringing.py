"""Bringing content from one repository into another: what must be linked that is not yet.

Metadata only. A manifest that the target has is passed over with all that it names, since the
target then has that too; only what a foreign layer, or something else that is absent, has become
since is looked at again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from liftlock import links
from liftlock.metadata.contract import ReadTxn
from liftlock.promotion.graph.closure import Member
from liftlock.promotion.graph.gaps import (
    NO_GAPS,
    NOBODY_NAMES,
    Gaps,
    Naming,
    gaps_of,
    note_named,
    strangers,
)


class Bringing(NamedTuple):
    """What a target lacks of a closure, found by reading alone."""

    manifests: tuple[Member, ...]
    """Those to be linked."""
    absent: Collection[bytes]
    """Blobs that the target lacks and does not get: the source lacks them too."""
    arriving_sizes: tuple[int, ...]
    """Sizes of the blobs that the target gains, in bytes."""
    waiting: Collection[bytes]
    """Blobs that the target's rows name so far as absent, and that come in now."""
    joins: tuple[tuple[bytes, bytes], ...]
    """Subject and referrer that will both be linked, of which one is new."""
    loose: tuple[bytes, ...] = ()
    """Blobs that no manifest names, which come to be held."""
    completed: tuple[tuple[bytes, bytes], ...] = ()
    """Blob and parent: rows of this very promotion that name it as absent, and that it is not."""
    gaps: Gaps = NO_GAPS
    held: Mapping[bytes, bytes] = links.NO_BLOBS
    """What keys say of blobs: of those named here that have a record."""

    @property
    def is_empty(self) -> bool:
        """Whether the target has it all."""
        return not (self.manifests or self.waiting or self.loose or self.completed)


NOTHING = Bringing((), frozenset(), (), frozenset(), ())


@dataclass(slots=True)
class Arrivals:
    """What earlier parts of the same promotion bring into a target, and nobody wrote yet."""

    linked: set[bytes] = field(default_factory=set)
    granted: set[bytes] = field(default_factory=set)
    """Blobs."""
    filled: set[bytes] = field(default_factory=set)
    """Content that manifests named before it was there."""
    named: dict[bytes, list[bytes]] = field(default_factory=dict)
    """Blobs that are only named, and the manifests that name them."""
    sparse: dict[bytes, list[bytes]] = field(default_factory=dict)
    """Children that are only named, and the indexes that name them."""
    referrers: dict[bytes, list[bytes]] = field(default_factory=dict)
    """By subject."""
    tags: dict[str, tuple[bytes, bytes | None]] = field(default_factory=dict)
    """Attachment tags that are set: where they will be, and where they were before."""

    def note(self, bringing: Bringing, arriving: Iterable[bytes]) -> None:
        """Remember what a part brings."""
        self.granted.update(arriving)
        if bringing.waiting or bringing.completed:
            self.filled.update(bringing.waiting, (blob for blob, _ in bringing.completed))
        if bringing.gaps is not NO_GAPS:
            self.filled.update(bringing.gaps.filled)
            note_named(self.sparse, bringing.manifests, bringing.gaps.children)
        for digest, edges, *_ in bringing.manifests:
            self.linked.add(digest)
            if edges.subject is not None:
                self.referrers.setdefault(edges.subject, []).append(digest)
            for blob in (*edges.blobs, *edges.foreign) if bringing.absent else ():
                if blob in bringing.absent:
                    self.named.setdefault(blob, []).append(digest)


_NOTHING_COMES: Final = Arrivals()


class Known(NamedTuple):
    """What a target has of some manifests, and of all that they name."""

    linked: Collection[bytes]
    """Manifests, their subjects among them, and children that their source lacks."""
    granted: Collection[bytes]
    """Blobs."""
    waiting: Collection[bytes]
    """Blobs that are named there while absent."""
    absent: Collection[bytes]
    """Blobs that neither target nor source has."""
    held: Mapping[bytes, bytes]
    """What keys say of those of all these blobs that have a record."""
    sizes: Mapping[bytes, int]
    """Of the blobs that it lacks and the source has, in bytes."""
    referrers: Mapping[bytes, Sequence[bytes]]
    """Of manifests that it lacks: referrers that were there before them."""
    awaited: Naming = NOBODY_NAMES
    """Of manifests that it lacks: indexes that are there and name them."""


def look(
    txn: ReadTxn,
    source: int,
    target: int | None,
    members: Collection[Member],
    loose: Collection[bytes] = (),
) -> Known:
    """Find out what repository `target` has of `members`, which `source` has.

    The number of look-ups does not grow with them.

    Args:
        txn: the snapshot.
        source: a repository id.
        target: a repository id; None for a repository that will be made.
        members: manifests with all that can be reached from them.
        loose: blobs of the source that shall come as well.
    """
    number = target or 0  # no repository has id 0: nothing is there
    sparse = links.sparse_among(txn, (source, number))
    linked = links.find_linked(txn, number, [member.digest for member in members])
    new = [member for member in members if member.digest not in linked]
    # What a sparse target has linked may be in want of blobs, as whatever names a foreign layer.
    asking = members if number in sparse else new
    foreign = [blob for member in members for blob in member.edges.foreign]
    named = [blob for member in asking for blob in member.edges.blobs]
    wanted = list(dict.fromkeys((*named, *foreign, *loose)))
    others = [member.edges.subject for member in new if member.edges.subject is not None]
    rows = links.find_rows(txn, wanted)
    held = links.held_in(rows)
    granted, waiting = links.among(txn, number, wanted, held)
    lacking = [blob for blob in wanted if blob not in granted]
    absent: Collection[bytes] = ()
    asked = lacking if source in sparse else [b for b in dict.fromkeys(foreign) if b not in granted]
    if asked:
        absent = links.absent_at(txn, source, asked, held)
    others += strangers(new, members)
    digests = [member.digest for member in new]
    waiting_for = links.referrers_of(txn, number, digests)
    return Known(
        linked | links.find_linked(txn, number, others) if others else linked,
        granted,
        waiting,
        absent,
        held,
        links.sizes_in(rows, [b for b in lacking if b not in absent] if absent else lacking),
        {digest: found for digest, found in zip(digests, waiting_for, strict=True) if found},
        links.awaited(txn, number, digests) if number in sparse else NOBODY_NAMES,
    )


def bring(
    known: Known,
    members: Iterable[Member],
    arrivals: Arrivals | None = None,
    loose: Sequence[bytes] = (),
) -> Bringing:
    """Decide what must be linked of `members`, among which `known` was looked up.

    What the same promotion brings besides is in `arrivals`, and what this brings is noted there.
    """
    granted, absent = known.granted, known.absent
    coming = arrivals or _NOTHING_COMES
    arrived, there = coming.granted, coming.linked
    if absent and arrived:
        absent = frozenset(absent) - arrived
    everything = tuple(members)
    new = tuple([m for m in everything if m.digest not in known.linked and m.digest not in there])
    asked = [blob for member in new for blob in member.edges.blobs]
    asked += [blob for member in everything for blob in member.edges.foreign]
    if known.waiting or coming.named:  # also for what is linked, and named it while absent
        named = [blob for member in everything for blob in member.edges.blobs]
        asked += [
            blob
            for blob in named
            if blob in known.held and (blob in known.waiting or blob in coming.named)
        ]
    if loose or len(everything) > 1 or known.waiting or coming.named:  # some may be there twice
        asked = list(dict.fromkeys((*asked, *loose)))
    arriving = [b for b in asked if b not in granted and b not in arrived and b not in absent]
    completed: list[tuple[bytes, bytes]] = []
    if coming.named:
        completed = [(b, parent) for b in arriving for parent in coming.named.pop(b, ())]
    brought = Bringing(
        new,
        absent,
        tuple([known.sizes[blob] for blob in arriving]),
        [blob for blob in arriving if blob in known.waiting] if known.waiting else (),
        _joins(known, new, coming),
        tuple([b for b in loose if b not in granted and b not in arrived]) if loose else (),
        tuple(completed),
        gaps_of(new, everything, (known.linked, there), known.awaited, coming.sparse, absent),
        known.held,
    )
    if arrivals is not None:
        arrivals.note(brought, arriving)
    return brought


def _joins(
    known: Known, new: tuple[Member, ...], coming: Arrivals
) -> tuple[tuple[bytes, bytes], ...]:
    """Find the pairs of subject and referrer that the new links complete, on either side."""
    joins: list[tuple[bytes, bytes]] = []
    subjects = [member for member in new if member.edges.subject is not None]
    if subjects:
        there = {*known.linked, *coming.linked, *(member.digest for member in new)}
        joins += [
            (member.edges.subject, member.digest)
            for member in subjects
            if member.edges.subject in there and member.edges.subject is not None
        ]
    if known.referrers or coming.referrers:
        for member in new:
            before = (
                *known.referrers.get(member.digest, ()),
                *coming.referrers.get(member.digest, ()),
            )
            joins += [(member.digest, referrer) for referrer in before]
    return tuple(joins)
