"""What can be configured of a store and its server, and where the file is looked for.

The stronger source counts: flags, then the environment, then one file, then defaults. Only the CLI
and `liftlock.http.app` have an environment to read; they bring it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from liftlock.config import Limits
from liftlock.configuring import (
    ConfigurationInvalid,
    Declaration,
    Fault,
    Flags,
    Section,
    Setting,
    Stray,
    read,
)
from liftlock.configuring.strays import strays
from liftlock.http.limits import MOST, OFF_AT_ZERO, HttpLimits
from liftlock.http.settings import HttpSettings

FILE_VARIABLE: Final = "LIFTLOCK_CONFIG"
IN_FOLDER: Final = Path("liftlock.toml")
PLACES: Final = (IN_FOLDER, Path("/etc/liftlock/liftlock.toml"))
"""Where a file is looked for; the first that is there counts, and no other."""

WORKERS_MAX: Final = 16
"""Each may have some fifty read transactions at a time, of the `Limits.readers_max` in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSection:
    """Which store."""

    root: Path = Path(".liftlock/store")
    """The store's folder. In a file, a relative path begins at the file's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSection:
    """How `liftlock serve` is reached.

    Raises:
        ValueError: a key cannot be; the sentence says why.
    """

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    """The address to listen at."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 5000
    """The port to listen at; with 0, a free one."""
    workers: Annotated[int, Meta(ge=1, le=WORKERS_MAX)] = 1
    """How many processes answer requests."""
    path_prefix: str = ""
    """Below which path a proxy in front offers the server, as in /registry."""

    def __post_init__(self) -> None:
        self.settings()

    def settings(self) -> HttpSettings:
        """Return what of it a worker needs to know."""
        return HttpSettings(path_prefix=self.path_prefix)


DECLARATION: Final = Declaration(
    Section("store", StoreSection),
    Section("server", ServerSection),
    Section("limits", Limits),
    Section("http_limits", HttpLimits, OFF_AT_ZERO, MOST),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything that can be configured, judged; and how it came to be."""

    store: StoreSection
    server: ServerSection
    limits: Limits
    http_limits: HttpLimits
    file: Path | None
    """The file that was read."""
    settings: tuple[Setting, ...]
    """Every key with its value and where that comes from."""
    strays: tuple[Stray, ...]
    """Variables that begin like ours and were not read."""


def configure(
    environment: Mapping[str, str],
    *,
    file: Path | None = None,
    flags: Flags | None = None,
    places: Iterable[Path] = PLACES,
) -> Configuration:
    """Return the configuration.

    Args:
        environment: the process's variables.
        file: the one to read; None: the variable LIFTLOCK_CONFIG says, else it is looked for.
        flags: what was given on the command line.
        places: where a file is looked for.

    Raises:
        ConfigurationInvalid: something cannot be; tells all that cannot.
    """
    named = environment.get(FILE_VARIABLE)
    found = file or (Path(named) if named else _find(places))
    reading = read(DECLARATION, found, environment, flags)
    # Each is of the type that its section declares.
    sections: dict[str, object] = dict(reading.sections)
    return Configuration(
        **sections,  # type: ignore[arg-type]  # a mapping's values have one type
        file=reading.file,
        settings=reading.settings,
        strays=tuple(strays(DECLARATION, environment, (FILE_VARIABLE,))),
    )


def _find(places: Iterable[Path]) -> Path | None:
    """Return the first of `places` that is there.

    Whoever works in a folder of somebody else must not be led to another store by a file there: of
    the working folder, only a file of the user's own or of root counts.
    """
    for place in places:
        try:
            owner = place.stat().st_uid
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return place  # reading it will say why it cannot be read
        if place.is_absolute() or owner in {0, os.geteuid()}:
            return place
        raise ConfigurationInvalid(
            [
                Fault(
                    str(place),
                    f"it belongs to the user with id {owner}, not to you; "
                    f"use it with `--config ./{place}`, or work in another folder",
                )
            ]
        )
    return None
