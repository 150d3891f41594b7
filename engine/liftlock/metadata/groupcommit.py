"""Group commit: whoever comes while a commit is under way shares the next one.

There is no writer thread. A caller queues its operation and waits for its turn; the one who gets
it runs everything that is queued, its own included, in one transaction and one flush, and the
others find their answers when their turn comes. Alone, a caller pays for no hand-over; sixty-four
together pay for one flush. `submit` is for callers that must not wait (an event loop): a thread
takes turns for them.

Nothing is answered before the commit, refusals included: they may rest on a neighbour's write.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from time import monotonic
from typing import Any, TypeVar

from liftlock.config import Limits
from liftlock.metadata.contract import WriteTxn
from liftlock.metadata.queued import OpenTxn, Queued, as_it_is, withdraw
from liftlock.points import Reach, nowhere

T = TypeVar("T")


class GroupCommit:
    """Runs operations in shared transactions, in the order in which they came."""

    def __init__(
        self,
        begin: Callable[[], OpenTxn],
        before_commit: Callable[[WriteTxn], None],
        limits: Limits,
        reach: Reach = nowhere,
        translate: Callable[[BaseException], BaseException] = as_it_is,
    ) -> None:
        """Commit for a store.

        Args:
            begin: starts a write transaction.
            before_commit: adds what belongs to every commit.
            limits: when a batch is full.
            reach: told of each named point.
            translate: turns an error of the store's library into ours.
        """
        self._reach = reach
        self._translate = translate
        self._begin = begin
        self._before_commit = before_commit
        self._limits = limits
        self._queue: deque[Queued[Any]] = deque()  # Any: each has its own result
        self._turn = threading.Lock()
        self._wanted: SimpleQueue[None] = SimpleQueue()
        self._computed, self._is_flushing = threading.Event(), False
        self._computed.set()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._gate = threading.Lock()

    def write(self, operation: Callable[[WriteTxn], T]) -> T:
        """Run `operation`, and return or raise what it did once that is committed."""
        return self._decided([operation])[0].result()

    def write_all(self, operations: Sequence[Callable[[WriteTxn], T]]) -> list[T | Exception]:
        """Run `operations`, and return what each did, or raised, once all that is committed."""
        return [queued.outcome() for queued in self._decided(operations)] if operations else []

    def _decided(self, operations: Sequence[Callable[[WriteTxn], T]]) -> list[Queued[T]]:
        waiting = [Queued(operation, self._translate) for operation in operations]
        self._enqueue(waiting)
        try:
            with self._turn:
                while not all(queued.is_decided for queued in waiting):
                    self._commit_some()
        except BaseException:
            # Interrupted, its caller will not hear what became of it: it shall not happen later.
            if not withdraw(waiting, self._queue):
                with self._turn:  # another's batch has it: that decides it, or gives it back
                    withdraw(waiting, self._queue)
            raise
        return waiting

    def submit(self, operation: Callable[[WriteTxn], T]) -> Future[T]:
        """Queue `operation`; the future has what it did once that is committed."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # a queued operation is never withdrawn
        self._enqueue([Queued(operation, self._translate, future)])
        if not self._is_flushing:
            self._computed.clear()
        self._wanted.put(None)  # after it: whoever takes this says when it is computed
        if self._thread is None:
            self._start_thread()
        return future

    def give_way(self, seconds: float) -> None:
        """Wait, at most so long, until what is computed is being flushed.

        For an event loop: two threads that compute take the interpreter from each other at every
        call of LMDB, and each time the other one waits for a switch interval. For what takes longer
        than that, nobody waits once more.
        """
        if not (self._computed.is_set() or self._computed.wait(seconds)):
            self._computed.set()

    def close(self) -> None:
        """Commit what is queued; then refuse what comes."""
        with self._gate:
            self._closed = True
        with self._turn:
            while self._queue:
                self._commit_some()
        with self._starting:
            thread = self._thread
        if thread is not None:
            self._wanted.put(None)
            thread.join()

    def _enqueue(self, waiting: Sequence[Queued[Any]]) -> None:
        with self._gate:
            if self._closed:
                raise RuntimeError("the store is closed")
            self._queue.extend(waiting)

    def _start_thread(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(
                    target=self._take_turns, name="liftlock-commit", daemon=True
                )
                thread.start()
                self._thread = thread

    def _take_turns(self) -> None:
        while not self._closed:
            self._wanted.get()
            while self._queue:
                with self._turn:
                    if self._queue:
                        self._commit_some()
            self._computed.set()

    def _commit_some(self) -> None:
        """Run a batch from the head of the queue, and answer what is decided by it.

        An interrupt may come at any point: what it leaves undecided goes back to where it was.
        """
        batch: list[Queued[Any]] = []
        self._computed.clear()
        try:
            if not self._run_together(batch):
                for queued in batch:
                    if not queued.is_decided:
                        self._run_alone(queued)
        finally:
            self._computed.set()
            self._queue.extendleft(queued for queued in reversed(batch) if not queued.is_decided)
            for queued in batch:
                if queued.is_decided:
                    queued.answer()

    def _run_together(self, batch: list[Queued[Any]]) -> bool:
        """Fill `batch` and run it in one transaction; False if each must run alone instead."""
        batch.append(self._queue.popleft())
        try:
            txn = self._begin()
        except Exception as error:  # noqa: BLE001 - it is everyone's who waits
            # Whoever is queued has waited as long as this one: the next try is for who comes next.
            while self._queue:
                batch.append(self._queue.popleft())
            for queued in batch:
                queued.fail(error)
            return True
        has_ended = False
        try:
            if not self._fill(batch, txn):
                return False
            if txn.writes:
                self._commit(txn)
            has_ended = True
        except Exception:  # noqa: BLE001 - comes again, and out, when each runs alone
            return False
        finally:
            if has_ended or txn.is_committed:
                for queued in batch:
                    queued.is_decided = True
            txn.abort()
        return True

    def _fill(self, batch: list[Queued[Any]], txn: OpenTxn) -> bool:
        """Run one operation after the other; False if one raised with something written."""
        limits, queue = self._limits, self._queue
        close_at = monotonic() + limits.batch_ms_max / 1000
        while self._run_next(batch, txn):
            if (
                not queue
                or len(batch) >= limits.batch_operations_max
                or txn.writes >= limits.batch_records_max
                or monotonic() >= close_at
            ):
                return True
            batch.append(queue.popleft())
        return False

    def _run_next(self, batch: list[Queued[Any]], txn: OpenTxn) -> bool:
        """Run the last of the batch, with those that follow in the queue and can join it."""
        first, queue = batch[-1], self._queue
        if first.joint is None:
            return first.run(txn)
        group = [first]
        most = self._limits.batch_operations_max - len(batch) + 1
        while queue and len(group) < most and queue[0].joint is first.joint:
            group.append(queue.popleft())
            batch.append(group[-1])
        if len(group) == 1:
            return first.run(txn)
        return first.run_together(txn, group)

    def _run_alone(self, queued: Queued[Any]) -> None:
        try:
            txn = self._begin()
        except Exception as error:  # noqa: BLE001 - it is the caller's
            queued.fail(error)
            return
        try:
            has_run = queued.run(txn)
            if has_run and queued.error is None and txn.writes:
                self._commit(txn)
            queued.is_decided = True
        except Exception as error:  # noqa: BLE001 - it is the caller's
            queued.fail(error)
        finally:
            queued.is_decided = queued.is_decided or txn.is_committed
            txn.abort()

    def _commit(self, txn: OpenTxn) -> None:
        self._reach("commit: operations have written")
        self._before_commit(txn)
        self._reach("commit: sealed")
        self._is_flushing = True
        self._computed.set()
        try:
            txn.commit()
        finally:
            self._is_flushing = False
        self._reach("commit: durable")
