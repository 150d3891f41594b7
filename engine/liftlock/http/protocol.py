"""A connection's life: from its start through its exchanges to its end.

`reading` is what comes in, `exchange` what is made of it. uvicorn's protocol is below both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from liftlock.http.limits import HttpLimits
from liftlock.http.reading import Reader
from liftlock.http.sending import FileThreads

_REQUEST_TIMEOUT: Final = 408
_ENDING: Final = b"content-length: 0\r\nconnection: close\r\n\r\n"
_LINGER_SECONDS: Final = 2.0
"""How long what a refused client still sends is taken and dropped."""

_FIRST_SECONDS: Final = 1.0
"""How long a new connection's first request is waited for when the worker stops."""


class Surroundings(NamedTuple):
    """What the connections of a worker have in common."""

    limits: HttpLimits
    files: FileThreads
    lost: Callable[[], None]
    """Called at the end of each connection."""


class Connection(Reader):
    """One client's connection."""

    def __init__(
        self,
        config: Config,
        state: ServerState,
        loop: asyncio.AbstractEventLoop,
        surroundings: Surroundings,
    ) -> None:
        """Serve `config.app`, in `loop`."""
        super().__init__(config, state, loop, surroundings.limits, surroundings.files)
        self.idle_since = loop.time()
        """When the last answer was sent, or the connection was made; see `is_idle`."""
        self._lost = surroundings.lost
        self._timer: asyncio.TimerHandle | None = None
        self._has_ended = False

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way; one whose header is not complete is none."""
        return not self.exchanges

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
        for exchange in self.exchanges:
            exchange.leave()
        self.flow.resume_writing()
        self.parser = None  # type: ignore[assignment]  # it and this hold each other
        self._lost()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Note that the client sends no more; tell whether it still gets an answer."""
        self._has_ended = True
        if not self.is_idle:
            self._end_with_this()
        return not self.is_idle

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it; or close, after the last."""
        self.server_state.total_requests += 1
        done = self.exchanges.popleft()
        if self.transport.is_closing():
            return
        if not done.keep_alive:
            self._close(is_sending=(self.is_over or done.more_body) and not self._has_ended)
            return
        if len(self.exchanges) <= 1:  # else each answer would let in another header
            self.flow.resume_reading()
        if self.exchanges:
            self._start_asgi_task(self.exchanges[0], self.app)
        else:
            self.idle_since = self.loop.time()

    def refuse(self, status: int) -> None:
        """Take no more of what the client sends, and say so if that is an answer to something."""
        if not self.is_idle:
            self._end_with_this()
        elif self.cycle is not None and self.cycle.more_body:
            self.transport.close()  # its request has its answer
        else:
            self.transport.write(STATUS_LINE[status] + _ENDING)
            self._close(is_sending=True)

    def shutdown(self) -> None:
        """Answer what is under way, and close then."""
        if not self.is_idle:
            self.cycle.keep_alive = False
        elif self.cycle is not None:
            self.transport.close()
        else:  # it may just have been made, and its request be on the way
            self.is_last = True
            self._set_timer(_FIRST_SECONDS, self._close_if_idle)

    def _watch(self) -> None:
        """Close if a header takes too long. One timer, which is hardly ever set anew."""
        now, seconds = self.loop.time(), self.limits.header_seconds
        # While there are bytes to be sent, the client is busy with them.
        is_waiting = self.is_idle and not self.transport.get_write_buffer_size()
        due = (self.idle_since if is_waiting else now) + seconds
        if due > now:
            self._timer = self.loop.call_at(due, self._watch)
        elif self.is_in_head:
            self.refuse(_REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _end_with_this(self) -> None:
        """Answer what has come so far, and close then; the last body may have to end early."""
        self.is_over = True
        self.cycle.keep_alive = False
        if self.cycle.more_body:
            self.cycle.break_off()

    def _close(self, *, is_sending: bool) -> None:
        """Close when all is sent that was written.

        If the client is still sending, its bytes are taken for a moment: when a socket is closed
        with bytes unread, the kernel drops those that its client has not read.
        """
        self.is_over = True
        if not is_sending:
            self.transport.close()
            return
        self.transport.write_eof()
        self.flow.resume_reading()
        self._set_timer(_LINGER_SECONDS, self.transport.close)

    def _close_if_idle(self) -> None:
        if self.is_idle:
            self.transport.close()

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, then)
