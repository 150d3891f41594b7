"""What a promotion is asked for on the command line: which tags, how, and which words clash."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import click

from liftlock.documents import Asked
from liftlock.errors import NameInvalid
from liftlock.model import Mode, Side
from liftlock.oci.reference import Selection, parse_tag
from liftlock.promotion import PromotionRequest, RequestItem

Tags = str | tuple[str, ...]
"""A glob, or tags by name."""

_WILD: Final = re.compile(r"[*?\[]")


def parse_tags(text: str) -> Tags:
    """Read a glob, or names of tags with commas between them.

    Raises:
        NameInvalid: one of several is no tag.
    """
    if _WILD.search(text) and "," not in text:
        return text
    names = text.split(",")
    for name in names:
        if _WILD.search(name):
            raise NameInvalid(name, "a glob stands alone; several are items of a --set FILE")
    return tuple(parse_tag(name) for name in names)


def chosen_tags(
    source: Selection, *, all_tags: bool, tags: Tags | None, repository: bool
) -> Tags | None:
    """Return the tags of `source` that are meant; None for its image, or for whole repositories.

    Raises:
        click.UsageError: nothing says which, or more than one thing does.
    """
    said = given({"--all-tags": all_tags, "--tags": tags, "--repository": repository})
    if source.is_image:
        if said:
            raise click.UsageError(f"{source} is one image: leave out {said[0]}.")
        return None
    if not said:
        named = f"{source}:TAG" if source.repository and not source.is_deep else ""
        ways = ", ".join(filter(None, (named, "--all-tags, --tags GLOB or --repository")))
        raise click.UsageError(f"{source} names no tag. Say what of it is meant: {ways}.")
    if len(said) > 1:
        raise click.UsageError(f"{said[0]} and {said[1]} exclude each other: say one.")
    return "*" if all_tags else tags


def one_item(item: RequestItem) -> Asked:
    """Ask for a copy of one item, and say nothing else about it."""
    return Asked(PromotionRequest((item,)), comment="", dry_run=False, plan=None)


def overridden(
    asked: Asked,
    *,
    move: bool,
    purge: bool = False,
    allow_sparse: bool = False,
    attachments: Side | None = None,
) -> Asked:
    """Put what the command line says over what was asked before.

    Raises:
        click.UsageError: `purge`, and nothing makes it a move.
    """
    request = asked.request
    mode = Mode.MOVE if move else request.mode
    if purge and mode is not Mode.MOVE:
        raise click.UsageError("--purge needs --move: a copy leaves its source as it is.")
    changed = request._replace(
        mode=mode,
        purge=purge or request.purge,
        allow_sparse=allow_sparse or request.allow_sparse,
        attachments=attachments or request.attachments,
    )
    return asked._replace(request=changed)


def given(values: Mapping[str, object]) -> list[str]:
    """Return the names of the options that were used."""
    return [name for name, value in values.items() if value not in (None, False)]
