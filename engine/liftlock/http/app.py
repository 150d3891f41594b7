"""The ASGI application: one engine a worker, one error boundary around every request.

The engine is opened when the worker starts, after any fork, and closed when it stops. This is
the only module of the front end that reads the environment or a random source.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Final

import liftlock
from liftlock.config import Limits
from liftlock.errors import LiftlockError
from liftlock.http.answers import Answer, Courier, Header, Receive, Scope, Send
from liftlock.http.bridge import Bridge
from liftlock.http.clients import Clients, peer_of
from liftlock.http.configuration import configure
from liftlock.http.dispatch import find_handler, is_api
from liftlock.http.errors import error_answer, weight_of
from liftlock.http.head import Head
from liftlock.http.limits import HttpLimits
from liftlock.http.line import Line
from liftlock.http.problems import problem_answer
from liftlock.http.request import Request
from liftlock.http.settings import HttpSettings

log = logging.getLogger("liftlock.http")

# The thread that commits and the threads that hash wait for the GIL at every row and piece; with
# Python's 5 ms between switches, 100 rows beside a busy thread take 300 ms instead of 3.
_SWITCH_SECONDS: Final = 50e-6
_API_VERSION: Final = (b"docker-distribution-api-version", b"registry/2.0")


class App:
    """The ASGI callable. Between `open` and `close` it serves requests."""

    def __init__(
        self,
        root: Path,
        engine_limits: Limits,
        limits: HttpLimits,
        settings: HttpSettings,
    ) -> None:
        self._root = root
        self._engine_limits = engine_limits
        self._limits = limits
        self._settings = settings
        self._clients = Clients(limits)
        self._bridge: Bridge | None = None
        self._mailbox: socket.socket | None = None
        self._upkeep: list[asyncio.Task[None]] = []
        self._ids: Iterator[str] = iter(())

    def promote_through(self, mailbox: socket.socket) -> None:
        """Leave small promotions to who has the other end of a mailbox; before the worker starts.

        Without one, they are done here.
        """
        self._mailbox = mailbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through the worker's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and self._bridge is not None:
            peer = peer_of(scope)
            is_let_in = self._clients.begin(peer)
            try:
                await self._answer(self._bridge, scope, receive, send, is_let_in=is_let_in)
            finally:
                if is_let_in:
                    self._clients.end(peer)

    async def _answer(
        self, bridge: Bridge, scope: Scope, receive: Receive, send: Send, *, is_let_in: bool
    ) -> None:
        head = Head(scope["headers"])
        request_id = head.request_id or next(self._ids).encode()
        path = self._settings.local(scope["raw_path"])
        ours = is_api(path)
        say = problem_answer if ours else error_answer
        common: list[Header] = [(b"x-request-id", request_id)]
        if not ours:
            common.append(_API_VERSION)
        courier = Courier(scope, receive, send, common)
        request = Request(scope, head, receive, bridge, self._settings, self._clients)
        if request.is_read:
            bridge.give_way()
        try:
            self._clients.require(is_let_in)
            target_bytes = len(scope["raw_path"]) + len(scope["query_string"])
            head.require_short(target_bytes, self._limits)
            head.require_clear(scope.get("http_version"))
            reply = await find_handler(path, request)(request)
        except Exception as error:  # noqa: BLE001 - the boundary: each error has its answer
            reply = await bridge.list(
                weight_of(error), say, error, request_id.decode(), request.other_methods
            )
        try:
            if request.has_body:
                reply = await _finished(request, reply)
            await courier.deliver(reply, bridge)
        except Exception as error:
            if courier.started:  # the status is out: a body cut short is all that can be said
                log.exception("request %s broke off", request_id.decode())
                return
            await courier.deliver(say(error, request_id.decode()), bridge)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            self._open()
        except (LiftlockError, OSError) as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._close()
        await send({"type": "lifespan.shutdown.complete"})

    def _open(self) -> None:
        sys.setswitchinterval(_SWITCH_SECONDS)
        # What the engine reads at a time is what is sent at a time, so that no piece is cut.
        limits = replace(self._engine_limits, copy_bytes=self._limits.range_piece_bytes)
        engine = liftlock.open(self._root, create=True, limits=limits)
        line = None if self._mailbox is None else Line(self._mailbox)
        self._bridge = Bridge(engine, self._limits, line)
        self._ids = map(f"{secrets.token_hex(4)}-{{:x}}".format, count(1))
        self._upkeep.append(asyncio.ensure_future(_sweep_regularly(self._bridge)))

    async def _close(self) -> None:
        for task in self._upkeep:
            task.cancel()
        await asyncio.gather(*self._upkeep, return_exceptions=True)
        if self._bridge is not None:
            self._bridge.close()
            self._bridge = None


def create(
    root: Path,
    *,
    engine_limits: Limits | None = None,
    limits: HttpLimits | None = None,
    settings: HttpSettings | None = None,
) -> App:
    """Make the application for the store at `root`, which is created if it is absent."""
    return App(
        root,
        engine_limits or Limits(),
        limits or HttpLimits(),
        settings or HttpSettings(),
    )


def from_environment() -> App:
    """Make the application for any ASGI server that wants a factory without arguments.

    It is configured as `liftlock serve` is, but for flags; `host`, `port` and `workers` are that
    server's business.

    Raises:
        ConfigurationInvalid: something cannot be; tells all that cannot.
    """
    configured = configure(os.environ)
    for stray in configured.strays:
        if stray.meant:
            log.warning("%s", stray)
    return create(
        configured.store.root,
        engine_limits=configured.limits,
        limits=configured.http_limits,
        settings=configured.server.settings(),
    )


async def _finished(request: Request, reply: Answer) -> Answer:
    """Return `reply` with a word on the connection, if the request's body was left unread."""
    try:
        can_go_on = await request.body.drain()
    except LiftlockError:  # a Content-Length that is none: nobody knows where the body ends
        can_go_on = False
    if can_go_on:
        return reply
    return Answer(reply.status, (*reply.headers, (b"connection", b"close")), reply.body)


async def _sweep_regularly(bridge: Bridge) -> None:
    while True:
        try:
            swept = await bridge.block(bridge.engine.sweep)
        except Exception:  # whatever it was, the next sweep is due all the same
            log.exception("the sweep failed")
        else:
            if swept.sessions or swept.orphans:
                log.info(
                    "swept %d sessions, %d orphans, %d bytes",
                    swept.sessions,
                    swept.orphans,
                    swept.bytes,
                )
        await asyncio.sleep(bridge.limits.sweep_seconds)
