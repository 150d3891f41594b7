"""A worker's line to the promoter: calls go in at one end, and come out as promotions.

It is first in, first out, so nothing needs a number. What comes up in one turn of the event loop
goes over in one frame, whether or not the promoter has answered what was before: it takes all that
has come up since it looked last.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from contextlib import suppress
from typing import Final, Self

from liftlock.engine import PromotionCall
from liftlock.http.frames import Frames, frame_of_calls, outcomes_in
from liftlock.model import Promotion

log = logging.getLogger("liftlock.http")

_ONE: Final = b"\0"
"""What a descriptor is sent with: there must be something."""


class LineLost(Exception):
    """The promoter is gone; what it was asked for may be done or not."""


class Line(asyncio.Protocol):
    """A worker's end. Belongs to one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._frames = Frames()
        self._coming_up: list[PromotionCall] = []
        self._waiting: deque[asyncio.Future[Promotion]] = deque()

    @classmethod
    async def over(cls, connection: socket.socket) -> Self:
        """Make a line of a connection that `connected_with` has made."""
        loop = asyncio.get_running_loop()
        _, line = await loop.create_unix_connection(cls, sock=connection)
        return line

    @property
    def is_open(self) -> bool:
        """Whether somebody is there to be asked, as far as is known."""
        return self._transport is not None

    async def promote(self, call: PromotionCall) -> Promotion:
        """Do a small promotion; on return it is durable. See `Engine.promote_each`.

        Who stops waiting does not withdraw it.

        Raises:
            LineLost: the promoter is gone. To do it again, by other means, is right: done twice, a
                promotion changes nothing the second time.
            LiftlockError: as `Engine.promote_all`.
        """
        if self._transport is None:
            raise LineLost
        if not self._coming_up:
            # After this turn of the loop, which may bring more.
            self._loop.call_soon(self._hand_over)
        self._coming_up.append(call)
        outcome: asyncio.Future[Promotion] = self._loop.create_future()
        self._waiting.append(outcome)
        return await outcome

    def close(self) -> None:
        """Hang up; harmless when repeated. Nobody may be waiting."""
        if self._transport is not None:
            transport, self._transport = self._transport, None
            transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; asyncio calls it."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take in outcomes; asyncio calls it."""
        for frame in self._frames.fed(data):
            for outcome in outcomes_in(frame):
                waiting = self._waiting.popleft()
                if waiting.cancelled():
                    continue
                if isinstance(outcome, Exception):
                    waiting.set_exception(outcome)
                else:
                    waiting.set_result(outcome)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits that nobody answers any more; asyncio calls it."""
        del exc
        if self._transport is not None:
            log.warning("the promoter is gone: until it is replaced, this worker does without")
        self._transport = None
        self._coming_up.clear()
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.cancelled():
                waiting.set_exception(LineLost())

    def _hand_over(self) -> None:
        calls, self._coming_up = self._coming_up, []
        if self._transport is not None:
            self._transport.write(frame_of_calls(calls))


def connected_with(end: socket.socket) -> socket.socket:
    """Return a connection to the promoter that has the far end of `end`.

    If that is gone, nobody will be found at the connection's far end.
    """
    near, far = socket.socketpair()
    with far, suppress(OSError):
        socket.send_fds(end, [_ONE], [far.fileno()])
    return near
