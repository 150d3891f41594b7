"""What comes up while others of its kind are done, done together next.

A thread for each small write spends more time on waiting for the interpreter than on the write:
eight of them make half as many uploads a second as one that takes whatever is there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

Q = TypeVar("Q")
R = TypeVar("R")


class Together(Generic[Q, R]):
    """Asks are answered by calls with many of them; some calls run at once, each in a thread."""

    def __init__(
        self,
        call: Callable[[Sequence[Q]], Sequence[R | Exception]],
        pool: ThreadPoolExecutor,
        *,
        calls: int,
        most: int,
    ) -> None:
        """Use it in the running loop only.

        Args:
            call: answers many asks, or says for each what is wrong with it.
            pool: whose threads call.
            calls: so many run at once.
            most: so many asks a call has.
        """
        self._call = call
        self._pool = pool
        self._calls_left = calls
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Q, asyncio.Future[R]]] = deque()
        self._is_due = False

    async def ask(self, question: Q) -> R:
        """Have `question` answered. Who stops waiting does not withdraw it."""
        answer: asyncio.Future[R] = self._loop.create_future()
        self._waiting.append((question, answer))
        if not self._is_due and self._calls_left:
            # After this turn of the loop, which may bring more.
            self._is_due = True
            self._loop.call_soon(self._begin)
        return await answer

    def _begin(self) -> None:
        self._is_due = False
        while self._waiting and self._calls_left:
            most = min(self._most, -(-len(self._waiting) // self._calls_left))
            taken = [self._waiting.popleft() for _ in range(most)]
            self._calls_left -= 1
            questions = [question for question, _ in taken]
            called = self._loop.run_in_executor(self._pool, self._call, questions)
            called.add_done_callback(partial(self._end, taken))

    def _end(
        self,
        taken: Sequence[tuple[Q, asyncio.Future[R]]],
        done: asyncio.Future[Sequence[R | Exception]],
    ) -> None:
        self._calls_left += 1
        error = done.exception()
        answers = [error] * len(taken) if error is not None else done.result()
        for (_, waiting), answer in zip(taken, answers, strict=True):
            if waiting.cancelled():
                continue
            if isinstance(answer, BaseException):
                waiting.set_exception(answer)
            else:
                waiting.set_result(answer)
        self._begin()
