"""Appending to the history: an event, its items, and the rows by which both are found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from liftlock import seals
from liftlock.metadata import keys
from liftlock.metadata.contract import Numbered, Row, Table, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import (
    WHOLE,
    Action,
    EventRecord,
    IdRecord,
    ItemRecord,
    Kind,
    OtherSide,
    Role,
    protect,
)
from liftlock.model import Tally


class Act(NamedTuple):
    """Who does something, and why."""

    by: str
    comment: str = ""
    origin: str = ""
    """Of an import: which archive."""


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


def next_event(txn: WriteTxn) -> int:
    """Return a fresh event number."""
    return txn.next_id(Numbered.EVENT)


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
    items = [(keys.item_key(event, c.repository, c.tag, _about(c)), c) for c in changes]
    if len(items) > 1:
        items = sorted(dict(items).items())
    rows = []
    # Of a copy its source has no item, but can be asked about it all the same.
    is_copy = kind is Kind.PROMOTE
    for key, change in items:
        repository, tag, action, old, new, other, is_attachment, tally = change
        body = ItemRecord(action, old, new, other, is_attachment, tally).encode()
        draft.put(Table.ITEMS, key, body)
        rows.append(protect(Table.ITEMS, key, body))
        if tag:
            draft.put(Table.TAG_HISTORY, keys.tag_history_key(repository, tag, event))
        if is_copy and other is not None and other.tag:
            row = keys.taken_history_key(other.repository, other.tag, event)
            draft.put(Table.TAG_HISTORY, row)
    return rows


def _about(change: Change) -> bytes:
    """Return what tells changes without a tag apart."""
    if change.tag:
        return b""
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
    items, items_hash, manifests, _ = closed
    record = EventRecord(kind, at, promotion, undoes, items, manifests, records, items_hash, *act)
    draft.put(Table.EVENTS, keys.id_key(event), record.encode())
    return records
