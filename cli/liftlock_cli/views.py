"""How the engine's values are printed: their columns, their JSON, their names."""

from __future__ import annotations

from typing import Final

import msgspec

from liftlock.documents import (
    history_document,
    registry_document,
    repository_document,
    settings_document,
)
from liftlock.model import HistoryEntry, Registry, RegistrySettings, Repository
from liftlock.oci.digest import Digest
from liftlock_cli.output import (
    Column,
    View,
    digest_text,
    instant_text,
    size_text,
)


def allowed_text(is_allowed: bool) -> str:  # noqa: FBT001 - it is what it is about
    """Write out a setting for people."""
    return "allowed" if is_allowed else "refused"


REGISTRIES: Final[View[Registry]] = View(
    (
        Column("REGISTRY", lambda registry: registry.name),
        Column("REPOSITORIES", lambda registry: str(registry.repositories), right=True),
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


def _state(digest: Digest | None, settings: RegistrySettings | None) -> str:
    """Tell where a tag is, or what a registry is set to."""
    if settings is None:
        return digest_text(digest)
    said = msgspec.structs.asdict(settings_document(settings)).items()
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
