"""How the engine's values are printed: their columns, their JSON, their names.

The JSON has the fields of `liftlock.model`; instants are RFC 3339 in UTC, digests are whole.
"""

from __future__ import annotations

from typing import Final

from liftlock.documents import instant
from liftlock.model import HistoryEntry, Registry, RegistrySettings, Repository, Usage
from liftlock.oci.digest import Digest
from liftlock_cli.output import (
    Column,
    Document,
    View,
    digest_text,
    instant_text,
    size_text,
)


def usage_document(usage: Usage) -> Document:
    """Make the JSON of what a registry or repository has."""
    return {
        "tags": usage.tags,
        "manifests": usage.manifests,
        "blobs": usage.blobs,
        "bytes": usage.bytes,
    }


def settings_document(settings: RegistrySettings) -> Document:
    """Make the JSON of a registry's settings."""
    return {"allow_sparse": settings.allow_sparse, "allow_delete": settings.allow_delete}


def allowed_text(is_allowed: bool) -> str:  # noqa: FBT001 - it is what it is about
    """Write out a setting for people."""
    return "allowed" if is_allowed else "refused"


def registry_document(registry: Registry) -> Document:
    """Make the JSON of a registry."""
    return {
        "name": registry.name,
        "created_at": instant(registry.created_at),
        "created_by": registry.created_by,
        "settings": settings_document(registry.settings),
        "usage": usage_document(registry.usage),
    }


def repository_document(repository: Repository) -> Document:
    """Make the JSON of a repository."""
    return {
        "name": str(repository.name),
        "version": repository.version,
        "created_at": instant(repository.created_at),
        "usage": usage_document(repository.usage),
    }


REGISTRIES: Final[View[Registry]] = View(
    (
        Column("REGISTRY", lambda registry: registry.name),
        Column("TAGS", lambda registry: str(registry.usage.tags), right=True),
        Column("MANIFESTS", lambda registry: str(registry.usage.manifests), right=True),
        Column("BLOBS", lambda registry: str(registry.usage.blobs), right=True),
        Column("BYTES", lambda registry: size_text(registry.usage.bytes), right=True),
        Column("SPARSE", lambda registry: allowed_text(registry.settings.allow_sparse)),
        Column("DELETING", lambda registry: allowed_text(registry.settings.allow_delete)),
        Column("CREATED", lambda registry: instant_text(registry.created_at)),
        Column("BY", lambda registry: registry.created_by),
    ),
    registry_document,
    lambda registry: registry.name,
)

REPOSITORIES: Final[View[Repository]] = View(
    (
        Column("REPOSITORY", lambda repository: str(repository.name)),
        Column("TAGS", lambda repository: str(repository.usage.tags), right=True),
        Column("MANIFESTS", lambda repository: str(repository.usage.manifests), right=True),
        Column("BLOBS", lambda repository: str(repository.usage.blobs), right=True),
        Column("BYTES", lambda repository: size_text(repository.usage.bytes), right=True),
    ),
    repository_document,
    lambda repository: str(repository.name),
)


def history_document(entry: HistoryEntry) -> Document:
    """Make the JSON of one change."""
    return {
        "event": entry.event,
        "at": instant(entry.at),
        "by": entry.by,
        "kind": entry.kind,
        "action": entry.action,
        "name": entry.name,
        "old_digest": _whole(entry.old_digest),
        "new_digest": _whole(entry.new_digest),
        "old_settings": _settings(entry.old_settings),
        "new_settings": _settings(entry.new_settings),
        "other": entry.other,
        "comment": entry.comment,
        "promotion": entry.promotion,
    }


def _settings(settings: RegistrySettings | None) -> Document | None:
    return settings_document(settings) if settings else None


def _state(digest: Digest | None, settings: RegistrySettings | None) -> str:
    """Tell where a tag is, or what a registry is set to."""
    if settings is None:
        return digest_text(digest)
    said = settings_document(settings).items()
    return ",".join(f"{name}={'yes' if is_allowed else 'no'}" for name, is_allowed in said)


def _way(entry: HistoryEntry) -> str:
    if entry.other is None:
        return entry.name
    if entry.action in {"taken", "moved_out", "dissolved"}:
        return f"{entry.name} -> {entry.other}"
    return f"{entry.other} -> {entry.name}"


HISTORY: Final[View[HistoryEntry]] = View(
    (
        Column("WHEN", lambda entry: instant_text(entry.at)),
        Column("WHO", lambda entry: entry.by),
        Column("WHAT", lambda entry: f"{entry.kind}: {entry.action}"),
        Column("FROM -> TO", _way),
        Column("OLD", lambda entry: _state(entry.old_digest, entry.old_settings)),
        Column("NEW", lambda entry: _state(entry.new_digest, entry.new_settings)),
        # What refusals and the JSON speak of.
        Column("EVENT", lambda entry: str(entry.event), right=True),
        Column(
            "PROMOTION",
            lambda entry: "-" if entry.promotion is None else str(entry.promotion),
            right=True,
        ),
        # Last, since it may be long.
        Column("COMMENT", lambda entry: entry.comment),
    ),
    history_document,
    lambda entry: entry.name,
)


def _whole(digest: Digest | None) -> str | None:
    return str(digest) if digest else None
