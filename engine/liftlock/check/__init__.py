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
from liftlock.check.scan import Tell, nobody
from liftlock.check.stored import check_blobs, check_files, check_manifests, check_totals
from liftlock.metadata.contract import MetadataStore
from liftlock.model import CheckStep, Finding

__all__ = ["Tell", "check", "check_past", "nobody"]


def check(
    store: MetadataStore, blobs: BlobStore, *, content: bool, tell: Tell = nobody
) -> Iterator[Finding]:
    """Yield everything that is wrong, and what is worth knowing; with `content`, hash all blobs."""
    tell(CheckStep("names"))
    yield from check_names(store)
    yield from check_repositories(store, tell)
    tell(CheckStep("manifests"))
    yield from check_manifests(store)
    yield from check_blobs(store, blobs, content=content, tell=tell)
    tell(CheckStep("files"))
    yield from check_files(store, blobs)
    yield from check_totals(store)
    tell(CheckStep("history"))
    yield from check_past(store)
