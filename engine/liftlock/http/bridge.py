"""The only crossing between the event loop and the engine.

The engine is synchronous. A read of a few records takes microseconds and is done in the loop
itself, by calling the engine; whatever may block (hashing, files, waiting for a commit, long
lists) crosses here into one of three bounded pools: for reads, for writes, and for small writes
that are done many at a time. So a stalled disk under the writers does not stop downloads. Small
promotions go to the promoter, where there is one.

A pool's queue needs no limit of its own: a connection has one request at a time and a request
one call, so that `HttpLimits.connections_max` bounds it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from functools import partial
from typing import Any, ParamSpec, TypeVar

from liftlock.engine import Engine, LastChunk, PromotionCall
from liftlock.http.limits import HttpLimits
from liftlock.http.line import Line
from liftlock.http.stalls import Stalls
from liftlock.http.together import Together
from liftlock.model import BlobContent, Promotion

P = ParamSpec("P")
R = TypeVar("R")


class _Steadfast(asyncio.Future[R]):
    """What a thread is doing. Who is cancelled hears of it when the thread is done.

    Sooner, files would be closed that the thread still writes to, and their descriptors be other
    files' by then.
    """

    def cancel(self, msg: object = None) -> bool:
        """Refuse, which puts the caller's cancellation off."""
        del msg
        return False


class Bridge:
    """An engine, as the event loop may use it; one a worker."""

    def __init__(self, engine: Engine, limits: HttpLimits, line: Line | None = None) -> None:
        """Take over an engine, and a line to a promoter if there is one; in the loop to be used."""
        self.engine = engine
        self.limits = limits
        self.stalls = Stalls(limits.idle_seconds)
        self._loop = asyncio.get_running_loop()
        self._settled: deque[Callable[[], None]] = deque()
        self._is_woken = False
        self._writers = ThreadPoolExecutor(limits.write_threads, "liftlock-write")
        most = limits.together_max
        self._brief: Together[Callable[[], Any], Any] = Together(_each, "liftlock-brief", most)
        self._promoting: Line | Together[PromotionCall, Promotion] = line or Together(
            engine.promote_each, "liftlock-promote", most
        )
        self._finishing: Together[LastChunk, BlobContent] = Together(
            engine.finish_uploads, "liftlock-finish", most
        )
        self._bodies = 0
        self._readers = ThreadPoolExecutor(limits.read_threads, "liftlock-read")

    async def write(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do what hashes, writes or commits; on return it is durable, or has raised."""
        return await self._run(self._writers, partial(call, *args, **kwargs))

    async def brief(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As `write`, for what writes little and does not wait for a commit."""
        result: R = await self._brief.ask(partial(call, *args, **kwargs))
        return result

    async def finish_upload(self, chunk: LastChunk) -> BlobContent:
        """End a small upload; on return its blob is durable. See `Engine.finish_uploads`."""
        return await self._finishing.ask(chunk)

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Count a body whose pieces cross, for `piece_bytes`."""
        self._bodies += 1
        try:
            yield
        finally:
            self._bodies -= 1

    @property
    def piece_bytes(self) -> int:
        """How many bytes of a body cross at a time, by how many bodies there are."""
        return self.limits.piece_bytes(max(1, self._bodies))

    def start_write(
        self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[R]:
        """As `write`, at once and without waiting: whoever calls must await the future."""
        return self._run(self._writers, partial(call, *args, **kwargs))

    async def promote(self, call: PromotionCall) -> Promotion:
        """Do a small promotion; on return it is durable. See `Engine.promote_each`."""
        return await self._promoting.ask(call)

    def give_way(self) -> None:
        """Let what is computed for a commit be computed first.

        The thread that does it gives up the interpreter at each look-up, and a loop that is busy
        with something else would take it for longer each time than a look-up lasts
        (docs/decisions/0014).
        """
        self.engine.give_way(self.limits.give_way_seconds)

    async def block(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do what reads files or many records."""
        return await self._run(self._readers, partial(call, *args, **kwargs))

    def start(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]:
        """As `block`, at once and without waiting: whoever calls must await the future."""
        return self._run(self._readers, partial(call, *args, **kwargs))

    async def list(
        self, records: int | None, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Read a page of at most `records` (None: the engine's most), inline if it is short."""
        if records is not None and records <= self.limits.inline_records_max:
            return call(*args, **kwargs)
        return await self.block(call, *args, **kwargs)

    @asynccontextmanager
    async def holding(self, context: AbstractContextManager[R]) -> AsyncIterator[R]:
        """Enter and leave a blocking context manager in threads (not always the same one)."""
        entering = self.start_write(context.__enter__)
        try:
            yield await entering
        except BaseException as error:
            if entering.exception() is None:
                await self.write(context.__exit__, type(error), error, error.__traceback__)
            raise
        await self.write(context.__exit__, None, None, None)

    def close(self) -> None:
        """Wait for what runs, then close the engine. The loop must have no request any more."""
        for asked in (self._brief, self._promoting, self._finishing):
            asked.close()
        for pool in (self._readers, self._writers):
            pool.shutdown()
        self.engine.close()

    def _settle(self, waiting: asyncio.Future[R], done: concurrent.futures.Future[R]) -> None:
        """Bring `done` into the loop, from whichever thread has done it.

        A commit does many at once. Waking the loop for each, as `asyncio.wrap_future` does, cost a
        seventh of a promotion: a system call, and the GIL with it.
        """
        self._settled.append(partial(_hand_over, done, waiting))
        if not self._is_woken:
            self._is_woken = True
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        # First, so that whoever comes while the last one is delivered wakes the loop again.
        self._is_woken = False
        while self._settled:
            self._settled.popleft()()

    def _run(self, pool: ThreadPoolExecutor, call: Callable[[], R]) -> asyncio.Future[R]:
        waiting: _Steadfast[R] = _Steadfast(loop=self._loop)
        pool.submit(call).add_done_callback(partial(self._settle, waiting))
        return waiting


def _each(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do one after the other; an error of one is its own."""
    return [_outcome(call) for call in calls]


def _outcome(call: Callable[[], Any]) -> Any:  # noqa: ANN401 - each has its own
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - its own caller's, who is told
        return error


def _hand_over(done: concurrent.futures.Future[R], waiting: asyncio.Future[R]) -> None:
    if waiting.cancelled():
        return
    error = done.exception()
    if error is None:
        waiting.set_result(done.result())
    else:
        waiting.set_exception(error)
