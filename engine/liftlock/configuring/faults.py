"""What is wrong with a configuration: all of it at once, each with its place and its remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

_CLOSE: Final = 0.6
_SHOWN_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that cannot be, and where it stands."""

    where: str
    """A file with a line, a variable, or a flag."""
    sentence: str

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence}"


class ConfigurationInvalid(ValueError):
    """A configuration has faults; nothing of it was used."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Tell all of `faults`, a line each."""
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


def nearest(name: str, known: Iterable[str], *, cutoff: float = _CLOSE) -> str | None:
    """Return which of `known` was probably meant by `name`, if one comes near."""
    return next(iter(get_close_matches(name, known, 1, cutoff)), None)


def shown(value: object) -> str:
    """Write out what was found, cut if it is long."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 1]}…"
