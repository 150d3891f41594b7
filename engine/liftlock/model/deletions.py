"""What a deletion takes away, and what of it stays for how long."""

from __future__ import annotations

from dataclasses import dataclass

from liftlock.model.contents import Usage
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, RepositoryName


@dataclass(frozen=True, slots=True)
class Deletion:
    """What was deleted, or would be."""

    of: Reference | RepositoryName
    """A tag, a manifest by its digest, or a repository as a whole."""
    digest: Digest | None
    """Where the tag was, or the manifest's own; None of a repository."""
    tags: tuple[str, ...]
    """The tags that go: of a repository, none is listed."""
    usage: Usage | None
    """What a repository had; None of a tag or manifest."""
    kept_until: int
    """In ms since 1970. Until then at least: what a tag led to can be pulled by its digest; what a
    manifest named is there, so that the manifest alone can be pushed again. Of a repository, when
    its rows are swept; nothing brings it back."""
