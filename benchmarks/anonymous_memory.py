"""The memory that processes have of their own: RssAnon, sampled while they work.

Pages of LMDB's file are mapped, shared and given back by the kernel when it wants them, so they
do not count; heap, stacks and dirty pages of a transaction do. The most that the sampled process
and its descendants had together is kept. Shorter peaks than the interval may be missed.
"""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Final

from watcher import Watcher

MIB: Final = 1024 * 1024
CLAIM_MIB: Final = 300
"""What no server and no engine may reach, whatever it is asked to do here."""
_PROC: Final = Path("/proc")


class Sampler(Watcher):
    """Samples a process and its descendants."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self._pid = pid
        self.most_bytes = 0

    def look(self) -> None:
        now = sum(anonymous_bytes(pid) for pid in family(self._pid))
        self.most_bytes = max(self.most_bytes, now)


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
