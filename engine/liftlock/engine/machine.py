"""What an engine takes from the machine beside its disk: the time, and chance."""

from __future__ import annotations

import secrets
import time

from liftlock.metadata.contract import Instant


def system_clock() -> Instant:
    """Return the time of day, in ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


def new_id() -> str:
    """Return 32 hex digits that nobody can guess and nobody had before."""
    return secrets.token_hex(16)
