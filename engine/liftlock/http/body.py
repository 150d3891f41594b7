"""Request bodies: read within limits, and never taken for complete unless they are.

A client may vanish, stall, or send less than it announced. The server reports a connection
that broke inside a body as a disconnect; whether the announced length was reached is compared
here all the same, since acting upon half a body is the one mistake that cannot be taken back.
"""

from __future__ import annotations

import asyncio
from typing import Final

from liftlock.config import KIB
from liftlock.errors import SizeInvalid
from liftlock.http.answers import Receive
from liftlock.http.errors import RequestRefused
from liftlock.http.limits import HttpLimits
from liftlock.http.stalls import Stalled, Stalls

_SMALL_BYTES: Final = 4 * KIB
"""Smaller chunks are joined: each by itself would hold more memory than its bytes."""


class BodyStalled(RequestRefused):
    """The client sent (nearly) nothing for `HttpLimits.idle_seconds`."""

    def __init__(self, seconds: float, progress: int) -> None:
        super().__init__(
            408,
            "SIZE_INVALID",
            f"The request body brought less than {progress} bytes in {seconds:g} s, so the server "
            "stopped waiting. An upload goes on from where its session stands.",
        )


class Body:
    """One request's body. `complete` becomes true only when all of it was received."""

    def __init__(
        self,
        receive: Receive,
        limits: HttpLimits,
        stalls: Stalls,
        *,
        length: int | None,
        waits: bool,
    ) -> None:
        """Take over the body.

        Args:
            receive: the ASGI callable.
            limits: how long and how much.
            stalls: where waits end.
            length: Content-Length; None if the body came in transfer chunks, or there is none.
            waits: whether the client sends no body before it was asked to (`100-continue`).
        """
        self.length = length
        self.received = 0
        self.complete = length == 0
        self._receive = receive
        self._limits = limits
        self._stalls = stalls
        self._waits = waits
        self._fault: Exception | None = None
        self._deadline = 0.0
        self._progress = 0

    @property
    def waits(self) -> bool:
        """Whether the client still waits to be asked for it."""
        return self._waits and not self.complete

    async def piece(self, most: int) -> list[bytes]:
        """Return the next bytes, at least `most` of them unless the body ends.

        They are as they came, but that small chunks are joined; [] when the body is complete.
        What came before a break is returned first; the call after that raises.

        Raises:
            SizeInvalid: the client vanished, or sent another length than it announced.
            BodyStalled: it is too slow.
        """
        if self._fault is not None:
            raise self._fault
        collected, small, size = [], bytearray(), 0
        self._restart()
        while size < most and not self.complete:
            try:
                chunk = await self._next()
            except (SizeInvalid, BodyStalled) as error:
                if not size:
                    raise
                self._fault = error
                break
            size += len(chunk)
            if len(chunk) < _SMALL_BYTES:
                small += chunk
                continue
            if small:
                collected.append(bytes(small))
                small.clear()
            collected.append(chunk)
        if small:
            collected.append(bytes(small))
        return collected

    async def read(self, most: int) -> bytes | None:
        """Return the whole body; None if it is longer than `most` bytes. Raises as `piece`."""
        if self.length is not None and self.length > most:
            return None
        collected = bytearray()
        self._restart()
        while not self.complete:
            collected += await self._next()
            if len(collected) > most:
                return None
        return bytes(collected)

    async def drain(self) -> bool:
        """Read and drop what is left of a refused body; tell whether the connection can go on.

        Without it the server closes the connection, and the client may lose the answer with it.
        """
        if self.complete:
            return True
        most = self._limits.drain_bytes_max
        left = most if self.length is None else self.length - self.received
        if self._waits or self._fault is not None or left > most:
            return False
        until = self.received + left
        self._restart()
        self._progress = until  # no progress gives it more time: nothing is won by what it brings
        try:
            while not self.complete and self.received <= until:
                await self._next()
        except (SizeInvalid, BodyStalled):
            return False
        return self.complete

    def _restart(self) -> None:
        self._deadline = asyncio.get_running_loop().time() + self._limits.idle_seconds
        self._progress = self.received

    async def _next(self) -> bytes:
        try:
            message = await self._stalls.within(self._receive(), self._deadline)
        except Stalled as error:
            self._fault = BodyStalled(self._limits.idle_seconds, self._limits.progress_bytes)
            raise self._fault from error
        self._waits = False
        if message["type"] != "http.request":
            self._fault = SizeInvalid(self._shortfall())
            raise self._fault
        chunk: bytes = message.get("body", b"")
        self.received += len(chunk)
        if self.received - self._progress >= self._limits.progress_bytes:
            self._restart()
        if not message.get("more_body", False):
            if self.length is not None and self.received != self.length:
                self._fault = SizeInvalid(self._shortfall())
                raise self._fault
            self.complete = True
        return chunk

    def _shortfall(self) -> str:
        if self.length is None:
            return f"the body broke off after {self.received} bytes"
        return f"the body ended after {self.received} of {self.length} announced bytes"
