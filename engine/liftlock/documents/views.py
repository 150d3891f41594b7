"""What people look at: totals, where some content is, an image as a tree."""

from __future__ import annotations

from typing import Literal

import msgspec

from liftlock.documents.form import instant, whole
from liftlock.model import Inspection, Stats, Whereabouts


class StatsDocument(msgspec.Struct, kw_only=True):
    """How much a store has."""

    registries: int
    repositories: int
    tags: int
    manifests: int
    blobs: int
    bytes_logical: int
    bytes_stored: int
    dedup_ratio: float | None


class WhereaboutsDocument(msgspec.Struct, kw_only=True):
    """A repository that has some content, and why."""

    repository: str
    kind: Literal["manifest", "blob"]
    tags: list[str]
    parents: list[str]
    subject: str | None
    held_since: str | None
    is_complete: bool


class DescriptorDocument(msgspec.Struct, kw_only=True):
    """Content that a manifest names."""

    media_type: str
    digest: str
    size: int


class InspectionDocument(msgspec.Struct, kw_only=True):
    """A manifest, with all that it names and all that is attached to it."""

    digest: str
    media_type: str
    artifact_type: str | None
    platform: str | None
    size: int
    total_size: int
    is_present: bool
    is_complete: bool
    is_signed: bool
    subject: str | None
    annotations: dict[str, str]
    blobs: list[DescriptorDocument]
    children: list[InspectionDocument]
    attachments: list[AttachmentDocument]


class AttachmentDocument(msgspec.Struct, kw_only=True):
    """A manifest that belongs to another."""

    purpose: Literal["signature", "attestation", "sbom", "other"]
    tag: str | None
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
