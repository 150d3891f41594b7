"""The sign of life: on terminals only, gone at the end, and never in the way."""

from __future__ import annotations

import io
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from liftlock_cli.progress import progress


class Terminal:
    """A pair of pseudo devices; the command's side is its stderr."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.own, other = os.openpty()
        self.stream = os.fdopen(other, "w")
        # In the test and not in the fixture: pytest puts its own stderr in place between them.
        monkeypatch.setattr(sys, "stderr", self.stream)

    def waited(self) -> str:
        """What is written next."""
        ready, _, _ = select.select([self.own], [], [], 30)
        assert ready, "nothing was shown"
        return os.read(self.own, 65536).decode()

    def shown(self) -> str:
        """What was written, without waiting."""
        ready, _, _ = select.select([self.own], [], [], 0)
        return os.read(self.own, 65536).decode() if ready else ""


@pytest.fixture
def terminal(monkeypatch) -> Iterator[Callable[[], Terminal]]:
    made: list[Terminal] = []

    def make() -> Terminal:
        made.append(Terminal(monkeypatch))
        return made[-1]

    yield make
    for one in made:
        one.stream.close()
        os.close(one.own)


def test_what_takes_long_is_told_and_the_line_is_gone_at_the_end(terminal):
    screen = terminal()
    with progress("promoting", after_seconds=0):
        text = screen.waited()
        assert "promoting, 0 s" in text
    text += screen.shown()
    line = text.split("\r")[-3]
    assert text.endswith(f"\r{' ' * len(line)}\r")


def test_what_is_quick_is_not_told(terminal):
    screen = terminal()
    with progress("promoting"):
        pass
    assert screen.shown() == ""


def test_quiet_is_quiet(terminal):
    screen = terminal()
    with progress("promoting", quiet=True, after_seconds=0):
        pass
    assert screen.shown() == ""


@pytest.mark.parametrize("stream", [io.StringIO(), None])
def test_without_a_terminal_nothing_is_shown_and_nothing_breaks(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    with progress("promoting", after_seconds=0):
        pass
    assert stream is None or stream.getvalue() == ""


def test_a_terminal_that_goes_meanwhile_breaks_nothing(monkeypatch):
    screen = Terminal(monkeypatch)
    with progress("promoting", after_seconds=0):
        screen.waited()
        os.close(screen.own)
    with pytest.raises(OSError, match="Input/output error"):
        screen.stream.close()


def test_an_error_of_the_operation_passes_and_the_line_goes(terminal):
    screen = terminal()

    def fail() -> None:
        with progress("promoting", after_seconds=0):
            screen.waited()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert screen.shown().endswith(" \r")


def test_the_signals_stay_as_they_were(terminal):
    screen = terminal()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with progress("promoting", after_seconds=0):
        screen.waited()
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
