"""What a server asks of the system: counted by strace, while nothing is timed."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from anonymous_memory import family

FLUSHES: Final = "trace=fsync,fdatasync,sync_file_range,msync,syncfs,rename,renameat,renameat2"
EVERYTHING: Final = "trace=all"
_ATTACH_SECONDS: Final = 2
_DETACH_SECONDS_MAX: Final = 20
_SHOWN_FROM: Final = 0.05
_LINE: Final = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.MULTILINE)


def counted(
    pid: int, times: int, act: Callable[[], object], folder: Path, traced: str = FLUSHES
) -> str:
    """Say what a process and its descendants ask for each time that something is done.

    Args:
        pid: the server.
        times: how often `act` does it.
        act: does it.
        folder: for strace's table.
        traced: which calls, as strace's `-e` has it.
    """
    if shutil.which("strace") is None:
        return "not counted: strace is not installed"
    table = folder / "calls"
    command = ["strace", "-f", "-c", "-o", str(table), "-e", traced]
    for each in family(pid):
        command += ["-p", str(each)]
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(_ATTACH_SECONDS)
    if tracer.poll() is not None:
        return "not counted: strace may not attach to processes here"
    try:
        act()
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(_DETACH_SECONDS_MAX)
    calls = {name: int(count) / times for count, name in _LINE.findall(table.read_text())}
    calls.pop("total", None)
    if traced == EVERYTHING:
        calls = {name: count for name, count in calls.items() if count >= _SHOWN_FROM}
    if not calls:
        return "nothing"
    return ", ".join(f"{count:.2g} {name}" for name, count in sorted(calls.items()))
