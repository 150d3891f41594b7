"""What a client sends on a connection, made into exchanges; within our limits.

The parser (llhttp) is strict: what is no HTTP, or what two readers could take for two different
requests, it refuses. It has no bounds; those are here.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import deque
from typing import Any, Final
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from liftlock.http.exchange import Exchange, Message
from liftlock.http.limits import HttpLimits
from liftlock.http.sending import FileThreads

_VERSIONS: Final = frozenset({"1.0", "1.1"})
_EXTENSIONS: Final[dict[str, dict[str, Any]]] = {"http.response.pathsend": {}}
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_BAD_REQUEST: Final = 400
_HEADERS_TOO_LARGE: Final = 431


class _Refused(Exception):
    """What the parser takes, and we do not."""

    def __init__(self, status: int = _BAD_REQUEST) -> None:
        super().__init__(status)
        self.status = status


class Reader(HttpToolsProtocol):
    """The half of a connection that reads."""

    cycle: Exchange
    """The request whose header came last."""
    scope: Message  # type: ignore[assignment]  # uvicorn's scopes are of its own type

    def __init__(
        self,
        config: Config,
        state: ServerState,
        loop: asyncio.AbstractEventLoop,
        limits: HttpLimits,
        files: FileThreads,
    ) -> None:
        """Serve `config.app`, in `loop`."""
        super().__init__(config, state, {}, loop)
        self.limits = limits
        self.files = files
        self.exchanges: deque[Exchange] = deque()
        """What is answered now, and behind it what was sent without waiting for that."""
        self.unfinished = 0
        """Bytes since the last complete header, or piece of a body."""
        self.is_over = False
        """Whether what the client still sends counts for nothing."""
        self.is_last = False
        """Whether no request may follow the next one."""
        self.is_in_head = False
        """Whether a header has begun, and is not complete."""
        self._framing = b""

    @abstractmethod
    def refuse(self, status: int) -> None:
        """Take no more of what the client sends."""

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self.is_over:
            return
        # A header, a trailer or a chunk's extension could else go on for ever.
        self.unfinished += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause.status if isinstance(cause, _Refused) else _BAD_REQUEST)
        else:
            if self.unfinished > self.limits.receive_bytes:
                self.refuse(_HEADERS_TOO_LARGE)

    # --- what the parser calls

    def on_message_begin(self) -> None:
        """Begin a header."""
        if len(self.exchanges) > self.limits.pipelined_max:
            raise _Refused
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self.is_in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a field; but none of those that follow a body in chunks."""
        if not self.is_in_head:
            return
        if len(self.headers) >= self.limits.header_fields_max:
            raise _Refused(_HEADERS_TOO_LARGE)
        name, value = name.lower(), value.rstrip(b" \t")  # RFC 9110, 5.5; the parser leaves those
        if name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"
        elif name == b"transfer-encoding" and value.lower() != b"chunked":
            raise _Refused
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Begin an exchange, at once or after those before it."""
        self.is_in_head = False
        self.unfinished = 0
        parser = self.parser
        version = parser.get_http_version()
        if version not in _VERSIONS:
            raise _Refused
        is_current = version == "1.1"
        exchange = Exchange(
            self,
            self._read_scope(version),
            keep_alive=is_current and not self.is_last and parser.should_keep_alive(),
            is_awaited=is_current and self.expect_100_continue,
        )
        if parser.should_upgrade():
            self._note_framing(exchange)
        self.cycle = exchange
        self.exchanges.append(exchange)
        if len(self.exchanges) == 1:
            self._start_asgi_task(exchange, self.app)
        else:
            self.flow.pause_reading()

    def on_body(self, body: bytes) -> None:
        """Take in a piece of a body, unless it was answered already."""
        self.unfinished = 0
        exchange = self.cycle
        if not exchange.response_complete:
            exchange.take(body)
            # Ahead of its use, as much may be held as crosses at a time.
            if exchange.held_bytes > self.limits.piece_bytes(len(self.connections)):
                self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """Note the end of a request."""
        if not self._framing:
            self.cycle.end()

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

    # --- requests for an upgrade: it is not made, but to the parser they end with their header

    def _note_framing(self, exchange: Exchange) -> None:
        """Keep what says how long the body is, if there is one."""
        fields = [field for field in self.headers if field[0] in _FRAMING]
        if fields and fields != [(b"content-length", b"0")]:
            self._framing = b"".join(b"%s: %s\r\n" % field for field in fields)
            exchange.keep_alive = False

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Parse what follows the header as the body that it is, or as the next request."""
        framing, self._framing = self._framing, b""
        if framing:
            self.parser = httptools.HttpRequestParser(_BodyOnly(self))
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            rest = b"POST / HTTP/1.1\r\nConnection: close\r\n%s\r\n%s" % (framing, rest)
        if rest:
            self.data_received(rest)


class _BodyOnly:
    """What a parser calls that is given a header of ours before a client's body."""

    def __init__(self, reader: Reader) -> None:
        self.on_body = reader.on_body
        self.on_message_complete = reader.on_message_complete
