"""What is shown on a terminal while an operation takes longer than people like to wait in doubt.

`progress` is one line that says it goes on, for what cannot say how far it is; `bar` is rich's bar,
for what counts bytes or items. Both are drawn by a thread that sleeps nearly always, on stderr.

Neither is rich's own display with its thread: that draws ten times a second under the interpreter's
lock, which the writer needs for each row, and it hides the cursor, which a killed process leaves
hidden. A terminal that is stopped, gone or dumb holds nobody up.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from typing import Final, TextIO

from liftlock_cli.output import is_styled

BYTES: Final = "bytes"
"""The unit of a bar that counts bytes: they are shown as KiB, MiB, … and with a speed."""

AFTER_SECONDS: Final = 1.0
"""What is over sooner is not shown."""
_EVERY_SECONDS: Final = 0.25
_BAR_EVERY_SECONDS: Final = 0.5
_LEAVE_SECONDS_MAX: Final = 1.0
Draw = Callable[[TextIO, threading.Event], None]


class Bar:
    """How far an operation is; whoever does the work calls it, from any thread."""

    def __init__(self, what: str, total: int | None, unit: str, *, is_styled: bool) -> None:
        """Begin at nothing of `total` (None: nobody knows)."""
        self._is_styled = is_styled
        self.what = what
        self.total = total
        self.unit = unit
        self.done = 0
        self._lock = threading.Lock()
        self._drawing = threading.Lock()
        self._erase: Callable[[], None] | None = None

    def __call__(self, count: int = 1) -> None:
        """Say that `count` more are done. Costs next to nothing, and never waits."""
        with self._lock:
            self.done += count

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar off the terminal while the block prints something there."""
        taken = self._drawing.acquire(timeout=_LEAVE_SECONDS_MAX)
        try:
            if taken and self._erase is not None:
                with suppress(OSError, ValueError):
                    self._erase()
            yield
        finally:
            if taken:
                self._drawing.release()

    def draw(self, stream: TextIO, done: threading.Event) -> None:
        """Draw the bar now and then, until `done`; for the thread that is there for it."""
        from liftlock_cli.drawing import make_bar  # noqa: PLC0415 - costly, and seldom needed

        drawn = make_bar(stream, self.what, self.total, self.unit, is_styled=self._is_styled)
        with self._drawing:
            self._erase = drawn.erase
        while not done.is_set():
            with self._drawing:
                drawn.show(self.done)
            done.wait(_BAR_EVERY_SECONDS)
        with self._drawing:
            self._erase = None
            drawn.erase()


@contextmanager
def progress(
    what: str, *, quiet: bool = False, after_seconds: float = AFTER_SECONDS
) -> Iterator[None]:
    """Show `what` is going on and for how long, from `after_seconds` on until the block is left.

    Only if stderr is a terminal and not `quiet`. Whatever becomes of the line, the block does not
    notice.
    """
    began = time.monotonic()
    with _drawn_by(lambda stream, done: _show(what, began, stream, done), quiet, after_seconds):
        yield


@contextmanager
def bar(
    what: str,
    total: int | None = None,
    unit: str = BYTES,
    *,
    quiet: bool = False,
    after_seconds: float = AFTER_SECONDS,
) -> Iterator[Bar]:
    """Show how far `what` is, from `after_seconds` on until the block is left.

        with bar("Importing", size, BYTES, quiet=settings.quiet) as advance:
            advance(len(piece))

    Only if stderr is a terminal and not `quiet`. What goes to stdout meanwhile is printed within
    `advance.aside()`, so that it and the bar do not get into each other on one terminal.

    Args:
        what: in the form of "Checking".
        total: how many there are; None if nobody knows.
        unit: `BYTES`, or the plural of what is counted; empty if nothing is.
        quiet: show nothing.
        after_seconds: what is over sooner is not shown.
    """
    # Here, since the thread that draws knows of no command.
    shown = Bar(what, total, unit, is_styled=sys.stderr is not None and is_styled(sys.stderr))
    with _drawn_by(shown.draw, quiet, after_seconds):
        yield shown


@contextmanager
def _drawn_by(draw: Draw, quiet: bool, after_seconds: float) -> Iterator[None]:  # noqa: FBT001 - private
    stream: TextIO | None = sys.stderr  # None: the process was started without one
    if quiet or stream is None or not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    done = threading.Event()
    arguments = (draw, stream, done, after_seconds)
    thread = threading.Thread(target=_draw_later, args=arguments, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        # A terminal that is stopped (Ctrl-S) holds up the thread, and must not hold up us.
        thread.join(_LEAVE_SECONDS_MAX)


def _draw_later(draw: Draw, stream: TextIO, done: threading.Event, after_seconds: float) -> None:
    # Else a process in the background would be stopped for writing to a terminal with `tostop`,
    # in the middle of a write, and every writer of the store with it.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU,))
    if done.wait(after_seconds):
        return
    with suppress(OSError, ValueError):
        draw(stream, done)


def _show(what: str, began: float, stream: TextIO, done: threading.Event) -> None:
    line = ""
    for sign in cycle("|/-\\"):
        line = f"{sign} {what}, {time.monotonic() - began:.0f} s"
        stream.write(f"\r{line}")
        stream.flush()
        if done.wait(_EVERY_SECONDS):
            break
    stream.write(f"\r{' ' * len(line)}\r")
    stream.flush()
