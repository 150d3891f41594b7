"""The memory that processes have of their own: RssAnon, sampled while they work.

Pages of LMDB's file are mapped, shared and given back by the kernel when it wants them, so they
do not count; heap, stacks and dirty pages of a transaction do. The most that the sampled process
and its descendants had together is kept. Shorter peaks than the interval may be missed.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

MIB: Final = 1024 * 1024
CLAIM_MIB: Final = 300
"""What no server and no engine may reach, whatever it is asked to do here."""
_INTERVAL_SECONDS: Final = 0.05
_PROC: Final = Path("/proc")


class Sampler:
    """Samples a process and its descendants, in a thread, until the context ends."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.most_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

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

    def _sample(self) -> None:
        while not self._stop.is_set():
            now = sum(anonymous_bytes(pid) for pid in family(self._pid))
            self.most_bytes = max(self.most_bytes, now)
            self._stop.wait(_INTERVAL_SECONDS)


def anonymous_bytes(pid: int) -> int:
    """Return a process's RssAnon; 0 if it is gone."""
    with suppress(OSError):
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    children = defaultdict(list)
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                # The name of a program, in parentheses, may contain anything.
                after = (entry / "stat").read_text().rpartition(")")[2].split()
                children[int(after[1])].append(int(entry.name))
    found = [pid]
    for each in found:
        found += children[each]
    return found


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process and its descendants have used, kernel included."""
    ticks = 0
    for each in family(pid):
        with suppress(OSError):
            fields = (_PROC / str(each) / "stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
