"""A deletion as a document."""

from __future__ import annotations

import msgspec

from liftlock.documents.contents import UsageDocument, usage_document
from liftlock.documents.form import instant, whole
from liftlock.model import Deletion
from liftlock.oci.reference import RepositoryName


class DeletionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted, or would be."""

    name: str
    """As the command was given it."""
    kind: str
    """`tag`, `manifest` or `repository`."""
    digest: str | None
    """Where the tag was, or the manifest's own."""
    tags: list[str]
    """The tags that go; of a repository, none is listed."""
    usage: UsageDocument | None
    """What a repository had."""
    kept_until: str
    """Until then at least, what a tag led to can be pulled by its digest, and what a manifest named
    is there; of a repository, when its rows are swept."""
    dry_run: bool


def deletion_document(deletion: Deletion, *, dry_run: bool) -> DeletionDocument:
    """Return a deletion's document."""
    return DeletionDocument(
        name=str(deletion.of),
        kind=_kind(deletion),
        digest=whole(deletion.digest),
        tags=list(deletion.tags),
        usage=usage_document(deletion.usage) if deletion.usage else None,
        kept_until=instant(deletion.kept_until),
        dry_run=dry_run,
    )


def _kind(deletion: Deletion) -> str:
    if isinstance(deletion.of, RepositoryName):
        return "repository"
    return "manifest" if deletion.of.tag is None else "tag"
