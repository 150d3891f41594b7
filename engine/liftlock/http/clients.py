"""Who asks, told apart by address, and how much of one worker each of them takes.

Behind a proxy all clients have the proxy's address: there these limits are switched off, with 0.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

from liftlock.http.answers import Scope
from liftlock.http.errors import TooMany
from liftlock.http.limits import HttpLimits
from liftlock.http.openuploads import OpenUploads

Peer = tuple[str, int]
"""The far end of a connection: address and port."""

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
        self.uploads = OpenUploads(limits)

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
        client = client_of(peer[0])
        left = self._requests[client] - 1
        if left:
            self._requests[client] = left
        else:
            del self._requests[client]


def peer_of(scope: Scope) -> Peer | None:
    """Return where a request comes from, if the server says it."""
    client = scope.get("client")
    # Some servers give the port as text.
    return (client[0], int(client[1])) if client else None
