"""One process at a time comes to LMDB's writer lock.

LMDB's own lock between processes is a robust mutex in shared memory. When a process that waits
for it is killed at the wrong instant, another waiter's wake-up can be lost, and it sleeps for
ever (seen on bare py-lmdb, with three processes that contend and one that is killed). A file lock
is the kernel's: it goes with the process that held it, and every waiter looks for itself. Held
around each write transaction, it leaves the mutex with nobody to wait for it.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from liftlock.errors import StoreBusy

_SHORTEST_PAUSE_SECONDS: Final = 0.0002
_LONGEST_PAUSE_SECONDS: Final = 0.005
_PAUSE_PART: Final = 0.01


class WriterTurn:
    """A lock on a file; within a process, the caller sees to it that one thread asks at a time."""

    def __init__(self, path: Path, wait_ms_max: int) -> None:
        self._wait_ms_max = wait_ms_max
        self._may_have_it = False
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.give_up()

    def take(self) -> None:
        """Wait for the turn, asking again after a hundredth of the time that was waited.

        Who pauses for longer loses to the one who has the turn and wants it again, and to nobody
        at all while the turn is free.

        Raises:
            StoreBusy: another process has it, and does not come to an end.
        """
        self._may_have_it = True  # before it is so: an interrupt may come in between
        begun = time.monotonic()
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                waited = time.monotonic() - begun
                if waited > self._wait_ms_max / 1000:
                    raise StoreBusy(
                        "another process writes, and does not come to an end"
                    ) from error
                pause = max(waited * _PAUSE_PART, _SHORTEST_PAUSE_SECONDS)
                time.sleep(min(pause, _LONGEST_PAUSE_SECONDS))
            else:
                return

    def give_up(self) -> None:
        """Let the next one have it; harmless when repeated."""
        if self._may_have_it and self._file >= 0:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            self._may_have_it = False

    def close(self) -> None:
        """Close the file; harmless when repeated."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
