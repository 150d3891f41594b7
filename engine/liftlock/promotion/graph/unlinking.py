"""Unlinking what nobody needs: after an undo, and after a move that purges."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from liftlock import links
from liftlock.config import Limits
from liftlock.metadata import keys
from liftlock.metadata.contract import Instant, ReadTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import FoundRepository
from liftlock.promotion.graph.closure import Member


def unneeded(
    txn: ReadTxn,
    repository: int,
    members: Mapping[bytes, Member],
    *,
    is_leaving: Callable[[str, bytes], bool],
    limits: Limits,
    by_subject: bool,
    kept: Collection[bytes] = (),
) -> list[bytes]:
    """Return those of `members` that nothing holds but holds, once some tags are gone.

    Args:
        txn: the snapshot.
        repository: which.
        members: manifests that it has.
        is_leaving: tells whether a tag will no longer be at a digest.
        limits: how far to look.
        by_subject: whether a subject that stays keeps its referrers.
        kept: what something else needs, that is not there yet.
    """
    digests = list(members)
    tags = links.tags_of(txn, repository, digests, limit=limits.closure_manifests_max)
    held = [*map(keys.held_manifest, digests)]
    parents = links.parents_of(txn, repository, held, limit=limits.closure_manifests_max)
    subjects = links.subjects_of(txn, repository, digests) if by_subject else [[] for _ in digests]
    found = {
        digest: {*over, *subject}
        for digest, own_tags, over, subject in zip(digests, tags, parents, subjects, strict=True)
        if digest not in kept
        and len(own_tags) < limits.closure_manifests_max
        and all(is_leaving(tag, digest) for tag in own_tags)
    }
    while needed := [digest for digest, holders in found.items() if holders - found.keys()]:
        for digest in needed:
            del found[digest]
    return list(found)


def draft_unlinking(
    txn: ReadTxn,
    draft: Draft,
    repository: FoundRepository,
    members: Sequence[Member],
    at: Instant,
    *,
    with_holds: bool,
) -> None:
    """Unlink manifests, with the blobs that nothing else in the repository holds.

    With `with_holds`, a hold is no reason to keep such a blob; referrers that are left without
    their subject get a hold all the same.
    """
    own = {keys.held_manifest(member.digest) for member in members}
    rows = links.parent_rows(
        txn, repository.id, [(member.digest, member.event, member.edges) for member in members]
    )
    lost: dict[bytes, None] = {}
    referrers = links.referrers_of(txn, repository.id, [member.digest for member in members])
    for member, present, of_one in zip(members, rows, referrers, strict=True):
        for held in links.unlink_manifest(
            draft, repository, member.digest, member.edges, present, of_one
        ):
            if held not in own:
                lost[held] = None
    blobs = [held for held in lost if keys.held_kind(held) == keys.BLOB]
    leaving: Collection[bytes] = {row.key for present in rows for row in present}
    if with_holds:
        holds = keys.holder_keys(repository.id, blobs, keys.BY_HOLD)
        leaving = {*leaving, *holds}
    gone = links.without_other_holder(txn, repository.id, blobs, leaving)
    if with_holds:
        for blob in gone:
            links.drop_hold(draft, repository.id, blob)
    sizes = links.find_sizes(txn, [*map(keys.held_digest, gone)])
    links.discount_blobs(draft, repository, list(sizes.values()))
    for held in lost:
        if keys.held_kind(held) == keys.MANIFEST:
            links.put_hold(draft, repository.id, held, at)
