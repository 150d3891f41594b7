"""What the tests of metadata stores do, and how they wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, Final

import pytest

from liftlock.metadata.contract import (
    Instant,
    MetadataStore,
    ReadTxn,
    Row,
    Table,
    WriteTxn,
)

WAIT_SECONDS: Final = 10
"""Nothing here takes so long; what does will never end."""
WRITTEN: Final = (Table.TAGS, Table.EVENTS)
"""A table that promotions search, and one that they only append to: stores may differ there."""


class Refused(Exception):
    """An operation does not like what it found."""


def put(store: MetadataStore, *rows: Row, table: Table = Table.TAGS) -> None:
    store.write(lambda txn: txn.put_many(table, rows))


def get(store: MetadataStore, key: bytes, table: Table = Table.TAGS) -> bytes | None:
    return store.read(lambda txn: txn.get(table, key))


def scan(store: MetadataStore, prefix: bytes = b"", *, table: Table = Table.TAGS) -> list[Row]:
    return store.read(lambda txn: list(txn.scan(table, prefix)))


def assert_seen(txn: ReadTxn, table: Table, rows: list[Row]) -> None:
    """See that a table has these rows, by every way of reading; by key first."""
    keys = [key for key, _ in rows]
    for asked in (keys, [*keys, b"absent"], [b"a", b"b", b"c"]):
        assert txn.get_many(table, asked) == [dict(rows).get(key) for key in asked]
        assert [txn.get(table, key) for key in asked] == [dict(rows).get(key) for key in asked]
    assert txn.first_many(table, [*keys, b"absent"]) == [*rows, None]
    assert txn.scan_many(table, [b"", b"absent"]) == [rows, []]
    assert list(txn.scan(table)) == rows
    assert list(txn.scan(table, reverse=True)) == rows[::-1]


def expected_keys(
    there: Sequence[bytes], prefix: bytes, after: bytes | None, *, reverse: bool
) -> list[bytes]:
    """Say what a scan must give, the long way."""
    found = [key for key in there if key.startswith(prefix)]
    if reverse:
        return [key for key in reversed(found) if after is None or key < after]
    return [key for key in found if after is None or key > after]


def timed(txn: WriteTxn) -> Instant:
    """Write something; return the transaction's time."""
    txn.put_many(Table.TAGS, [(b"at", b"%d" % txn.at)])
    return txn.at


def putting(key: bytes, table: Table = Table.TAGS) -> Callable[[WriteTxn], None]:
    return lambda txn: txn.put_many(table, [(key, b"")])


def increment(txn: WriteTxn) -> int:
    """Read a number, write the next."""
    number = int(txn.get(Table.TAGS, b"number") or b"0") + 1
    txn.put_many(Table.TAGS, [(b"number", b"%d" % number)])
    return number


def interrupted_at_run(when: int) -> Callable[[WriteTxn], None]:
    """Make an operation of two rows that is interrupted between them when it runs for that time."""
    runs = [0]

    def write(txn: WriteTxn) -> None:
        runs[0] += 1
        txn.put_many(Table.TAGS, [(b"pair 1", b"")])
        if runs[0] == when:
            raise KeyboardInterrupt
        txn.put_many(Table.TAGS, [(b"pair 2", b"")])

    return write


@contextmanager
def blocked(store: MetadataStore) -> Iterator[Event]:
    """Keep the store's writer busy until the event is set, so that what comes meanwhile queues up.

    It is busy with a write of a thread of its own.
    """
    running, release = Event(), Event()

    def wait(txn: WriteTxn) -> None:
        running.set()
        assert release.wait(WAIT_SECONDS)

    thread = Thread(target=store.write, args=(wait,), daemon=True)
    thread.start()
    assert running.wait(WAIT_SECONDS)
    try:
        yield release
    finally:
        release.set()
        thread.join(WAIT_SECONDS)
    assert not thread.is_alive()


def run_with_a_write_of_the_main_thread(
    store: MetadataStore, *operations: Callable[[WriteTxn], object]
) -> list[Future[object]]:
    """Submit operations while the main thread, where interrupts arrive, is busy writing.

    It runs them then, and must be interrupted by one of them.
    """
    running, queued = Event(), Event()
    futures: list[Future[object]] = []

    def wait(txn: WriteTxn) -> None:
        running.set()
        assert queued.wait(WAIT_SECONDS)

    def submit() -> None:
        assert running.wait(WAIT_SECONDS)
        futures.extend(store.submit(operation) for operation in operations)
        queued.set()

    thread = Thread(target=submit, daemon=True)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        store.write(wait)
    thread.join(WAIT_SECONDS)
    return futures


def settled(futures: Sequence[Future[Any]]) -> list[object]:
    """Wait for all; return the results of those that have one, None for those that raised."""
    results: list[object] = []
    for future in futures:
        try:
            results.append(None if future.exception(WAIT_SECONDS) else future.result())
        except Late:
            pytest.fail("an operation was never answered")
    return results


def map_each(
    pool: ThreadPoolExecutor, work: Callable[[int], list[int]], count: int
) -> list[Future[list[int]]]:
    return [pool.submit(work, number) for number in range(count)]


def within_time(run: Callable[[], None]) -> None:
    """Run it in a thread, so that what never ends fails a test instead of the whole run."""
    errors: list[BaseException] = []

    def guarded() -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = Thread(target=guarded, daemon=True)
    thread.start()
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive(), "it never ends"
    if errors:
        raise errors[0]
