"""A file on its way to a client, past the event loop: by `sendfile`, in threads.

A thread reads from the disk and never waits for a client: what the socket does not take at once is
sent when the event loop sees that it takes more. So readers that are slow, however many, hold no
thread, and a slow disk does not hold the loop.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import Executor, Future
from typing import Final

from liftlock.config import MIB

_SLICE_BYTES: Final = 8 * MIB
"""What is sent at a time, so that the next file in the queue gets its turn."""


class Sending:
    """One file, from its beginning; used once, in the event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, threads: Executor, path: str, size: int
    ) -> None:
        """Prepare to send `size` bytes of the file at `path`."""
        self._loop = loop
        self._threads = threads
        self._path = path
        self._size = size
        self._sent = 0
        self._file = self._socket = -1
        self._is_stopped = False
        self._waits_for_room = False
        self._over: asyncio.Future[bool] = loop.create_future()

    async def over(self, connection: int) -> bool:
        """Send it over the socket with this descriptor; tell whether it was taken.

        Nobody else may write to the socket meanwhile. It may be closed: this has its own.

        Raises:
            OSError: the file cannot be read, or has less than `size` bytes.
        """
        # The loop does not watch the descriptor of a transport of its own for anybody else.
        self._socket = os.dup(connection)
        self._go_on()
        return await self._over

    def stop(self) -> None:
        """Give up, soon: the client is gone."""
        self._is_stopped = True
        if self._waits_for_room:
            self._has_room()

    def _go_on(self) -> None:
        self._threads.submit(self._send_some).add_done_callback(self._report)

    def _report(self, done: Future[bool]) -> None:
        self._loop.call_soon_threadsafe(self._judge, done)

    def _send_some(self) -> bool:
        """Send until the socket is full, which is told, or it is another's turn. In a thread."""
        if self._file < 0:
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        until = min(self._size, self._sent + _SLICE_BYTES)
        while self._sent < until and not self._is_stopped:
            try:
                sent = os.sendfile(self._socket, self._file, self._sent, until - self._sent)
            except BlockingIOError:
                return True
            except (ConnectionError, TimeoutError):
                self._is_stopped = True
                break
            if not sent:
                raise OSError(f"{self._path} has {self._sent} bytes, not {self._size}")
            self._sent += sent
        return False

    def _judge(self, done: Future[bool]) -> None:
        error = done.exception()
        if error is not None or self._is_stopped or self._sent == self._size:
            self._end(error)
        elif done.result():
            self._waits_for_room = True
            self._loop.add_writer(self._socket, self._has_room)
        else:
            self._go_on()

    def _has_room(self) -> None:
        self._waits_for_room = False
        self._loop.remove_writer(self._socket)
        if self._is_stopped:
            self._end(None)
        else:
            self._go_on()

    def _end(self, error: BaseException | None) -> None:
        """Close what is open; not before, whoever else gave up: a thread may be at it."""
        for descriptor in (self._file, self._socket):
            if descriptor >= 0:
                os.close(descriptor)
        if self._over.cancelled():
            return
        if error is None:
            self._over.set_result(self._sent == self._size)
        else:
            self._over.set_exception(error)
