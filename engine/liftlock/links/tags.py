"""Tags, and what they hold."""

from __future__ import annotations

from typing import Final

from liftlock.links.holders import drop_holder, put_hold, put_holder
from liftlock.metadata import keys
from liftlock.metadata.contract import Table
from liftlock.metadata.counts import NO_COUNTS, Counts
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import FoundRepository, TagRecord

ONE_TAG: Final = Counts(tags=1)


def put_tag(
    draft: Draft,
    repository: FoundRepository,
    tag: str,
    digest: bytes,
    old: bytes | None,
    event: int,
    at: int,
) -> None:
    """Point a tag, which is at `old` (None: nowhere), at a linked manifest."""
    if old is not None and old != digest:
        drop_holder(draft, repository.id, keys.held_manifest(old), keys.BY_TAG + tag.encode())
        put_hold(draft, repository.id, keys.held_manifest(old), at)
    draft.put(Table.TAGS, keys.tag_key(repository.id, tag), TagRecord(event, digest).encode())
    put_holder(draft, repository.id, keys.held_manifest(digest), keys.BY_TAG + tag.encode())
    draft.touch(repository.id, repository.record, NO_COUNTS if old is not None else ONE_TAG)


def remove_tag(draft: Draft, repository: FoundRepository, tag: str, old: bytes, at: int) -> None:
    """Remove a tag that is at `old`; the manifest stays, held."""
    draft.delete(Table.TAGS, keys.tag_key(repository.id, tag))
    drop_holder(draft, repository.id, keys.held_manifest(old), keys.BY_TAG + tag.encode())
    put_hold(draft, repository.id, keys.held_manifest(old), at)
    draft.touch(repository.id, repository.record, Counts(tags=-1))
