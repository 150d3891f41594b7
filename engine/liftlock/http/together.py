"""What comes up while others of its kind are done, done together next.

A thread for each small write spends more time on waiting for the interpreter than on the write:
eight of them make half as many uploads a second as one that takes whatever is there. It takes that
itself, without a word from the event loop, so that it never waits for one that is busy.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Q = TypeVar("Q")
R = TypeVar("R")

_Asked = list[tuple[Q, asyncio.Future[R]]]


class Together(Generic[Q, R]):
    """A thread that answers asks, many with one call. Belongs to the event loop that made it."""

    def __init__(
        self, call: Callable[[Sequence[Q]], Sequence[R | Exception]], name: str, most: int
    ) -> None:
        """Start the thread; `close` ends it.

        Args:
            call: answers many asks, or says for each what is wrong with it.
            name: the thread's.
            most: so many asks a call has.
        """
        self._call = call
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._coming_up: _Asked[Q, R] = []
        self._asked: SimpleQueue[_Asked[Q, R]] = SimpleQueue()
        # A daemon: who ends without `close` is not kept from it, and loses what a crash would.
        self._thread = threading.Thread(target=self._answer_all, name=name, daemon=True)
        self._thread.start()

    async def ask(self, question: Q) -> R:
        """Have `question` answered. Who stops waiting does not withdraw it."""
        answer: asyncio.Future[R] = self._loop.create_future()
        if not self._coming_up:
            # After this turn of the loop, which may bring more.
            self._loop.call_soon(self._hand_over)
        self._coming_up.append((question, answer))
        return await answer

    def close(self) -> None:
        """Wait until all is answered that was asked; nothing may be asked any more."""
        self._asked.put([])
        self._thread.join()

    def _hand_over(self) -> None:
        asked, self._coming_up = self._coming_up, []
        self._asked.put(asked)

    def _answer_all(self) -> None:
        while asked := self._asked.get():
            with suppress(Empty):
                while len(asked) < self._most:
                    more = self._asked.get_nowait()
                    if not more:  # the end, which comes again after these
                        self._asked.put(more)
                        break
                    asked += more
            for begin in range(0, len(asked), self._most):
                self._answer(asked[begin : begin + self._most])

    def _answer(self, asked: _Asked[Q, R]) -> None:
        answers: Sequence[R | BaseException]
        try:
            answers = self._call([question for question, _ in asked])
        except BaseException as error:  # noqa: BLE001 - told to each of them; the thread goes on
            answers = [error] * len(asked)
        self._loop.call_soon_threadsafe(_deliver, asked, answers)


def _deliver(asked: _Asked[Q, R], answers: Sequence[R | BaseException]) -> None:
    for (_, waiting), answer in zip(asked, answers, strict=True):
        settle(waiting, answer)


def settle(waiting: asyncio.Future[R], answer: R | BaseException) -> None:
    """Give an answer, or what went wrong instead, to who has not stopped waiting for it."""
    if waiting.cancelled():
        return
    if isinstance(answer, BaseException):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)
