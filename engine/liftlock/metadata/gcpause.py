"""Python's cyclic collector, kept still while operations that share a commit are computed.

They make many objects that live until the commit and are in no cycle, and the collector would look
through these again and again: some 5% of the rate of promotions that are queued. A group is small,
so what is not collected meanwhile is too.
"""

from __future__ import annotations

import gc
import os
import threading
from types import TracebackType
from typing import Final


class CollectorPause:
    """A context in which nothing is collected. Several threads may be in it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._was_enabled = False

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._inside += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._was_enabled:
                gc.enable()

    def end_in_child(self) -> None:
        """After a fork: the threads that were inside are not in this process."""
        self._lock = threading.Lock()
        if self._inside and self._was_enabled:
            gc.enable()
        self._inside = 0


COLLECTOR_PAUSE: Final = CollectorPause()
os.register_at_fork(after_in_child=COLLECTOR_PAUSE.end_in_child)
