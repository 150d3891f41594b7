"""What every metadata store must do, as tests: inherit, and say how to open one.

    class TestLmdb(MetadataStoreContract):
        def open_store(self, folder, clock, before_commit, limits, reach) -> MetadataStore: ...

What only one kind of store has (files, processes, damage) is tested beside that kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any, Final

import pytest

from liftlock.config import Limits
from liftlock.metadata.contract import (
    Instant,
    MetadataStore,
    Numbered,
    ReadTxn,
    Row,
    Table,
    WriteTxn,
)
from liftlock.points import Reach, nowhere
from liftlock.testing.clock import FakeClock

WAIT_SECONDS: Final = 10
"""Nothing here takes so long; what does will never end."""
ONE_BATCH: Final = Limits(batch_ms_max=60_000)
"""A batch does not end because a test takes its time."""

WRITTEN: Final = (Table.TAGS, Table.EVENTS)
"""A table that promotions search, and one that they only append to: stores may differ there."""

BeforeCommit = Callable[[WriteTxn], None]


class Refused(Exception):
    """An operation does not like what it found."""


class MetadataStoreContract(ABC):
    """Tests of `MetadataStore`; a fixture `store` gives each of them a new one."""

    @abstractmethod
    def open_store(
        self,
        folder: Path,
        clock: Callable[[], Instant],
        before_commit: BeforeCommit,
        limits: Limits,
        reach: Reach,
    ) -> MetadataStore:
        """Open an empty store, which may use `folder`."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def commits(self) -> list[int]:
        """Number of writes of each commit."""
        return []

    @pytest.fixture
    def before_commit(self) -> BeforeCommit:
        return lambda txn: None

    @pytest.fixture
    def points(self) -> dict[str, Callable[[], None]]:
        """What happens at a named point of a write; a test fills it."""
        return {}

    @pytest.fixture
    def store(
        self,
        folder: Path,
        clock: FakeClock,
        commits: list[int],
        points: dict[str, Callable[[], None]],
    ) -> Iterator[MetadataStore]:
        def count(txn: WriteTxn) -> None:
            commits.append(getattr(txn, "writes", 0))

        def reach(point: str) -> None:
            points.get(point, _go_on)()

        store = self.open_store(folder, clock, count, ONE_BATCH, reach)
        yield store
        _within_time(store.close)

    # --- one row ----------------------------------------------------------------------------

    def test_a_row_is_there_after_it_was_put(self, store: MetadataStore) -> None:
        put(store, (b"key", b"value"))
        assert get(store, b"key") == b"value"

    def test_an_absent_row_is_none(self, store: MetadataStore) -> None:
        assert get(store, b"key") is None

    def test_a_value_may_be_empty_which_is_not_absent(self, store: MetadataStore) -> None:
        put(store, (b"key", b""))
        assert get(store, b"key") == b""

    def test_keys_and_values_may_hold_any_byte(self, store: MetadataStore) -> None:
        rows = [(bytes((byte,)) * 3, bytes(range(256))) for byte in range(256)]
        put(store, *rows)
        assert scan(store) == rows

    def test_a_key_of_511_bytes_and_a_value_of_a_mebibyte_fit(self, store: MetadataStore) -> None:
        row = (b"k" * 511, bytes(1024 * 1024))
        put(store, row)
        assert scan(store) == [row]

    def test_putting_again_replaces(self, store: MetadataStore) -> None:
        put(store, (b"key", b"old and long"), (b"other", b"kept"))
        put(store, (b"key", b"new"))
        assert scan(store) == [(b"key", b"new"), (b"other", b"kept")]

    def test_tables_have_keys_of_their_own(self, store: MetadataStore) -> None:
        for table in Table:
            if table is not Table.META and table is not Table.COUNTERS:
                put(store, (b"key", table.encode()), table=table)
        for table in Table:
            if table is not Table.META and table is not Table.COUNTERS:
                assert get(store, b"key", table) == table.encode()

    # --- several rows -----------------------------------------------------------------------

    @pytest.mark.parametrize("count", [1, 3, 4, 100])
    def test_put_many_takes_rows_in_any_order_and_from_a_stream(
        self, store: MetadataStore, count: int
    ) -> None:
        rows = [(bytes((number,)), bytes((number,))) for number in range(count)]
        store.write(lambda txn: txn.put_many(Table.TAGS, reversed(rows)))
        assert scan(store) == rows

    def test_put_many_of_a_key_twice_keeps_the_last(self, store: MetadataStore) -> None:
        put(store, *((b"key", bytes((number,))) for number in range(8)))
        assert scan(store) == [(b"key", b"\x07")]

    def test_put_many_of_nothing_is_nothing(self, store: MetadataStore) -> None:
        put(store)
        assert scan(store) == []

    def test_get_many_answers_in_the_order_of_the_keys(self, store: MetadataStore) -> None:
        put(store, (b"a", b"1"), (b"b", b"2"))
        asked = [b"b", b"absent", b"a", b"b"]
        found = store.read(lambda txn: txn.get_many(Table.TAGS, asked))
        assert found == [b"2", None, b"1", b"2"]

    def test_first_many_gives_the_first_row_of_each_prefix_or_none(
        self, store: MetadataStore
    ) -> None:
        put(store, (b"a1", b"x"), (b"a2", b"y"), (b"c", b"z"), (b"\xff\xff", b"end"))
        asked = [b"c", b"a", b"b", b"a2", b"a3", b"\xff", b"\xff\xff\xff", b""]
        found = store.read(lambda txn: txn.first_many(Table.TAGS, asked))
        a1, a2, c, end = (b"a1", b"x"), (b"a2", b"y"), (b"c", b"z"), (b"\xff\xff", b"end")
        assert found == [c, a1, None, a2, None, end, None, a1]

    def test_scan_many_gives_up_to_limit_rows_of_each_prefix(self, store: MetadataStore) -> None:
        rows = [(b"a1", b""), (b"a2", b""), (b"a3", b""), (b"b", b""), (b"\xff", b"")]
        put(store, *rows)
        asked = [b"b", b"a", b"x", b"a3", b"\xff"]
        found = store.read(lambda txn: txn.scan_many(Table.TAGS, asked, limit=2))
        assert found == [rows[3:4], rows[0:2], [], rows[2:3], rows[4:]]

    def test_the_many_of_an_empty_table_are_none(self, store: MetadataStore) -> None:
        assert store.read(lambda txn: txn.first_many(Table.TAGS, [b"a", b""])) == [None, None]
        assert store.read(lambda txn: txn.scan_many(Table.TAGS, [b"a"], limit=9)) == [[]]
        assert store.read(lambda txn: txn.get_many(Table.TAGS, [])) == []

    def test_delete_many_removes_what_is_there(self, store: MetadataStore) -> None:
        put(store, (b"a", b"1"), (b"b", b"2"), (b"c", b"3"))
        store.write(lambda txn: txn.delete_many(Table.TAGS, [b"c", b"absent", b"a", b"a"]))
        assert scan(store) == [(b"b", b"2")]

    def test_delete_many_takes_a_stream_of_what_was_just_read(self, store: MetadataStore) -> None:
        put(store, *((bytes((number,)), b"") for number in range(200)))

        def drop(txn: WriteTxn) -> None:
            rows = list(txn.scan(Table.TAGS, limit=150))
            txn.delete_many(Table.TAGS, (key for key, _ in rows))

        store.write(drop)
        assert [key[0] for key, _ in scan(store)] == list(range(150, 200))

    # --- ranges -----------------------------------------------------------------------------

    def test_scan_gives_every_range_as_a_sorted_list_would(self, store: MetadataStore) -> None:
        """Every prefix and every start, in both directions, 0x00 and 0xff at the edges."""
        texts = [bytes(text) for size in (1, 2, 3) for text in product(b"\x00a\xff", repeat=size)]
        there = sorted(text for number, text in enumerate(texts) if number % 3)
        put(store, *((key, key[::-1]) for key in there))

        def compare(txn: ReadTxn) -> None:
            for prefix, after, reverse, limit in product(
                (b"", *texts), (None, *texts), (False, True), (None, 0, 1, 3)
            ):
                expected = expected_keys(there, prefix, after, reverse=reverse)[:limit]
                found = list(
                    txn.scan(Table.TAGS, prefix, after=after, reverse=reverse, limit=limit)
                )
                assert found == [(key, key[::-1]) for key in expected], (prefix, after, reverse)

        store.read(compare)
        store.write(compare)

    def test_a_prefix_that_is_a_prefix_of_anothers_key_tells_them_apart(
        self, store: MetadataStore
    ) -> None:
        put(store, (b"team/app", b"1"), (b"team/app-v2", b"2"), (b"team/app/x", b"3"))
        assert [key for key, _ in scan(store, b"team/app/")] == [b"team/app/x"]
        assert len(scan(store, b"team/app")) == 3

    def test_a_scan_may_be_left_half_way_and_begun_again(self, store: MetadataStore) -> None:
        put(store, *((bytes((number,)), b"") for number in range(50)))

        def leave(txn: ReadTxn) -> list[Row]:
            next(txn.scan(Table.TAGS))
            return [next(txn.scan(Table.TAGS)), next(txn.scan(Table.TAGS, reverse=True))]

        assert store.read(leave) == [(b"\x00", b""), (b"\x31", b"")]
        put(store, (b"later", b""))

    def test_two_scans_of_one_table_do_not_disturb_each_other(self, store: MetadataStore) -> None:
        rows = [(bytes((number,)), b"") for number in range(20)]
        put(store, *rows)

        def both(txn: ReadTxn) -> list[tuple[Row, Row]]:
            back = txn.scan(Table.TAGS, reverse=True)
            return list(zip(txn.scan(Table.TAGS), back, strict=True))

        assert store.read(both) == list(zip(rows, reversed(rows), strict=True))

    def test_a_scan_may_feed_the_writing_of_another_table(self, store: MetadataStore) -> None:
        rows = [(bytes((number,)), b"") for number in range(100)]
        put(store, *rows)
        store.write(lambda txn: txn.put_many(Table.LINKS, txn.scan(Table.TAGS)))
        assert scan(store, table=Table.LINKS) == rows

    def test_what_a_transaction_hands_out_outlives_it(self, store: MetadataStore) -> None:
        """L26: bytes of their own, never a view of the store's pages."""
        put(store, (b"a", b"old"), (b"b", b"old"))
        row = store.read(lambda txn: txn.first_many(Table.TAGS, [b"a"]))[0]
        value = get(store, b"b")
        assert row is not None
        for number in range(20):
            put(store, (b"a", b"new%d" % number), (b"b", b"new"))
        assert (row, value) == ((b"a", b"old"), b"old")
        assert type(row[0]) is type(row[1]) is type(value) is bytes

    # --- copy_range -------------------------------------------------------------------------

    def test_copy_range_copies_every_row_under_a_prefix(self, store: MetadataStore) -> None:
        rows = [(b"\x01" + bytes((number,)), bytes((number,))) for number in range(100)]
        put(store, *rows, (b"\x02", b"another's"))
        copied = store.write(lambda txn: txn.copy_range(Table.TAGS, b"\x01", b"\x03"))
        assert copied == 100
        assert scan(store, b"\x03") == [(b"\x03" + key[1:], value) for key, value in rows]
        assert scan(store, b"\x01") == rows
        assert scan(store, b"\x02") == [(b"\x02", b"another's")]

    def test_copy_range_of_the_last_range_does_not_run_into_its_copy(
        self, store: MetadataStore
    ) -> None:
        put(store, *((b"\x01" + bytes((number,)), b"") for number in range(100)))
        assert store.write(lambda txn: txn.copy_range(Table.TAGS, b"\x01", b"\x02")) == 100
        assert len(scan(store)) == 200

    def test_copy_range_of_nothing_copies_nothing(self, store: MetadataStore) -> None:
        put(store, (b"\x02", b""))
        assert store.write(lambda txn: txn.copy_range(Table.TAGS, b"\x01", b"\x03")) == 0
        assert len(scan(store)) == 1

    def test_copy_range_sees_what_the_transaction_has_written(self, store: MetadataStore) -> None:
        def written_and_copied(txn: WriteTxn) -> int:
            txn.put_many(Table.TAGS, [(b"\x01a", b"1")])
            return txn.copy_range(Table.TAGS, b"\x01", b"\x02")

        assert store.write(written_and_copied) == 1
        assert get(store, b"\x02a") == b"1"

    def test_copy_range_below_the_last_key_loses_no_row_silently(
        self, store: MetadataStore
    ) -> None:
        """LMDB's append skips such a row and says nothing; all or a loud nothing is right."""
        put(store, (b"\x01a", b"1"), (b"\x01z", b"2"), (b"\x03m", b"in the way"))
        before = scan(store)

        def copy(txn: WriteTxn) -> int:
            return txn.copy_range(Table.TAGS, b"\x01", b"\x03")

        # A neighbour's writes get the batch committed, whatever else is in it.
        with blocked(store) as release:
            futures: list[Future[Any]] = [
                store.submit(putting(b"\x00", Table.LINKS)),
                store.submit(copy),
                store.submit(putting(b"\x01", Table.LINKS)),
            ]
            release.set()
            settled(futures)
        if futures[1].exception() is None:
            assert [key for key, _ in scan(store, b"\x03")] == [b"\x03a", b"\x03m", b"\x03z"]
        else:
            assert scan(store) == before
        assert len(scan(store, table=Table.LINKS)) == 2

    # --- counters and numbers ---------------------------------------------------------------

    @pytest.mark.parametrize(("prefix", "rows"), [(b"", 4), (b"a", 2), (b"a2", 1), (b"c", 0)])
    def test_rows_are_counted_by_prefix(
        self, store: MetadataStore, prefix: bytes, rows: int
    ) -> None:
        put(store, (b"a1", b""), (b"a2", b""), (b"b", b""), (b"\xff", b""))
        assert store.read(lambda txn: txn.count_rows(Table.TAGS, prefix)) == rows

    def test_a_counter_is_a_vector_that_begins_at_nothing(self, store: MetadataStore) -> None:
        assert store.read(lambda txn: txn.count(b"c")) == (0, 0, 0, 0, 0)
        store.write(lambda txn: txn.add(b"c", (1, 2, 3, 4, 5)))
        store.write(lambda txn: txn.add(b"c", (10, -2, 0, 2**40, 0)))
        assert store.read(lambda txn: txn.count(b"c")) == (11, 0, 3, 4 + 2**40, 5)
        assert store.read(lambda txn: txn.count(b"d")) == (0, 0, 0, 0, 0)

    def test_a_count_is_seen_within_its_transaction(self, store: MetadataStore) -> None:
        store.write(lambda txn: txn.add(b"c", (1, 1, 1, 1, 1)))

        def add_and_look(txn: WriteTxn) -> object:
            txn.add(b"c", (1, 0, 0, 0, 0))
            txn.add(b"c", (1, 0, 0, -1, 0))
            return txn.count(b"c")

        assert store.write(add_and_look) == (3, 1, 1, 0, 1)
        assert store.read(lambda txn: txn.count(b"c")) == (3, 1, 1, 0, 1)

    def test_a_count_of_a_refused_operation_is_not_kept(self, store: MetadataStore) -> None:
        def add_and_refuse(txn: WriteTxn) -> None:
            txn.add(b"c", (5, 5, 5, 5, 5))
            raise Refused

        with pytest.raises(Refused):
            store.write(add_and_refuse)
        put(store, (b"key", b""))
        assert store.read(lambda txn: txn.count(b"c")) == (0, 0, 0, 0, 0)

    def test_a_number_is_never_given_again_once_committed(self, store: MetadataStore) -> None:
        given = [store.write(lambda txn: txn.next_id(Numbered.OBJECT)) for _ in range(5)]
        pair = store.write(lambda txn: [txn.next_id(Numbered.OBJECT) for _ in range(2)])
        assert given[0] >= 1
        assert sorted({*given, *pair}) == [*given, *pair]

    def test_each_sequence_has_numbers_of_its_own(self, store: MetadataStore) -> None:
        for _ in range(3):
            store.write(lambda txn: txn.next_id(Numbered.EVENT))
        assert store.write(lambda txn: txn.next_id(Numbered.PROMOTION)) == 1
        assert store.write(lambda txn: txn.next_id(Numbered.OBJECT)) == 1

    def test_numbers_go_on_behind_a_refused_operation(self, store: MetadataStore) -> None:
        """Those that it took may come again, or not."""
        first = store.write(lambda txn: txn.next_id(Numbered.EVENT))

        def take_and_refuse(txn: WriteTxn) -> None:
            txn.next_id(Numbered.EVENT)
            raise Refused

        with pytest.raises(Refused):
            store.write(take_and_refuse)
        assert store.write(lambda txn: txn.next_id(Numbered.EVENT)) > first

    # --- time -------------------------------------------------------------------------------

    def test_a_transactions_time_is_the_clocks(
        self, store: MetadataStore, clock: FakeClock
    ) -> None:
        assert store.write(timed) == clock.now
        clock.advance(1234)
        assert store.write(timed) == clock.now

    def test_time_never_goes_back_after_a_commit(
        self, store: MetadataStore, clock: FakeClock
    ) -> None:
        late = store.write(timed)
        clock.advance(-60_000)
        assert store.write(timed) == late
        clock.advance(60_001)
        assert store.write(timed) == late + 1

    # --- atomic and isolated ----------------------------------------------------------------

    @pytest.mark.parametrize("table", [Table.TAGS, Table.LINKS])
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
    def test_a_write_reads_its_own_writes(
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
        store.write(lambda txn: txn.add(b"c", (1, 1, 1, 1, 1)))
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
            txn.add(b"c", (1, 1, 1, 1, 1))

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
            txn.add(b"c", (1, 0, 0, 0, 0))
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

    # --- group commit -----------------------------------------------------------------------

    def test_what_waits_together_is_committed_together(
        self, store: MetadataStore, commits: list[int]
    ) -> None:
        with blocked(store) as release:
            futures = [store.submit(putting(bytes((number,)))) for number in range(64)]
            release.set()
            settled(futures)
        assert len(scan(store)) == 64
        assert len(commits) <= 2
        assert sum(commits) == 64

    def test_a_batch_has_an_end(self, store: MetadataStore, commits: list[int]) -> None:
        with blocked(store) as release:
            futures = [store.submit(putting(number.to_bytes(2, "big"))) for number in range(300)]
            release.set()
            settled(futures)
        assert max(commits) <= ONE_BATCH.batch_operations_max
        assert len(scan(store)) == 300

    def test_operations_run_in_the_order_in_which_they_came(self, store: MetadataStore) -> None:
        ran: list[int] = []
        with blocked(store) as release:
            futures: list[Future[None]] = []
            for number in range(150):

                def note(txn: WriteTxn, number: int = number) -> None:
                    ran.append(number)
                    txn.put_many(Table.TAGS, [(b"last", b"%d" % number)])

                futures.append(store.submit(note))
            release.set()
            settled(futures)
        assert ran == list(range(150))
        assert get(store, b"last") == b"149"

    def test_an_operation_sees_what_its_neighbours_wrote_before_it(
        self, store: MetadataStore
    ) -> None:
        with blocked(store) as release:
            futures = [store.submit(increment) for _ in range(20)]
            release.set()
            assert settled(futures) == list(range(1, 21))

    def test_one_that_raises_after_writing_takes_nobody_with_it(self, store: MetadataStore) -> None:
        def write_and_refuse(txn: WriteTxn) -> None:
            txn.put_many(Table.TAGS, [(b"half", b"")])
            txn.next_id(Numbered.OBJECT)
            txn.add(b"c", (1, 0, 0, 0, 0))
            raise Refused

        with blocked(store) as release:
            futures: list[Future[Any]] = [
                store.submit(increment),
                store.submit(write_and_refuse),
                store.submit(increment),
                store.submit(write_and_refuse),
                store.submit(increment),
            ]
            release.set()
            settled(futures)
        kinds = [type(future.exception()) for future in futures]
        assert kinds == [type(None), Refused, type(None), Refused, type(None)]
        assert [future.result() for future in futures[::2]] == [1, 2, 3]
        assert scan(store) == [(b"number", b"3")]
        assert store.read(lambda txn: txn.count(b"c")) == (0, 0, 0, 0, 0)

    def test_one_that_refuses_before_writing_costs_its_neighbours_no_commit(
        self, store: MetadataStore, commits: list[int]
    ) -> None:
        def refuse(txn: WriteTxn) -> None:
            raise Refused

        with blocked(store) as release:
            futures: list[Future[Any]] = [
                store.submit(increment),
                store.submit(refuse),
                store.submit(increment),
            ]
            release.set()
            settled(futures)
        assert len(commits) == 1
        assert get(store, b"number") == b"2"

    def test_nothing_is_answered_before_the_commit(
        self, store: MetadataStore, points: dict[str, Callable[[], None]]
    ) -> None:
        """Refusals and mere looks too: they may rest on a neighbour's uncommitted write."""
        futures: list[Future[None]] = []
        answered: list[bool] = []

        def refuse(txn: WriteTxn) -> None:
            assert txn.get(Table.TAGS, b"a") == b""
            raise Refused

        def look(txn: WriteTxn) -> None:
            assert txn.get(Table.TAGS, b"a") == b""

        points["commit: sealed"] = lambda: answered.extend(future.done() for future in futures)
        with blocked(store) as release:
            futures += [store.submit(putting(b"a")), store.submit(refuse), store.submit(look)]
            release.set()
            settled(futures)
        assert answered == [False, False, False]
        assert isinstance(futures[1].exception(), Refused)

    def test_a_write_returns_only_when_others_see_it(
        self, store: MetadataStore, points: dict[str, Callable[[], None]]
    ) -> None:
        seen: list[bytes | None] = []
        points["commit: sealed"] = lambda: seen.append(get(store, b"a"))
        points["commit: durable"] = lambda: seen.append(get(store, b"a"))
        put(store, (b"a", b"new"))
        assert seen == [None, b"new"]

    def test_a_commit_that_fails_is_tried_for_each_alone(
        self, store: MetadataStore, points: dict[str, Callable[[], None]]
    ) -> None:
        def fail_once() -> None:
            del points["commit: operations have written"]
            raise Refused

        with blocked(store) as release:
            points["commit: operations have written"] = fail_once
            futures = [store.submit(increment) for _ in range(3)]
            release.set()
            assert settled(futures) == [1, 2, 3]
        assert get(store, b"number") == b"3"

    def test_a_commit_that_fails_again_is_the_operations_error(
        self, store: MetadataStore, points: dict[str, Callable[[], None]]
    ) -> None:
        def fail() -> None:
            raise Refused

        points["commit: sealed"] = fail
        with pytest.raises(Refused):
            store.write(increment)
        assert isinstance(store.submit(increment).exception(WAIT_SECONDS), Refused)
        del points["commit: sealed"]
        assert get(store, b"number") is None
        assert store.write(increment) == 1

    def test_an_operation_that_writes_nothing_makes_no_commit(
        self, store: MetadataStore, commits: list[int]
    ) -> None:
        assert store.write(lambda txn: txn.get(Table.TAGS, b"a")) is None
        assert commits == []

    def test_writes_and_submits_from_many_threads_are_all_done_once(
        self, store: MetadataStore
    ) -> None:
        threads, each = 8, 40
        together = Barrier(threads)

        def work(number: int) -> list[int]:
            together.wait(WAIT_SECONDS)
            futures = []
            results = []
            for turn in range(each):
                if (turn + number) % 2:
                    futures.append(store.submit(increment))
                else:
                    results.append(store.write(increment))
            return results + [future.result(WAIT_SECONDS) for future in futures]

        with ThreadPoolExecutor(threads) as pool:
            done = [future.result(6 * WAIT_SECONDS) for future in map_each(pool, work, threads)]
        numbers = sorted(number for results in done for number in results)
        assert numbers == list(range(1, threads * each + 1))

    def test_a_submitted_operation_is_answered_whoever_runs_it(
        self, store: MetadataStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another thread may take its turn, and run it, before `submit` has returned."""
        original = Future.__init__

        def slow(future: Future[object]) -> None:
            original(future)
            if not nested:
                nested.append(True)
                store.write(putting(b"another's"))

        nested: list[bool] = []
        monkeypatch.setattr(Future, "__init__", slow)
        future = store.submit(increment)
        monkeypatch.undo()
        assert future.result(WAIT_SECONDS) == 1

    def test_a_submitted_operation_cannot_be_withdrawn(self, store: MetadataStore) -> None:
        with blocked(store) as release:
            future = store.submit(increment)
            assert not future.cancel()
            release.set()
            assert future.result(WAIT_SECONDS) == 1

    def test_who_writes_nothing_waits_for_nobody(self, store: MetadataStore) -> None:
        answers: list[list[Exception]] = []
        with blocked(store) as release:
            try:
                _within_time(lambda: answers.append(store.write_all([])))
            finally:
                release.set()
        assert answers == [[]]

    # --- interrupts -------------------------------------------------------------------------

    def test_an_interrupt_in_a_batch_loses_no_neighbour(self, store: MetadataStore) -> None:
        futures = run_with_a_write_of_the_main_thread(
            store, increment, interrupted_at_run(1), increment
        )
        assert settled(futures[::2]) == [1, 2]
        _within_time(lambda: put(store, (b"later", b"")))
        assert get(store, b"number") == b"2"

    def test_an_interrupt_while_each_runs_alone_loses_no_neighbour(
        self, store: MetadataStore
    ) -> None:
        def write_and_refuse(txn: WriteTxn) -> None:
            txn.put_many(Table.TAGS, [(b"half", b"")])
            raise Refused

        futures = run_with_a_write_of_the_main_thread(
            store,
            increment,
            interrupted_at_run(2),
            increment,
            write_and_refuse,
            increment,
        )
        assert settled([futures[0], futures[2], futures[4]]) == [1, 2, 3]
        assert isinstance(futures[3].exception(WAIT_SECONDS), Refused)
        _within_time(lambda: put(store, (b"later", b"")))
        assert get(store, b"number") == b"3"
        assert get(store, b"half") is None

    def test_an_interrupted_write_is_not_done_later(self, store: MetadataStore) -> None:
        """Nobody would hear of it: another write of the same caller may rest on its absence."""
        with pytest.raises(KeyboardInterrupt):
            store.write(interrupted_at_run(1))
        _within_time(lambda: put(store, (b"later", b"")))
        assert scan(store, b"pair") == []

    def test_an_interrupt_after_the_commit_does_not_run_anything_again(
        self, store: MetadataStore, points: dict[str, Callable[[], None]]
    ) -> None:
        def interrupt() -> None:
            del points["commit: durable"]
            raise KeyboardInterrupt

        points["commit: durable"] = interrupt
        with pytest.raises(KeyboardInterrupt):
            store.write(increment)
        put(store, (b"later", b""))
        assert get(store, b"number") == b"1"

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_an_interrupt_in_what_was_submitted_leaves_the_store_working(
        self, store: MetadataStore
    ) -> None:
        store.submit(interrupted_at_run(1))
        assert store.submit(increment).result(WAIT_SECONDS) == 1
        assert store.write(increment) == 2

    # --- closing ----------------------------------------------------------------------------

    def test_close_finishes_what_is_queued(
        self, folder: Path, clock: FakeClock, before_commit: BeforeCommit
    ) -> None:
        store = self.open_store(folder, clock, before_commit, ONE_BATCH, nowhere)
        with blocked(store) as release:
            futures = [store.submit(increment) for _ in range(200)]
            closing = Thread(target=store.close)
            closing.start()
            release.set()
            assert settled(futures) == list(range(1, 201))
            closing.join(WAIT_SECONDS)
            assert not closing.is_alive()

    def test_a_closed_store_refuses_and_may_be_closed_again(
        self, folder: Path, clock: FakeClock, before_commit: BeforeCommit
    ) -> None:
        store = self.open_store(folder, clock, before_commit, ONE_BATCH, nowhere)
        assert store.submit(increment).result(WAIT_SECONDS) == 1
        store.close()
        for run in (store.write, store.submit):
            with pytest.raises(RuntimeError):
                run(increment)
        store.close()


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


def _within_time(run: Callable[[], None]) -> None:
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


def _go_on() -> None:
    """Nothing happens at this point."""
