"""Promotions and undos as the history has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from liftlock import bearers, history
from liftlock.errors import PromotionUnknown
from liftlock.history import Event, Item
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.metadata.records import WHOLE, Action, IdRecord, decoded
from liftlock.model import Mode, Outcome, Page, Promotion, PromotionItem, PromotionSummary
from liftlock.oci.digest import Digest
from liftlock.promotion.wording import OUTCOMES, UNDO_OUTCOMES, mode_of


def recorded(txn: ReadTxn, number: int) -> Promotion:
    """Return a promotion as the history has it.

    Raises:
        PromotionUnknown: there is none of this number.
    """
    event = history.find_promotion(txn, number)
    if event is None:
        raise PromotionUnknown(number)
    record = event.record
    items = list(history.iter_items(txn, event.id))
    return Promotion(
        id=record.promotion,
        at=record.at,
        by=record.by,
        mode=_mode(txn, event),
        comment=record.comment,
        items=tuple(_recorded_items(txn, event, items)),
        linked=record.manifests,
        manifests=(),
        referrers=tuple(
            Digest(item.record.new)
            for item in items
            if item.record.action is Action.BROUGHT and item.record.new is not None
        ),
        records=record.records,
        changed=True,
        undoes=record.undoes or None,
    )


def listed(txn: ReadTxn, before: int | None, limit: int) -> Page[PromotionSummary]:
    """Return promotions and undos with numbers below `before`, newest first."""
    after = keys.id_key(min(max(before, 0), history.NUMBER_MAX)) if before is not None else None
    rows = list(txn.scan(Table.PROMOTIONS, after=after, reverse=True, limit=limit + 1))
    entries = []
    for key, value in rows[:limit]:
        event = history.get_event(txn, decoded(IdRecord.decode, Table.PROMOTIONS, key, value).id)
        record = event.record
        entries.append(
            PromotionSummary(
                record.promotion,
                record.at,
                record.by,
                _mode(txn, event),
                record.comment,
                record.undoes or None,
                record.items,
                record.records,
            )
        )
    return Page(tuple(entries), more=len(rows) > limit)


def _mode(txn: ReadTxn, event: Event) -> Mode:
    if event.record.undoes:
        undone = history.find_promotion(txn, event.record.undoes)
        event = undone or event
    return mode_of(event)


def _recorded_items(txn: ReadTxn, event: Event, items: Iterable[Item]) -> Iterator[PromotionItem]:
    outcomes = UNDO_OUTCOMES if event.record.undoes else OUTCOMES
    merged = {
        (item.repository, item.record.other.repository)
        for item in items
        if item.record.action is Action.MERGED and item.record.other is not None
    }
    taken = {
        (item.repository, item.tag)
        for item in items
        if item.record.action in {Action.MOVED_OUT, Action.DISSOLVED}
    }
    for item in items:
        action = item.record.action
        other = item.record.other
        came_whole = other is not None and (item.repository, other.repository) in merged
        if action not in outcomes or (came_whole and action not in WHOLE):
            continue
        if not item.tag and action is Action.DELETED:
            continue  # a manifest that an undo took back, which was told by its tag
        is_taken = (action is Action.RENAMED and not event.record.undoes) or other in taken
        yield _recorded_item(txn, event, item, outcomes[action], is_taken=is_taken)


def _recorded_item(
    txn: ReadTxn, event: Event, item: Item, outcome: Outcome, *, is_taken: bool
) -> PromotionItem:
    record, number = item.record, event.id
    here = bearers.name_at(txn, item.repository, number)
    digest = Digest(record.new) if record.new else None
    if record.action in WHOLE:
        if record.action is Action.RENAMED:
            there = bearers.name_at(txn, item.repository, number - 1)
        else:
            there = bearers.side_at(txn, record.other, number - 1) if record.other else here
        return PromotionItem(there, here, None, None, outcome, taken=is_taken, tally=record.tally)
    suffix = f":{item.tag}" if item.tag else f"@{digest}"
    there = ""
    if record.other is not None:
        there = bearers.name_at(txn, record.other.repository, number - 1)
        if record.other.tag or digest:
            there += f":{record.other.tag}" if record.other.tag else f"@{digest}"
    return PromotionItem(
        there,
        here + suffix,
        digest,
        Digest(record.old) if record.old else None,
        outcome,
        record.is_attachment,
        is_taken,
    )
