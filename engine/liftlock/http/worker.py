"""A worker: one process that answers requests, on uvloop, until it is told to stop.

uvicorn gives the application's life, the tasks of its requests and the order of a stop. Signals,
the accepting of connections and the watch over them are ours.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final

import uvicorn
import uvloop

from liftlock.http.app import App
from liftlock.http.connections import close_excess_connections
from liftlock.http.forking import SUPERVISORS_SIGNALS
from liftlock.http.limits import HttpLimits
from liftlock.http.listener import Listener
from liftlock.http.protocol import Connection, Surroundings
from liftlock.http.sending import FileThreads

log = logging.getLogger("liftlock.http")

_DESCRIPTORS_OF_A_CONNECTION: Final = 3
"""Its own; and while a file is sent, another of it and one of the file."""
_OTHER_DESCRIPTORS: Final = 512


def work(
    app: App, limits: HttpLimits, supervisor: int, listening: socket.socket, mailbox: socket.socket
) -> None:
    """Answer requests that come in at a socket, until SIGTERM; in a process of its own.

    Small promotions are left to the promoter that has the other end of the mailbox.

    Raises:
        SystemExit: the application could not start. The log says why.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        # A terminal sends these to all, as often as somebody presses the keys: they are the
        # supervisor's, which tells its workers.
        signal.signal(number, signal.SIG_IGN)
    limits = _within_descriptors(limits)
    app.promote_through(mailbox)
    config = uvicorn.Config(
        app,
        interface="asgi3",
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Worker(config, limits, supervisor).serve([listening]))


def _within_descriptors(limits: HttpLimits) -> HttpLimits:
    """Raise the limit of open files to what the connections may need, as far as we may.

    Returns:
        The limits, with fewer connections if there cannot be descriptors for all of them: without
        any, no upload could write either, and nobody would be told to make room.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _DESCRIPTORS_OF_A_CONNECTION * limits.connections_max + _OTHER_DESCRIPTORS
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed == needed:
        return limits
    most = min(limits.connections_max, max(1, allowed // (2 * _DESCRIPTORS_OF_A_CONNECTION)))
    log.warning(
        "a worker serves %d connections at a time, not %d (connections_max): it may have only %d "
        "files open. Raise its limit (ulimit -n) to %d.",
        most,
        limits.connections_max,
        hard,
        needed,
    )
    of_a_client = min(limits.client_connections_max, max(1, most // 2))
    return replace(limits, connections_max=most, client_connections_max=of_a_client)


class _Worker(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, limits: HttpLimits, supervisor: int) -> None:
        super().__init__(config)
        self._limits = limits
        self._supervisor = supervisor
        self._files = FileThreads(limits.file_threads)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM, which the supervisor has blocked until now."""
        signal.signal(signal.SIGTERM, self.handle_exit)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SUPERVISORS_SIGNALS)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept connections."""
        assert sockets is not None
        _stop_with(self._supervisor, self._limits.stop_seconds)
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(1)
        loop = asyncio.get_running_loop()

        def connect() -> Connection:
            return Connection(self.config, self.server_state, loop, surroundings)

        (listening,) = sockets
        listener = Listener(listening, loop, connect, self._limits.connections_max)
        surroundings = Surroundings(self._limits, self._files, listener.lost)
        self.servers = [listener]  # type: ignore[list-item]  # what is asked of one, it can do
        listener.accept()
        self._watching = asyncio.ensure_future(
            close_excess_connections(self.server_state.connections, self._limits)
        )
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is under way, then end the application. The supervisor waits only so long."""
        self._watching.cancel()
        for listener in self.servers:
            listener.close()
            await listener.wait_closed()  # so that what was accepted last is told to close, too
        await super().shutdown(sockets)


def _stop_with(supervisor: int, seconds: int) -> None:
    """Stop this worker when the process that started it is gone, and nobody else would.

    A worker left alone would keep the port and hold the store.
    """
    loop = asyncio.get_running_loop()
    alive = os.pidfd_open(supervisor)

    def stop() -> None:
        loop.remove_reader(alive)
        os.close(alive)
        log.error("the server process is gone; its worker stops")
        loop.call_later(seconds, partial(os._exit, 1))
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(alive, stop)
    if os.getppid() != supervisor:  # it went before the watch began
        stop()
