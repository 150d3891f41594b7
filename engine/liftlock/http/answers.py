"""Answers as values, and the one place that puts them on the wire.

A handler returns an `Answer`; nothing is sent before it has decided. HEAD gets exactly what GET
would, without the body: the difference is made here, once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from liftlock.blobs.contract import Pieces
from liftlock.errors import BlobUnknown
from liftlock.http.bridge import Bridge
from liftlock.http.ranges import Span
from liftlock.model import BlobContent

Scope = MutableMapping[str, Any]  # Any: the ASGI specification's messages
Message = MutableMapping[str, Any]
Receive = Any  # an ASGI callable; its messages are as untyped
Send = Any

Header = tuple[bytes, bytes]
JSON: Final = b"application/json"

log = logging.getLogger("liftlock.http")

_PATHSEND: Final = "http.response.pathsend"
_BODILESS: Final = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class BlobBody:
    """A body that is a blob, or a part of it; read only while it is sent."""

    repository: str
    blob: BlobContent
    span: Span | None = None

    @property
    def length(self) -> int:
        """How many bytes will be sent."""
        return self.blob.size if self.span is None else self.span.stop - self.span.start


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: status, headers without Content-Length, and a body."""

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes | BlobBody = b""


def answer(
    status: int, headers: Iterable[tuple[bytes, str | bytes]] = (), body: bytes | BlobBody = b""
) -> Answer:
    """Make an answer; header values may be text."""
    encoded = (
        (name, value if isinstance(value, bytes) else value.encode("latin-1"))
        for name, value in headers
    )
    return Answer(status, tuple(encoded), body)


def json_answer(
    status: int, body: bytes, *, headers: Sequence[Header] = (), content_type: bytes = JSON
) -> Answer:
    """Make an answer of encoded JSON."""
    return Answer(status, ((b"content-type", content_type), *headers), body)


class Courier:
    """Sends one request's answer, and knows how far that went."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, common: Sequence[Header]
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._common = common
        self.started = False
        """Whether anything was sent: from then on no other answer can take its place."""

    async def deliver(self, reply: Answer, bridge: Bridge) -> None:
        """Send `reply`; to a HEAD, its headers only."""
        body = reply.body
        length = len(body) if isinstance(body, bytes) else body.length
        headers = [*self._common, *reply.headers]
        if reply.status not in _BODILESS:
            headers.append((b"content-length", b"%d" % length))
        head = {"type": "http.response.start", "status": reply.status, "headers": headers}
        if self._scope["method"] == "HEAD" or length == 0:
            await self._send_whole(head, {"type": "http.response.body", "body": b""})
        elif isinstance(body, bytes):
            await self._send_whole(head, {"type": "http.response.body", "body": body})
        elif (path := self._path(body, bridge)) is not None:
            await self._send_whole(head, {"type": _PATHSEND, "path": path})
        else:
            span = body.span or Span(0, body.blob.size)
            # Opened before the status is out: a file that is gone can still be answered as such.
            try:
                pieces = await bridge.block(
                    bridge.engine.read_blob, body.blob, span.start, span.stop
                )
            except FileNotFoundError as error:
                raise BlobUnknown(body.repository, str(body.blob.digest)) from error
            await self._stream(head, pieces, bridge)

    async def _send_whole(self, head: Message, body: Message) -> None:
        self.started = True
        await self._send(head)
        await self._send(body)

    def _path(self, body: BlobBody, bridge: Bridge) -> str | None:
        """Return the file that the server can send by itself.

        That is several times as fast as sending pieces from Python, and holds no thread.
        """
        if body.span is not None or _PATHSEND not in self._scope.get("extensions", ()):
            return None
        return bridge.engine.blob_path(body.blob)

    async def _stream(self, head: Message, pieces: Pieces, bridge: Bridge) -> None:
        """Send pieces, reading ahead; stop when the client leaves or takes nothing.

        Ending early leaves the body shorter than its Content-Length, which makes the server
        close the connection: the client cannot take it for whole.
        """
        limits = bridge.limits
        # A crossing costs more than reading a piece, so that each brings several.
        several = max(1, limits.range_crossing_bytes // limits.range_piece_bytes)
        gone = asyncio.ensure_future(self._left())
        ahead = bridge.start(_take, pieces, several)
        self.started = True
        try:
            await self._send(head)
            while (taken := await ahead) and not gone.done():
                ahead = bridge.start(_take, pieces, several)
                for piece in taken:
                    async with asyncio.timeout(limits.idle_seconds):
                        await self._send(
                            {"type": "http.response.body", "body": piece, "more_body": True}
                        )
            if not gone.done():
                await self._send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            log.info("a client took nothing for %s s and was dropped", limits.idle_seconds)
        finally:
            gone.cancel()
            await asyncio.wait([ahead])
            await bridge.block(pieces.close)

    async def _left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _take(pieces: Pieces, most: int) -> list[bytes]:
    return list(islice(pieces, most))
