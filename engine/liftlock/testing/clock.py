"""A clock that stands still until a test moves it."""

from __future__ import annotations

from typing import Final

from liftlock.metadata.contract import Instant

SOME_DAY: Final[Instant] = 1_750_000_000_000


class FakeClock:
    """The time of day in ms since 1970, as an engine is given it; it moves when told to."""

    def __init__(self, now: Instant = SOME_DAY) -> None:
        """Start at `now`."""
        self.now = now

    def __call__(self) -> Instant:
        """Return the time."""
        return self.now

    def advance(self, ms: int) -> None:
        """Let `ms` go by; a negative number sets the clock back."""
        self.now += ms
