"""The history: who did what, when, from where, to what, and why. Appended to, never changed.

An *event* is one act; its *items* are the tags that it changed. Both are written in the
transaction of the change itself, and sealed in its commit (`seals.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from liftlock import seals
from liftlock.metadata import keys
from liftlock.metadata.contract import Numbered, ReadTxn, Row, Table, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import (
    WHOLE,
    Action,
    BareRecord,
    EventRecord,
    IdRecord,
    ItemRecord,
    Kind,
    OtherSide,
    Role,
    RoleRecord,
    decoded,
)
from liftlock.model import Tally

NUMBER_MAX: Final = 2**63 - 1
"""No number of an event or a promotion is larger."""


class Act(NamedTuple):
    """Who does something, and why."""

    by: str
    comment: str = ""


class Change(NamedTuple):
    """One tag's change, as an item records it; an untagged manifest's has an empty tag.

    What happens to a whole repository has neither tag nor digests, and may have a tally.
    """

    repository: int
    tag: str
    action: Action
    old: bytes | None
    new: bytes | None
    other: OtherSide | None = None
    is_attachment: bool = False
    tally: Tally | None = None


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


def append(
    draft: Draft,
    event: int,
    kind: Kind,
    act: Act,
    at: int,
    changes: Sequence[Change],
    *,
    concerns: Iterable[int] = (),
) -> None:
    """Draft event number `event` with its items and the rows by which both are found.

    Args:
        draft: gets the rows.
        event: a fresh number of `Numbered.EVENT`.
        kind: what it is.
        act: by whom and why.
        at: the transaction's time.
        changes: what happens to tags.
        concerns: further repositories (or registries) in whose history it belongs.
    """
    items = append_items(draft, event, kind, changes)
    roles = dict.fromkeys(concerns, Role.CHANGED)
    for change in changes:
        roles[change.repository] = Role.CHANGED
    close(draft, event, kind, act, at, roles, Closed(len(items), seals.items_hash(items)))


def append_items(draft: Draft, event: int, kind: Kind, changes: Iterable[Change]) -> list[Row]:
    """Draft items of an event that is not closed yet, and the rows by which they are found."""
    # What several parts of one act do to a tag is one change; the last part knows how it ends.
    items = {keys.item_key(event, c.repository, c.tag, _about(c)): c for c in changes}
    rows = []
    # Of a copy its source has no item, but can be asked about it all the same.
    is_copy = kind is Kind.PROMOTE
    for key, change in sorted(items.items()) if len(items) > 1 else items.items():
        repository, tag, action, old, new, other, is_attachment, tally = change
        body = ItemRecord(action, old, new, other, is_attachment, tally).encode()
        rows.append(draft.put(Table.ITEMS, key, body))
        if tag:
            draft.put(Table.TAG_HISTORY, keys.tag_history_key(repository, tag, event))
        if is_copy and other is not None and other.tag:
            row = keys.taken_history_key(other.repository, other.tag, event)
            draft.put(Table.TAG_HISTORY, row)
    return rows


def _about(change: Change) -> bytes:
    """Return what tells changes without a tag apart."""
    if change.action in WHOLE:
        return keys.id_key(change.other.repository) if change.other is not None else b""
    return change.new or change.old or b""


class Closed(NamedTuple):
    """What an event says of its items and, if it is a promotion, of what else it wrote."""

    items: int
    items_hash: bytes
    manifests: int = 0
    records: int = 0
    """Rows before this event's own."""


def close(
    draft: Draft,
    event: int,
    kind: Kind,
    act: Act,
    at: int,
    roles: Mapping[int, int],
    closed: Closed,
    *,
    promotion: int = 0,
    undoes: int = 0,
) -> int:
    """Draft an event whose items are drafted or written, and where it is found.

    Returns:
        Of a promotion, how many rows it wrote with these; else 0.
    """
    for repository, role in roles.items():
        key = keys.repository_history_key(repository, event)
        draft.put(Table.REPOSITORY_HISTORY, key, bytes((role,)))
    records = 0
    if promotion:
        draft.put(Table.PROMOTIONS, keys.id_key(promotion), IdRecord(event).encode())
        records = closed.records + len(roles) + 2
    record = EventRecord(
        kind,
        at,
        promotion,
        undoes,
        closed.items,
        closed.manifests,
        records,
        closed.items_hash,
        act.by,
        act.comment,
    )
    draft.put(Table.EVENTS, keys.id_key(event), record.encode())
    return records


def get_event(txn: ReadTxn, number: int) -> Event:
    """Return an event that some row names."""
    key = keys.id_key(number)
    value = txn.get(Table.EVENTS, key)
    assert value is not None, f"event {number} is named, but is not there"
    return Event(number, decoded(EventRecord.decode, Table.EVENTS, key, value))


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


def next_event(txn: WriteTxn) -> int:
    """Return a fresh event number."""
    return txn.next_id(Numbered.EVENT)


def _item(row: Row) -> Item:
    event, repository, tag = keys.split_item(row[0])
    return Item(event, repository, tag, decoded(ItemRecord.decode, Table.ITEMS, *row))
