"""On what machine, file system and versions a benchmark ran."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

import lmdb

_FLUSHES: Final = 100


def describe(folder: Path) -> dict[str, str]:
    """Say what can be found out; `folder` is on the disk that is measured."""
    page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": f"{os.cpu_count()} of {_processor()}",
        "memory": f"{page * pages / 2**30:.0f} GiB",
        "file system": _file_system(folder),
        "a flush of 4 KiB": f"{_flush_ms(folder):.2f} ms",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "py-lmdb": f"{lmdb.__version__} (LMDB {'.'.join(map(str, lmdb.version()))})",
        "load when it began": f"{os.getloadavg()[0]:.2f}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def _file_system(folder: Path) -> str:
    command = ["stat", "--file-system", "--format=%T", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _flush_ms(folder: Path) -> float:
    """Return the median time of writing a page anew and flushing it, as a commit does."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_FLUSHES):
            started = time.perf_counter()
            os.pwrite(file.fileno(), bytes(4096), 0)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)
