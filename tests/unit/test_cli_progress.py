"""The sign of life: on terminals only, gone at the end, and never in the way."""

from __future__ import annotations

import io
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator

import click
import pytest

from liftlock.model import CheckStep
from liftlock_cli.findings import Steps
from liftlock_cli.progress import BYTES, bar, progress


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

    def until(self, what: str) -> str:
        """All that is written until `what` has come."""
        text = self.waited()
        while what not in text:
            text += self.waited()
        return text

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


def test_a_bar_tells_how_far_it_is_and_is_gone_at_the_end(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screen = terminal()
    with bar("Checking", 4096, BYTES, after_seconds=0) as advance:
        advance(1024)
        text = screen.until("1.0/4.0")
        assert "Checking" in text
        advance(2048)
        screen.until("3.0/4.0 KiB")
    rest = screen.shown()
    assert rest.rpartition("\x1b[2K")[2] == ""


def test_a_bar_is_coloured_only_where_colours_are_wanted(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for color in (None, False):
        screen = terminal()
        with (
            click.Context(click.Command("check"), color=color),
            bar("Checking", 4096, BYTES, after_seconds=0) as advance,
        ):
            advance(1024)
            text = screen.until("1.0/4.0 KiB")
        assert ("\x1b[3" in text + screen.shown()) == (color is None)


def test_a_bar_counts_items_too_and_not_only_up_to_a_known_end(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screen = terminal()
    with bar("Looking [at]", None, "repositories", after_seconds=0) as advance:
        advance()
        advance(2)
        text = screen.until("repositories")
        assert "Looking [at]" in text


def test_a_bar_never_hides_the_cursor(terminal, monkeypatch):
    """A process that is killed could not show it again."""
    monkeypatch.setenv("TERM", "xterm")
    screen = terminal()
    with bar("Checking", 10, "blobs", after_seconds=0):
        text = screen.until("blobs")
    assert "\x1b[?25" not in text + screen.shown()


def test_what_is_printed_aside_has_a_line_of_its_own(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screen = terminal()
    with bar("Checking", 10, "blobs", after_seconds=0) as advance:
        screen.until("blobs")
        with advance.aside():
            screen.stream.write("a finding\n")
            screen.stream.flush()
            before = screen.until("a finding").partition("a finding")[0]
            assert before.endswith("\x1b[2K")
        screen.until("blobs")


@pytest.mark.parametrize(("quiet", "term"), [(True, "xterm"), (False, "dumb")])
def test_no_bar_is_shown_to_who_asked_for_quiet_or_on_a_dumb_terminal(
    terminal, monkeypatch, quiet, term
):
    monkeypatch.setenv("TERM", term)
    screen = terminal()
    with bar("Checking", 10, "blobs", quiet=quiet, after_seconds=0) as advance:
        advance(10)
        with advance.aside():
            pass
    with progress("promoting", quiet=quiet, after_seconds=0):
        pass
    assert screen.shown() == ""
    assert advance.done == 10


def test_a_check_shows_a_bar_for_each_part_and_findings_beside_it(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screen = terminal()
    with Steps(quiet=False, after_seconds=0) as steps:
        steps(CheckStep("names"))
        screen.until("Checking names")
        steps(CheckStep("blobs", 0, 2048, "bytes"))
        screen.until("0.0/2.0")
        steps(CheckStep("blobs", 1024, 2048, "bytes"))
        screen.until("1.0/2.0")
        with steps.aside():
            assert screen.until("\x1b[2K").count("Checking names") == 0
    assert "Checking" not in screen.shown().rpartition("\x1b[2K")[2]
