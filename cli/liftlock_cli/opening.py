"""How a command comes to its engine: for reading, or for writing with the signals held back."""

from __future__ import annotations

import os
import pwd
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import liftlock
from liftlock.engine import Engine

_HELD_BACK: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP)


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for every command of one call."""

    root: Path
    """The store's folder."""
    quiet: bool = False
    """Whether only results and errors are printed: no progress, and no notes."""


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
    with liftlock.open(settings.root) as engine:
        yield engine


@contextmanager
def writing(settings: Settings) -> Iterator[Engine]:
    """Open the store to change it; a Ctrl-C or a stop takes effect when the block is left.

    So nothing comes between the commit and the line that tells of it: print inside the block.
    """
    # Before the engine makes its threads, which inherit the mask: a signal goes to any thread
    # that takes it, and SIGTSTP in the middle of a write would stop every writer of the store.
    with signals_held_back(), liftlock.open(settings.root) as engine:
        yield engine


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGTSTP wait until the block is left."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
