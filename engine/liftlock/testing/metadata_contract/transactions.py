"""What a transaction sees, and leaves: all of it or nothing, its own writes at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from liftlock.metadata.contract import MetadataStore, ReadTxn, Row, Table, WriteTxn
from liftlock.metadata.counts import Counts
from liftlock.testing.metadata_contract.acting import (
    WAIT_SECONDS,
    WRITTEN,
    Refused,
    assert_seen,
    blocked,
    get,
    put,
    putting,
    scan,
    settled,
)
from liftlock.testing.metadata_contract.opening import OpenedStore


class TransactionsContract(OpenedStore):
    """What a transaction sees, and leaves: all of it or nothing, its own writes at once."""

    # --- atomic and isolated ----------------------------------------------------------------

    def test_a_write_that_raises_leaves_nothing(self, store: MetadataStore) -> None:
        put(store, (b"a", b"1"))

        def write_and_refuse(txn: WriteTxn) -> None:
            txn.put_many(Table.TAGS, [(bytes((number,)), b"") for number in range(50)])
            txn.delete_many(Table.TAGS, [b"a"])
            txn.put_many(Table.LINKS, [(b"key", b"")])
            raise Refused

        with pytest.raises(Refused):
            store.write(write_and_refuse)
        put(store, (b"z", b""))
        assert scan(store) == [(b"a", b"1"), (b"z", b"")]
        assert scan(store, table=Table.LINKS) == []

    def test_an_error_comes_out_as_it_was_raised(self, store: MetadataStore) -> None:
        error = Refused("with facts")

        def refuse(txn: ReadTxn) -> None:
            raise error

        for run in (store.read, store.write):
            with pytest.raises(Refused) as caught:
                run(refuse)
            assert caught.value is error
        assert store.submit(refuse).exception(WAIT_SECONDS) is error

    def test_a_reader_keeps_its_snapshot_while_a_writer_commits(self, store: MetadataStore) -> None:
        put(store, (b"a", b"old"), (b"b", b"old"))
        store.write(lambda txn: txn.add(b"c", Counts(1, 1, 1, 1, 1)))
        begun, committed = Event(), Event()

        def look_twice(txn: ReadTxn) -> list[object]:
            seen: list[object] = [txn.get(Table.TAGS, b"a")]
            stream = txn.scan(Table.TAGS)
            seen.append(next(stream))
            begun.set()
            assert committed.wait(WAIT_SECONDS)
            seen += [*stream, txn.get(Table.TAGS, b"a"), *txn.scan(Table.TAGS), txn.count(b"c")]
            return [*seen, txn.get(Table.LINKS, b"key")]

        def change(txn: WriteTxn) -> None:
            txn.put_many(Table.TAGS, [(b"a", b"new"), (b"aa", b"new")])
            txn.delete_many(Table.TAGS, [b"b"])
            txn.put_many(Table.LINKS, [(b"key", b"")])
            txn.add(b"c", Counts(1, 1, 1, 1, 1))

        with ThreadPoolExecutor(1) as pool:
            seen = pool.submit(store.read, look_twice)
            assert begun.wait(WAIT_SECONDS)
            store.write(change)
            committed.set()
            a, b = (b"a", b"old"), (b"b", b"old")
            assert seen.result(WAIT_SECONDS) == [b"old", a, b, b"old", a, b, (1, 1, 1, 1, 1), None]
        assert scan(store) == [(b"a", b"new"), (b"aa", b"new")]

    def test_a_reader_sees_nothing_of_a_write_under_way(self, store: MetadataStore) -> None:
        put(store, (b"a", b"old"))
        written, looked = Event(), Event()

        def write_and_wait(txn: WriteTxn) -> None:
            txn.put_many(Table.TAGS, [(b"a", b"new")])
            txn.add(b"c", Counts(1, 0, 0, 0, 0))
            written.set()
            assert looked.wait(WAIT_SECONDS)

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(store.write, write_and_wait)
            assert written.wait(WAIT_SECONDS)
            assert get(store, b"a") == b"old"
            assert store.read(lambda txn: txn.count(b"c")) == (0, 0, 0, 0, 0)
            looked.set()
            writing.result(WAIT_SECONDS)
        assert get(store, b"a") == b"new"

    # --- its own writes, however the store keeps them ------------------------------------------

    @pytest.mark.parametrize("table", WRITTEN)
    @pytest.mark.parametrize(
        ("look", "found"),
        [
            (lambda txn, table: txn.get(table, b"a"), None),
            (lambda txn, table: txn.get(table, b"c"), b"3"),
            (lambda txn, table: txn.get_many(table, [b"c", b"b"]), [b"3", b"2"]),
            (lambda txn, table: txn.first_many(table, [b"c", b"a"]), [(b"c", b"3"), None]),
            (lambda txn, table: txn.scan_many(table, [b"c", b"a"]), [[(b"c", b"3")], []]),
            (lambda txn, table: list(txn.scan(table)), [(b"b", b"2"), (b"c", b"3")]),
            (lambda txn, table: list(txn.scan(table, reverse=True)), [(b"c", b"3"), (b"b", b"2")]),
            (lambda txn, table: txn.count_rows(table, b""), 2),
            (lambda txn, table: txn.count_rows(table, b"c"), 1),
        ],
    )
    def test_the_first_way_of_reading_sees_what_was_put(
        self,
        store: MetadataStore,
        table: Table,
        look: Callable[[ReadTxn, Table], object],
        found: object,
    ) -> None:
        """Each look is the first: a store that keeps back what was put may learn of it late."""
        store.write(lambda txn: txn.put_many(table, [(b"a", b"1"), (b"b", b"2")]))

        def change_and_look(txn: WriteTxn) -> object:
            txn.put_many(table, [(b"c", b"3")])
            txn.delete_many(table, [b"a"])
            return look(txn, table)

        assert store.write(change_and_look) == found

    @pytest.mark.parametrize("table", WRITTEN)
    def test_every_way_of_reading_sees_what_was_put(
        self, store: MetadataStore, table: Table
    ) -> None:
        put(store, (b"a", b"old"), (b"b", b"old"), table=table)

        def put_and_look(txn: WriteTxn) -> None:
            for value in (b"new", b"newer"):
                txn.put_many(table, [(b"c", value), (b"a", value)])
                rows = [(b"a", value), (b"b", b"old"), (b"c", value)]
                assert_seen(txn, table, rows)
                assert txn.get(table, b"a") == value, "asking for an order has changed something"

        store.write(put_and_look)
        assert scan(store, table=table) == [(b"a", b"newer"), (b"b", b"old"), (b"c", b"newer")]

    @pytest.mark.parametrize("table", WRITTEN)
    @pytest.mark.parametrize("is_looking", [False, True])
    def test_a_row_that_was_put_and_deleted_is_gone(
        self, store: MetadataStore, table: Table, *, is_looking: bool
    ) -> None:
        put(store, (b"a", b"old"), (b"z", b""), table=table)

        def put_and_delete(txn: WriteTxn) -> None:
            txn.put_many(table, [(b"a", b"new"), (b"b", b"new")])
            if is_looking:
                assert len(list(txn.scan(table))) == 3
            txn.delete_many(table, [b"b", b"a"])
            assert_seen(txn, table, [(b"z", b"")])

        store.write(put_and_delete)
        assert scan(store, table=table) == [(b"z", b"")]

    @pytest.mark.parametrize("table", WRITTEN)
    @pytest.mark.parametrize("is_looking", [False, True])
    def test_a_row_that_was_deleted_and_put_is_there(
        self, store: MetadataStore, table: Table, *, is_looking: bool
    ) -> None:
        put(store, (b"a", b"old"), table=table)

        def delete_and_put(txn: WriteTxn) -> None:
            for value in (b"new", b"newer"):
                txn.delete_many(table, [b"a", b"b"])
                if is_looking:
                    assert list(txn.scan(table)) == []
                txn.put_many(table, [(b"b", value), (b"a", value)])
                assert_seen(txn, table, [(b"a", value), (b"b", value)])

        store.write(delete_and_put)
        assert scan(store, table=table) == [(b"a", b"newer"), (b"b", b"newer")]

    @pytest.mark.parametrize("table", WRITTEN)
    def test_a_scan_begins_when_its_first_row_is_asked_for(
        self, store: MetadataStore, table: Table
    ) -> None:
        def scan_and_put(txn: WriteTxn) -> list[Row]:
            stream = txn.scan(table)
            txn.put_many(table, [(b"a", b"")])
            return list(stream)

        assert store.write(scan_and_put) == [(b"a", b"")]

    @pytest.mark.parametrize("table", WRITTEN)
    def test_copy_range_copies_and_follows_what_was_just_put(
        self, store: MetadataStore, table: Table
    ) -> None:
        put(store, (b"\x01a", b"old"), (b"\x01b", b"old"), table=table)

        def put_and_copy(txn: WriteTxn) -> int:
            txn.put_many(table, [(b"\x01a", b"new"), (b"\x01c", b"new")])
            txn.delete_many(table, [b"\x01b"])
            copied = txn.copy_range(table, b"\x01", b"\x02")
            assert txn.get_many(table, [b"\x02a", b"\x02b"]) == [b"new", None]
            txn.put_many(table, [(b"\x02a", b"newer")])
            assert txn.get(table, b"\x02a") == b"newer"
            return copied

        assert store.write(put_and_copy) == 2
        assert scan(store, b"\x02", table=table) == [(b"\x02a", b"newer"), (b"\x02c", b"new")]

    @pytest.mark.parametrize("table", WRITTEN)
    def test_of_many_rows_in_large_and_small_puts_the_last_put_of_each_counts(
        self, store: MetadataStore, table: Table
    ) -> None:
        """More than any store keeps back, in an order that is not theirs."""
        many = 25_000

        def put_much(txn: WriteTxn) -> None:
            txn.put_many(table, [(b"%05d" % 7, b"small before large")])
            txn.put_many(table, ((b"%05d" % n, b"large") for n in reversed(range(many))))
            assert txn.get(table, b"%05d" % 7) == b"large"
            for start in range(0, many, 500):
                txn.put_many(table, [(b"%05d" % n, b"small") for n in range(start, start + 250)])
            txn.put_many(Table.META, [(b"noise", b"")])

        store.write(put_much)
        expected = [(b"%05d" % n, b"small" if n % 500 < 250 else b"large") for n in range(many)]
        assert scan(store, table=table) == expected

    def test_put_all_puts_the_rows_of_each_table(self, store: MetadataStore) -> None:
        rows = {table: {table.encode(): b"new", b"b": b"new"} for table in WRITTEN}

        def put_and_look(txn: WriteTxn) -> None:
            for table in WRITTEN:
                txn.put_many(table, [(b"b", b"old")])
            txn.put_all(rows)
            for table in WRITTEN:
                assert_seen(txn, table, sorted(rows[table].items()))
            rows[Table.TAGS][b"late"] = rows[Table.EVENTS][b"late"] = b"is the caller's own"
            txn.put_all({})

        store.write(put_and_look)
        for table in WRITTEN:
            expected = [(b"b", b"new"), (table.encode(), b"new")]
            assert scan(store, table=table) == expected

    @pytest.mark.parametrize("table", WRITTEN)
    def test_who_rewrites_a_neighbours_row_and_raises_leaves_it_as_it_was(
        self, store: MetadataStore, table: Table
    ) -> None:
        """That the row was there to be written anyway does not mean that nothing was written."""

        def rewrite_and_refuse(txn: WriteTxn) -> None:
            txn.put_all({table: {b"a": b"refused"}})
            raise Refused

        with blocked(store) as release:
            futures: list[Future[Any]] = [
                store.submit(putting(b"a", table)),
                store.submit(rewrite_and_refuse),
                store.submit(lambda txn: txn.get(table, b"a")),
            ]
            release.set()
            settled(futures)
        assert isinstance(futures[1].exception(), Refused)
        assert futures[2].result() == b""
        assert scan(store, table=table) == [(b"a", b"")]

    @pytest.mark.parametrize("table", WRITTEN)
    def test_who_looks_and_raises_leaves_his_neighbours_rows(
        self, store: MetadataStore, table: Table, commits: list[int]
    ) -> None:
        def look_and_refuse(txn: WriteTxn) -> None:
            assert list(txn.scan(table)) == [(b"a", b"")]
            raise Refused

        with blocked(store) as release:
            futures: list[Future[Any]] = [
                store.submit(putting(b"a", table)),
                store.submit(look_and_refuse),
                store.submit(putting(b"b", table)),
            ]
            release.set()
            settled(futures)
        assert isinstance(futures[1].exception(), Refused)
        assert scan(store, table=table) == [(b"a", b""), (b"b", b"")]
        assert len(commits) == 1
