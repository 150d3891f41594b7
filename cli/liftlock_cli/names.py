"""Names on the command line: parsed where they come in, so that a wrong one is wrong usage."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from liftlock.errors import Invalid, NameIncomplete
from liftlock.model import ABSENT, Expected
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, RepositoryName, parse_registry
from liftlock_cli.output import visible

T = TypeVar("T")
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
    """Read `registry` or `registry/repository`."""
    return RepositoryName.parse(text) if "/" in text else parse_registry(text)


def parse_expected(text: str) -> Expected:
    """Read `absent` or a digest."""
    return ABSENT if text == "absent" else Digest.parse(text)


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
