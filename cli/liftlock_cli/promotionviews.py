"""How promotions are printed: one as a sentence or a table of its items, many as a list."""

from __future__ import annotations

from typing import Final

from liftlock.documents import promotion_document, summary_document
from liftlock.model import Outcome, Promotion, PromotionItem, PromotionSummary, Tally
from liftlock_cli.output import (
    Column,
    Form,
    View,
    count_text,
    digest_text,
    instant_text,
    print_document,
    print_line,
    print_table,
)

_ITEMS_MAX: Final = 50
"""Items that a table has; JSON has all."""
_DONE: Final = {
    Outcome.CREATE: "created",
    Outcome.OVERWRITE: "overwritten",
    Outcome.EXTEND: "extended",
    Outcome.UNCHANGED: "unchanged",
    Outcome.REMOVE: "removed",
}

SUMMARIES: Final[View[PromotionSummary]] = View(
    (
        Column("PROMOTION", lambda summary: str(summary.id), right=True),
        Column("WHEN", lambda summary: instant_text(summary.at)),
        Column("WHO", lambda summary: summary.by),
        Column("MODE", lambda summary: summary.mode.value),
        Column("ITEMS", lambda summary: str(summary.items), right=True),
        Column("RECORDS", lambda summary: str(summary.records), right=True),
        Column("UNDOES", lambda summary: str(summary.undoes or "-"), right=True),
        # Last, since it may be long.
        Column("COMMENT", lambda summary: summary.comment),
    ),
    summary_document,
    lambda summary: str(summary.id),
)


def print_promotion(promotion: Promotion, form: Form, *, dry_run: bool = False) -> None:
    """Print a promotion or an undo; as a name, its number, if it has one."""
    match form:
        case Form.TABLE:
            _print_table(promotion, dry_run=dry_run)
        case Form.JSON:
            print_document(promotion_document(promotion, dry_run=dry_run))
        case Form.NAME:
            if promotion.id is not None:
                print_line(str(promotion.id))


def _print_table(promotion: Promotion, *, dry_run: bool) -> None:
    """Print a table for people; of a long promotion, how it begins."""
    if not dry_run and len(promotion.items) == 1:
        print_line(promotion_line(promotion))
        return
    if promotion.undoes is not None and not promotion.changed:
        print_line(promotion_line(promotion))
        return
    print_line(_head(promotion, dry_run=dry_run))
    shown = promotion.items[:_ITEMS_MAX]
    noted = any(_note(item) for item in shown)
    print_table(_ITEMS + _NOTES if noted else _ITEMS, shown)
    more = len(promotion.items) - len(shown)
    if more:
        print_line(f"… and {count_text(more, 'more item')}; -o json prints them all")
    if dry_run and promotion.plan:
        print_line(
            f"plan {promotion.plan}: to do just this or nothing, repeat the command with "
            f"--plan {promotion.plan} instead of --dry-run"
        )


def promotion_line(promotion: Promotion) -> str:
    """Tell of a promotion or an undo of one item in a sentence; of several, only how many."""
    if promotion.undoes is not None and not promotion.changed:
        return f"promotion {promotion.undoes} was undone already, by promotion {promotion.id}"
    if len(promotion.items) != 1:
        return _head(promotion, dry_run=False)
    (item,) = promotion.items
    # An undo goes no way: it puts its target back.
    way = item.target if promotion.undoes is not None else f"{item.source} -> {item.target}"
    digest = f" {digest_text(item.digest)}" if item.digest else ""
    was = (
        f" (was {digest_text(item.previous_digest)})"
        if item.previous_digest and item.previous_digest != item.digest
        else ""
    )
    note = f" ({_note(item)})" if _note(item) else ""
    done = f"{way}{digest} {_DONE[item.action]}{was}{note}"
    return f"{_title(promotion, dry_run=False)}: {done}; {_sums(promotion)}"


def _head(promotion: Promotion, *, dry_run: bool) -> str:
    attachments = sum(1 for item in promotion.items if item.attachment)
    of_them = f", {count_text(attachments, 'attachment tag')} among them" if attachments else ""
    items = count_text(len(promotion.items), "item")
    return f"{_title(promotion, dry_run=dry_run)}: {items}{of_them}; {_sums(promotion)}"


def _title(promotion: Promotion, *, dry_run: bool) -> str:
    if dry_run:
        title = "dry run, nothing was changed"
    elif promotion.id is not None:
        title = f"promotion {promotion.id}"
    else:
        title = "nothing to do"
    return title if promotion.undoes is None else f"{title} (undoes {promotion.undoes})"


def _sums(promotion: Promotion) -> str:
    return ", ".join(
        (
            count_text(promotion.linked, "manifest"),
            count_text(len(promotion.referrers), "referrer"),
            count_text(promotion.records, "record"),
        )
    )


def _note(item: PromotionItem) -> str:
    if item.tally is not None:
        return _tally_text(item.tally)
    return "attachment" if item.attachment else ""


def _tally_text(tally: Tally) -> str:
    counts = (
        (tally.created, "created"),
        (tally.overwritten, "overwritten"),
        (tally.extended, "extended"),
        (tally.unchanged, "unchanged"),
    )
    parts = ", ".join(f"{count} {what}" for count, what in counts if count)
    tags = count_text(tally.tags, "tag") + (f": {parts}" if parts else "")
    return f"{tags}; {count_text(tally.manifests, 'manifest')}"


_ITEMS: Final[tuple[Column[PromotionItem], ...]] = (
    Column("SOURCE", lambda item: item.source),
    Column("TARGET", lambda item: item.target),
    Column("ACTION", lambda item: item.action.value),
    Column("OLD", lambda item: digest_text(item.previous_digest)),
    Column("NEW", lambda item: digest_text(item.digest)),
)
_NOTES: Final[tuple[Column[PromotionItem], ...]] = (Column("NOTE", _note),)
