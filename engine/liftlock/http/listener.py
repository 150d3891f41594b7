"""Connections are accepted while there are not too many; the kernel keeps the others waiting."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

log = logging.getLogger("liftlock.http")

_AT_ONCE: Final = 64
"""How many are accepted before the loop does something else."""
_PAUSE_SECONDS: Final = 1.0


class Listener:
    """Accepts at one socket, in the event loop. Like a server of asyncio, it can be closed."""

    def __init__(
        self,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        connect: Callable[[], asyncio.Protocol],
        most: int,
    ) -> None:
        """Accept up to `most` connections at a time. Whoever knows of an end calls `lost`."""
        sock.setblocking(False)  # noqa: FBT003 - the standard library's
        self._sock = sock
        self._loop = loop
        self._connect = connect
        self._most = most
        self._open = 0
        self._is_accepting = False
        self._is_resting = False
        self._connecting: set[asyncio.Task[object]] = set()

    def accept(self) -> None:
        """Begin, or go on."""
        if not self._is_accepting and self._sock.fileno() >= 0:
            self._is_accepting = True
            self._loop.add_reader(self._sock, self._take)

    def pause(self) -> None:
        """Leave those who come to the kernel."""
        if self._is_accepting:
            self._is_accepting = False
            self._loop.remove_reader(self._sock)

    def lost(self) -> None:
        """Note the end of a connection."""
        self._open -= 1
        self.accept()

    def close(self) -> None:
        """Accept no more."""
        self.pause()
        self._sock.close()

    async def wait_closed(self) -> None:
        """Return when every connection that was accepted has its protocol."""
        if self._connecting:
            await asyncio.wait(self._connecting)

    def _take(self) -> None:
        for _ in range(_AT_ONCE):
            if self._open >= self._most:
                self.pause()
                return
            try:
                one, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptors, or no memory
                self._rest(error)
                return
            self._open += 1
            self._begin(one)

    def _rest(self, error: OSError) -> None:
        """Accept none for a while, but in the place of one that ends."""
        self.pause()
        if not self._is_resting:
            self._is_resting = True
            log.warning("no connection is accepted for %g s: %s", _PAUSE_SECONDS, error)
            self._loop.call_later(_PAUSE_SECONDS, self._end_rest)

    def _end_rest(self) -> None:
        self._is_resting = False
        self.accept()

    def _begin(self, one: socket.socket) -> None:
        one.setblocking(False)  # noqa: FBT003 - the standard library's
        task: asyncio.Task[object] = self._loop.create_task(
            self._loop.connect_accepted_socket(self._connect, one)
        )
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
