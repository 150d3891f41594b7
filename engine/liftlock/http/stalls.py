"""Who is waited for too long hears of it: one timer for all that a worker waits for.

A timer for each would cost more than reading a small body does, most of which are there at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

T = TypeVar("T")

_LOOKS: Final = 16
"""How often a wait of the usual length is looked at; it ends so much late."""


class Stalled(Exception):
    """It did not come in time."""


class _Wait:
    def __init__(self, task: asyncio.Task[Any], deadline: float) -> None:
        self.task = task
        self.cancelled_before = task.cancelling()
        self.deadline = deadline
        self.is_over = False


class Stalls:
    """The waits of one event loop."""

    def __init__(self, seconds: float) -> None:
        """Wait, as a rule, for so many seconds."""
        self._pause = seconds / _LOOKS
        self._waits: set[_Wait] = set()
        self._is_due = False

    async def within(self, coming: Awaitable[T], deadline: float) -> T:
        """Wait for `coming` until `deadline`, by the loop's clock.

        Raises:
            Stalled: that came first; `coming` is cancelled then.
        """
        task = asyncio.current_task()
        assert task is not None
        wait = _Wait(task, deadline)
        self._waits.add(wait)
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(self._pause, self._look)
        try:
            return await coming
        except asyncio.CancelledError as cancelled:
            # Unless somebody else has cancelled it as well.
            if wait.is_over and task.uncancel() <= wait.cancelled_before:
                raise Stalled from cancelled
            raise
        finally:
            self._waits.discard(wait)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for wait in self._waits:
            if wait.deadline <= now and not wait.is_over:
                wait.is_over = True
                wait.task.cancel()
        self._is_due = bool(self._waits)
        if self._is_due:
            loop.call_later(self._pause, self._look)
