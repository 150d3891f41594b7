"""Connections: none of a client's idle ones may keep others from being served.

A worker serves `connections_max` and lets more wait. One client could have them all, and ask
nothing. When they become scarce, the excess of a client that has more than its part is closed: only
connections without a request under way, and those first that have been idle for longest.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import struct
import termios
from collections import defaultdict
from collections.abc import Collection
from typing import Any, Final, NamedTuple

from liftlock.http.clients import Peer, client_of
from liftlock.http.limits import HttpLimits
from liftlock.http.protocol import Connection

log = logging.getLogger("liftlock.http")

_COUNT: Final = struct.Struct("i")


class Idle(NamedTuple):
    """How a connection is used."""

    peer: Peer
    seconds: float
    """Since the last answer; 0 while something is answered, or waits to be sent."""


async def close_excess_connections(connections: Collection[Any], limits: HttpLimits) -> None:
    """Look regularly, and close what no client may keep, if connections are scarce.

    Args:
        connections: all there are. They are of the class `Connection`; uvicorn thinks of others.
        limits: how many there may be.
    """
    while limits.client_connections_max:
        await asyncio.sleep(limits.look_seconds)
        if len(connections) <= limits.connections_max // 2:
            continue
        try:
            _close_excess(connections, limits)
        except Exception:  # whatever it was, the next look is due all the same
            log.exception("connections could not be looked at")


def excess(idle: Collection[Idle], most: int, seconds: float) -> set[Peer]:
    """Choose what is closed.

    Args:
        idle: all connections there are.
        most: how many a client may have.
        seconds: who was sent something since then is not idle.
    """
    by_client: dict[str, list[Idle]] = defaultdict(list)
    for connection in idle:
        by_client[client_of(connection.peer[0])].append(connection)
    chosen: set[Peer] = set()
    for own in by_client.values():
        longest = sorted((c for c in own if c.seconds >= seconds), key=lambda c: -c.seconds)
        chosen.update(connection.peer for connection in longest[: max(0, len(own) - most)])
    return chosen


def _close_excess(connections: Collection[Connection], limits: HttpLimits) -> None:
    known = {one.client: one for one in connections if one.client is not None}
    idle = [Idle(peer, _idle_seconds(one)) for peer, one in known.items()]
    chosen = excess(idle, limits.client_connections_max, limits.look_seconds)
    if not chosen:
        return
    for peer in chosen:
        known[peer].transport.close()
    who = ", ".join(sorted({client_of(address) for address, _ in chosen}))
    log.warning("closed %d idle connections of %s (client_connections_max)", len(chosen), who)


def _idle_seconds(one: Connection) -> float:
    transport = one.transport
    if not one.is_idle or transport.is_closing() or transport.get_write_buffer_size():
        return 0.0
    descriptor = transport.get_extra_info("socket").fileno()
    (unsent,) = _COUNT.unpack(fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(_COUNT.size)))
    return 0.0 if unsent else one.loop.time() - one.idle_since
