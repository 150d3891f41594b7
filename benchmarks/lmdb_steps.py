"""What an engine asks of LMDB, written down call by call where py-lmdb is called.

    with recorded() as transactions:
        engine = liftlock.open(root)     # whatever it opens now is watched
        ...

Each transaction becomes a `Recorded`: its gets, puts, deletes and cursor steps in their order. How
a store arrives at its calls does not matter, only what reaches LMDB. The watchers know the calls
that the store makes today and no other: a call, a keyword or a way of opening that is new raises
here, so that a recording can be wrong only loudly (`promotions.py` also compares what a replay
leaves with what the engine left).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import lmdb

Row = tuple[bytes, bytes]
Step = list[Any]  # Any: an operation's name, a table or the number of a cursor, and its arguments


class Recorded(NamedTuple):
    """One transaction."""

    is_write: bool
    steps: list[Step]


@contextmanager
def recorded() -> Iterator[list[Recorded]]:
    """Watch every environment that is opened within; yield the list that transactions come to.

    Transactions without a step (an engine's look at an empty queue, or one that opens tables)
    are left out at the end.
    """
    transactions: list[Recorded] = []
    really_open = lmdb.open

    def watched_open(path: str, **options: Any) -> Any:
        return _Environment(really_open(path, **options), transactions)

    lmdb.open = watched_open  # type: ignore[assignment]
    try:
        yield transactions
    finally:
        lmdb.open = really_open  # type: ignore[assignment]
        transactions[:] = [each for each in transactions if each.steps]


class _Environment:
    def __init__(self, env: Any, transactions: list[Recorded]) -> None:
        self._env = env
        self._transactions = transactions
        self._names: dict[int, str] = {}

    def open_db(self, name: bytes, *, txn: _Transaction, create: bool) -> Any:
        handle = self._env.open_db(name, txn=txn.txn, create=create)
        self._names[id(handle)] = name.decode()
        return handle

    def begin(self, *, write: bool = False) -> _Transaction:
        recorded = Recorded(write, [])
        self._transactions.append(recorded)
        return _Transaction(self._env.begin(write=write), self._names, recorded.steps)

    def reader_check(self) -> int:
        return int(self._env.reader_check())

    def close(self) -> None:
        self._env.close()


class _Transaction:
    def __init__(self, txn: Any, names: dict[int, str], steps: list[Step]) -> None:
        self.txn = txn
        self._names = names
        self._steps = steps
        self._cursors = 0

    def __enter__(self) -> Self:
        self.txn.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.txn.__exit__(*error)

    def get(self, key: bytes, default: None = None, db: Any = None) -> bytes | None:
        self._steps.append(["get", self._names[id(db)], key])
        value: bytes | None = self.txn.get(key, default, db)
        return value

    def put(self, key: bytes, value: bytes, *, db: Any) -> bool:
        self._steps.append(["put", self._names[id(db)], key, value])
        return bool(self.txn.put(key, value, db=db))

    def delete(self, key: bytes, *, db: Any) -> bool:
        self._steps.append(["delete", self._names[id(db)], key])
        return bool(self.txn.delete(key, db=db))

    def cursor(self, db: Any) -> _Cursor:
        number, self._cursors = self._cursors, self._cursors + 1
        self._steps.append(["cursor", self._names[id(db)], number])
        return _Cursor(self.txn.cursor(db), number, self._steps)

    def id(self) -> int:
        return int(self.txn.id())

    def commit(self) -> None:
        self.txn.commit()

    def abort(self) -> None:
        self.txn.abort()


class _Cursor:
    def __init__(self, cursor: Any, number: int, steps: list[Step]) -> None:
        self._cursor = cursor
        self._number = number
        self._steps = steps

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._steps.append(["close", self._number])
        self._cursor.close()

    def set_range(self, key: bytes) -> bool:
        self._steps.append(["set_range", self._number, key])
        return bool(self._cursor.set_range(key))

    def first(self) -> bool:
        return bool(self._moved("first"))

    def last(self) -> bool:
        return bool(self._moved("last"))

    def next(self) -> bool:
        return bool(self._moved("next"))

    def prev(self) -> bool:
        return bool(self._moved("prev"))

    def item(self) -> Row:
        row: Row = self._moved("item")
        return row

    def key(self) -> bytes:
        key: bytes = self._moved("key")
        return key

    def value(self) -> bytes:
        value: bytes = self._moved("value")
        return value

    def _moved(self, name: str) -> Any:
        self._steps.append([name, self._number])
        return getattr(self._cursor, name)()

    def iternext(self, *, keys: bool, values: bool) -> Iterator[Row]:
        return self._counted("iternext", keys=keys, values=values)

    def iterprev(self, *, keys: bool, values: bool) -> Iterator[Row]:
        return self._counted("iterprev", keys=keys, values=values)

    def _counted(self, name: str, *, keys: bool, values: bool) -> Iterator[Row]:
        assert keys, "a watched iteration yields rows"
        assert values, "a watched iteration yields rows"
        step = [name, self._number, 0]
        self._steps.append(step)
        for row in getattr(self._cursor, name)(keys=True, values=True):
            step[2] += 1
            yield row

    def putmulti(self, rows: Iterable[Row], *, append: bool = False) -> tuple[int, int]:
        rows = list(rows)
        self._steps.append(["putmulti", self._number, rows, append])
        given, written = self._cursor.putmulti(rows, append=append)
        return given, written
