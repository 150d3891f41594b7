"""What all documents share: how an instant and a digest are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from liftlock.oci.digest import Digest

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant(milliseconds: int) -> str:
    """Return a time as RFC 3339 in UTC, to the millisecond."""
    at = _EPOCH + timedelta(milliseconds=milliseconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def whole(digest: Digest | None) -> str | None:
    """Return a digest as text, if there is one."""
    return str(digest) if digest else None
