"""What the history says since a promotion that shall be undone."""

from __future__ import annotations

from collections.abc import Sequence

from liftlock import bearers, history
from liftlock.history import Event, Item
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.records import WHOLE, Action


def standing_event(txn: ReadTxn, repository: int, tag: str) -> int | None:
    """Return the last event that changed a tag and stands: what was undone, and the undo, do not.

    So a stack of promotions can be undone from its top.
    """
    undone: int | None = None
    for number in history.iter_tag_events(txn, repository, tag):
        record = history.get_event(txn, number).record
        if undone is not None:
            # An undo puts back what its promotion found: what came between was undone before.
            undone = None if record.promotion == undone else undone
        elif record.undoes:
            undone = record.undoes
        else:
            return number
    return None


def undone_before(txn: ReadTxn, undone: Event, items: Sequence[Item]) -> Event | None:
    """Return the undo of this promotion, if nothing has happened to its items since."""
    number = undone.record.promotion
    for item in items:
        if item.record.action in WHOLE:
            last = next(bearers.iter_log(txn, item.repository), None)
            event = history.get_event(txn, last.event) if last is not None else undone
            return event if event.record.undoes == number else None
        if item.tag:
            latest = history.latest_of_tag(txn, item.repository, item.tag)
            event = history.get_event(txn, latest) if latest is not None else undone
            return event if event.record.undoes == number else None
    for item in items:
        for later, _ in history.iter_repository_events(txn, item.repository):
            if later <= undone.id:
                break
            event = history.get_event(txn, later)
            if event.record.undoes == number:
                return event
    return None


def vouched_by(txn: ReadTxn, item: Item) -> int | None:
    """Return the move, not undone, that took its source's tag since this one was right.

    Taking the tag away then would leave the image nowhere.
    """
    for number in history.iter_tag_events(txn, item.repository, item.tag):
        if number <= item.event:
            return None
        later = history.get_item(txn, item.repository, item.tag, number)
        side = later.record.other
        if later.record.action is Action.KEPT and side is not None:
            move = history.get_event(txn, number).record.promotion
            latest = history.latest_of_tag(txn, side.repository, side.tag)
            since = history.get_event(txn, latest).record if latest is not None else None
            if since is None or since.undoes != move:
                return move
    return None
