"""A worker's line to the promoter: calls go in at one end, and come out as promotions.

It is first in, first out, so nothing needs a number. What comes up in one turn of the event loop
goes over in one frame, whether or not the promoter has answered what was before: it takes all that
has come up since it looked last.

Workers leave the far ends of their lines in a mailbox, where the promoter finds them. So a worker
whose promoter is lost makes a new line for its next call, which waits there for the next promoter.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, Self

from liftlock.engine import PromotionCall
from liftlock.errors import OutcomeUnknown, StoreBusy
from liftlock.http.frames import Frames, frame_of_calls, outcomes_in
from liftlock.http.together import settle
from liftlock.model import Promotion

log = logging.getLogger("liftlock.http")

_ONE: Final = b"\0"
"""What a descriptor is sent with: there must be something."""


class Mailbox(NamedTuple):
    """Where workers leave their lines for the promoter, whoever that is at the time."""

    workers: socket.socket
    """The end into which lines are put."""
    promoter: socket.socket
    """The end at which they are found; at its end, when no worker is left that could put one in."""

    @classmethod
    def made(cls) -> Self:
        """Make one."""
        return cls(*socket.socketpair())

    def close(self) -> None:
        """Let go of both ends; others may have them still."""
        self.workers.close()
        self.promoter.close()


def put_line(workers: socket.socket) -> socket.socket:
    """Put a new line into a mailbox, and return its near end.

    Raises:
        BrokenPipeError: nobody is left who could find it.
        OSError: this process may have no more files open.
    """
    near, far = socket.socketpair()
    try:
        with far:
            socket.send_fds(workers, [_ONE], [far.fileno()])
    except BaseException:
        near.close()
        raise
    return near


def found_line(promoter: socket.socket) -> socket.socket | None:
    """Take the next line out of a mailbox, waiting for one; None if there will be no more.

    Raises:
        OSError: this process may have no more files open. That line is lost, and known to be.
    """
    received, descriptors, _, _ = socket.recv_fds(promoter, len(_ONE), 1)
    if received and not descriptors:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return socket.socket(fileno=descriptors[0]) if descriptors else None


class Line:
    """A worker's line, for as long as it lives. Belongs to one event loop."""

    def __init__(self, mailbox: socket.socket) -> None:
        """Take over the workers' end of a mailbox."""
        self._mailbox = mailbox
        self._connecting: asyncio.Task[_Wire] | None = None
        self._wire: _Wire | None = None

    async def ask(self, call: PromotionCall) -> Promotion:
        """Have a small promotion done; on return it is durable. See `Engine.promote_each`.

        Who stops waiting does not withdraw what was handed over. A call with an idempotency key
        survives the loss of a promoter: the next one is asked for its answer.

        Raises:
            OutcomeUnknown: the promoter was lost before it said what became of it.
            StoreBusy: no promoter will come any more.
            LiftlockError, RuntimeError: what became of it.
        """
        handed_over = 0
        while True:
            try:
                wire = self._wire or await self._connected()
            except StoreBusy as error:
                if handed_over:
                    raise OutcomeUnknown from error
                raise
            try:
                return await wire.promote(call)
            except _Lost as lost:
                if self._wire is wire:  # lost before it was known to be made
                    self._wire = None
                handed_over += lost.has_it
                # Not for ever: it may be what the promoter was lost by.
                if handed_over > (call.key is not None):
                    raise OutcomeUnknown from lost

    def close(self) -> None:
        """Hang up, and put no more lines into the mailbox. Nobody may be waiting."""
        self._mailbox.close()
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    async def _connected(self) -> _Wire:
        """Make a connection, unless somebody does already; none waits for another's patience."""
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._connect())
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> _Wire:
        try:
            loop = asyncio.get_running_loop()
            try:
                near = put_line(self._mailbox)
            except BrokenPipeError as error:
                raise StoreBusy("this server promotes no more, and is about to end") from error
            except OSError as error:
                raise StoreBusy(f"the process that promotes is out of reach ({error})") from error
            _, wire = await loop.create_unix_connection(lambda: _Wire(self._lose), sock=near)
            self._wire = wire
            return wire
        finally:
            self._connecting = None

    def _lose(self) -> None:
        log.warning("the promoter is gone; what comes up now is for the next one")
        self._wire = None


class _Lost(Exception):
    """The promoter is gone."""

    def __init__(self, *, has_it: bool) -> None:
        super().__init__()
        self.has_it = has_it
        """Whether the call was handed over: then it may be done or not."""


class _Wire(asyncio.Protocol):
    """One connection to one promoter."""

    def __init__(self, lost: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._lost: Callable[[], None] | None = lost
        self._frames = Frames()
        self._coming_up: list[tuple[PromotionCall, asyncio.Future[Promotion]]] = []
        self._waiting: deque[asyncio.Future[Promotion]] = deque()

    async def promote(self, call: PromotionCall) -> Promotion:
        if self._lost is None:
            raise _Lost(has_it=False)
        if not self._coming_up:
            # After this turn of the loop, which may bring more.
            self._loop.call_soon(self._hand_over)
        outcome: asyncio.Future[Promotion] = self._loop.create_future()
        self._coming_up.append((call, outcome))
        return await outcome

    def close(self) -> None:
        self._lost = None
        self._transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for frame in self._frames.fed(data):
            for outcome in outcomes_in(frame):
                settle(self._waiting.popleft(), outcome)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()
        while self._waiting:
            settle(self._waiting.popleft(), _Lost(has_it=True))

    def _hand_over(self) -> None:
        coming_up, self._coming_up = self._coming_up, []
        if self._lost is None:
            for _, outcome in coming_up:
                settle(outcome, _Lost(has_it=False))
            return
        try:
            frame = frame_of_calls([call for call, _ in coming_up])
        except Exception as error:  # noqa: BLE001 - theirs who wait
            for _, outcome in coming_up:
                settle(outcome, error)
            return
        self._waiting += [outcome for _, outcome in coming_up]
        self._transport.write(frame)
