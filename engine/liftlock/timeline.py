"""The history as people ask for it: of an image, a repository or a registry, by name.

A name's history is the union over the ids that bore it, each clipped to the time in which it did.
Both sides of a promotion tell of it: the target what it became, the source what was taken.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from liftlock import bearers, history
from liftlock.bearers import Interval
from liftlock.errors import ManifestUnknown
from liftlock.history import Event, Item
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.metadata.records import WHOLE, Action, ItemRecord, Kind, OtherSide, decode_settings
from liftlock.model import HistoryEntry, Page
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, RepositoryName

Subject = Reference | RepositoryName | str
"""Whose history: an image's, a repository's, or a registry's (by name)."""

_FEW_ITEMS: Final = 100


def timeline(txn: ReadTxn, of: Subject, before: int | None, limit: int) -> Page[HistoryEntry]:
    """Return the newest entries before event `before`, as many as `limit` and whole events.

    Raises:
        RegistryUnknown, RepositoryUnknown, ManifestUnknown: nothing ever bore this name.
    """
    if isinstance(of, Reference) and of.tag is None and of.digest is None:
        of = of.name
    if before is not None:
        before = min(max(before, 0), history.NUMBER_MAX)
    intervals = _intervals(txn, of)
    concerned = {interval.id for interval in intervals}
    ends = {interval.end: interval.id for interval in intervals if interval.end is not None}
    streams = [_numbers(txn, interval, of, before) for interval in intervals]
    entries: list[HistoryEntry] = []
    last = None
    for number in heapq.merge(*streams, reverse=True):
        if number == last:
            continue
        last = number
        if len(entries) >= limit:
            return Page(tuple(entries), more=True)
        event = history.get_event(txn, number)
        found = list(_entries(txn, event, of, concerned))
        is_asked = not isinstance(of, Reference) or of.tag is not None
        if not found and is_asked and event.record.kind is Kind.DELETE and number in ends:
            # Its registry was deleted, or it was: with all that it had.
            name = bearers.name_at(txn, ends[number], number)
            found = list(_of_tag(txn, _told(event, "deleted", name, None), ends[number], of))
        entries += found
    if not entries and before is None and isinstance(of, Reference):
        raise ManifestUnknown(str(of.name), of.tag or str(of.digest))
    return Page(tuple(entries), more=False)


def _intervals(txn: ReadTxn, of: Subject) -> list[Interval]:
    if isinstance(of, Reference):
        return bearers.repository_bearers(txn, of.name)
    if isinstance(of, RepositoryName):
        return bearers.repository_bearers(txn, of)
    return bearers.registry_bearers(txn, of)


def _numbers(txn: ReadTxn, interval: Interval, of: Subject, before: int | None) -> Iterator[int]:
    """Stream the events that may concern `of` within an interval, newest first."""
    stops = [interval.end + 1] if interval.end is not None else []
    stops += [before] if before is not None else []
    stop = min(stops, default=None)
    if isinstance(of, Reference) and of.tag is not None:
        merged = heapq.merge(
            history.iter_tag_events(txn, interval.id, of.tag, before=stop),
            history.iter_tag_events(txn, interval.id, of.tag, before=stop, taken=True),
            (logged.event for logged in bearers.iter_log(txn, interval.id, before=stop)),
            reverse=True,
        )
    else:
        events = history.iter_repository_events(txn, interval.id, before=stop)
        merged = (number for number, _ in events)
    # A repository does not know of its registry's end, which is its own.
    end = interval.end
    ends = [end] if end is not None and (before is None or end < before) else []
    for number in heapq.merge(ends, merged, reverse=True):
        if number < interval.start:
            return
        yield number


def _entries(
    txn: ReadTxn, event: Event, of: Subject, concerned: set[int]
) -> Iterator[HistoryEntry]:
    """Yield what an event means for what was asked for."""
    is_bare = True
    # A move has an item of its own for its source; a copy changes nothing there.
    is_copy = event.record.kind is Kind.PROMOTE
    for item in _items(txn, event, of, concerned):
        is_bare = False
        other = item.record.other
        if item.record.action is Action.CONFIGURED:
            yield _of_settings(txn, event, item)
        elif item.record.action in WHOLE:
            yield from _whole_entries(txn, event, item, of, concerned, is_copy=is_copy)
        elif item.repository in concerned and _is_meant(item.tag, item, of):
            side = bearers.side_at(txn, other, event.id) if other else None
            yield _entry(txn, event, item, OtherSide(item.repository, item.tag), side)
        elif is_copy and other and other.repository in concerned and _is_meant(other.tag, item, of):
            side = bearers.side_at(txn, OtherSide(item.repository, item.tag), event.id)
            yield replace(
                _entry(txn, event, item, other, side),
                action="taken",
                old_digest=Digest(item.record.new) if item.record.new else None,
            )
    if is_bare and not isinstance(of, Reference):
        # A name came into being, or was deleted: the log has it by name, not by event.
        for number in _bare(txn, event, concerned):
            name = bearers.name_at(txn, number, event.id)
            action = "deleted" if event.record.kind is Kind.DELETE else "created"
            yield _told(event, action, name, None)


def _items(txn: ReadTxn, event: Event, of: Subject, concerned: set[int]) -> Iterable[Item]:
    """Return the items that may be meant: of a large event not all are read for one tag."""
    if event.record.items <= _FEW_ITEMS:
        # What came along without a tag is told after what it came along with.
        return sorted(history.iter_items(txn, event.id), key=lambda item: not item.tag)
    if not isinstance(of, Reference) or of.tag is None:
        return history.iter_items(txn, event.id)
    # What was taken from a tag is among the items of others, which only the walk finds.
    found = [
        item
        for number in sorted(concerned)
        for item in (
            *history.find_items(txn, number, of.tag, (event.id,)),
            *history.iter_whole_items(txn, number, event.id),
        )
    ]
    return found or history.iter_items(txn, event.id)


def _whole_entries(
    txn: ReadTxn, event: Event, item: Item, of: Subject, concerned: set[int], *, is_copy: bool
) -> Iterator[HistoryEntry]:
    """Yield what became of a whole repository, also as seen from one of its tags."""
    action, other = item.record.action, item.record.other
    if isinstance(of, Reference) and (of.tag is None or action is Action.MERGED):
        return  # a digest is not followed; what was merged has items tag by tag
    here = bearers.name_at(txn, item.repository, event.id)
    if action is Action.RENAMED:
        there: str | None = bearers.name_at(txn, item.repository, event.id - 1)
    else:
        there = bearers.name_at(txn, other.repository, event.id) if other else None
    if item.repository in concerned:
        told = _told(event, action.name.lower(), here, there)
        yield from _of_tag(txn, told, item.repository, of)
    elif is_copy and there and other and other.repository in concerned:
        yield from _of_tag(txn, _told(event, "taken", there, here), other.repository, of)


def _of_settings(txn: ReadTxn, event: Event, item: Item) -> HistoryEntry:
    """Return what became of a registry's settings, also when it was created with them."""
    action = "created" if event.record.kind is Kind.CREATE else "configured"
    old, new = item.record.old, item.record.new
    return replace(
        _told(event, action, bearers.name_at(txn, item.repository, event.id), None),
        old_settings=decode_settings(old) if old else None,
        new_settings=decode_settings(new) if new else None,
    )


def _of_tag(
    txn: ReadTxn, entry: HistoryEntry, repository: int, of: Subject
) -> Iterator[HistoryEntry]:
    if not isinstance(of, Reference):
        yield entry
        return
    assert of.tag is not None
    # What was taken is what there was before, whatever else the event did.
    when = entry.event - 1 if entry.action == "taken" else entry.event
    digest = bearers.digest_at(txn, repository, of.tag, when)
    if digest is not None:
        at = Digest(digest)
        other = f"{entry.other}:{of.tag}" if entry.other else None
        name = f"{entry.name}:{of.tag}"
        after = None if entry.action == "deleted" else at
        yield replace(entry, name=name, other=other, old_digest=at, new_digest=after)


def _bare(txn: ReadTxn, event: Event, concerned: set[int]) -> list[int]:
    rows = [keys.repository_history_key(number, event.id) for number in sorted(concerned)]
    found = zip(rows, txn.get_many(Table.REPOSITORY_HISTORY, rows), strict=True)
    return [keys.first_id(key) for key, value in found if value is not None]


def _is_meant(tag: str, item: Item, of: Subject) -> bool:
    if not isinstance(of, Reference):
        return True
    if of.tag is not None:
        return tag == of.tag
    assert of.digest is not None
    return of.digest.key in {item.record.old, item.record.new}


def _entry(
    txn: ReadTxn,
    event: Event,
    item: Item,
    side: OtherSide,
    other: str | None,
) -> HistoryEntry:
    record = item.record
    name = bearers.side_at(txn, side, event.id)
    return replace(
        _told(event, record.action.name.lower(), name, other),
        name=name if side.tag else f"{name}@{_changed(record)}",
        old_digest=Digest(record.old) if record.old else None,
        new_digest=Digest(record.new) if record.new else None,
    )


def _told(event: Event, action: str, name: str, other: str | None) -> HistoryEntry:
    return HistoryEntry(
        event=event.id,
        at=event.record.at,
        by=event.record.by,
        kind=event.record.kind.name.lower(),
        action=action,
        name=name,
        old_digest=None,
        new_digest=None,
        other=other or event.record.origin or None,
        comment=event.record.comment,
        promotion=event.record.promotion or None,
    )


def _changed(record: ItemRecord) -> Digest:
    digest = record.new or record.old
    assert digest is not None, "an item without a tag is about a digest"
    return Digest(digest)
