"""Images on their way in and out: what an import or an export did, or would do."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from liftlock.model.promotions import Outcome
from liftlock.oci.digest import Digest


class Format(StrEnum):
    """How an OCI image layout lies on the disk."""

    FOLDER = "folder"
    TAR = "tar"
    TAR_GZ = "tar.gz"
    TAR_ZST = "tar.zst"


class ArchiveKind(StrEnum):
    """What an archive is."""

    OCI_LAYOUT = "oci-layout"
    DOCKER_ARCHIVE = "docker-archive"


class Passed(NamedTuple):
    """Blobs that went a way, each once."""

    blobs: int
    """How many."""
    bytes: int
    """Of all of them."""


class ImportItem(NamedTuple):
    """One tag (or untagged manifest) of an import."""

    source: str
    """What the archive calls it; its digest if it has no name there."""
    target: str
    """`registry/repository:tag`, or `…@digest` where it gets no tag."""
    digest: Digest
    previous_digest: Digest | None
    """Where the tag was before; None if it was not there."""
    action: Outcome
    attachment: bool = False
    """Whether it is an attachment tag."""


class Import(NamedTuple):
    """What an import did or, in a dry run, would do."""

    archive: str
    """The path, as it was given."""
    kind: ArchiveKind
    event: int | None
    """Its number in the history; None for a dry run, and where nothing changed."""
    at: int
    """Milliseconds since 1970."""
    by: str
    comment: str
    items: tuple[ImportItem, ...]
    manifests: int
    """Newly linked, in all repositories."""
    brought: Passed
    """Read from the archive, verified, and stored."""
    skipped: Passed
    """Not read, since every target has them; an earlier import that broke off may have brought
    them."""
    records: int
    """Metadata rows of the final transaction."""
    changed: bool
    """False if everything was there as it is in the archive."""
    absent: tuple[Digest, ...] = ()
    """What the images name and neither archive nor target has, foreign layers aside; at most
    `absent_listed_max`."""
    absent_more: bool = False
    warnings: tuple[str, ...] = ()


class ExportItem(NamedTuple):
    """One entry of an exported layout's index.json."""

    source: str
    """`registry/repository:tag`, or `…@digest` without one."""
    name: str | None
    """Its `org.opencontainers.image.ref.name`."""
    digest: Digest
    media_type: str
    attachment: bool = False
    """Whether it is here for another's sake: an attachment tag, or a referrer without a tag."""


class Export(NamedTuple):
    """What an export wrote or, in a dry run, would write."""

    path: str
    format: Format
    items: tuple[ExportItem, ...]
    manifests: int
    """How many, each once."""
    written: Passed
    """Blobs, without manifests."""
    kept: Passed
    """Blobs that a folder had already, and that were found whole."""
    changed: bool
    """False if the folder was as asked; always true of a tar, which is written anew."""
    absent: tuple[Digest, ...] = ()
    """What the images name and the repository lacks; at most `absent_listed_max`."""
    absent_more: bool = False
    foreign: tuple[Digest, ...] = ()
    """Non-distributable layers that the repository lacks, which is no fault; as many at most."""
