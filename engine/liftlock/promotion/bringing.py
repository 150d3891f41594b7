"""Bringing content from one repository into another: what must be linked that is not yet.

Metadata only. A manifest that the target has is passed over with all that it names, since the
target then has that too; only what a foreign layer has become since is looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from liftlock import links
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import LinkRecord
from liftlock.names import FoundRepository
from liftlock.promotion.closure import Member


@dataclass(frozen=True, slots=True)
class Bringing:
    """What a target lacks of a closure, found by reading alone."""

    manifests: tuple[Member, ...]
    """Those to be linked."""
    absent: frozenset[bytes]
    """Foreign layers that the target lacks and does not get: the source lacks them too."""
    arriving_sizes: tuple[int, ...]
    """Sizes of the blobs that the target gains, in bytes."""
    waiting: frozenset[bytes]
    """Blobs that the target's rows name so far as absent, and that come in now."""
    joins: tuple[tuple[bytes, bytes], ...]
    """Subject and referrer that will both be linked, of which one is new."""

    @property
    def is_empty(self) -> bool:
        """Whether the target has it all."""
        return not (self.manifests or self.waiting)


NOTHING = Bringing((), frozenset(), (), frozenset(), ())


def bring(txn: ReadTxn, source: int, target: int | None, members: Iterable[Member]) -> Bringing:
    """Find out what repository `target` lacks of `members`, which `source` has.

    Args:
        txn: the snapshot.
        source: a repository id.
        target: a repository id; None for a repository that will be made.
        members: manifests with all that can be reached from them.
    """
    if source == target:
        return NOTHING
    everything = tuple(members)
    number = target or 0  # no repository has id 0: nothing is there
    digests = [member.digest for member in everything]
    linked = links.find_links(txn, number, digests)
    new = tuple(member for member, link in zip(everything, linked, strict=True) if link is None)
    needed = {blob: None for member in new for blob in member.edges.blobs}
    foreign = {blob: None for member in everything for blob in member.edges.foreign}
    blobs = [*needed, *(blob for blob in foreign if blob not in needed)]
    there = links.presence(txn, number, keys.BLOB, blobs)
    absent = _absent_at_source(txn, source, foreign, there.granted)
    arriving = [blob for blob in blobs if blob not in there.granted and blob not in absent]
    return Bringing(
        manifests=new,
        absent=absent,
        arriving_sizes=tuple(links.blob_sizes(txn, arriving)),
        waiting=frozenset(blob for blob in arriving if blob in there.waiting),
        joins=_joins(txn, number, new),
    )


def draft_bringing(
    txn: ReadTxn, draft: Draft, target: FoundRepository, bringing: Bringing, event: int
) -> None:
    """Draft the links, holders and counts by which `target` gets what it lacks."""
    for member in bringing.manifests:
        link = LinkRecord(event, member.media_type)
        links.link_manifest(draft, target, member.digest, member.edges, link, bringing.absent)
    for subject, referrer in bringing.joins:
        links.join_subject(draft, target.id, subject, referrer)
    links.bring_in(txn, draft, target, bringing.waiting)
    links.count_blobs(draft, target, bringing.arriving_sizes)


def _absent_at_source(
    txn: ReadTxn, source: int, foreign: Iterable[bytes], there: frozenset[bytes]
) -> frozenset[bytes]:
    asked = [blob for blob in foreign if blob not in there]
    if not asked:
        return frozenset()
    return frozenset(asked) - links.presence(txn, source, keys.BLOB, asked).granted


def _joins(txn: ReadTxn, target: int, new: tuple[Member, ...]) -> tuple[tuple[bytes, bytes], ...]:
    """Find the pairs of subject and referrer that the new links complete, on either side."""
    digests = {member.digest for member in new}
    named = {m.edges.subject for m in new if m.edges.subject is not None} - digests
    subjects = sorted(named)
    linked = {
        subject
        for subject, link in zip(subjects, links.find_links(txn, target, subjects), strict=True)
        if link is not None
    }
    joins = [
        (member.edges.subject, member.digest)
        for member in new
        if member.edges.subject is not None
        and (member.edges.subject in digests or member.edges.subject in linked)
    ]
    waiting = links.referrers_of(txn, target, [member.digest for member in new])
    joins += [
        (member.digest, referrer)
        for member, referrers in zip(new, waiting, strict=True)
        for referrer in referrers
    ]
    return tuple(joins)
