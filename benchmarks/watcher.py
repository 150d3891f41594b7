"""Something that is looked at again and again, in a thread, until a context ends."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Final, Self

_INTERVAL_SECONDS: Final = 0.05


class Watcher(ABC):
    """Looks when the context begins, and every 50 ms until it ends."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    @abstractmethod
    def look(self) -> None:
        """Look once."""

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(_INTERVAL_SECONDS)
