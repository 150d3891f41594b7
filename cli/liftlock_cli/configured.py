"""Options that stand for keys of the configuration: their words, bounds and defaults are the key's.

Whether a value can be is judged with all the others, when the configuration is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from liftlock.configuring import Flags, Key
from liftlock.http.configuration import DECLARATION

F = TypeVar("F", bound=Callable[..., Any])  # Any: a command's parameters
SETTING_FLAG: Final = "--setting"


class _KeyOption(click.Option):
    """An option whose help is asked of its key when somebody reads it."""

    key: Key

    def _help(self) -> str:
        default = f"; default: {self.key.default}" if self.key.default != "" else ""
        return f"{self.key.meaning}  [{self.key}; {self.key.variable}{default}]"

    def _ignore(self, _: str | None) -> None:
        """Click sets what it was given, which is nothing."""

    help = property(_help, _ignore)


def key_option(flag: str, path: str, metavar: str) -> Callable[[F], F]:
    """Make an option of the key `path`; its parameter has the flag's name."""
    key = DECLARATION.find(path)
    assert key is not None

    class Option(_KeyOption):
        pass

    Option.key = key
    return click.option(flag, metavar=metavar, cls=Option)


def flags_from(paths: Mapping[str, str], values: Mapping[str, str | None]) -> Flags:
    """Return what was given: `paths` says which flag stands for which key."""
    given = {}
    for flag, path in paths.items():
        value = values[flag.removeprefix("--").replace("-", "_")]
        if value is not None:
            given[path] = (value, flag)
    return given


def parse_settings(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> Flags:
    """Read `section.key=value`, each of `texts`; the last of one key counts."""
    given = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(
                f"{text!r} is not SECTION.KEY=VALUE, as in server.port=5001.", context, parameter
            )
        given[path] = (value, f"{SETTING_FLAG} {path}")
    return given
