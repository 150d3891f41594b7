"""Hashes that hold the history together, so that nothing in it can be changed or left out.

An event has the hash of its items' rows. Each commit seals its events: a seal holds the hash of
their rows and that of the seal before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from blake3 import blake3

from liftlock.metadata import keys
from liftlock.metadata.contract import Numbered, ReadTxn, Row, Table, WriteTxn
from liftlock.metadata.records import SealRecord, decoded, protect

NO_SEAL: Final = bytes(32)
"""What the first seal names as the one before it."""


def seal(txn: WriteTxn) -> None:
    """Add a seal over the events that have none yet; none if the transaction has none.

    Runs last in every commit, in its transaction.
    """
    if not txn.has_numbered(Numbered.EVENT):
        return
    number, previous = last_seal(txn)
    sealed = previous.last_event if previous else 0
    rows = list(txn.scan(Table.EVENTS, after=keys.id_key(sealed)))  # as many as a commit has
    if not rows:
        return
    before = seal_hash(number, previous) if previous else NO_SEAL
    first, last = keys.last_id(rows[0][0]), keys.last_id(rows[-1][0])
    record = SealRecord(before, first, last, _hash(rows))
    txn.put_many(Table.SEALS, [protect(Table.SEALS, keys.id_key(number + 1), record.encode())])


def last_seal(txn: ReadTxn) -> tuple[int, SealRecord | None]:
    """Return the newest seal and its number; 0 and None before the first."""
    for key, value in txn.scan(Table.SEALS, reverse=True, limit=1):
        return keys.last_id(key), decoded(SealRecord.decode, Table.SEALS, key, value)
    return 0, None


def seal_hash(number: int, record: SealRecord) -> bytes:
    """Return what the next seal names this one by."""
    return blake3(keys.id_key(number) + record.encode()).digest()


def broken_seals(txn: ReadTxn) -> Iterator[str]:
    """Walk the chain and the events under it; yield a sentence for each thing that is wrong."""
    expected, covered = NO_SEAL, 0
    for key, value in txn.scan(Table.SEALS):
        number = keys.last_id(key)
        record = decoded(SealRecord.decode, Table.SEALS, key, value)
        if record.previous != expected:
            yield f"seal {number} does not follow from the seal before it"
        hasher, last = blake3(), 0
        for row in txn.scan(Table.EVENTS, after=keys.id_key(covered)):
            if keys.last_id(row[0]) > record.last_event:
                break
            hasher.update(_framed(row))
            last = keys.last_id(row[0])
        if last != record.last_event or hasher.digest() != record.root:
            yield (
                f"events {record.first_event} to {record.last_event} "
                f"are not those that seal {number} closed"
            )
        expected, covered = seal_hash(number, record), record.last_event
    for key, _ in txn.scan(Table.EVENTS, after=keys.id_key(covered), limit=1):
        yield f"event {keys.last_id(key)} and what follows have no seal"


def hashed_items(txn: ReadTxn, event: int) -> tuple[int, bytes]:
    """Count and hash the items of an event that are written."""
    items, hasher = 0, blake3()
    for row in txn.scan(Table.ITEMS, keys.id_key(event)):
        hasher.update(_framed(row))
        items += 1
    return items, hasher.digest()


def items_hash(rows: Iterable[Row]) -> bytes:
    """Return what an event says about its items' rows."""
    return _hash(rows)


def _hash(rows: Iterable[Row]) -> bytes:
    return blake3(b"".join(map(_framed, rows))).digest()


def _framed(row: Row) -> bytes:
    key, value = row
    return len(key).to_bytes(2, "big") + key + len(value).to_bytes(4, "big") + value
