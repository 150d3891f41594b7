"""A file on its way to a client, past the event loop: read and written in threads.

A thread waits for the disk, and for a client only a moment, while no other file waits for a thread:
what the socket does not take by then is sent when the event loop sees that it takes more. So a slow
disk does not hold the loop, and slow readers, however many, hold no thread.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from liftlock.config import KIB, MIB

# What a thread has just read is still in the processor's cache when it is sent, and on the same
# machine when it is received: a third faster than `sendfile`, which hands over cold pages.
_PIECE_BYTES: Final = 256 * KIB
_SLICE_BYTES: Final = 8 * MIB
"""What is sent before another file gets its turn."""
_ROOM_MS: Final = 2
"""How long a thread waits for a client."""


def read_cached(path: str, size: int) -> bytearray | None:
    """Return the `size` bytes of a file, or None if the kernel would have to get them from disk."""
    content = bytearray(size)
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            got = os.preadv(file, [content], 0, os.RWF_NOWAIT)
        finally:
            os.close(file)
    except OSError:  # cold, or a file system that cannot tell; or gone, which is told elsewhere
        return None
    return content if got == size else None


class FileThreads:
    """A few threads that send files; belongs to the event loop."""

    def __init__(self, threads: int) -> None:
        """Prepare; threads are started when they are needed."""
        self._pool = ThreadPoolExecutor(threads, "liftlock-file")
        self._waiting: deque[Sending] = deque()
        """As long as the pool's queue. Which thread takes which of them is the pool's to say: two
        that both look here may be interrupted in between."""
        self._own = threading.local()

    def send_some(self, sending: Sending) -> Future[bool]:
        """Have a thread go on with a file; see `Sending.send_some`."""
        self._waiting.append(sending)
        return self._pool.submit(self._send, sending)

    @property
    def are_wanted(self) -> bool:
        """Whether a file waits for a thread."""
        return bool(self._waiting)

    def _send(self, sending: Sending) -> bool:
        self._waiting.popleft()
        if not hasattr(self._own, "buffer"):
            self._own.buffer = memoryview(bytearray(_PIECE_BYTES))
        return sending.send_some(self._own.buffer)


class Sending:
    """One file, from its beginning; used once, in the event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, threads: FileThreads, path: str, size: int
    ) -> None:
        """Prepare to send `size` bytes of the file at `path`."""
        self._loop = loop
        self._threads = threads
        self._path = path
        self._size = size
        self._sent = 0
        self._file = -1
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
        self._socket = socket.socket(fileno=os.dup(connection))
        self._socket.setblocking(False)  # noqa: FBT003 - the standard library's
        self._go_on()
        return await self._over

    def stop(self) -> None:
        """Give up, soon: the client is gone."""
        self._is_stopped = True
        if self._waits_for_room:
            self._has_room()

    def send_some(self, buffer: memoryview) -> bool:
        """Send until the socket is full, which is told, or it is another's turn. In a thread."""
        if self._file < 0:
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        until = min(self._size, self._sent + _SLICE_BYTES)
        while self._sent < until and not self._is_stopped:
            size = os.preadv(self._file, [buffer[: until - self._sent]], self._sent)
            if not size:
                raise OSError(f"{self._path} has {self._sent} bytes, not {self._size}")
            if not self._send(buffer[:size]):
                return True
        return False

    def _send(self, piece: memoryview) -> bool:
        """Send a piece; tell whether all of it could be."""
        at = 0
        while at < len(piece):
            try:
                sent = self._socket.send(piece[at:])
            except BlockingIOError:
                if self._threads.are_wanted or not self._gets_room():
                    return False
                continue
            except OSError:  # whatever it is, the client gets no more
                self._is_stopped = True
                break
            at += sent
            self._sent += sent
        return True

    def _gets_room(self) -> bool:
        room = select.poll()
        room.register(self._socket, select.POLLOUT)
        return bool(room.poll(_ROOM_MS))

    def _go_on(self) -> None:
        self._threads.send_some(self).add_done_callback(self._report)

    def _report(self, done: Future[bool]) -> None:
        self._loop.call_soon_threadsafe(self._judge, done)

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
        self._socket.close()
        if self._file >= 0:
            os.close(self._file)
        if self._over.cancelled():
            return
        if error is None:
            self._over.set_result(self._sent == self._size)
        else:
            self._over.set_exception(error)
