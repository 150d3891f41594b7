"""Imports and exports, as they are answered."""

from __future__ import annotations

import msgspec

from liftlock.documents.form import instant, whole
from liftlock.model import Export, ExportItem, Import, ImportItem, Passed


class PassedDocument(msgspec.Struct, kw_only=True):
    """Blobs that went a way."""

    blobs: int
    bytes: int


class ImportItemDocument(msgspec.Struct, kw_only=True):
    """One tag or untagged manifest of an import."""

    source: str
    target: str
    digest: str
    previous_digest: str | None
    action: str
    attachment: bool


class ImportDocument(msgspec.Struct, kw_only=True):
    """An import."""

    archive: str
    kind: str
    event: int | None
    at: str
    by: str
    comment: str
    dry_run: bool
    changed: bool
    items: list[ImportItemDocument]
    manifests: int
    brought: PassedDocument
    skipped: PassedDocument
    absent: list[str]
    absent_more: bool
    warnings: list[str]
    records: int


class ExportItemDocument(msgspec.Struct, kw_only=True):
    """One entry of an exported layout."""

    source: str
    name: str | None
    digest: str
    media_type: str
    attachment: bool


class ExportDocument(msgspec.Struct, kw_only=True):
    """An export."""

    path: str
    format: str
    dry_run: bool
    changed: bool
    items: list[ExportItemDocument]
    manifests: int
    written: PassedDocument
    kept: PassedDocument
    absent: list[str]
    absent_more: bool
    foreign: list[str]


def import_document(done: Import, *, dry_run: bool = False) -> ImportDocument:
    """Say what an import did, or would do."""
    return ImportDocument(
        archive=done.archive,
        kind=done.kind.value,
        event=done.event,
        at=instant(done.at),
        by=done.by,
        comment=done.comment,
        dry_run=dry_run,
        changed=done.changed,
        items=[_import_item(item) for item in done.items],
        manifests=done.manifests,
        brought=_passed(done.brought),
        skipped=_passed(done.skipped),
        absent=[str(digest) for digest in done.absent],
        absent_more=done.absent_more,
        warnings=list(done.warnings),
        records=done.records,
    )


def export_document(done: Export, *, dry_run: bool = False) -> ExportDocument:
    """Say what an export wrote, or would write."""
    return ExportDocument(
        path=done.path,
        format=done.format.value,
        dry_run=dry_run,
        changed=done.changed,
        items=[_export_item(item) for item in done.items],
        manifests=done.manifests,
        written=_passed(done.written),
        kept=_passed(done.kept),
        absent=[str(digest) for digest in done.absent],
        absent_more=done.absent_more,
        foreign=[str(digest) for digest in done.foreign],
    )


def _import_item(item: ImportItem) -> ImportItemDocument:
    return ImportItemDocument(
        source=item.source,
        target=item.target,
        digest=str(item.digest),
        previous_digest=whole(item.previous_digest),
        action=item.action.value,
        attachment=item.attachment,
    )


def _export_item(item: ExportItem) -> ExportItemDocument:
    return ExportItemDocument(
        source=item.source,
        name=item.name,
        digest=str(item.digest),
        media_type=item.media_type,
        attachment=item.attachment,
    )


def _passed(passed: Passed) -> PassedDocument:
    return PassedDocument(blobs=passed.blobs, bytes=passed.bytes)
