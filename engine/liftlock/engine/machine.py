"""What an engine takes from the machine beside its disk: the time, and chance."""

from __future__ import annotations

import os
import time
from typing import Final

from liftlock.metadata.contract import Instant

_ID_BYTES: Final = 16
_DRAWN: Final = 64
_UNUSED: Final[list[str]] = []
"""Drawn beforehand: a draw is a system call, in which other threads take the interpreter."""
# A child that went on with its parent's would give out the same ones.
os.register_at_fork(after_in_child=_UNUSED.clear)


def system_clock() -> Instant:
    """Return the time of day, in ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


def new_id() -> str:
    """Return 32 hex digits that nobody can guess and nobody had before."""
    while True:
        try:
            return _UNUSED.pop()
        except IndexError:
            some = os.urandom(_DRAWN * _ID_BYTES).hex()
            _UNUSED.extend(
                some[start : start + 2 * _ID_BYTES] for start in range(0, len(some), 2 * _ID_BYTES)
            )
