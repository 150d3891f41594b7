"""What people look at: totals, where some content is, an image as a tree."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from liftlock.documents.form import (
    Bytes,
    Cursor,
    DigestText,
    Instant,
    MediaType,
    RepositoryText,
    TagText,
    instant,
    whole,
)
from liftlock.model import Inspection, Stats, Whereabouts


class StatsDocument(msgspec.Struct, kw_only=True):
    """How much a store has."""

    registries: int
    repositories: int
    tags: int
    manifests: Annotated[int, Meta(description="Stored manifests, each once.")]
    blobs: Annotated[int, Meta(description="Stored blobs, each once.")]
    bytes_logical: Annotated[
        int, Meta(description="The sizes of the blobs of all repositories, each once a repository.")
    ]
    bytes_stored: Annotated[int, Meta(description="The sizes of the stored blobs, each once.")]
    dedup_ratio: Annotated[
        float | None,
        Meta(description="`bytes_logical` / `bytes_stored`; null where nothing is stored."),
    ]


class WhereaboutsDocument(msgspec.Struct, kw_only=True):
    """A repository that has some content, and why."""

    repository: RepositoryText
    kind: Literal["manifest", "blob"]
    tags: list[TagText]
    parents: Annotated[
        list[DigestText],
        Meta(description="Manifests there that name it, those first that were linked first."),
    ]
    subject: Annotated[DigestText | None, Meta(description="The manifest there it refers to.")]
    held_since: Annotated[
        Instant | None,
        Meta(description="Since when it is held, for the hold time; null if it is not."),
    ]
    is_complete: Annotated[bool, Meta(description="Whether all tags and parents are listed.")]


class WhereDocument(msgspec.Struct, kw_only=True):
    """A page of the repositories that have some content. It may be empty and yet have a `next`."""

    repositories: list[WhereaboutsDocument]
    next: Cursor


class DescriptorDocument(msgspec.Struct, kw_only=True):
    """Content that a manifest names."""

    media_type: MediaType
    digest: DigestText
    size: Bytes


class InspectionDocument(msgspec.Struct, kw_only=True):
    """A manifest, with all that it names and all that is attached to it."""

    digest: DigestText
    media_type: MediaType
    artifact_type: Annotated[
        str | None, Meta(description="What kind of artifact it is; null of a container image.")
    ]
    platform: Annotated[
        str | None,
        Meta(description="`os/architecture[/variant]`, if known.", examples=["linux/arm64/v8"]),
    ]
    size: Annotated[int, Meta(description="The manifest's own bytes.")]
    total_size: Annotated[
        int,
        Meta(
            description="Its bytes, those of its blobs and those of the manifests below it, each "
            "digest once; what is absent or attached does not count."
        ),
    ]
    is_present: Annotated[
        bool, Meta(description="False of a child that its index names and the repository lacks.")
    ]
    is_complete: Annotated[
        bool, Meta(description="Whether all is told: what is damaged or too much is left out.")
    ]
    is_signed: Annotated[
        bool,
        Meta(description="Whether a signature is attached to this very manifest; not verified."),
    ]
    subject: Annotated[DigestText | None, Meta(description="The manifest that it refers to.")]
    annotations: dict[str, str]
    blobs: Annotated[
        list[DescriptorDocument], Meta(description="Config and layers, in the document's order.")
    ]
    children: Annotated[list[InspectionDocument], Meta(description="Of an index: what it names.")]
    attachments: Annotated[
        list[AttachmentDocument],
        Meta(description="Nothing below a manifest that is already shown above it."),
    ]


class AttachmentDocument(msgspec.Struct, kw_only=True):
    """A manifest that belongs to another."""

    purpose: Literal["signature", "attestation", "sbom", "other"]
    tag: Annotated[
        TagText | None, Meta(description="The tag that attaches it; null of a referrer.")
    ]
    manifest: InspectionDocument


def inspection_document(found: Inspection) -> InspectionDocument:
    """Say what a manifest is, what it names, and what is attached to it."""
    return InspectionDocument(
        digest=str(found.digest),
        media_type=found.media_type,
        artifact_type=found.artifact_type,
        platform=found.platform,
        size=found.size,
        total_size=found.total_size,
        is_present=found.is_present,
        is_complete=found.is_complete,
        is_signed=found.is_signed,
        subject=whole(found.subject),
        annotations=dict(found.annotations or {}),
        blobs=[
            DescriptorDocument(media_type=blob.media_type, digest=str(blob.digest), size=blob.size)
            for blob in found.blobs
        ],
        children=[inspection_document(child) for child in found.children],
        attachments=[
            AttachmentDocument(
                purpose=each.purpose.value,
                tag=each.tag,
                manifest=inspection_document(each.manifest),
            )
            for each in found.attachments
        ],
    )


def whereabouts_document(found: Whereabouts) -> WhereaboutsDocument:
    """Say which repository has some content, and why."""
    return WhereaboutsDocument(
        repository=str(found.repository),
        kind=found.kind.value,
        tags=list(found.tags),
        parents=[str(parent) for parent in found.parents],
        subject=whole(found.subject),
        held_since=instant(found.held_since) if found.held_since is not None else None,
        is_complete=found.is_complete,
    )


def stats_document(stats: Stats) -> StatsDocument:
    """Say how much a store has."""
    return StatsDocument(
        registries=stats.registries,
        repositories=stats.repositories,
        tags=stats.tags,
        manifests=stats.manifests,
        blobs=stats.blobs,
        bytes_logical=stats.bytes_logical,
        bytes_stored=stats.bytes_stored,
        dedup_ratio=stats.dedup_ratio,
    )
