"""What there is: registries, repositories, tags, referrers, and what befell them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from liftlock.documents.form import (
    Actor,
    Bytes,
    Comment,
    Cursor,
    DigestText,
    ImageText,
    Instant,
    MediaType,
    NameText,
    RegistryText,
    RepositoryText,
    TagText,
    instant,
    whole,
)
from liftlock.model import (
    HistoryEntry,
    Referrer,
    Registry,
    RegistrySettings,
    Repository,
    Tag,
    Usage,
)
from liftlock.oci.reference import Reference, RepositoryName


class UsageDocument(msgspec.Struct, kw_only=True):
    """What a registry or repository has."""

    tags: int
    manifests: int
    blobs: int
    bytes: Annotated[int, Meta(description="The sizes of its blobs, each once a repository.")]


class SettingsDocument(msgspec.Struct, kw_only=True):
    """What a registry accepts."""

    allow_sparse: Annotated[
        bool, Meta(description="Whether manifests may name what their repository lacks.")
    ]
    allow_delete: Annotated[
        bool, Meta(description="Whether anything in it can be deleted, and moves can purge.")
    ]


class RegistryDocument(msgspec.Struct, kw_only=True):
    """A registry."""

    name: RegistryText
    created_at: Instant
    created_by: Actor
    repositories: int
    settings: SettingsDocument
    usage: UsageDocument


class RegistriesDocument(msgspec.Struct, kw_only=True):
    """A page of registries, by name."""

    registries: list[RegistryDocument]
    next: Cursor


class RepositoryDocument(msgspec.Struct, kw_only=True):
    """A repository."""

    name: RepositoryText
    version: Annotated[
        int, Meta(description="Rises with every change of its name, tags or content.")
    ]
    created_at: Instant
    usage: UsageDocument


class RepositoriesDocument(msgspec.Struct, kw_only=True):
    """A page of a registry's repositories, by name."""

    repositories: list[RepositoryDocument]
    next: Cursor


class TagDocument(msgspec.Struct, kw_only=True):
    """A tag, and where it is."""

    name: Annotated[ImageText, Meta(description="`registry/repository:tag`.")]
    tag: TagText
    digest: DigestText


class TagsDocument(msgspec.Struct, kw_only=True):
    """A page of a repository's tags, in ascending byte order."""

    tags: list[TagDocument]
    next: Cursor


class ReferrerDocument(msgspec.Struct, kw_only=True):
    """A manifest whose subject is another one: a signature, an SBOM."""

    name: Annotated[ImageText, Meta(description="`registry/repository@digest`.")]
    digest: DigestText
    media_type: MediaType
    size: Bytes
    artifact_type: Annotated[str | None, Meta(examples=["application/spdx+json"])]
    annotations: dict[str, str]


class ReferrersDocument(msgspec.Struct, kw_only=True):
    """A page of what refers to a manifest."""

    referrers: list[ReferrerDocument]
    next: Cursor


class HistoryDocument(msgspec.Struct, kw_only=True):
    """One change."""

    event: Annotated[int, Meta(description="Its number; several changes can be one event.")]
    at: Instant
    by: Actor
    kind: Annotated[
        str,
        Meta(
            description="What was asked for: `create`, `push`, `delete`, `promote`, `move`, "
            "`undo`, `configure` or `import`.",
            examples=["push"],
        ),
    ]
    action: Annotated[str, Meta(description="What that meant for this name.", examples=["created"])]
    name: NameText
    old_digest: DigestText | None
    new_digest: DigestText | None
    old_settings: SettingsDocument | None
    new_settings: SettingsDocument | None
    other: Annotated[
        str | None,
        Meta(
            description="Of a promotion the other side: where from, or where to. Of an import: "
            "which archive.",
            examples=["prod/team/app:1.2"],
        ),
    ]
    comment: Comment
    promotion: Annotated[int | None, Meta(description="The promotion's number, if it was one.")]


class HistoriesDocument(msgspec.Struct, kw_only=True):
    """A page of a name's history, newest first."""

    history: list[HistoryDocument]
    next: Cursor


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


def referrer_document(name: RepositoryName, referrer: Referrer) -> ReferrerDocument:
    """Say what refers to a manifest of a repository."""
    return ReferrerDocument(
        name=str(Reference(name, digest=referrer.digest)),
        digest=str(referrer.digest),
        media_type=referrer.media_type,
        size=referrer.size,
        artifact_type=referrer.artifact_type,
        annotations=dict(referrer.annotations or {}),
    )


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
