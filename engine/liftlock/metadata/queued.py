"""An operation that waits for its turn at committing, and what became of it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar, cast

from liftlock.metadata.contract import Joint, WriteTxn
from liftlock.metadata.gcpause import COLLECTOR_PAUSE

T = TypeVar("T")


def seal_nothing(txn: WriteTxn) -> None:
    """Add nothing to a commit: for stores without a history."""
    del txn


def as_it_is(error: BaseException) -> BaseException:
    """Leave an error as it is."""
    return error


class OpenTxn(WriteTxn, Protocol):
    """A write transaction that can be ended."""

    @property
    def is_committed(self) -> bool:
        """Whether `commit` has taken effect, even if it was interrupted on its way back."""
        ...

    def commit(self) -> None:
        """Make all of it visible and durable."""
        ...

    def abort(self) -> None:
        """Make nothing of it so. Harmless when repeated, and after a failed commit."""
        ...


class Queued(Generic[T]):
    """An operation on its way, and what became of it."""

    __slots__ = ("_future", "_translate", "error", "is_decided", "joint", "operation", "value")

    def __init__(
        self,
        operation: Callable[[WriteTxn], T],
        translate: Callable[[BaseException], BaseException],
        future: Future[T] | None = None,
    ) -> None:
        self.operation = operation
        self._translate = translate
        self._future = future
        self.joint = type(operation) if hasattr(operation, "together") else None
        """The class of operations that it can be run together with."""
        self.value: T | None = None
        self.error: BaseException | None = None
        self.is_decided = False
        """Whether its transaction has ended: from then on the result can be had."""

    def run(self, txn: OpenTxn) -> bool:
        """Run it; False if it raised with something written, which must not be committed."""
        written = txn.writes
        self.value, self.error = None, None
        try:
            self.value = self.operation(txn)
        except BaseException as error:
            if _is_interrupt(error):
                raise
            self.error = error
            return txn.writes == written
        return True

    def run_together(self, txn: OpenTxn, group: Sequence[Queued[Any]]) -> bool:
        """Run a group of which this is the first; False if each must be run alone."""
        try:
            joint = cast(Joint, self.operation)
            with COLLECTOR_PAUSE:
                answers = joint.together(txn, [queued.operation for queued in group])
        except BaseException as error:
            if _is_interrupt(error):
                raise
            return False
        for queued, answer in zip(group, answers, strict=True):
            queued.value, queued.error = answer, None
            if isinstance(answer, Exception):
                queued.value, queued.error = None, answer
        return True

    def fail(self, error: Exception) -> None:
        """Decide that it did not happen."""
        self.error = error
        self.is_decided = True

    def answer(self) -> None:
        """Resolve the future, if somebody has one."""
        if self._future is None:
            return
        try:
            self._future.set_result(self.result())
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            self._future.set_exception(error)

    def result(self) -> T:
        """Return what the operation returned, or raise what became of it instead."""
        if self.error is not None:
            error = self._translate(self.error)
            if error is self.error:
                raise error
            raise error from self.error
        return self.value  # type: ignore[return-value] # set by run, whatever T is

    def outcome(self) -> T | Exception:
        """Return what the operation returned, or what became of it instead."""
        try:
            return self.result()
        except Exception as error:  # noqa: BLE001 - it is the caller's
            return error


def withdraw(some: Sequence[Queued[T]], queue: deque[Queued[Any]]) -> bool:
    """Take from `queue` what is in it; False if one is neither there nor decided."""
    are_all = True
    for queued in some:
        try:
            queue.remove(queued)
        except ValueError:
            are_all = are_all and queued.is_decided
    return are_all


def _is_interrupt(error: BaseException) -> bool:
    """Tell an interrupt of this thread (Ctrl-C) from what the operation itself raised."""
    return (
        isinstance(error, KeyboardInterrupt)
        and threading.current_thread() is threading.main_thread()
    )
