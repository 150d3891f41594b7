"""How the supervisor forks its processes, what they are called, and what became of them.

They are forked with the supervisor's signals blocked, and let them in when they have handlers of
their own. Until then they have their parent's, which would swallow them.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

SUPERVISORS_SIGNALS: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""What is the supervisor's to act upon; blocked while a process is forked."""

_OWN_NAME: Final = Path("/proc/self/comm")
_NAME_BYTES_MAX: Final = 15
_FORK: Final = get_context("fork")


def started(be: Callable[..., None], *args: object, name: str) -> BaseProcess:
    """Return a new process that calls `be`, with `SUPERVISORS_SIGNALS` blocked.

    The kernel is told its name as well, for whoever looks at `top`.
    """
    process = _FORK.Process(target=_be, args=(be, name, *args), name=name)
    with _signals_blocked():
        process.start()
    return process


def _be(be: Callable[..., None], name: str, *args: object) -> None:
    with suppress(OSError):  # a sandbox may not let it, and can be done without
        _OWN_NAME.write_text(name[:_NAME_BYTES_MAX])
    be(*args)


@contextmanager
def _signals_blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SUPERVISORS_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_of(process: BaseProcess) -> str:
    """Say how a process ended."""
    code = process.exitcode or 0
    if code < 0:
        return f"was ended by signal {-code} ({signal.strsignal(-code)})"
    return f"ended with exit code {code}"
