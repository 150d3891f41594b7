"""Whatever is done in transactions, and asked in their midst: LMDB and memory say the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from liftlock.metadata.contract import MetadataStore, Table, WriteTxn
from liftlock.metadata.counts import Counts
from liftlock.metadata.lmdb import LmdbMetadataStore
from liftlock.metadata.memory import MemoryMetadataStore

TABLES = (Table.TAGS, Table.LINKS, Table.NAMES)
"""One whose rows a writer gives to LMDB at once, one whose rows it keeps back, one remembered."""
COPIED, COPY = b"a", b"\xfe"

Act = Callable[[WriteTxn], object]

tables = st.sampled_from(TABLES)
ends = st.sampled_from([b"", b"x", b"xx", b"\xff"])
keys = st.builds(lambda start, end: start + end, st.sampled_from([b"a", b"\xff"]), ends)
prefixes = st.sampled_from([b"", b"a", b"ax", b"\xff", b"\xff\xff", b"b"])
values = st.sampled_from([b"1", b"2", b""])
limits = st.none() | st.integers(0, 3)


def copy(txn: WriteTxn, table: Table) -> object:
    """Copy a range behind all that is there, as the contract wants it."""
    last = next(txn.scan(table, reverse=True, limit=1), None)
    return None if last and last[0] >= COPY else txn.copy_range(table, COPIED, COPY)


acts: st.SearchStrategy[Act] = st.one_of(
    st.builds(
        lambda table, rows: lambda txn: txn.put_many(table, rows),
        tables,
        st.lists(st.tuples(keys, values), max_size=6),
    ),
    st.builds(
        lambda rows: lambda txn: txn.put_all({table: dict(some) for table, some in rows.items()}),
        st.dictionaries(tables, st.dictionaries(keys, values, max_size=6), max_size=2),
    ),
    st.builds(
        lambda table, some: lambda txn: txn.delete_many(table, some),
        tables,
        st.lists(keys, max_size=3),
    ),
    st.builds(lambda table: lambda txn: copy(txn, table), tables),
    st.builds(
        lambda key, number: lambda txn: txn.add(key, Counts(tags=number)),
        keys,
        st.integers(-2, 2),
    ),
    st.builds(lambda key: lambda txn: txn.count(key), keys),
    st.builds(lambda table, key: lambda txn: txn.get(table, key), tables, keys),
    st.builds(
        lambda table, some: lambda txn: txn.get_many(table, some),
        tables,
        st.lists(keys, max_size=4),
    ),
    st.builds(
        lambda table, some: lambda txn: txn.first_many(table, some),
        tables,
        st.lists(prefixes, max_size=4),
    ),
    st.builds(
        lambda table, some, limit: lambda txn: txn.scan_many(table, some, limit=limit),
        tables,
        st.lists(prefixes, max_size=3),
        limits,
    ),
    st.builds(
        lambda table, prefix, after, reverse, limit: (
            lambda txn: list(txn.scan(table, prefix, after=after, reverse=reverse, limit=limit))
        ),
        tables,
        prefixes,
        st.none() | keys,
        st.booleans(),
        limits,
    ),
    st.builds(lambda table, prefix: lambda txn: txn.count_rows(table, prefix), tables, prefixes),
)
transactions = st.lists(
    st.tuples(st.lists(acts, min_size=2, max_size=12), st.sampled_from([True, True, True, False])),
    min_size=1,
    max_size=3,
)


class Refused(Exception):
    """What an operation raises at its end, with what it has heard."""


def told(store: MetadataStore, some: list[tuple[list[Act], bool]]) -> list[object]:
    """Run transactions, of which some raise; return all that they heard, and what is left."""
    with closing(store):
        return list(heard(store, some))


def heard(store: MetadataStore, some: list[tuple[list[Act], bool]]) -> Iterator[object]:
    for inside, commits in some:

        def run(txn: WriteTxn, inside: list[Act] = inside, *, commits: bool = commits) -> object:
            answers = [act(txn) for act in inside]
            if not commits:
                raise Refused(answers)
            return answers

        try:
            yield store.write(run)
        except Refused as refused:
            yield refused.args
        yield store.read(lambda txn: [list(txn.scan(table)) for table in TABLES])


@given(transactions)
def test_stores_agree(some: list[tuple[list[Act], bool]]) -> None:
    with tempfile.TemporaryDirectory(prefix="liftlock-") as folder:
        lmdb = told(LmdbMetadataStore(Path(folder), lambda: 5), some)
    assert lmdb == told(MemoryMetadataStore(lambda: 5), some)
