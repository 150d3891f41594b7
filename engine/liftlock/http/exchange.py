"""One request and its answer on a connection: what ASGI calls `receive` and `send`.

In place of uvicorn's own: the head leaves together with the first bytes of the body, in one system
call; what was received before a client vanished is handed out before its leaving is; and a whole
file goes out by itself (`http.response.pathsend`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from liftlock.config import KIB
from liftlock.http.sending import Sending, read_cached

if TYPE_CHECKING:
    from liftlock.http.reading import Reader

Message = MutableMapping[str, Any]  # Any: the ASGI specification's messages

_JOINED_BYTES: Final = 64 * KIB
"""A body of up to so many bytes is copied behind its head; a longer one is written beside it. A
file of so many is read in the event loop, if that need not wait for the disk."""
_PIECE_OVERHEAD: Final = 64
"""What a piece of a body takes beside its bytes: a body may come in chunks of one byte."""
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange(RequestResponseCycle):
    """A request whose header is complete, until its answer is."""

    def __init__(  # the attributes of uvicorn's own are these, and no others are used
        self, connection: Reader, scope: Message, *, keep_alive: bool, is_awaited: bool
    ) -> None:
        """Begin an exchange.

        Args:
            connection: where it came in.
            scope: ASGI's.
            keep_alive: whether another may follow on the connection.
            is_awaited: whether the client sends no body before it was asked to.
        """
        self.scope = scope  # type: ignore[assignment]  # uvicorn's scopes are of its own type
        self.connection = connection
        self.transport = connection.transport
        self.flow = connection.flow
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = is_awaited
        self.more_body = True
        self.held_bytes = 0
        """What of the body was received and not yet handed out, about."""
        self.is_broken = False
        """Whether the rest of the body cannot come any more; an answer may still go out."""
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self._pieces: list[bytes] = []
        self._is_end_told = False
        self._waiting: asyncio.Future[None] | None = None
        self._sending: Sending | None = None
        self._head: bytes | None = None
        self._left = 0

    async def run_asgi(self, app: Callable[..., Awaitable[None]]) -> None:
        """Have `app` answer. Where it does not do so to the end, the connection ends."""
        try:
            await app(self.scope, self.receive, self.send)
        except Exception:
            self.connection.logger.exception("the application failed")
        finally:
            if not self.response_complete and not self.disconnected:
                self.transport.abort()

    # --- the request's body

    def take(self, piece: bytes) -> None:
        """Take in a piece of the body."""
        self.waiting_for_100_continue = False  # who sends already does not wait
        self._pieces.append(piece)
        self.held_bytes += len(piece) + _PIECE_OVERHEAD
        self.wake()

    def end(self) -> None:
        """Note that the body is complete."""
        self.more_body = False
        self.wake()

    def break_off(self) -> None:
        """Note that no more of the body can come. It may be answered, but nothing follows."""
        self.is_broken = True
        self.keep_alive = False
        self.wake()

    def leave(self) -> None:
        """Note that the client is gone."""
        self.disconnected = True
        self.wake()
        if self._sending is not None:
            self._sending.stop()

    def wake(self) -> None:
        """Have `receive` look again."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def receive(self) -> Message:  # type: ignore[override]
        """Return what came of the body, in one piece; or that no more will come."""
        while not self.response_complete:
            if self._pieces or not (self.more_body or self._is_end_told):
                return self._hand_out()
            if self.disconnected or self.is_broken:
                break
            if self.waiting_for_100_continue:
                self.waiting_for_100_continue = False
                self.transport.write(_CONTINUE)
            self._waiting = self.connection.loop.create_future()
            await self._waiting
        return {"type": "http.disconnect"}

    def _hand_out(self) -> Message:
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.held_bytes = 0
        if self.more_body:
            self.flow.resume_reading()
        else:
            self._is_end_told = True
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    # --- the answer

    async def send(self, message: Message) -> None:  # type: ignore[override]
        """Send a part of the answer; return when the connection can take the next one.

        To a client that is gone nothing is sent. The head waits for the first part of the body.
        """
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self._begin(message["status"], message.get("headers", ()))
        elif message["type"] == "http.response.pathsend":
            await self._send_file(message["path"])
        else:
            self._send_piece(message.get("body", b""), more=message.get("more_body", False))

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        lines = [STATUS_LINE[status]]
        says_close = False
        for name, value in (*self.connection.server_state.default_headers, *headers):
            if name == b"content-length":
                self._left = int(value)
            elif name == b"connection":
                self.keep_alive, says_close = False, True  # `close` is all that is said here
            lines.append(b"%s: %s\r\n" % (name, value))
        if not (self.keep_alive or says_close):
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != head.count(b"\r") or head.count(b"\n") != len(lines):
            raise ValueError("a header of an answer has a line end in it")
        if self.scope["method"] == "HEAD":
            self._left = 0
        self._head = head

    def _send_piece(self, body: bytes | bytearray, *, more: bool) -> None:
        if len(body) > self._left:
            raise ValueError("a body is longer than its Content-Length")
        self._left -= len(body)
        head, self._head = self._head, None
        if head is None:
            self.transport.write(body)
        elif len(body) <= _JOINED_BYTES:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))
        if not more:
            self._end()

    async def _send_file(self, path: str) -> None:
        """Send the file at `path`, beside the loop.

        Raises:
            OSError: it cannot be read, or is shorter than was said. The connection ends.
        """
        if self._left <= _JOINED_BYTES and (content := read_cached(path, self._left)) is not None:
            self._send_piece(content, more=False)
            return
        transport = self.transport
        assert self._head is not None
        # Whatever is written to the socket from now on goes past the transport's own buffer.
        transport.set_write_buffer_limits(0)
        transport.write(self._head)
        self._head = None
        if self.flow.write_paused:
            await self.flow.drain()
        transport.set_write_buffer_limits()
        if self.disconnected:
            return
        descriptor = transport.get_extra_info("socket").fileno()
        self._sending = Sending(self.connection.loop, self.connection.files, path, self._left)
        try:
            if not await self._sending.over(descriptor):
                transport.abort()
                return
        finally:
            self._sending = None
        self._left = 0
        self._end()

    def _end(self) -> None:
        if self._left:
            raise ValueError("a body is shorter than its Content-Length")
        self.response_complete = True
        self._pieces.clear()
        self.wake()
        self.connection.on_response_complete()
