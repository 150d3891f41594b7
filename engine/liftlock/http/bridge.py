"""The only crossing between the event loop and the engine.

The engine is synchronous. A read of a few records takes microseconds and is done in the loop
itself, by calling the engine; whatever may block (hashing, files, waiting for a commit, long
lists) crosses here into one of two bounded pools. They are two, so that a stalled disk under
the writers does not stop downloads.

A pool's queue needs no limit of its own: a connection has one request at a time and a request
one call, so that `HttpLimits.connections_max` bounds it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from typing import ParamSpec, TypeVar

from liftlock.engine import Engine
from liftlock.http.limits import HttpLimits

P = ParamSpec("P")
R = TypeVar("R")


class Bridge:
    """An engine, as the event loop may use it; one a worker."""

    def __init__(self, engine: Engine, limits: HttpLimits) -> None:
        self.engine = engine
        self.limits = limits
        self._writers = ThreadPoolExecutor(limits.write_threads, "liftlock-write")
        self._readers = ThreadPoolExecutor(limits.read_threads, "liftlock-read")

    async def write(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do what hashes, writes or commits; on return it is durable, or has raised."""
        return await self._run(self._writers, partial(call, *args, **kwargs))

    def start_write(
        self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[R]:
        """As `write`, at once and without waiting: whoever calls must await the future."""
        return self._run(self._writers, partial(call, *args, **kwargs))

    async def submit(
        self, call: Callable[P, concurrent.futures.Future[R]], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do what the engine queues for its next commit; as `write`, and holds no thread.

        What is queued is never withdrawn: who stops waiting has only stopped waiting.
        """
        return await asyncio.wrap_future(call(*args, **kwargs))

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
        held = await self.write(context.__enter__)
        try:
            yield held
        except BaseException as error:
            await self.write(context.__exit__, type(error), error, error.__traceback__)
            raise
        await self.write(context.__exit__, None, None, None)

    def close(self) -> None:
        """Wait for what runs, then close the engine. The loop must have no request any more."""
        self._readers.shutdown()
        self._writers.shutdown()
        self.engine.close()

    def _run(self, pool: ThreadPoolExecutor, call: Callable[[], R]) -> asyncio.Future[R]:
        return asyncio.get_running_loop().run_in_executor(pool, call)
