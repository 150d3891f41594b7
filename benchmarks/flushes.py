"""What a server flushes to disk for a promotion: counted by strace, while nothing is timed."""

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

_TRACED: Final = "fsync,fdatasync,sync_file_range,msync,syncfs,rename,renameat,renameat2"
_ATTACH_SECONDS: Final = 2
_DETACH_SECONDS_MAX: Final = 20
_LINE: Final = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.MULTILINE)


def counted(pid: int, promotions: int, promote: Callable[[], object], folder: Path) -> str:
    """Say what a process and its descendants flush and rename for each of some promotions.

    Args:
        pid: the server.
        promotions: how many `promote` makes.
        promote: makes them.
        folder: for strace's table.
    """
    if shutil.which("strace") is None:
        return "not counted: strace is not installed"
    table = folder / "flushes"
    command = ["strace", "-f", "-c", "-o", str(table), "-e", f"trace={_TRACED}"]
    for each in family(pid):
        command += ["-p", str(each)]
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(_ATTACH_SECONDS)
    if tracer.poll() is not None:
        return "not counted: strace may not attach to processes here"
    try:
        promote()
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(_DETACH_SECONDS_MAX)
    calls = {name: int(count) for count, name in _LINE.findall(table.read_text())}
    calls.pop("total", None)
    if not calls:
        return "nothing"
    return ", ".join(f"{count / promotions:.2g} {name}" for name, count in sorted(calls.items()))
