"""Who asks, told apart by address, and how much of one worker each of them takes.

Behind a proxy all clients have the proxy's address: there these limits are switched off, with 0.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final, TypeVar

from liftlock.http.answers import Scope
from liftlock.http.errors import TooMany
from liftlock.http.limits import HttpLimits
from liftlock.http.openuploads import OpenUploads

Peer = tuple[str, int]
"""The far end of a connection: address and port."""

K = TypeVar("K")

_NETWORK_BITS: Final = 64


@lru_cache(maxsize=1024)
def client_of(address: str) -> str:
    """Return the client that has an address: of IPv6 its /64, since a host has all of that."""
    if ":" not in address:
        return address
    try:
        number = IPv6Address(address)
    except ValueError:
        return address
    if number.ipv4_mapped is not None:
        return str(number.ipv4_mapped)
    return f"{IPv6Address(int(number) >> _NETWORK_BITS << _NETWORK_BITS)}/{_NETWORK_BITS}"


class Clients:
    """What clients have under way in this worker. Belongs to the event loop."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._requests: dict[str, int] = {}
        self._busy: dict[Peer, int] = {}
        self.uploads = OpenUploads(limits)

    @property
    def busy(self) -> Collection[Peer]:
        """Connections with a request under way that was let in."""
        return self._busy

    def begin(self, peer: Peer | None) -> bool:
        """Count a request, if its client may have one more under way; tell whether it may.

        None is a client of whom the server does not say who it is: it may.
        """
        if peer is None:
            return True
        client, most = client_of(peer[0]), self._limits.client_requests_max
        under_way = self._requests.get(client, 0)
        if under_way >= most > 0:
            return False
        self._requests[client] = under_way + 1
        self._busy[peer] = self._busy.get(peer, 0) + 1
        return True

    def require(self, is_let_in: bool) -> None:  # noqa: FBT001 - it is what `begin` said
        """Raise RequestRefused unless a request was let in."""
        if not is_let_in:
            most = self._limits.client_requests_max
            raise TooMany("requests under way", most, "client_requests_max")

    def end(self, peer: Peer | None) -> None:
        """Forget a request that was counted."""
        if peer is None:
            return
        _count_down(self._requests, client_of(peer[0]))
        # A connection's next request may begin before the end of the last one is noted.
        _count_down(self._busy, peer)


def _count_down(counts: dict[K, int], key: K) -> None:
    left = counts[key] - 1
    if left:
        counts[key] = left
    else:
        del counts[key]


def peer_of(scope: Scope) -> Peer | None:
    """Return where a request comes from, if the server says it."""
    client = scope.get("client")
    # Granian gives the port as text.
    return (client[0], int(client[1])) if client else None
