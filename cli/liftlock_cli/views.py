"""How the engine's values are printed: their columns, their JSON, their names.

The JSON has the fields of `liftlock.model`; instants are RFC 3339 in UTC, digests are whole.
"""

from __future__ import annotations

from typing import Final

from liftlock.model import (
    Finding,
    HistoryEntry,
    Outcome,
    Promotion,
    PromotionItem,
    Registry,
    Repository,
    Usage,
)
from liftlock.oci.digest import Digest
from liftlock_cli.output import (
    Column,
    Document,
    View,
    count_text,
    digest_text,
    instant,
    instant_text,
    size_text,
)

_DONE: Final = {
    Outcome.CREATE: "created",
    Outcome.OVERWRITE: "overwritten",
    Outcome.EXTEND: "extended",
    Outcome.UNCHANGED: "unchanged",
    Outcome.REMOVE: "removed",
}


def usage_document(usage: Usage) -> Document:
    """Make the JSON of what a registry or repository has."""
    return {
        "tags": usage.tags,
        "manifests": usage.manifests,
        "blobs": usage.blobs,
        "bytes": usage.bytes,
    }


def registry_document(registry: Registry) -> Document:
    """Make the JSON of a registry."""
    return {
        "name": registry.name,
        "created_at": instant(registry.created_at),
        "created_by": registry.created_by,
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
        "other": entry.other,
        "comment": entry.comment,
        "promotion": entry.promotion,
    }


def _way(entry: HistoryEntry) -> str:
    if entry.other is None:
        return entry.name
    if entry.action in {"taken", "moved_out"}:
        return f"{entry.name} -> {entry.other}"
    return f"{entry.other} -> {entry.name}"


HISTORY: Final[View[HistoryEntry]] = View(
    (
        Column("WHEN", lambda entry: instant_text(entry.at)),
        Column("WHO", lambda entry: entry.by),
        Column("WHAT", lambda entry: f"{entry.kind}: {entry.action}"),
        Column("FROM -> TO", _way),
        Column("OLD", lambda entry: digest_text(entry.old_digest)),
        Column("NEW", lambda entry: digest_text(entry.new_digest)),
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


def finding_document(finding: Finding) -> Document:
    """Make the JSON of what `check` found."""
    return {
        "severity": finding.severity.value,
        "rule": finding.rule,
        "subject": finding.subject,
        "detail": finding.detail,
    }


def promotion_document(promotion: Promotion, *, dry_run: bool) -> Document:
    """Make the JSON of a promotion or an undo."""
    return {
        "id": promotion.id,
        "at": instant(promotion.at),
        "by": promotion.by,
        "mode": promotion.mode.value,
        "comment": promotion.comment,
        "dry_run": dry_run,
        "changed": promotion.changed,
        "items": [
            {
                "source": item.source,
                "target": item.target,
                "digest": _whole(item.digest),
                "previous_digest": _whole(item.previous_digest),
                "action": item.action.value,
            }
            for item in promotion.items
        ],
        "manifests": [str(digest) for digest in promotion.manifests],
        "referrers": [str(digest) for digest in promotion.referrers],
        "records": promotion.records,
        "undoes": promotion.undoes,
    }


def promotion_lines(promotion: Promotion, *, dry_run: bool) -> list[str]:
    """Tell of a promotion or an undo: one line, or one and another for each of several items."""
    if promotion.undoes is not None and not promotion.changed:
        return [f"promotion {promotion.undoes} was undone already, by promotion {promotion.id}"]
    if dry_run:
        head = "dry run"
    elif promotion.id is not None:
        head = f"promotion {promotion.id}"
    else:
        head = "nothing to do"
    if promotion.undoes is not None:
        head += f" (undoes {promotion.undoes})"
    items = [_item_text(item, promotion, dry_run=dry_run) for item in promotion.items]
    sums = ", ".join(
        (
            count_text(len(promotion.manifests), "manifest"),
            count_text(len(promotion.referrers), "referrer"),
            count_text(promotion.records, "record"),
        )
    )
    if len(items) == 1:
        return [f"{head}: {items[0]}; {sums}"]
    return [f"{head}: {count_text(len(items), 'tag')}; {sums}", *(f"  {item}" for item in items)]


def _item_text(item: PromotionItem, promotion: Promotion, *, dry_run: bool) -> str:
    # An undo goes no way: it puts its target back.
    way = item.target if promotion.undoes is not None else f"{item.source} -> {item.target}"
    digest = f" {digest_text(item.digest)}" if item.digest else ""
    done = _DONE[item.action]
    if dry_run and item.action is not Outcome.UNCHANGED:
        done = f"would be {done}"
    was = (
        f" (was {digest_text(item.previous_digest)})"
        if item.previous_digest and item.previous_digest != item.digest
        else ""
    )
    attached = " (attachment)" if item.attachment else ""
    return f"{way}{digest} {done}{was}{attached}"


def _whole(digest: Digest | None) -> str | None:
    return str(digest) if digest else None
