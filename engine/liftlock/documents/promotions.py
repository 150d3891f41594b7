"""Promotions, as they are answered and listed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from liftlock.documents.form import (
    Actor,
    Comment,
    Cursor,
    DigestText,
    Instant,
    NameText,
    instant,
    whole,
)
from liftlock.model import Promotion, PromotionItem, PromotionSummary, Tally


class CountsDocument(msgspec.Struct, kw_only=True):
    """What became of a whole repository: how many tags and manifests it is about."""

    tags: int
    created: int
    overwritten: int
    extended: int
    unchanged: int
    manifests: int


class PromotionItemDocument(msgspec.Struct, kw_only=True):
    """One tag or digest of a promotion, or a whole repository."""

    source: NameText
    target: NameText
    digest: Annotated[
        DigestText | None, Meta(description="What the target is now; null if it is gone.")
    ]
    previous_digest: Annotated[
        DigestText | None, Meta(description="What it was before; null if it was not there.")
    ]
    action: Annotated[
        str,
        Meta(
            description="`create`, `overwrite`, `extend` (the tag stays, what came since is "
            "added), `unchanged`, or in an undo `remove`.",
            examples=["create"],
        ),
    ]
    attachment: Annotated[bool, Meta(description="Whether it is a tag that came along by itself.")]
    taken: Annotated[bool, Meta(description="Whether a move took it from its source.")]
    counts: Annotated[
        CountsDocument | msgspec.UnsetType,
        Meta(description="Of a whole repository, which has no digests."),
    ] = msgspec.UNSET


class PromotionDocument(msgspec.Struct, kw_only=True):
    """A promotion or an undo."""

    id: Annotated[
        int | None,
        Meta(description="Its number; null for a dry run, and where nothing had been recorded."),
    ]
    at: Instant
    by: Actor
    mode: Annotated[str, Meta(description="`copy` or `move`.", examples=["copy"])]
    comment: Comment
    dry_run: bool
    changed: Annotated[bool, Meta(description="False if everything already was as asked.")]
    plan: Annotated[
        str | None, Meta(description="The plan's hash, in a dry run and where one was asked for.")
    ]
    items: list[PromotionItemDocument]
    linked: Annotated[
        int, Meta(description="How many manifests are new in the target; of an undo: taken back.")
    ]
    manifests: Annotated[
        list[DigestText],
        Meta(description="Which; only right after, and of images that were named."),
    ]
    referrers: Annotated[
        list[DigestText], Meta(description="Those of them that came along as referrers.")
    ]
    purged: Annotated[int, Meta(description="How many manifests a move unlinked at its source.")]
    absent: Annotated[
        list[DigestText],
        Meta(description="What promoted manifests name and the target lacks; only right after."),
    ]
    absent_more: Annotated[bool, Meta(description="Whether it lacks others besides.")]
    warnings: Annotated[list[str], Meta(description="What may not be what was meant.")]
    records: Annotated[int, Meta(description="Rows written, or that would be.")]
    undoes: Annotated[int | None, Meta(description="The promotion that this one undid.")]


class SummaryDocument(msgspec.Struct, kw_only=True):
    """A promotion in a list."""

    id: int
    at: Instant
    by: Actor
    mode: Annotated[str, Meta(description="`copy` or `move`.", examples=["copy"])]
    comment: Comment
    items: Annotated[int, Meta(description="How many changes the history has of it.")]
    records: int
    undoes: Annotated[int | None, Meta(description="The promotion that this one undid.")]


class PromotionsDocument(msgspec.Struct, kw_only=True):
    """A page of promotions and undos, newest first."""

    promotions: list[SummaryDocument]
    next: Cursor


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
