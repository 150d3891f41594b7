"""The least that the push of a large blob can cost: bare servers in C, and its parts alone.

`load/receive.c` receives, hashes, writes and flushes, as every registry must that keeps what it
has acknowledged, and does nothing else. What it reaches is what can be reached on this machine
while the load generator sends.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from load_generator import compiled
from servers import Server

MIB: Final = 1024 * 1024
FORMS: Final = {
    "bare C: receive, hash, write, flush": "one",
    "bare C, hash in a second thread": "two",
    "bare C: receive only": "drop",
}
"""By what they do: what `receive.c` calls it."""
DURABLE: Final = tuple(FORMS)[:2]
_SECONDS_MAX: Final = 3600
_FLUSH_AHEAD_BYTES: Final = 8 * MIB


@contextmanager
def receivers(folder: Path) -> Iterator[dict[str, Server]]:
    """Run a server of each form, with a folder of its own in `folder`."""
    program = compiled(folder, "receive", "-lcrypto", "-pthread")
    with ExitStack() as stack:
        yield {
            label: stack.enter_context(_receiver(program, folder / f"receive-{form}", form))
            for label, form in FORMS.items()
        }


@contextmanager
def _receiver(program: Path, folder: Path, form: str) -> Iterator[Server]:
    folder.mkdir()
    process = subprocess.Popen(
        [str(program), str(folder), form, str(_SECONDS_MAX)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield Server(int(process.stdout.readline()), process.pid)
    finally:
        process.kill()
        process.communicate()


def seconds_to_hash(size: int) -> float:
    """Hash new bytes with SHA-256, in one thread."""
    content = os.urandom(size)
    started = time.perf_counter()
    for at in range(0, size, MIB):
        hashlib.sha256(content[at : at + MIB])
    return time.perf_counter() - started


def seconds_to_write(size: int, path: Path) -> float:
    """Write new bytes to a new file and flush them, begun as early as a server can."""
    content, flushing = memoryview(os.urandom(size)), 0
    started = time.perf_counter()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    for at in range(0, size, MIB):
        written = at + os.write(file, content[at : at + MIB])
        if written - flushing >= _FLUSH_AHEAD_BYTES:
            os.posix_fadvise(file, flushing, written - flushing, os.POSIX_FADV_DONTNEED)
            flushing = written
    os.fdatasync(file)
    seconds = time.perf_counter() - started
    os.close(file)
    return seconds
