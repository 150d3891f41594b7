"""A server process for the length of the demo."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
_LISTENS: Final = re.compile(rf"http://{re.escape(HOST)}:(\d+)\n")
_START_SECONDS_MAX: Final = 30
_STOP_SECONDS_MAX: Final = 10
_POLL_SECONDS: Final = 0.02


class ServerFailed(Exception):
    """The server did not come up; the sentence ends with what it said."""


@contextmanager
def serving(root: Path, log: Path) -> Iterator[int]:
    """Serve the store at `root` on a free port; the process ends with the block, come what may.

    Raises:
        ServerFailed: it ended, or did not listen in time.
    """
    command = [sys.executable, "-m", "liftlock_cli", "--root", str(root)]
    command += ["serve", "--host", HOST, "--port", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield _port(process, log)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """Wait for the line that says where the server listens."""
    deadline = time.monotonic() + _START_SECONDS_MAX
    while process.poll() is None and time.monotonic() < deadline:
        if listens := _LISTENS.search(log.read_text(errors="replace")):
            return int(listens[1])
        time.sleep(_POLL_SECONDS)
    state = "did not listen in time" if process.poll() is None else f"ended ({process.poll()})"
    raise ServerFailed(f"The server {state}. It said: {log.read_text(errors='replace')[-2000:]}")
