"""What people look at: totals, where some content is, an image as a tree."""

from __future__ import annotations

from typing import Literal

import msgspec

from liftlock.documents.form import instant, whole
from liftlock.model import Stats, Whereabouts


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
