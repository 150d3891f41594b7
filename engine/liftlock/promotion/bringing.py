"""Bringing content from one repository into another: what must be linked that is not yet.

Metadata only. A manifest that the target has is passed over with all that it names, since the
target then has that too; only what a foreign layer has become since is looked at again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from liftlock import links
from liftlock.metadata import keys
from liftlock.metadata.contract import Instant, ReadTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import LinkRecord
from liftlock.names import FoundRepository
from liftlock.promotion.closure import Member


class Bringing(NamedTuple):
    """What a target lacks of a closure, found by reading alone."""

    manifests: tuple[Member, ...]
    """Those to be linked."""
    absent: Collection[bytes]
    """Foreign layers that the target lacks and does not get: the source lacks them too."""
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
    """Those of them that manifests named before they were there."""
    named: dict[bytes, list[bytes]] = field(default_factory=dict)
    """Blobs that are only named, and the manifests that name them."""
    referrers: dict[bytes, list[bytes]] = field(default_factory=dict)
    """By subject."""
    tags: dict[str, tuple[bytes, bytes | None]] = field(default_factory=dict)
    """Attachment tags that are set: where they will be, and where they were before."""

    def note(self, bringing: Bringing, arriving: Iterable[bytes]) -> None:
        """Remember what a part brings."""
        self.granted.update(arriving)
        self.filled.update(bringing.waiting, (blob for blob, _ in bringing.completed))
        for member in bringing.manifests:
            self.linked.add(member.digest)
            if member.edges.subject is not None:
                self.referrers.setdefault(member.edges.subject, []).append(member.digest)
            for blob in member.edges.foreign:
                if blob in bringing.absent:
                    self.named.setdefault(blob, []).append(member.digest)


def bring(
    txn: ReadTxn,
    source: int,
    target: int | None,
    members: Iterable[Member],
    arrivals: Arrivals | None = None,
    loose: Iterable[bytes] = (),
) -> Bringing:
    """Find out what repository `target` lacks of `members`, which `source` has.

    Args:
        txn: the snapshot.
        source: a repository id.
        target: a repository id; None for a repository that will be made.
        members: manifests with all that can be reached from them.
        arrivals: what comes to the target besides; what this brings is noted there.
        loose: blobs of the source that shall come as well.
    """
    if source == target:
        return NOTHING
    everything = tuple(members)
    number = target or 0  # no repository has id 0: nothing is there
    linked = links.find_linked(txn, number, [member.digest for member in everything])
    if arrivals is not None:
        linked |= arrivals.linked
    new = tuple(member for member in everything if member.digest not in linked)
    foreign = {blob: None for member in everything for blob in member.edges.foreign}
    wanted = {blob: None for member in new for blob in member.edges.blobs}
    wanted.update(foreign)
    wanted.update(dict.fromkeys(loose))
    granted, waiting = links.presence(txn, number, keys.BLOB, list(wanted))
    if arrivals is not None and arrivals.granted:
        granted = granted | arrivals.granted
    absent = _absent_at_source(txn, source, foreign, granted) if foreign else frozenset()
    arriving = [blob for blob in wanted if blob not in granted and blob not in absent]
    brought = Bringing(
        new,
        absent,
        tuple(links.blob_sizes(txn, arriving)) if arriving else (),
        [blob for blob in arriving if blob in waiting] if waiting else (),
        _joins(txn, number, new, linked, arrivals) if new else (),
        tuple(blob for blob in loose if blob not in granted),
        tuple((blob, parent) for blob in arriving for parent in arrivals.named.pop(blob, ()))
        if arrivals is not None and arrivals.named
        else (),
    )
    if arrivals is not None:
        arrivals.note(brought, arriving)
    return brought


def draft_bringing(
    txn: ReadTxn,
    draft: Draft,
    target: FoundRepository,
    bringing: Bringing,
    event: int,
    at: Instant,
) -> None:
    """Draft the links, holders and counts by which `target` gets what it lacks."""
    for member in bringing.manifests:
        link = LinkRecord(event, member.media_type)
        links.link_manifest(draft, target, member.digest, member.edges, link, bringing.absent)
    for subject, referrer in bringing.joins:
        links.join_subject(draft, target.id, subject, referrer)
    if bringing.waiting:
        links.bring_in(txn, draft, target, bringing.waiting)
    for blob, parent in bringing.completed:
        links.complete(draft, target.id, blob, parent)
    for blob in bringing.loose:
        links.put_hold(draft, target.id, keys.BLOB, blob, at)
    links.count_blobs(draft, target, bringing.arriving_sizes)


def _absent_at_source(
    txn: ReadTxn, source: int, foreign: Iterable[bytes], there: Collection[bytes]
) -> frozenset[bytes]:
    asked = [blob for blob in foreign if blob not in there]
    if not asked:
        return frozenset()
    return frozenset(asked) - links.presence(txn, source, keys.BLOB, asked).granted


def _joins(
    txn: ReadTxn,
    target: int,
    new: tuple[Member, ...],
    linked: Collection[bytes],
    arrivals: Arrivals | None,
) -> tuple[tuple[bytes, bytes], ...]:
    """Find the pairs of subject and referrer that the new links complete, on either side."""
    digests = {member.digest for member in new}
    subjects = {m.edges.subject for m in new if m.edges.subject is not None}
    asked = sorted(subjects - digests)
    there = {*digests, *linked, *links.find_linked(txn, target, asked)} if subjects else digests
    joins = [
        (member.edges.subject, member.digest)
        for member in new
        if member.edges.subject is not None and member.edges.subject in there
    ]
    waiting = links.referrers_of(txn, target, [member.digest for member in new])
    for member, referrers in zip(new, waiting, strict=True):
        joins += [(member.digest, referrer) for referrer in referrers]
        if arrivals is not None and arrivals.referrers:
            earlier = arrivals.referrers.get(member.digest, ())
            joins += [(member.digest, referrer) for referrer in earlier]
    return tuple(joins)
