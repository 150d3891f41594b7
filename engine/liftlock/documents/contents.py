"""What there is: registries, repositories, tags, and what befell them."""

from __future__ import annotations

import msgspec

from liftlock.documents.form import instant, whole
from liftlock.model import HistoryEntry, Registry, RegistrySettings, Repository, Tag, Usage
from liftlock.oci.reference import RepositoryName


class UsageDocument(msgspec.Struct, kw_only=True):
    """What a registry or repository has."""

    tags: int
    manifests: int
    blobs: int
    bytes: int


class SettingsDocument(msgspec.Struct, kw_only=True):
    """What a registry accepts."""

    allow_sparse: bool
    allow_delete: bool


class RegistryDocument(msgspec.Struct, kw_only=True):
    """A registry."""

    name: str
    created_at: str
    created_by: str
    repositories: int
    settings: SettingsDocument
    usage: UsageDocument


class RepositoryDocument(msgspec.Struct, kw_only=True):
    """A repository."""

    name: str
    version: int
    created_at: str
    usage: UsageDocument


class TagDocument(msgspec.Struct, kw_only=True):
    """A tag."""

    name: str
    tag: str
    digest: str


class HistoryDocument(msgspec.Struct, kw_only=True):
    """One change."""

    event: int
    at: str
    by: str
    kind: str
    action: str
    name: str
    old_digest: str | None
    new_digest: str | None
    old_settings: SettingsDocument | None
    new_settings: SettingsDocument | None
    other: str | None
    comment: str
    promotion: int | None


def usage_document(usage: Usage) -> UsageDocument:
    """Say what a registry or repository has."""
    return UsageDocument(
        tags=usage.tags, manifests=usage.manifests, blobs=usage.blobs, bytes=usage.bytes
    )


def settings_document(settings: RegistrySettings) -> SettingsDocument:
    """Say what a registry accepts."""
    return SettingsDocument(allow_sparse=settings.allow_sparse, allow_delete=settings.allow_delete)


def registry_document(registry: Registry) -> RegistryDocument:
    """Say what there is to know of a registry."""
    return RegistryDocument(
        name=registry.name,
        created_at=instant(registry.created_at),
        created_by=registry.created_by,
        repositories=registry.repositories,
        settings=settings_document(registry.settings),
        usage=usage_document(registry.usage),
    )


def repository_document(repository: Repository) -> RepositoryDocument:
    """Say what there is to know of a repository."""
    return RepositoryDocument(
        name=str(repository.name),
        version=repository.version,
        created_at=instant(repository.created_at),
        usage=usage_document(repository.usage),
    )


def tag_document(name: RepositoryName, tag: Tag) -> TagDocument:
    """Say where a tag of a repository points."""
    return TagDocument(name=f"{name}:{tag.name}", tag=tag.name, digest=str(tag.digest))


def history_document(entry: HistoryEntry) -> HistoryDocument:
    """Say what one change was."""
    return HistoryDocument(
        event=entry.event,
        at=instant(entry.at),
        by=entry.by,
        kind=entry.kind,
        action=entry.action,
        name=entry.name,
        old_digest=whole(entry.old_digest),
        new_digest=whole(entry.new_digest),
        old_settings=_settings(entry.old_settings),
        new_settings=_settings(entry.new_settings),
        other=entry.other,
        comment=entry.comment,
        promotion=entry.promotion,
    )


def _settings(settings: RegistrySettings | None) -> SettingsDocument | None:
    return settings_document(settings) if settings else None
