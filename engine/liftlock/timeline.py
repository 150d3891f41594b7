"""The history as people ask for it: of an image, a repository or a registry, by name.

A name's history is the union over the ids that bore it, each clipped to the time in which it did.
Both sides of a promotion tell of it: the target what it became, the source what was taken.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import replace

from liftlock import history, names
from liftlock.errors import ManifestUnknown, RegistryUnknown
from liftlock.history import Event, Item
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.metadata.records import ItemRecord, Kind, NamingRecord, OtherSide, Role, decoded
from liftlock.model import HistoryEntry, Page
from liftlock.names import Interval
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, RepositoryName

Subject = Reference | RepositoryName | str
"""Whose history: an image's, a repository's, or a registry's (by name)."""


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
    streams = [_numbers(txn, interval, of, before) for interval in intervals]
    entries: list[HistoryEntry] = []
    last = None
    for number in heapq.merge(*streams, reverse=True):
        if number == last:
            continue
        last = number
        if len(entries) >= limit:
            return Page(tuple(entries), more=True)
        entries += _entries(txn, history.get_event(txn, number), of, concerned)
    if not entries and before is None and isinstance(of, Reference):
        raise ManifestUnknown(str(of.name), of.tag or str(of.digest))
    return Page(tuple(entries), more=False)


def _intervals(txn: ReadTxn, of: Subject) -> list[Interval]:
    if isinstance(of, Reference):
        return names.repository_bearers(txn, of.name)
    if isinstance(of, RepositoryName):
        return names.repository_bearers(txn, of)
    registries = names.bearers(txn, keys.NO_REGISTRY, of)
    if not registries:
        raise RegistryUnknown(of)
    inside = [inner for registry in registries for inner in _ever_in(txn, registry)]
    return [*registries, *inside]


def _ever_in(txn: ReadTxn, registry: Interval) -> Iterator[Interval]:
    """Yield the repositories that ever were in a registry."""
    seen: set[int] = set()
    for key, value in txn.scan(Table.NAMES_LOG, keys.id_key(registry.id)):
        record = decoded(NamingRecord.decode, Table.NAMES_LOG, key, value)
        if record.id not in seen:
            seen.add(record.id)
            yield Interval(record.id, registry.start, registry.end)


def _numbers(txn: ReadTxn, interval: Interval, of: Subject, before: int | None) -> Iterator[int]:
    """Stream the events that may concern `of` within an interval, newest first."""
    stops = [interval.end + 1] if interval.end is not None else []
    stops += [before] if before is not None else []
    stop = min(stops, default=None)
    events = history.iter_repository_events(txn, interval.id, before=stop)
    if isinstance(of, Reference) and of.tag is not None:
        # A tag's own changes have an index; what was taken from it is among the repository's.
        taken = (number for number, role in events if role is not Role.CHANGED)
        own = history.iter_tag_events(txn, interval.id, of.tag, before=stop)
        merged = heapq.merge(own, taken, reverse=True)
    else:
        merged = (number for number, _ in events)
    for number in merged:
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
    for item in history.iter_items(txn, event.id):
        is_bare = False
        other = item.record.other
        if item.repository in concerned and _is_meant(item.tag, item, of):
            side = names.side_name(txn, other) if other else None
            yield _entry(txn, event, item, OtherSide(item.repository, item.tag), side)
        elif is_copy and other and other.repository in concerned and _is_meant(other.tag, item, of):
            side = names.side_name(txn, OtherSide(item.repository, item.tag))
            yield replace(
                _entry(txn, event, item, other, side),
                action="taken",
                old_digest=Digest(item.record.new) if item.record.new else None,
            )
    if is_bare and not isinstance(of, Reference):
        # A name came into being, or was deleted: the log has it by name, not by event.
        for number in _bare(txn, event, concerned):
            yield HistoryEntry(
                event=event.id,
                at=event.record.at,
                by=event.record.by,
                kind=event.record.kind.name.lower(),
                action="deleted" if event.record.kind is Kind.DELETE else "created",
                name=names.full_name(txn, number),
                old_digest=None,
                new_digest=None,
                other=None,
                comment=event.record.comment,
                promotion=event.record.promotion or None,
            )


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
    return HistoryEntry(
        event=event.id,
        at=event.record.at,
        by=event.record.by,
        kind=event.record.kind.name.lower(),
        action=record.action.name.lower(),
        name=names.side_name(txn, side)
        if side.tag
        else f"{names.side_name(txn, side)}@{_changed(record)}",
        old_digest=Digest(record.old) if record.old else None,
        new_digest=Digest(record.new) if record.new else None,
        other=other,
        comment=event.record.comment,
        promotion=event.record.promotion or None,
    )


def _changed(record: ItemRecord) -> Digest:
    digest = record.new or record.old
    assert digest is not None, "an item without a tag is about a digest"
    return Digest(digest)
