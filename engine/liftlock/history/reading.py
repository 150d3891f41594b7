"""Reading the history: events and items, by number, by tag, by repository."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Row, Table
from liftlock.metadata.records import (
    WHOLE,
    BareRecord,
    EventRecord,
    IdRecord,
    ItemRecord,
    Role,
    RoleRecord,
    decoded,
    required,
)

NUMBER_MAX: Final = 2**63 - 1
"""No number of an event or a promotion is larger."""


class Event(NamedTuple):
    """An event and its number."""

    id: int
    record: EventRecord


class Item(NamedTuple):
    """An item and what it is about."""

    event: int
    repository: int
    tag: str
    record: ItemRecord


def get_event(txn: ReadTxn, number: int) -> Event:
    """Return an event that some row names.

    Raises:
        RecordCorrupt: it is damaged, or missing.
    """
    key = keys.id_key(number)
    value = txn.get(Table.EVENTS, key)
    return Event(number, required(EventRecord.decode, Table.EVENTS, key, value))


def find_promotion(txn: ReadTxn, number: int) -> Event | None:
    """Return the event of a promotion number; None if no promotion bears it."""
    if not 0 < number <= NUMBER_MAX:
        return None
    key = keys.id_key(number)
    value = txn.get(Table.PROMOTIONS, key)
    if value is None:
        return None
    return get_event(txn, decoded(IdRecord.decode, Table.PROMOTIONS, key, value).id)


def iter_items(txn: ReadTxn, event: int) -> Iterator[Item]:
    """Stream an event's items."""
    for row in txn.scan(Table.ITEMS, keys.id_key(event)):
        yield _item(row)


def find_items(txn: ReadTxn, repository: int, tag: str, events: Sequence[int]) -> list[Item]:
    """Return one tag's items in some events."""
    item_keys = [keys.item_key(event, repository, tag, b"") for event in events]
    rows = zip(item_keys, txn.get_many(Table.ITEMS, item_keys), strict=True)
    return [_item((key, value)) for key, value in rows if value is not None]


def get_item(txn: ReadTxn, repository: int, tag: str, event: int) -> Item:
    """Return the item of a tag in an event of its history.

    Raises:
        RecordCorrupt: it is damaged, or missing.
    """
    key = keys.item_key(event, repository, tag, b"")
    record = required(ItemRecord.decode, Table.ITEMS, key, txn.get(Table.ITEMS, key))
    return Item(event, repository, tag, record)


def latest_of_tag(txn: ReadTxn, repository: int, tag: str) -> int | None:
    """Return the number of the last event that changed a tag."""
    return next(iter_tag_events(txn, repository, tag), None)


def iter_tag_events(
    txn: ReadTxn, repository: int, tag: str, *, before: int | None = None, taken: bool = False
) -> Iterator[int]:
    """Stream the numbers of the events that changed a tag, newest first.

    With `taken`, of those that copied from it.
    """
    prefix = (keys.taken_history_prefix if taken else keys.tag_history_prefix)(repository, tag)
    after = None if before is None else prefix + keys.id_key(before)
    for key, value in txn.scan(Table.TAG_HISTORY, prefix, after=after, reverse=True):
        decoded(BareRecord.decode, Table.TAG_HISTORY, key, value)
        yield keys.last_id(key)


def iter_whole_items(txn: ReadTxn, repository: int, event: int) -> Iterator[Item]:
    """Stream what an event did to a whole repository."""
    for row in txn.scan(Table.ITEMS, keys.item_key(event, repository, "", b"")):
        item = _item(row)
        if item.record.action not in WHOLE:
            return  # from here on they are of manifests
        yield item


def iter_repository_events(
    txn: ReadTxn, repository: int, *, before: int | None = None
) -> Iterator[tuple[int, Role]]:
    """Stream the events that concern a repository, newest first, and how they do."""
    prefix = keys.id_key(repository)
    after = None if before is None else prefix + keys.id_key(before)
    for key, value in txn.scan(Table.REPOSITORY_HISTORY, prefix, after=after, reverse=True):
        record = decoded(RoleRecord.decode, Table.REPOSITORY_HISTORY, key, value)
        yield keys.last_id(key), record.role


def _item(row: Row) -> Item:
    event, repository, tag = keys.split_item(row[0])
    return Item(event, repository, tag, decoded(ItemRecord.decode, Table.ITEMS, *row))
