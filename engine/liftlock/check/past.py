"""Is the history whole, sealed, and does replaying it give the tags that there are?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from liftlock import bearers, history, names, seals
from liftlock.check.scan import (
    damaged,
    error,
    in_batches,
    naming_no_event,
    readable,
    repository_ids,
)
from liftlock.errors import RecordCorrupt
from liftlock.metadata import keys
from liftlock.metadata.contract import MetadataStore, ReadTxn, Row, Table
from liftlock.metadata.counts import NO_COUNTS
from liftlock.metadata.records import (
    Action,
    BareRecord,
    DeadRecord,
    EventRecord,
    IdRecord,
    ItemRecord,
    Kind,
    RegistryRecord,
    RoleRecord,
    TagRecord,
    decoded,
    encode_settings,
)
from liftlock.model import Finding
from liftlock.oci.digest import Digest


def check_past(store: MetadataStore) -> Iterator[Finding]:
    """Check events, items, the rows by which they are found, and the seals."""
    yield from in_batches(store, Table.EVENTS, _events)
    yield from in_batches(store, Table.ITEMS, _items)
    yield from in_batches(store, Table.PROMOTIONS, _promotions)
    roles = partial(
        naming_no_event,
        decode=RoleRecord.decode,
        table=Table.REPOSITORY_HISTORY,
        said="a repository's history has",
    )
    yield from in_batches(store, Table.REPOSITORY_HISTORY, roles)
    for number in store.read(repository_ids):
        yield from store.read(partial(_replay, number=number))
    yield from in_batches(store, Table.REGISTRIES, _settings)
    yield from store.read(_seals)


def _events(txn: ReadTxn, rows: list[Row]) -> list[Finding]:
    findings: list[Finding] = []
    for row in rows:
        record = readable(EventRecord.decode, Table.EVENTS, row, findings)
        if record is None:
            continue
        named = keys.id_key(record.promotion)
        if record.promotion and txn.get(Table.PROMOTIONS, named) is None:
            findings.append(
                error("promotion-has-event", f"promotion {record.promotion}", "is not listed")
            )
        items = list(txn.scan(Table.ITEMS, row[0]))
        if len(items) != record.items or seals.items_hash(items) != record.items_hash:
            event = f"event {keys.first_id(row[0])}"
            findings.append(error("event-has-items", event, "its items are not those it closed"))
    return findings


def _items(txn: ReadTxn, rows: list[Row]) -> list[Finding]:
    findings: list[Finding] = []
    for row in rows:
        record = readable(ItemRecord.decode, Table.ITEMS, row, findings)
        event, repository, tag = keys.split_item(row[0])
        head = keys.id_key(event)
        value = txn.get(Table.EVENTS, head)
        if value is None:
            findings.append(error("item-has-event", f"event {event}", "it has items, and no head"))
            continue
        tag_row = keys.tag_history_key(repository, tag, event)
        if tag and txn.get(Table.TAG_HISTORY, tag_row) is None:
            findings.append(error("item-is-found", f"event {event}", f"not under tag {tag}"))
        sides = [repository]
        taken_row = b""
        if record is not None and record.other is not None:
            # A copy has no item for its source, but is in the source's history.
            act = readable(EventRecord.decode, Table.EVENTS, (head, value), [])
            if act is not None and act.kind is Kind.PROMOTE:
                sides.append(record.other.repository)
                if record.other.tag:
                    taken_row = keys.taken_history_key(*record.other, event)
        if taken_row and txn.get(Table.TAG_HISTORY, taken_row) is None:
            findings.append(error("item-is-found", f"event {event}", "not under the tag it took"))
        for side in sides:
            role_row = keys.repository_history_key(side, event)
            if txn.get(Table.REPOSITORY_HISTORY, role_row) is None:
                findings.append(
                    error("item-is-found", f"event {event}", f"not under repository {side}")
                )
    return findings


def _promotions(txn: ReadTxn, rows: list[Row]) -> list[Finding]:
    findings: list[Finding] = []
    for row in rows:
        number = keys.first_id(row[0])
        record = readable(IdRecord.decode, Table.PROMOTIONS, row, findings)
        if record is None:
            continue
        key = keys.id_key(record.id)
        value = txn.get(Table.EVENTS, key)
        event = value and readable(EventRecord.decode, Table.EVENTS, (key, value), findings)
        if not event or event.promotion != number:
            findings.append(
                error("promotion-has-event", f"promotion {number}", "its event is another's")
            )
    return findings


def _replay(txn: ReadTxn, number: int) -> list[Finding]:
    """The last thing that happened to a tag must be where it is."""
    try:
        born = names.repository_record(txn, number).born
        if _is_swept(txn, number):
            return []
    except RecordCorrupt:  # found where names and repositories are checked
        return []
    findings: list[Finding] = []
    last = _last_events(txn, number, findings)
    there: dict[str, bytes] = {}
    for key, value in txn.scan(Table.TAGS, keys.id_key(number)):
        try:
            tag = keys.behind_id(key).decode()
            there[tag] = decoded(TagRecord.decode, Table.TAGS, key, value).digest
        except RecordCorrupt as corrupt:
            findings.append(damaged(corrupt))
    for tag in sorted(there.keys() | last.keys()):
        try:
            items = history.find_items(txn, number, tag, (last[tag],)) if tag in last else []
            told = items[-1].record.new if items else bearers.digest_at(txn, number, tag, born)
        except RecordCorrupt:  # found where the items are checked
            continue
        if told != there.get(tag):
            findings.append(
                error(
                    "history-gives-tags",
                    f"tag {tag} of repository {number}",
                    f"the history says {_shown(told)}, the tag {_shown(there.get(tag))}",
                )
            )
    return findings


def _settings(txn: ReadTxn, rows: list[Row]) -> list[Finding]:
    """The last thing that was said of a registry's settings must be what they are."""
    findings: list[Finding] = []
    for row in rows:
        number = keys.first_id(row[0])
        try:
            record = decoded(RegistryRecord.decode, Table.REGISTRIES, *row)
            told = next(
                item.record.new
                for event, _ in history.iter_repository_events(txn, number)
                for item in history.iter_items(txn, event)
                if item.record.action is Action.CONFIGURED
            )
        except RecordCorrupt:  # found where names and items are checked
            continue
        except StopIteration:
            told = None
        if told != encode_settings(record.settings):
            said = "other settings" if told else "nothing of its settings"
            findings.append(
                error("history-gives-settings", record.name, f"the history says {said}")
            )
    return findings


def _last_events(txn: ReadTxn, number: int, findings: list[Finding]) -> dict[str, int]:
    """Return the last event that changed each tag."""
    last: dict[str, int] = {}
    for row in txn.scan(Table.TAG_HISTORY, keys.id_key(number)):
        readable(BareRecord.decode, Table.TAG_HISTORY, row, findings)
        tag, is_changed, event = keys.split_tag_history(row[0])
        if is_changed:
            last[tag] = event
    return last


def _is_swept(txn: ReadTxn, number: int) -> bool:
    """Tell whether a repository is gone, wholly or in part: then its rows need not add up."""
    key = keys.id_key(number)
    value = txn.get(Table.DEAD, key)
    if value is not None:
        return decoded(DeadRecord.decode, Table.DEAD, key, value).is_going
    record = names.repository_record(txn, number)
    return not names.is_reachable(txn, number, record) and record.counts == NO_COUNTS


def _shown(digest: bytes | None) -> str:
    return str(Digest(digest)) if digest else "absent"


def _seals(txn: ReadTxn) -> list[Finding]:
    try:
        return [error("history-is-sealed", "seals", what) for what in seals.broken_seals(txn)]
    except RecordCorrupt as corrupt:
        return [damaged(corrupt)]
