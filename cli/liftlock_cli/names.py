"""Names on the command line: parsed where they come in, so that a wrong one is wrong usage."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

import click

from liftlock.errors import Invalid, NameIncomplete
from liftlock.model import ABSENT, Expected
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, RepositoryName, parse_registry
from liftlock_cli.output import visible

T = TypeVar("T")
_NUMBER: Final = re.compile(r"0*[1-9][0-9]{0,17}", re.ASCII)  # all that is one fits 64 bits
_SHOWN_MAX: Final = 60
Place = Reference | RepositoryName | str
"""An image, a repository, or a registry."""


def parse_place(text: str) -> Place:
    """Read `registry`, `registry/repository` or `registry/repository[:tag][@digest]`."""
    if "@" not in text and ":" not in text and "/" not in text:
        return parse_registry(text)
    reference = Reference.parse(text)
    if reference.tag is None and reference.digest is None:
        return reference.name
    return reference


def parse_repository_place(text: str) -> RepositoryName | str:
    """Read `registry` or `registry/repository`.

    Raises:
        click.BadParameter: it is an image.
    """
    if "/" in text and (":" in text.rpartition("/")[2] or "@" in text):
        reference = visible(str(Reference.parse(text)))
        raise click.BadParameter(
            f"{reference} is an image, and this lists the tags of a repository. "
            f"See it with `liftlock show {reference}`."
        )
    return RepositoryName.parse(text) if "/" in text else parse_registry(text)


def parse_expected(text: str) -> Expected:
    """Read `absent` or a digest."""
    return ABSENT if text == "absent" else Digest.parse(text)


def parse_number(text: str) -> int:
    """Read a promotion's number.

    Raises:
        click.BadParameter: it is none.
    """
    if not _NUMBER.fullmatch(text):
        shown = visible(repr(text[:_SHOWN_MAX]))
        raise click.BadParameter(
            f"{shown} is none; a promotion has a number, as `liftlock promotion list` shows it."
        )
    return int(text)


def parsed_each_by(
    parse: Callable[[str], T],
) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], tuple[T, ...]]:
    """Make the callback of a parameter that takes several of a parser."""
    one = parsed_by(parse)

    def callback(
        context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
    ) -> tuple[T, ...]:
        parsed = (one(context, parameter, text) for text in texts)
        return tuple(each for each in parsed if each is not None)

    return callback


def parsed_by(
    parse: Callable[[str], T],
) -> Callable[[click.Context, click.Parameter, str | None], T | None]:
    """Make a parameter's callback of a parser; what it refuses is wrong usage."""

    def callback(context: click.Context, parameter: click.Parameter, text: str | None) -> T | None:
        if text is None:
            return None
        try:
            return parse(text)
        except (Invalid, NameIncomplete) as error:
            raise click.BadParameter(visible(str(error)), context, parameter) from error

    return callback
