"""Rows that are kept back: what the store is given, when, and in which order."""

from __future__ import annotations

import pytest

from liftlock.metadata.contract import Row, Table
from liftlock.metadata.pending import SEARCHED, Pending

KEPT = [table for table in Table if table not in SEARCHED]


class Store:
    """Writes down what it is given, unless it is full."""

    def __init__(self) -> None:
        self.given: list[tuple[Table, list[Row]]] = []
        self.is_full = False

    def give(self, table: Table, rows: list[Row]) -> None:
        if self.is_full:
            raise MemoryError
        self.given.append((table, rows))


@pytest.fixture
def store() -> Store:
    return Store()


def test_what_was_put_is_given_once_in_the_order_of_keys(store: Store) -> None:
    pending = Pending(store.give)
    for number in (3, 1, 2, 1):
        pending.put(Table.EVENTS, {b"%d" % number: b"", b"same": b"%d" % number})
    assert store.given == []
    pending.settle_all()
    pending.settle_all()
    rows = [(b"1", b""), (b"2", b""), (b"3", b""), (b"same", b"1")]
    assert store.given == [(Table.EVENTS, rows)]


def test_a_table_is_settled_without_the_others(store: Store) -> None:
    pending = Pending(store.give)
    pending.put(Table.EVENTS, {b"a": b"1"})
    pending.put(Table.ITEMS, {b"b": b"2"})
    pending.settle(Table.ITEMS)
    pending.settle(Table.LINKS)
    assert store.given == [(Table.ITEMS, [(b"b", b"2")])]
    assert pending.tables[Table.EVENTS] == {b"a": b"1"}
    assert not pending.tables[Table.ITEMS]


@pytest.mark.parametrize("table", sorted(SEARCHED))
def test_what_is_searched_anyway_is_given_at_once(store: Store, table: Table) -> None:
    Pending(store.give).put(table, {b"b": b"", b"a": b""})
    assert store.given == [(table, [(b"a", b""), (b"b", b"")])]


@pytest.mark.parametrize("table", KEPT)
def test_every_other_table_is_kept_back(store: Store, table: Table) -> None:
    Pending(store.give).put(table, {b"a": b""})
    assert store.given == []


def test_rows_are_kept_until_the_store_has_them(store: Store) -> None:
    """Or one who swallows the error would get a commit without a neighbour's rows."""
    pending = Pending(store.give)
    pending.put(Table.EVENTS, {b"a": b"1"})
    store.is_full = True
    with pytest.raises(MemoryError):
        pending.settle(Table.EVENTS)
    with pytest.raises(MemoryError):
        pending.settle_all()
    store.is_full = False
    pending.settle_all()
    assert store.given == [(Table.EVENTS, [(b"a", b"1")])]


def test_what_was_dropped_is_not_given(store: Store) -> None:
    pending = Pending(store.give)
    pending.put(Table.EVENTS, {b"a": b"1", b"b": b"2"})
    for table, key in ((Table.EVENTS, b"a"), (Table.EVENTS, b"absent"), (Table.ITEMS, b"b")):
        pending.drop(table, key)
    pending.settle_all()
    assert store.given == [(Table.EVENTS, [(b"b", b"2")])]


def test_the_callers_rows_stay_the_callers(store: Store) -> None:
    pending, rows = Pending(store.give), {b"a": b"1"}
    pending.put(Table.EVENTS, rows)
    rows[b"b"] = b"2"
    pending.put(Table.EVENTS, {b"c": b"3"})
    assert pending.tables[Table.EVENTS] == {b"a": b"1", b"c": b"3"}
    assert rows == {b"a": b"1", b"b": b"2"}


@pytest.mark.parametrize("each", [1, 3, 4, 7])
def test_no_more_rows_are_kept_back_than_may_be(store: Store, each: int) -> None:
    pending = Pending(store.give, rows_max=10)
    for number in range(0, 100, each):
        table = (Table.EVENTS, Table.ITEMS)[number % 2]
        pending.put(table, {b"%03d" % n: b"" for n in range(number, number + each)})
        assert sum(map(len, pending.tables.values())) <= 10
    pending.settle_all()
    given = sorted(key for _, rows in store.given for key, _ in rows)
    assert given == [b"%03d" % number for number in range(len(given))]
    assert len(given) >= 100


def test_room_that_was_settled_is_room_again(store: Store) -> None:
    pending = Pending(store.give, rows_max=2)
    pending.put(Table.EVENTS, {b"kept": b""})
    for number in range(10):
        pending.put(Table.ITEMS, {b"%d" % number: b""})
        pending.settle(Table.ITEMS)
    assert {table for table, _ in store.given} == {Table.ITEMS}


def test_more_than_may_be_kept_back_goes_on_behind_what_is_kept_of_its_table(store: Store) -> None:
    pending = Pending(store.give, rows_max=2)
    pending.put(Table.EVENTS, {b"a": b"old"})
    pending.put(Table.EVENTS, {b"c": b"", b"b": b"", b"a": b"new"})
    assert store.given == [
        (Table.EVENTS, [(b"a", b"old")]),
        (Table.EVENTS, [(b"a", b"new"), (b"b", b""), (b"c", b"")]),
    ]
    pending.settle_all()
    assert len(store.given) == 2
