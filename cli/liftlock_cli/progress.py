"""A sign of life on a terminal, for operations that take longer than people like to wait in doubt.

It is one line of stderr, written by a thread that sleeps nearly always. Not rich's spinner: that
draws ten times a second under the interpreter's lock, which the writer needs for each row, and it
hides the cursor, which a killed process leaves hidden.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from typing import Final, TextIO

_AFTER_SECONDS: Final = 1.0
_EVERY_SECONDS: Final = 0.25
_LEAVE_SECONDS_MAX: Final = 1.0


@contextmanager
def progress(
    what: str, *, quiet: bool = False, after_seconds: float = _AFTER_SECONDS
) -> Iterator[None]:
    """Show `what` is going on and for how long, from `after_seconds` on until the block is left.

    Only if stderr is a terminal and not `quiet`. Whatever becomes of the line, the block does not
    notice.
    """
    stream: TextIO | None = sys.stderr  # None: the process was started without one
    if quiet or stream is None or not stream.isatty():
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_show, args=(what, stream, done, after_seconds), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        # A terminal that is stopped (Ctrl-S) holds up the thread, and must not hold up us.
        thread.join(_LEAVE_SECONDS_MAX)


def _show(what: str, stream: TextIO, done: threading.Event, after_seconds: float) -> None:
    # Else a process in the background would be stopped for writing to a terminal with `tostop`,
    # in the middle of a write, and every writer of the store with it.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU,))
    began = time.monotonic()
    if done.wait(after_seconds):
        return
    line = ""
    with suppress(OSError, ValueError):
        for sign in cycle("|/-\\"):
            line = f"{sign} {what}, {time.monotonic() - began:.0f} s"
            stream.write(f"\r{line}")
            stream.flush()
            if done.wait(_EVERY_SECONDS):
                break
        stream.write(f"\r{' ' * len(line)}\r")
        stream.flush()
