"""Cross-checking everything that is stored against everything else.

Each scope (a repository, a batch of records) is read in one snapshot of its own, so a check of a
large store does not pin old pages for long, and others may go on working. What a file looks like
is asked again before it is called damaged: its record may have moved on.

Rules have stable names, which docs/format.md explains.
"""

from __future__ import annotations

from collections.abc import Iterator

from liftlock.blobs.contract import BlobStore
from liftlock.check.names import check_names
from liftlock.check.past import check_past
from liftlock.check.repositories import check_repositories
from liftlock.check.stored import check_files, check_stored, check_totals
from liftlock.metadata.contract import MetadataStore
from liftlock.model import Finding

__all__ = ["check", "check_past"]


def check(store: MetadataStore, blobs: BlobStore, *, content: bool) -> Iterator[Finding]:
    """Yield everything that is wrong, and what is worth knowing; with `content`, hash all blobs."""
    yield from check_names(store)
    yield from check_repositories(store)
    yield from check_stored(store, blobs, content=content)
    yield from check_files(store, blobs)
    yield from check_totals(store)
    yield from check_past(store)
