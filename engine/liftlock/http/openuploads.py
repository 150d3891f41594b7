"""Upload sessions that clients have open, counted so that none has too many.

A session that nobody goes on with stays for days, on purpose: its client may come back. What is
counted is therefore what was begun of late, and is not known to have ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from liftlock.engine import Engine
from liftlock.errors import RegistryUnknown, UploadUnknown
from liftlock.http.bridge import Bridge
from liftlock.http.errors import TooMany
from liftlock.http.limits import HttpLimits
from liftlock.oci.reference import RepositoryName


class Begun(NamedTuple):
    """An upload session that a client began."""

    client: str
    name: RepositoryName
    at: float


class OpenUploads:
    """Upload sessions that were begun in this worker and, as far as it knows, are open."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._begun: dict[str, Begun] = {}  # oldest first
        self._of: dict[str, set[str]] = {}
        self._looked_at: dict[str, float] = {}

    def began(self, client: str | None, name: RepositoryName, session: str, now: float) -> None:
        """Count a session; if there are very many, the oldest of all is forgotten for it.

        Of a client of whom nobody knows who it is, nothing is counted.
        """
        if client is None:
            return
        self._forget_old(now)
        if len(self._begun) >= self._limits.open_uploads_known_max:
            self.ended(next(iter(self._begun)))
        self._begun[session] = Begun(client, name, now)
        self._of.setdefault(client, set()).add(session)

    def ended(self, session: str) -> None:
        """Forget a session. Harmless if it is not known: it may have begun in another worker."""
        begun = self._begun.pop(session, None)
        if begun is not None:
            own = self._of[begun.client]
            own.discard(session)
            if not own:
                del self._of[begun.client]
                self._looked_at.pop(begun.client, None)

    def is_full(self, client: str, now: float) -> bool:
        """Tell whether a client has as many open as it may."""
        most = self._limits.client_uploads_max
        if not most or len(self._of.get(client, ())) < most:
            return False
        self._forget_old(now)
        return len(self._of.get(client, ())) >= most

    def to_look_at(self, client: str, now: float) -> list[tuple[RepositoryName, str]]:
        """Return a client's sessions, to see which are open still; nothing if that was just done.

        Another worker may have ended them, or a sweep.
        """
        if (
            now - self._looked_at.get(client, -self._limits.look_seconds)
            < self._limits.look_seconds
        ):
            return []
        self._looked_at[client] = now
        return [(self._begun[session].name, session) for session in self._of.get(client, ())]

    def _forget_old(self, now: float) -> None:
        while self._begun:
            session, oldest = next(iter(self._begun.items()))
            if now - oldest.at < self._limits.client_uploads_seconds:
                break
            self.ended(session)


async def require_room(uploads: OpenUploads, client: str | None, bridge: Bridge) -> None:
    """Raise RequestRefused if a client has as many sessions open as it may."""
    now = asyncio.get_running_loop().time()
    if client is None or not uploads.is_full(client, now):
        return
    for session in await bridge.block(_gone, bridge.engine, uploads.to_look_at(client, now)):
        uploads.ended(session)
    if uploads.is_full(client, now):
        most = bridge.limits.client_uploads_max
        raise TooMany("upload sessions open", most, "client_uploads_max")


def _gone(engine: Engine, sessions: Iterable[tuple[RepositoryName, str]]) -> list[str]:
    gone = []
    for name, session in sessions:
        try:
            engine.upload_size(name, session)
        except (UploadUnknown, RegistryUnknown):
            gone.append(session)
    return gone
