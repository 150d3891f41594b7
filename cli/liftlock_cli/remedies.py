"""What to do about an error, in the words of this command line, where the core cannot know them.

The core says what was asked and what was found; its sentences go to people of the HTTP API as well.
"""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from liftlock.errors import (
    LiftlockError,
    ManifestUnknown,
    NameTaken,
    PromotionUnknown,
    RegistryUnknown,
    RepositoryUnknown,
    StoreUnknown,
)

_REMEDIES: Final[Mapping[type[LiftlockError], str]] = {
    NameTaken: "See it with `liftlock registry show {name}`, or take another name.",
    RegistryUnknown: "See those that there are with `liftlock ls`.",
    RepositoryUnknown: "See those that there are with `liftlock ls REGISTRY`.",
    ManifestUnknown: "See its tags with `liftlock ls {repository}`.",
    PromotionUnknown: "See those that there are with `liftlock promotion list`.",
}
"""By the error's class; its facts are filled in."""


def remedy(error: LiftlockError) -> str | None:
    """Return a sentence on what to do; None if the error's own says it."""
    if isinstance(error, StoreUnknown):
        return _where_it_was_looked_for(error.root)
    sentence = _REMEDIES.get(type(error))
    return sentence.format_map(vars(error)) if sentence else None


def remedy_of_refusal(error: OSError) -> str | None:
    """Return a sentence on what to do about something that the machine refused."""
    if error.errno in {errno.EACCES, errno.EPERM} and error.filename:
        here = f"This process runs as {_user(os.geteuid())}"
        owner = _owner_above(Path(os.fsdecode(error.filename)))
        return f"{here}; {owner}. Run it as a user who may, or change who may."
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "Free some space. Nothing that was acknowledged is lost."
    if error.errno == errno.EROFS:
        return "The file system is mounted read-only; a store is written to also by who reads."
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return "Raise the limit of open files (`ulimit -n`)."
    return None


def _where_it_was_looked_for(root: str) -> str | None:
    """Say which folder that is, and who said so."""
    context = click.get_current_context(silent=True)
    settings = None if context is None else context.find_root().obj
    if settings is None:
        return None
    origin = next(
        one.origin for one in settings.configuration.settings if str(one.key) == "store.root"
    )
    whole = Path(root).absolute()
    said = f"as {origin} says" if origin.name else "which is the default here"
    return (
        f"It was looked for in {whole}, {said}; --root, LIFTLOCK_STORE__ROOT or a file "
        "(`liftlock config show`) say where it is."
    )


def _owner_above(path: Path) -> str:
    """Say who owns what is there of a path."""
    for there in (path, *path.parents):
        with suppress(OSError):
            status = there.stat()
            return f"{there} belongs to {_user(status.st_uid)} (mode {status.st_mode & 0o7777:o})"
    return f"{path} cannot be looked at"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user often has no name
        return f"the user with id {uid}"
