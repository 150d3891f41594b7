"""The metadata store on LMDB, and the one home of py-lmdb.

What LMDB forbids or punishes is kept here (numbers L…: see docs/decisions and docs/operations):
one environment a process, opened after a fork and refused in a child (L8, L9); every table opened
once, at start (L27); a write transaction begins and ends in one thread (L11); bytes, never
buffers, leave a transaction (L26); full sync, no writemap (L20, L21); the 0.9 format (L1).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import lmdb

from liftlock.config import Limits
from liftlock.errors import FormatUnknown, StoreBusy, StoreDamaged, StoreFull
from liftlock.metadata.contract import Instant, ReadTxn, Table, WriteTxn
from liftlock.metadata.groupcommit import GroupCommit
from liftlock.metadata.lmdbread import LmdbReadTxn
from liftlock.metadata.lmdbwrite import LmdbWriteTxn
from liftlock.metadata.queued import seal_nothing
from liftlock.metadata.writerturn import WriterTurn
from liftlock.points import Reach, nowhere

T = TypeVar("T")

_TURN_FILE: Final = "writer.lock"
FILE_FORMAT: Final = "lmdb-0.9"
_OPEN_TRIES: Final = 5
_SPARE_TABLES: Final = 16
_COMMITS_BETWEEN_READER_CHECKS: Final = 1000
_NEARLY_FULL_BYTES: Final = 1024 * 1024
_REMEMBERED_MAX: Final = 1000
"""So many names are remembered of one snapshot; somebody may ask for ever new ones."""


class LmdbMetadataStore:
    """One LMDB environment with all our tables, written by group commit."""

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], Instant],
        before_commit: Callable[[WriteTxn], None] = seal_nothing,
        limits: Limits = Limits(),
        reach: Reach = nowhere,
        *,
        create: bool = True,
    ) -> None:
        """Open the environment in `folder`, which exists; make the tables that are missing.

        Raises:
            StoreDamaged: the file is gone, and `create` is false: an empty one in its place would
                make every blob an orphan.
                Or pages of it are damaged.
            FormatUnknown: the file is not one that LMDB 0.9 reads.
            StoreBusy: this process has it open already, or it cannot be opened right now.
        """
        self._folder = folder
        self._clock = clock
        self._pid = os.getpid()
        # Looked at, not opened: closing a file of LMDB's would drop its locks (L10).
        file = folder / "data.mdb"
        if not create and not (file.exists() and file.stat().st_size):
            raise StoreDamaged(str(folder.parent), "its metadata (metadata/data.mdb)")
        self._turn = WriterTurn(folder / _TURN_FILE, limits.writer_wait_ms_max)
        try:
            self._env = _open(folder, limits)
        except BaseException:
            self._turn.close()
            raise
        try:
            # Dead processes may have left slots in the reader table; they pin old pages (L5).
            self._env.reader_check()
            with self._turn, self._env.begin(write=True) as txn:
                self._tables = {
                    table: self._env.open_db(table.encode(), txn=txn, create=True)
                    for table in Table
                }
        except BaseException as error:
            self._env.close()
            self._turn.close()
            raise self._translated(error) from error
        self._begun = 0
        self._memo: tuple[int, dict[Hashable, Any]] = 0, {}
        self._group = GroupCommit(self._begin, before_commit, limits, reach, self._translated)

    def read(self, operation: Callable[[ReadTxn], T]) -> T:
        """Run `operation` on a snapshot; see `MetadataStore.read`."""
        self._refuse_after_fork()
        try:
            with self._env.begin() as txn:
                return operation(LmdbReadTxn(txn, self._tables, self._memo_of(txn.id())))
        except lmdb.Error as error:
            raise self._translated(error) from error

    def write(self, operation: Callable[[WriteTxn], T]) -> T:
        """Run `operation` and wait for its commit; see `MetadataStore.write`."""
        self._refuse_after_fork()
        return self._group.write(operation)

    def write_all(self, operations: Sequence[Callable[[WriteTxn], T]]) -> list[T | Exception]:
        """Run `operations` and wait for their commit; see `MetadataStore.write_all`."""
        self._refuse_after_fork()
        return self._group.write_all(operations)

    def submit(self, operation: Callable[[WriteTxn], T]) -> Future[T]:
        """Queue `operation`; see `MetadataStore.submit`."""
        self._refuse_after_fork()
        return self._group.submit(operation)

    def give_way(self, seconds: float) -> None:
        """Wait for what is being computed; see `MetadataStore.give_way`."""
        self._group.give_way(seconds)

    def close(self) -> None:
        """Finish what is queued, then let go."""
        self._group.close()
        self._env.close()
        self._turn.close()

    def _memo_of(self, snapshot: int) -> dict[Hashable, Any]:
        """Return what is remembered of a snapshot: who reads the same one looks nothing up twice.

        Threads share it. LMDB numbers commits, whichever process makes them, so a number is one
        snapshot; and a writer begins with the one before its own.
        """
        of, memo = self._memo
        if of != snapshot or len(memo) >= _REMEMBERED_MAX:
            memo = {}
            self._memo = snapshot, memo
        return memo

    def _remember(self, snapshot: int, memo: dict[Hashable, Any]) -> None:
        self._memo = snapshot, memo

    def _begin(self) -> LmdbWriteTxn:
        # A dead reader pins the pages that it saw, and each commit leaves more of them (L5).
        self._begun += 1
        if self._begun % _COMMITS_BETWEEN_READER_CHECKS == 0:
            self._env.reader_check()
        try:
            self._turn.take()
            txn = self._env.begin(write=True)
            try:
                number = txn.id()
                memo = self._memo_of(number - 1).copy()
                remember = partial(self._remember, number)
                ended = self._turn.give_up
                return LmdbWriteTxn(txn, self._tables, memo, self._clock(), remember, ended)
            except BaseException:
                txn.abort()
                raise
        except BaseException:
            self._turn.give_up()
            raise

    def _refuse_after_fork(self) -> None:
        if os.getpid() != self._pid:
            raise RuntimeError("the store was opened before a fork: open it in the child instead")

    def _translated(self, error: BaseException) -> BaseException:
        if not isinstance(error, lmdb.Error):
            return error
        if isinstance(error, lmdb.MapFullError | lmdb.TxnFullError):
            return StoreFull("metadata (the map's limit is reached)")
        if isinstance(error, lmdb.CorruptedError | lmdb.PageNotFoundError):
            return StoreDamaged(str(self._folder.parent), f"a part of its metadata ({error})")
        if isinstance(error, lmdb.ReadersFullError):
            return StoreBusy("too many readers are open (readers_max)")
        if isinstance(error, lmdb.DiskError) or type(error) is lmdb.Error:
            # On a full disk the commit's write comes back short, and LMDB says EIO for it (L20).
            space = os.statvfs(self._folder)
            if space.f_bavail * space.f_frsize < _NEARLY_FULL_BYTES:
                return StoreFull("metadata (the disk is full)")
        return error


def _open(folder: Path, limits: Limits) -> lmdb.Environment:
    for attempt in range(1, _OPEN_TRIES + 1):
        try:
            return lmdb.open(
                str(folder),
                map_size=limits.map_bytes,
                max_dbs=len(Table) + _SPARE_TABLES,
                max_readers=limits.readers_max,
                max_spare_txns=8,
                lib_version=0,
            )
        except (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError) as error:
            raise FormatUnknown(
                str(folder), f"has metadata that LMDB refuses ({error})", FILE_FORMAT
            ) from error
        except lmdb.Error as error:
            # Another process may be opening or closing it at this very instant (L30).
            if attempt == _OPEN_TRIES or "already open" in str(error):
                raise StoreBusy(f"LMDB does not open it ({error})") from error
            time.sleep(random.uniform(0.01, 0.05) * attempt)  # noqa: S311 - jitter, no secret
    raise AssertionError
