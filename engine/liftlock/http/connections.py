"""Connections: none of a client's idle ones may keep others from being served.

The server takes `connections_max` and lets more wait. One client could have them all, and ask
nothing. When they become scarce, the excess of a client that has more than its part is closed: only
connections without a request under way, and those first that have been idle for longest.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import socket
import struct
import termios
from collections import defaultdict
from collections.abc import Collection
from contextlib import suppress
from typing import Final, NamedTuple

from liftlock.http.bridge import Bridge
from liftlock.http.clients import Clients, Peer, client_of
from liftlock.http.sockets import count_descriptors, is_listener, iter_sockets

log = logging.getLogger("liftlock.http")

_LAST_SENT: Final = struct.Struct("44xI")  # linux/tcp.h, tcp_info: tcpi_last_data_sent, in ms
_COUNT: Final = struct.Struct("i")


class Connection(NamedTuple):
    """A connection of this worker."""

    peer: Peer
    idle_seconds: float
    """Since something was sent; 0 while something waits to be sent."""


async def close_excess_connections(bridge: Bridge, clients: Clients) -> None:
    """Look regularly, and close what no client may keep, if connections are scarce."""
    limits = bridge.limits
    while limits.client_connections_max:
        await asyncio.sleep(limits.look_seconds)
        if count_descriptors() <= limits.connections_max // 2:
            continue
        try:
            await bridge.block(
                _close_excess, clients, limits.client_connections_max, limits.look_seconds
            )
        except OSError:  # the next look is due all the same
            log.exception("connections could not be looked at")


def excess(
    connections: Collection[Connection], busy: Collection[Peer], most: int, seconds: float
) -> set[Peer]:
    """Choose what is closed.

    Args:
        connections: all there are.
        busy: those with a request under way.
        most: how many a client may have.
        seconds: who was sent something since then is not idle.
    """
    by_client: dict[str, list[Connection]] = defaultdict(list)
    for connection in connections:
        by_client[client_of(connection.peer[0])].append(connection)
    chosen: set[Peer] = set()
    for own in by_client.values():
        idle = [c for c in own if c.idle_seconds >= seconds and c.peer not in busy]
        idle.sort(key=lambda connection: connection.idle_seconds, reverse=True)
        chosen.update(connection.peer for connection in idle[: max(0, len(own) - most)])
    return chosen


def _close_excess(clients: Clients, most: int, seconds: float) -> None:
    connections = _connections()
    # Asked last: what began since is spared.
    chosen = excess(connections, clients.busy, most, seconds)
    if not chosen:
        return
    for one in iter_sockets():
        peer = _peer(one)
        if peer in chosen:
            # Only reading ends. The server sees its client leave, as any may at any time; what it
            # has read already it still answers. The descriptor stays its own.
            with suppress(OSError):  # it is gone already
                one.shutdown(socket.SHUT_RD)
    who = ", ".join(sorted({client_of(address) for address, _ in chosen}))
    log.warning("closed %d idle connections of %s (client_connections_max)", len(chosen), who)


def _connections() -> list[Connection]:
    ports: set[int] = set()
    found: list[tuple[int, Connection]] = []
    for one in iter_sockets():
        if is_listener(one):
            ports.add(one.getsockname()[1])
        elif (peer := _peer(one)) is not None:
            found.append((one.getsockname()[1], Connection(peer, _idle_seconds(one))))
    return [connection for port, connection in found if port in ports]


def _peer(one: socket.socket) -> Peer | None:
    try:
        address = one.getpeername()
    except OSError:  # it is not connected (any more)
        return None
    return (address[0], address[1])


def _idle_seconds(one: socket.socket) -> float:
    (unsent,) = _COUNT.unpack(fcntl.ioctl(one, termios.TIOCOUTQ, bytes(_COUNT.size)))
    if unsent:
        return 0.0
    info = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_SENT.size)
    (milliseconds,) = _LAST_SENT.unpack(info)
    return float(milliseconds) / 1000
