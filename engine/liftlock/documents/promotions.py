"""Promotions, as they are answered and listed."""

from __future__ import annotations

import msgspec

from liftlock.documents.form import instant, whole
from liftlock.model import Promotion, PromotionItem, PromotionSummary, Tally


class CountsDocument(msgspec.Struct, kw_only=True):
    """What became of a whole repository."""

    tags: int
    created: int
    overwritten: int
    extended: int
    unchanged: int
    manifests: int


class PromotionItemDocument(msgspec.Struct, kw_only=True):
    """One tag or digest of a promotion, or a whole repository."""

    source: str
    target: str
    digest: str | None
    previous_digest: str | None
    action: str
    attachment: bool
    taken: bool
    counts: CountsDocument | msgspec.UnsetType = msgspec.UNSET


class PromotionDocument(msgspec.Struct, kw_only=True):
    """A promotion or an undo."""

    id: int | None
    at: str
    by: str
    mode: str
    comment: str
    dry_run: bool
    changed: bool
    plan: str | None
    items: list[PromotionItemDocument]
    linked: int
    manifests: list[str]
    referrers: list[str]
    purged: int
    absent: list[str]
    absent_more: bool
    warnings: list[str]
    records: int
    undoes: int | None


class SummaryDocument(msgspec.Struct, kw_only=True):
    """A promotion in a list."""

    id: int
    at: str
    by: str
    mode: str
    comment: str
    items: int
    records: int
    undoes: int | None


def promotion_document(promotion: Promotion, *, dry_run: bool = False) -> PromotionDocument:
    """Say what a promotion or an undo did, or would do."""
    return PromotionDocument(
        id=promotion.id,
        at=instant(promotion.at),
        by=promotion.by,
        mode=promotion.mode.value,
        comment=promotion.comment,
        dry_run=dry_run,
        changed=promotion.changed,
        plan=promotion.plan or None,
        items=[_item_document(item) for item in promotion.items],
        linked=promotion.linked,
        manifests=[str(digest) for digest in promotion.manifests],
        referrers=[str(digest) for digest in promotion.referrers],
        purged=promotion.purged,
        absent=[str(digest) for digest in promotion.absent],
        absent_more=promotion.absent_more,
        warnings=list(promotion.warnings),
        records=promotion.records,
        undoes=promotion.undoes,
    )


def summary_document(summary: PromotionSummary) -> SummaryDocument:
    """Say what a list has of a promotion."""
    return SummaryDocument(
        id=summary.id,
        at=instant(summary.at),
        by=summary.by,
        mode=summary.mode.value,
        comment=summary.comment,
        items=summary.items,
        records=summary.records,
        undoes=summary.undoes,
    )


def _item_document(item: PromotionItem) -> PromotionItemDocument:
    return PromotionItemDocument(
        source=item.source,
        target=item.target,
        digest=whole(item.digest),
        previous_digest=whole(item.previous_digest),
        action=item.action.value,
        attachment=item.attachment,
        taken=item.taken,
        counts=msgspec.UNSET if item.tally is None else _counts_document(item.tally),
    )


def _counts_document(tally: Tally) -> CountsDocument:
    return CountsDocument(**tally._asdict())
