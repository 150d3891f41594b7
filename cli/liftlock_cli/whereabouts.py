"""`where`: which repositories have some content, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import click

from liftlock.documents import whereabouts_document
from liftlock.engine import Engine
from liftlock.errors import DigestInvalid
from liftlock.model import Whereabouts
from liftlock.oci.digest import Digest
from liftlock_cli.names import parsed_by
from liftlock_cli.opening import Settings, reading
from liftlock_cli.output import (
    Column,
    Form,
    View,
    digest_text,
    instant_text,
    output_option,
    print_line,
    print_many,
)
from liftlock_cli.paging import every_found

_REASONS_SHOWN: Final = 3
"""Tags, or parents, that a row of the table has; JSON has more."""


def _parse_digest(text: str) -> Digest:
    if "/" in text:
        raise DigestInvalid(text, f"it is a name; `liftlock show {text} -o name` has its digest")
    return Digest.parse(text)


@click.command()
@click.argument("digest", callback=parsed_by(_parse_digest))
@output_option
@click.pass_obj
def where(settings: Settings, *, digest: Digest, form: Form) -> None:
    """Tell which repositories have DIGEST, and why.

    DIGEST is of a manifest or a blob. Why: its tags, the indexes and images that name it, the image
    that it belongs to, and a hold, which keeps it for a while without any of these, since when.
    Every repository is looked at, so it takes longer the more there are.
    """
    with reading(settings) as engine:
        found = _found(engine, digest)
        first = next(found, None)
        if first is None and form is Form.TABLE:
            print_line(f"No repository has {digest}.", err=True)
        print_many(form, _view(digest), _chained(first, found))


def _found(engine: Engine, digest: Digest) -> Iterator[Whereabouts]:
    return every_found(lambda after: engine.where(digest, after=after))


def _chained(first: Whereabouts | None, rest: Iterator[Whereabouts]) -> Iterator[Whereabouts]:
    if first is not None:
        yield first
    yield from rest


def _view(digest: Digest) -> View[Whereabouts]:
    return View(
        (
            Column("REPOSITORY", lambda found: str(found.repository)),
            Column("KIND", lambda found: found.kind.value),
            Column("TAGS", lambda found: _some(found.tags, found)),
            Column("NAMED BY", lambda found: _some([*map(digest_text, found.parents)], found)),
            Column("BELONGS TO", lambda found: digest_text(found.subject)),
            Column("HELD SINCE", _held_text),
        ),
        whereabouts_document,
        lambda found: f"{found.repository}@{digest}",
    )


def _some(reasons: Sequence[str], found: Whereabouts) -> str:
    """List a few, and count the others, as far as they are known."""
    more = len(reasons) - _REASONS_SHOWN
    shown = ",".join(reasons[:_REASONS_SHOWN]) or "-"
    if more <= 0:
        return shown
    return f"{shown} and {more} more" if found.is_complete else f"{shown} and {more} or more"


def _held_text(found: Whereabouts) -> str:
    return "-" if found.held_since is None else instant_text(found.held_since)
