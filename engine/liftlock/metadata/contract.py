"""What a metadata store promises: ordered binary keys in a fixed list of tables, in transactions.

Small on purpose: LMDB, memory and whatever comes later do the same, and one suite of tests
(`liftlock.testing.metadata_contract`) holds them all to it.

Operations are functions over a transaction. They may be run more than once, or be rolled back
after they returned, so they do nothing but read and write the transaction. Nothing that a
transaction hands out is valid memory of the store: keys and values are `bytes` of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from enum import StrEnum
from typing import Any, Final, Protocol, TypeVar

from liftlock.metadata.counts import Counts

T = TypeVar("T")

Row = tuple[bytes, bytes]
Instant = int
"""Milliseconds since 1970-01-01 UTC."""


class Table(StrEnum):
    """The tables; keys and values of each are drawn in docs/format.md."""

    NAMES = "names"
    REGISTRIES = "registries"
    REPOSITORIES = "repositories"
    TAGS = "tags"
    LINKS = "links"
    HOLDERS = "holders"
    REFERRERS = "referrers"
    SPARSE = "sparse"
    MANIFESTS = "manifests"
    BLOBS = "blobs"
    SMALL = "small"
    ENDED = "ended"
    SECRETS = "secrets"
    EVENTS = "events"
    ITEMS = "items"
    TAG_HISTORY = "tag_history"
    REPOSITORY_HISTORY = "repository_history"
    NAMES_LOG = "names_log"
    REPOSITORY_LOG = "repository_log"
    PROMOTIONS = "promotions"
    IDEMPOTENCY = "idempotency"
    SEALS = "seals"
    DEAD = "dead"
    COUNTERS = "counters"
    META = "meta"


REMEMBERED: Final = frozenset({Table.NAMES, Table.REGISTRIES, Table.REPOSITORIES, Table.SECRETS})
"""Tables of which `ReadTxn.memo` may remember something."""


OF_A_REPOSITORY: Final = (
    Table.TAGS,
    Table.LINKS,
    Table.HOLDERS,
    Table.REFERRERS,
    Table.SPARSE,
)
"""What a repository has: copied with it, swept with it. Its history stays with its id."""


class Numbered(StrEnum):
    """What is numbered from 1 up; numbers may have gaps, and are never used twice."""

    OBJECT = "object"
    EVENT = "event"
    PROMOTION = "promotion"
    BLOB = "blob"


class ReadTxn(Protocol):
    """A snapshot: whatever is committed meanwhile, it shows the same."""

    @property
    def memo(self) -> dict[Hashable, Any]:  # Any: each key has its own
        """What operations have looked up of some tables (`REMEMBERED`) in this very state.

        Many operations share a write transaction, and many may read one snapshot, at once and one
        after the other; they look up the same names. What is in it is not changed, but replaced. A
        writer's is emptied by `put_many` and `delete_many` of such tables; who uses `put_all`
        sees to it.
        """
        ...

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Return the value at `key`, or None."""
        ...

    def get_many(self, table: Table, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value at each key, or None, in the order of `keys`."""
        ...

    def first_many(self, table: Table, prefixes: Sequence[bytes]) -> list[Row | None]:
        """Return the first row that begins with each prefix, or None, in their order."""
        ...

    def scan_many(
        self, table: Table, prefixes: Sequence[bytes], *, limit: int | None = None
    ) -> list[list[Row]]:
        """Return the rows that begin with each prefix (at most `limit` of each), ascending."""
        ...

    def scan(
        self,
        table: Table,
        prefix: bytes = b"",
        *,
        after: bytes | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """Stream the rows that begin with `prefix`, in byte order of their keys.

        With `after`, only those beyond it (exclusive) in the direction of the scan; it need not
        exist. Do not write to the table while the stream is open.
        """
        ...

    def count_rows(self, table: Table, prefix: bytes) -> int:
        """Count the rows that begin with `prefix`, one by one: as long as they are many."""
        ...

    def count(self, counter: bytes) -> Counts:
        """Return what `add` has added up to; zeros if nothing was added."""
        ...


class WriteTxn(ReadTxn, Protocol):
    """Reads its own writes. All of it becomes visible and durable at once, or nothing does."""

    @property
    def at(self) -> Instant:
        """The transaction's time: the clock's, but never before an earlier transaction's."""
        ...

    @property
    def writes(self) -> int:
        """Rows written or deleted so far, attempts that failed included."""
        ...

    def put_many(self, table: Table, rows: Iterable[Row]) -> None:
        """Set every row, replacing what was there."""
        ...

    def put_all(self, rows: Mapping[Table, dict[bytes, bytes]]) -> None:
        """Set every row of every table: `put_many` of each, at once."""
        ...

    def delete_many(self, table: Table, keys: Iterable[bytes]) -> None:
        """Remove the rows at `keys`; an absent one is not an error."""
        ...

    def copy_range(self, table: Table, source: bytes, target: bytes) -> int:
        """Copy every row under prefix `source` to prefix `target`; return how many.

        `target` has the length of `source`, and nothing in the table sorts after it.
        """
        ...

    def add(self, counter: bytes, delta: Counts) -> None:
        """Add to a counter. It neither reads nor conflicts, so any number may do it at once."""
        ...

    def next_id(self, sequence: Numbered) -> int:
        """Return a number of this sequence that was never returned by a committed transaction."""
        ...

    def has_numbered(self, sequence: Numbered) -> bool:
        """Tell whether `next_id` was asked for a number of this sequence, in vain or not."""
        ...


class Joint(Protocol):
    """An operation that costs less if it is run together with others of its class."""

    def __call__(self, txn: WriteTxn) -> object:
        """Run it by itself."""
        ...

    def together(self, txn: WriteTxn, operations: Sequence[Any]) -> list[object]:
        """Run several operations of this class, of which this is the first.

        Returns:
            For each what it would have returned, or the exception that it would have raised
            with nothing written. If this raises, nothing is kept, and each is run by itself.
        """
        ...


class MetadataStore(Protocol):
    """Runs operations in transactions."""

    def read(self, operation: Callable[[ReadTxn], T]) -> T:
        """Run `operation` on a snapshot of what is committed now."""
        ...

    def write(self, operation: Callable[[WriteTxn], T]) -> T:
        """Run `operation` and return its result once its writes are durable.

        It may share a commit with others that are waiting, and if it is a `Joint`, its run with
        those of its class. If it raises, nothing of it is kept,
        and the error comes out here, after that commit (it may rest on a neighbour's write).

        Raises:
            StoreFull: there is no room for the commit; nothing of `operation` was kept.
        """
        ...

    def write_all(self, operations: Sequence[Callable[[WriteTxn], T]]) -> list[T | Exception]:
        """`write` each of them, in this order and if they fit in one commit.

        An error of one is in its place in the list; it keeps no other from being written.
        """
        ...

    def submit(self, operation: Callable[[WriteTxn], T]) -> Future[T]:
        """Queue `operation` like `write`, without waiting. It cannot be withdrawn."""
        ...

    def give_way(self, seconds: float) -> None:
        """Wait, at most so long, until what is computed for a commit is being made durable."""
        ...

    def close(self) -> None:
        """Finish what is queued, then let go of everything."""
        ...
