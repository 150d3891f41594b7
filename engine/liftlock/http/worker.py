"""What a worker of our own server does about its surroundings, beside answering requests."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from functools import partial
from typing import Final

from liftlock.http.sockets import is_listener, iter_sockets

log = logging.getLogger("liftlock.http")

STOP_SIGNALS: Final = frozenset({signal.SIGINT, signal.SIGTERM})
"""What the supervisor blocks while it makes a worker."""

_LOOK_SECONDS: Final = 0.05
_LOOKS_MAX: Final = 200


def take_signals() -> None:
    """Let SIGTERM in, which the supervisor blocked: here it finds the server's own handler.

    SIGINT is left to the supervisor. A terminal sends it to all, as often as somebody presses the
    keys, and granian's handler blocks for good when it is called a third time (seen in 2.8.9).
    """
    asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def stop_with(supervisor: int, seconds: int) -> None:
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


async def drop_stalled_readers(seconds: float) -> None:
    """Have the kernel drop a connection whose client takes nothing for `seconds`.

    Whole blobs are sent by the server's own threads, which wait for their readers without end;
    clients that never read would use up the connections. A connection inherits the limit from
    the socket that accepted it, which the server opens a moment after the application starts.
    """
    for _ in range(_LOOKS_MAX):
        if _limit_listeners(int(seconds * 1000)):
            return
        await asyncio.sleep(_LOOK_SECONDS)
    log.warning("found no listening socket: stalled readers will not be dropped")


def _limit_listeners(milliseconds: int) -> bool:
    found = False
    for listener in filter(is_listener, iter_sockets()):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        found = True
    return found
