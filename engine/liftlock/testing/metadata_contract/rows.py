"""What a store keeps: rows, ranges, counters and numbers, and the time."""

from __future__ import annotations

from concurrent.futures import Future
from itertools import product
from typing import Any

import pytest

from liftlock.metadata.contract import MetadataStore, Numbered, ReadTxn, Row, Table, WriteTxn
from liftlock.metadata.counts import Counts
from liftlock.testing.clock import FakeClock
from liftlock.testing.metadata_contract.acting import (
    Refused,
    blocked,
    expected_keys,
    get,
    put,
    putting,
    scan,
    settled,
    timed,
)
from liftlock.testing.metadata_contract.opening import OpenedStore


class RowsContract(OpenedStore):
    """What a store keeps: rows, ranges, counters and numbers, and the time."""

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
        store.write(lambda txn: txn.add(b"c", Counts(1, 2, 3, 4, 5)))
        store.write(lambda txn: txn.add(b"c", Counts(10, -2, 0, 2**40, 0)))
        assert store.read(lambda txn: txn.count(b"c")) == (11, 0, 3, 4 + 2**40, 5)
        assert store.read(lambda txn: txn.count(b"d")) == (0, 0, 0, 0, 0)

    def test_a_count_is_seen_within_its_transaction(self, store: MetadataStore) -> None:
        store.write(lambda txn: txn.add(b"c", Counts(1, 1, 1, 1, 1)))

        def add_and_look(txn: WriteTxn) -> object:
            txn.add(b"c", Counts(1, 0, 0, 0, 0))
            txn.add(b"c", Counts(1, 0, 0, -1, 0))
            return txn.count(b"c")

        assert store.write(add_and_look) == (3, 1, 1, 0, 1)
        assert store.read(lambda txn: txn.count(b"c")) == (3, 1, 1, 0, 1)

    def test_a_count_of_a_refused_operation_is_not_kept(self, store: MetadataStore) -> None:
        def add_and_refuse(txn: WriteTxn) -> None:
            txn.add(b"c", Counts(5, 5, 5, 5, 5))
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

    def test_a_transaction_knows_what_it_numbered(self, store: MetadataStore) -> None:
        def number(txn: WriteTxn) -> list[bool]:
            before = txn.has_numbered(Numbered.EVENT)
            txn.next_id(Numbered.EVENT)
            return [before, *map(txn.has_numbered, (Numbered.EVENT, Numbered.OBJECT))]

        assert store.write(number) == [False, True, False]
        assert store.write(number) == [False, True, False]

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
