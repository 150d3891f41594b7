"""How a command comes to its engine: for reading, or for writing with the signals held back."""

from __future__ import annotations

import os
import pwd
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final

import liftlock
from liftlock.config import Limits
from liftlock.configuring import Flags
from liftlock.engine import Engine
from liftlock.http.configuration import Configuration, configure
from liftlock_cli.output import print_line

_HELD_BACK: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP)


class Settings:
    """What holds for every command of one call.

    The configuration is read when it is first asked for, so that what needs none (`--help`) works
    while it cannot be read.
    """

    def __init__(
        self, *, file: Path | None = None, flags: Flags | None = None, quiet: bool = False
    ) -> None:
        """Take what was given before the command.

        Args:
            file: the configuration's file; None: the environment says, or it is looked for.
            flags: keys of the configuration that were given on the command line.
            quiet: print only results and errors: no progress, and no notes.
        """
        self.file = file
        self.flags = dict(flags or {})
        self.quiet = quiet

    def with_flags(self, flags: Flags) -> Settings:
        """Return the same with further keys from the command line."""
        return Settings(file=self.file, flags=self.flags | dict(flags), quiet=self.quiet)

    @cached_property
    def configuration(self) -> Configuration:
        """What is configured; variables that look like a mistake have been told by then.

        Raises:
            ConfigurationInvalid: something cannot be.
        """
        configured = configure(os.environ, file=self.file, flags=self.flags)
        for stray in configured.strays:
            if stray.meant:
                print_line(f"Warning: {stray}", err=True)
        return configured

    @property
    def root(self) -> Path:
        """The store's folder."""
        return self.configuration.store.root

    @property
    def limits(self) -> Limits:
        """What the engine accepts."""
        return self.configuration.limits


def actor() -> str:
    """Say who calls, by the process's user id; the environment could say anything."""
    uid = os.getuid()
    try:
        return f"os:{pwd.getpwuid(uid).pw_name}"
    except KeyError:  # a container's user often has no name
        return f"os:{uid}"


@contextmanager
def reading(settings: Settings) -> Iterator[Engine]:
    """Open the store to look at it; it is never created."""
    with liftlock.open(settings.root, limits=settings.limits) as engine:
        yield engine


@contextmanager
def writing(settings: Settings) -> Iterator[Engine]:
    """Open the store to change it; a Ctrl-C or a stop takes effect when the block is left.

    So nothing comes between the commit and the line that tells of it: print inside the block.
    """
    # Before the engine makes its threads, which inherit the mask: a signal goes to any thread
    # that takes it, and SIGTSTP in the middle of a write would stop every writer of the store.
    root, limits = settings.root, settings.limits
    with signals_held_back(), liftlock.open(root, limits=limits) as engine:
        yield engine


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGTSTP wait until the block is left."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, with nothing half-written left; then the process.

    For work that changes nothing in the store, and so need not hold signals back.
    """
    before = signal.getsignal(signal.SIGTERM)
    if before is not signal.SIG_DFL:  # whoever has said what it does knows
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except _Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class _Terminated(BaseException):
    """SIGTERM came."""


def _terminate(*_: object) -> None:
    raise _Terminated


def take_signals() -> None:
    """Within `signals_held_back`, let what came meanwhile take effect here, and only here.

    For work of many steps, between two of them: an end is raised, so that the step leaves nothing
    behind; a stop stops the process where it holds up no other writer.

    Raises:
        KeyboardInterrupt: SIGINT came; or SIGTERM, which ends the process when the block is left.
    """
    pending = signal.sigpending()
    if not pending.isdisjoint({signal.SIGINT, signal.SIGTERM}):
        raise KeyboardInterrupt
    if signal.SIGTSTP in pending:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTSTP,))
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTSTP,))
