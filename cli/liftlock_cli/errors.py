"""How the command line answers an error: the one table from error families to exit codes.

A script can act on the code alone; a person reads the sentences, which the core's errors bring
along. Nothing that an error quotes reaches the terminal as a control sequence.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import tempfile
from collections.abc import Iterable, Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

import click

from liftlock.configuring import Fault
from liftlock.errors import (
    Conflict,
    Corruption,
    Invalid,
    LiftlockError,
    NotFound,
    PlanOutdated,
    Unavailable,
)
from liftlock_cli.output import visible
from liftlock_cli.remedies import remedy, remedy_of_refusal

UNFORESEEN: Final = 1
USAGE: Final = 2
"""click's own for wrong usage, and that of the family `Invalid`."""
FORBIDDEN: Final = 5
"""Kept for the family that comes with access rights."""
UNAVAILABLE: Final = 6
CORRUPT: Final = 7
INTERRUPTED: Final = 130
"""128 + SIGINT, as a shell has it."""
PIPE_CLOSED: Final = 141
"""128 + SIGPIPE: whoever read our output has gone, so it is not known to be complete."""

EXIT_CODES: Final[Mapping[type[LiftlockError], int]] = {
    Invalid: USAGE,
    NotFound: 3,
    Conflict: 4,
    Unavailable: UNAVAILABLE,
    Corruption: CORRUPT,
}

_ENVIRONMENT: Final = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENXIO,
        errno.EIO,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EMFILE,
        errno.ENFILE,
        errno.EADDRINUSE,
        errno.EADDRNOTAVAIL,
    }
)
"""What the machine refuses us: its sentence says enough, a traceback would not say more."""

_LOG_BYTES_MAX: Final = 1024 * 1024


def exit_code(error: LiftlockError) -> int:
    """Return the exit code of the family that `error` belongs to."""
    return next(
        (EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES), UNFORESEEN
    )


def tell(error: LiftlockError) -> int:
    """Print every violation that `error` speaks for, a line each, and return its exit code."""
    for violation in error.violations:
        _say(_sentence(violation))
    return exit_code(error)


def tell_faults(faults: Iterable[Fault]) -> int:
    """Print every fault of a configuration, a line each, and return the exit code."""
    for fault in faults:
        _say(f"{fault}.".replace("?.", "?"))
    return USAGE


def tell_machine(error: OSError) -> int | None:
    """Print what the machine refused and return the exit code; None if it is not that kind."""
    if error.errno not in _ENVIRONMENT:
        return None
    where = f"{error.filename}: " if error.filename else ""
    todo = remedy_of_refusal(error)
    _say(f"The machine refused: {where}{os.strerror(error.errno)}.{f' {todo}' if todo else ''}")
    return UNAVAILABLE


def tell_unforeseen(error: BaseException) -> int:
    """Log `error` with its traceback under a new id, print id and log, and return the code."""
    failure = secrets.token_hex(4)
    log = _log(failure, error)
    where = f"the traceback is in {log}" if log else "it could not be logged"
    _say(f"Nobody foresaw this ({type(error).__name__}): failure {failure}, {where}.")
    return UNFORESEEN


def _sentence(violation: LiftlockError) -> str:
    """Return what is said of a violation: its own words, and what to do on the command line."""
    if isinstance(violation, PlanOutdated):
        return (
            f"The plan is outdated: it was {violation.expected}, and is {violation.found} now. "
            "Nothing was written. Look at the new plan: run it with --dry-run, then with "
            f"--plan {violation.found}."
        )
    todo = remedy(violation)
    return f"{violation} {todo}" if todo else str(violation)


def _say(sentence: str) -> None:
    click.echo(f"Error: {visible(sentence)}", err=True)


def _log(failure: str, error: BaseException) -> Path | None:
    """Append the traceback to the user's log, or else to one in the temporary folder."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    # The fallback is for homes that cannot be written; the user's id keeps users apart.
    fallback = Path(tempfile.gettempdir(), f"liftlock-{os.getuid()}")
    for folder in (Path(state).expanduser() / "liftlock", fallback):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            log = folder / "failures.log"
            handler = RotatingFileHandler(log, maxBytes=_LOG_BYTES_MAX, backupCount=1)
        except OSError:
            continue
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        handler.emit(
            logging.LogRecord(
                "liftlock_cli",
                logging.ERROR,
                __file__,
                0,
                "failure %s",
                (failure,),
                (type(error), error, error.__traceback__),
            )
        )
        handler.close()
        return log
    return None
