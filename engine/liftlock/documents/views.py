"""What people look at: totals, where some content is, an image as a tree."""

from __future__ import annotations

import msgspec

from liftlock.model import Stats


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
