"""HTTP/1.1 on one connection: uvicorn's protocol, within our limits.

The parser (llhttp) is strict: what is no HTTP, or what two readers could take for two different
requests, it refuses. It has no bounds; those are here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from liftlock.http.exchange import Exchange, Message
from liftlock.http.limits import HttpLimits

_VERSIONS: Final = frozenset({"1.0", "1.1"})
_EXTENSIONS: Final[dict[str, dict[str, Any]]] = {"http.response.pathsend": {}}
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_BAD_REQUEST: Final = 400
_REQUEST_TIMEOUT: Final = 408
_HEADERS_TOO_LARGE: Final = 431
_LINGER_SECONDS: Final = 2.0
"""How long what a refused client still sends is taken and dropped."""


class Surroundings(NamedTuple):
    """What the connections of a worker have in common."""

    limits: HttpLimits
    files: Executor
    """Threads that send files."""
    lost: Callable[[], None]
    """Called at the end of each connection."""


class _Refused(Exception):
    """The parser's callbacks refuse a request."""

    def __init__(self, status: int = _BAD_REQUEST) -> None:
        super().__init__(status)
        self.status = status


class Connection(HttpToolsProtocol):
    """One client's connection."""

    cycle: Exchange
    """The request whose header came last."""
    scope: Message  # type: ignore[assignment]  # uvicorn's scopes are of its own type

    def __init__(
        self,
        config: Config,
        state: ServerState,
        loop: asyncio.AbstractEventLoop,
        surroundings: Surroundings,
    ) -> None:
        """Serve `config.app`, in `loop`."""
        super().__init__(config, state, {}, loop)
        self.limits, self.files, self._lost = surroundings
        self.idle_since = loop.time()
        """When the last answer was sent, or the connection was made; see `is_idle`."""
        self._exchanges: deque[Exchange] = deque()
        """What is answered now, and behind it what was sent before its answer."""
        self._timer: asyncio.TimerHandle | None = None
        self._unfinished = 0
        self._is_in_head = False
        self._is_over = False
        self._framing = b""

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way; one whose header is not complete is none."""
        return not self._exchanges

    # --- what the event loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever answers that the client is gone."""
        del exc
        self.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        for exchange in self._exchanges:
            exchange.leave()
        self.flow.resume_writing()
        self.parser = None  # type: ignore[assignment]  # it and this hold each other
        self._lost()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Note that the client sends no more; tell whether it still gets an answer."""
        if not self.is_idle:
            self._end_with_this()
        return not self.is_idle

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._is_over:
            return
        # Counted until a head ends, or a piece of a body comes: a header, a trailer or a chunk's
        # extension could else go on for ever.
        self._unfinished += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause.status if isinstance(cause, _Refused) else _BAD_REQUEST)
        else:
            if self._unfinished > self.limits.receive_bytes:
                self._refuse(_HEADERS_TOO_LARGE)

    # --- what the parser calls

    def on_message_begin(self) -> None:
        """Begin a header."""
        if len(self._exchanges) > self.limits.pipelined_max:
            raise _Refused
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._is_in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a field; but none of those that follow a body in chunks."""
        if not self._is_in_head:
            return
        if len(self.headers) >= self.limits.header_fields_max:
            raise _Refused(_HEADERS_TOO_LARGE)
        name = name.lower()
        if name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"
        elif name == b"transfer-encoding" and value.lower() != b"chunked":
            raise _Refused
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Begin an exchange, at once or after those before it."""
        self._is_in_head = False
        self._unfinished = 0
        parser = self.parser
        version = parser.get_http_version()
        if version not in _VERSIONS:
            raise _Refused
        is_current = version == "1.1"
        exchange = Exchange(
            self,
            self._read_scope(version),
            keep_alive=is_current and parser.should_keep_alive(),
            is_awaited=is_current and self.expect_100_continue,
        )
        if parser.should_upgrade():
            self._note_framing(exchange)
        self.cycle = exchange
        self._exchanges.append(exchange)
        if len(self._exchanges) == 1:
            self._start_asgi_task(exchange, self.app)
        else:
            self.flow.pause_reading()

    def on_body(self, body: bytes) -> None:
        """Take in a piece of a body, unless it was answered already."""
        self._unfinished = 0
        exchange = self.cycle
        if not exchange.response_complete:
            exchange.take(body)
            if exchange.held_bytes > self.limits.receive_bytes:
                self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """Note the end of a request."""
        if not self._framing:
            self.cycle.end()

    # --- what exchanges and the server call

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it; or close, after the last."""
        self.server_state.total_requests += 1
        done = self._exchanges.popleft()
        if not done.keep_alive:
            self._close()
            return
        self.flow.resume_reading()
        if self._exchanges:
            self._start_asgi_task(self._exchanges[0], self.app)
        else:
            self.idle_since = self.loop.time()

    def shutdown(self) -> None:
        """Answer what is under way, and close then."""
        if self.is_idle:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    # --- ends

    def _watch(self) -> None:
        """Close if a header takes too long. One timer, that is hardly ever set anew."""
        now, seconds = self.loop.time(), self.limits.header_seconds
        # While there are bytes to be sent, the client is busy with them.
        is_waiting = self.is_idle and not self.transport.get_write_buffer_size()
        due = (self.idle_since if is_waiting else now) + seconds
        if due > now:
            self._timer = self.loop.call_at(due, self._watch)
        elif self._unfinished:
            self._refuse(_REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _refuse(self, status: int) -> None:
        """Take no more of what the client sends, and say so if that is an answer to something."""
        if not self.is_idle:
            self._end_with_this()
        elif self.cycle is not None and self.cycle.more_body:
            self.transport.close()  # its request has its answer
        else:
            ending = b"content-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + ending)
            self._close()

    def _end_with_this(self) -> None:
        """Answer what has come so far, and close then; the last body may have to end early."""
        self._is_over = True
        self.cycle.keep_alive = False
        if self.cycle.more_body:
            self.cycle.break_off()

    def _close(self) -> None:
        """Close, when all is sent that was written."""
        is_sending = self._is_over or self.cycle is None or self.cycle.more_body
        self._is_over = True
        if not is_sending:
            self.transport.close()
            return
        # If a socket is closed with bytes unread, the kernel drops what its client has not taken.
        self.transport.write_eof()
        self.flow.resume_reading()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    # --- odd requests

    def _read_scope(self, version: str) -> Message:
        url = self.url
        if url.startswith(b"/") and b"#" not in url:
            raw_path, _, query = url.partition(b"?")
        else:
            parsed = httptools.parse_url(url)
            raw_path, query = parsed.path or b"/", parsed.query or b""
        path = raw_path.decode("ascii")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": version,
            "method": self.parser.get_method().decode("ascii"),
            "scheme": self.scheme,
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self.headers,
            "client": self.client,
            "server": self.server,
            "extensions": _EXTENSIONS,
        }

    def _note_framing(self, exchange: Exchange) -> None:
        """Keep what says how long a body is, of a request that asks for an upgrade.

        No upgrade is made; but the parser takes such a request to end with its header.
        """
        fields = [field for field in self.headers if field[0] in _FRAMING]
        if fields and fields != [(b"content-length", b"0")]:
            self._framing = b"".join(b"%s: %s\r\n" % field for field in fields)
            exchange.keep_alive = False

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        framing, self._framing = self._framing, b""
        if framing:
            self.parser = httptools.HttpRequestParser(_BodyOnly(self))
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            rest = b"POST / HTTP/1.1\r\nConnection: close\r\n%s\r\n%s" % (framing, rest)
        if rest:
            self.data_received(rest)


class _BodyOnly:
    """What a parser calls that is given a head of ours before a client's body."""

    def __init__(self, connection: Connection) -> None:
        self.on_body = connection.on_body
        self.on_message_complete = connection.on_message_complete
