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


def print_promotion(
    promotion: Promotion,
    form: Form,
    *,
    dry_run: bool = False,
    purging: bool = False,
    err: bool = False,
) -> None:
    """Print a promotion or an undo; as a name, its number, if it has one.

    Args:
        promotion: what was done, or would be.
        form: how it is printed.
        dry_run: whether nothing was done.
        purging: whether what a move leaves at its source goes at once.
        err: whether a table goes to stderr.
    """
    match form:
        case Form.TABLE:
            _print_table(promotion, dry_run=dry_run, purging=purging, err=err)
        case Form.JSON:
            print_document(promotion_document(promotion, dry_run=dry_run))
        case Form.NAME:
            if promotion.id is not None:
                print_line(str(promotion.id))


def _print_table(promotion: Promotion, *, dry_run: bool, purging: bool, err: bool) -> None:
    """Print a table for people; of a long promotion, how it begins."""
    if not dry_run and len(promotion.items) == 1:
        print_line(promotion_line(promotion), err=err)
        return
    if promotion.undoes is not None and not promotion.changed:
        print_line(promotion_line(promotion), err=err)
        return
    title = _rehearsed_title(promotion, purging=purging) if dry_run else _title(promotion)
    print_line(_head(promotion, title), err=err)

    def note(item: PromotionItem) -> str:
        return "; ".join(filter(None, (_note(item), _taken(item, dry_run=dry_run))))

    shown = promotion.items[:_ITEMS_MAX]
    notes = (Column("NOTE", note),) if any(note(item) for item in shown) else ()
    print_table(_ITEMS + notes, shown, err=err)
    more = len(promotion.items) - len(shown)
    if more:
        print_line(f"… and {count_text(more, 'more item')}; -o json prints them all", err=err)
    if dry_run and promotion.plan:
        print_line(
            f"plan {promotion.plan}: to do just this or nothing, repeat the command with "
            f"--plan {promotion.plan} instead of --dry-run",
            err=err,
        )


def promotion_line(promotion: Promotion) -> str:
    """Tell of a promotion or an undo of one item in a sentence; of several, only how many."""
    if promotion.undoes is not None and not promotion.changed:
        return f"promotion {promotion.undoes} was undone already, by promotion {promotion.id}"
    if len(promotion.items) != 1:
        return _head(promotion, _title(promotion))
    (item,) = promotion.items
    way = item.target if _stays(promotion, item) else f"{item.source} -> {item.target}"
    digest = f" {digest_text(item.digest)}" if item.digest else ""
    was = (
        f" (was {digest_text(item.previous_digest)})"
        if item.previous_digest and item.previous_digest != item.digest
        else ""
    )
    note = f" ({_note(item)})" if _note(item) else ""
    taken = f"; {_taken(item, dry_run=False)}" if item.taken else ""
    done = f"{way}{digest} {_DONE[item.action]}{was}{note}{taken}"
    return f"{_title(promotion)}: {done}; {_sums(promotion)}"


def _stays(promotion: Promotion, item: PromotionItem) -> bool:
    """Tell whether an item goes no way: an undo puts a tag back, but gives a repository a name."""
    if promotion.undoes is None:
        return False
    is_whole = item.digest is None and item.previous_digest is None
    return not is_whole or item.source in {"", item.target}


def _head(promotion: Promotion, title: str) -> str:
    attachments = sum(1 for item in promotion.items if item.attachment)
    of_them = f", {count_text(attachments, 'attachment tag')} among them" if attachments else ""
    items = count_text(len(promotion.items), "item")
    return f"{title}: {items}{of_them}; {_sums(promotion)}"


def _title(promotion: Promotion) -> str:
    title = "nothing to do" if promotion.id is None else f"promotion {promotion.id}"
    return title if promotion.undoes is None else f"{title} (undoes {promotion.undoes})"


def _rehearsed_title(promotion: Promotion, *, purging: bool) -> str:
    if promotion.undoes is not None:
        return f"dry run of an undo, nothing was changed (undoes {promotion.undoes})"
    how = f"{promotion.mode.value}, purging" if purging else promotion.mode.value
    return f"dry run of a {how}, nothing was changed"


def _sums(promotion: Promotion) -> str:
    sums = [
        count_text(promotion.linked, "manifest"),
        count_text(len(promotion.referrers), "referrer"),
        count_text(promotion.records, "record"),
    ]
    if promotion.absent:
        more = "more than " if promotion.absent_more else ""
        sums.append(f"{more}{len(promotion.absent):,} absent")
    if promotion.purged:
        sums.append(f"{count_text(promotion.purged, 'manifest')} purged")
    return ", ".join(sums)


def _taken(item: PromotionItem, *, dry_run: bool) -> str:
    if not item.taken:
        return ""
    what = "source tag" if item.tally is None else "source name"
    return f"{what} would be taken" if dry_run else f"{what} taken"


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
