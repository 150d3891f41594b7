"""How often processes were lost lately."""

from __future__ import annotations

from collections import deque


class Losses:
    """When each process was lost lately, and whether that is too often."""

    def __init__(self, most: int, seconds: float) -> None:
        """Take up to `most` losses of one process within `seconds` for bad luck."""
        self.most = most
        self.seconds = seconds
        self._when: dict[int, deque[float]] = {}

    def are_too_many(self, process: int, now: float) -> bool:
        """Note that `process` was lost at `now` (in seconds); tell whether to give up."""
        when = self._when.setdefault(process, deque())
        when.append(now)
        while when[0] <= now - self.seconds:
            when.popleft()
        return len(when) > self.most
