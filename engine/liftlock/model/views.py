"""What there is, as people look at it: totals, where some content is, an image as a tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from liftlock.oci.descriptor import Descriptor
from liftlock.oci.digest import Digest
from liftlock.oci.reference import RepositoryName


@dataclass(frozen=True, slots=True)
class Stats:
    """How much a store has: from counters, so that it costs a row a registry, whatever is there."""

    registries: int
    """How many there are."""
    repositories: int
    """How many there are, in all registries."""
    tags: int
    """How many there are, in all repositories."""
    manifests: int
    """Stored manifests, each once, however many repositories have it."""
    blobs: int
    """Stored blobs, each once."""
    bytes_logical: int
    """What all repositories have: the sizes of their blobs, each once a repository."""
    bytes_stored: int
    """The sizes of the stored blobs."""

    @property
    def dedup_ratio(self) -> float | None:
        """How many bytes repositories have for each that is stored; None if nothing is."""
        return self.bytes_logical / self.bytes_stored if self.bytes_stored else None


class Kind(StrEnum):
    """What a digest is of."""

    MANIFEST = "manifest"
    BLOB = "blob"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A repository that has some content, and why."""

    repository: RepositoryName
    kind: Kind
    tags: tuple[str, ...]
    """The tags of a manifest, up to `Limits.reasons_listed_max`."""
    parents: tuple[Digest, ...]
    """Manifests there that name it, up to the same number; those first that were linked first."""
    subject: Digest | None
    """The manifest there that it refers to."""
    held_since: int | None
    """When its hold was put, in ms since 1970; None if it has none."""
    is_complete: bool
    """Whether all tags and parents are listed."""


class Attaching(StrEnum):
    """What an attached manifest is for."""

    SIGNATURE = "signature"
    ATTESTATION = "attestation"
    SBOM = "sbom"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A manifest that belongs to another.

    A referrer of it, what an attachment tag of it leads to, or an attestation that its index
    names beside it.
    """

    purpose: Attaching
    tag: str | None
    """The attachment tag; None of others."""
    manifest: Inspection


@dataclass(frozen=True, slots=True)
class Inspection:
    """A manifest in its repository, with all that it names and all that is attached to it."""

    digest: Digest
    media_type: str
    artifact_type: str | None
    """What kind of artifact it is; None of a container image, and of an index without one."""
    platform: str | None
    """`os/architecture[/variant]`: as its index says, or its config; None if neither does."""
    size: int
    """The manifest's own bytes."""
    total_size: int
    """Its bytes, those of its blobs, and those of the manifests below it, each digest once; what
    is absent and what is attached does not count."""
    is_present: bool
    """False of a child that its index names and the repository lacks: little is known of it."""
    is_complete: bool
    """Whether all is shown: nothing of it, below it or attached to it is unreadable, or beyond
    the limits on manifests (`closure_manifests_max`) and levels (twice `closure_nesting_max`)."""
    annotations: Mapping[str, str] | None
    subject: Digest | None
    blobs: tuple[Descriptor, ...]
    """Config and layers, in the document's order, each once."""
    children: tuple[Inspection, ...]
    """What an index names, but for attestations of its other children, which are attached to
    those. What is shown above is not shown again below it: an index may refer to its own child."""
    attachments: tuple[Attachment, ...]
    """What is attached: signatures first, then attestations, SBOMs, and all else."""

    @property
    def is_signed(self) -> bool:
        """Whether a signature is attached to this very manifest. Nobody has verified it."""
        return any(each.purpose is Attaching.SIGNATURE for each in self.attachments)
