"""`retag`, `rename`: promotions by the names that people look for."""

from __future__ import annotations

import click

from liftlock.errors import Conflict, TagMoved
from liftlock.model import ABSENT, ANYTHING, Expected
from liftlock.oci.reference import Reference, RepositoryName, Selection, Target, parse_tag
from liftlock.promotion import RequestItem
from liftlock_cli.manner import Manner, in_manner
from liftlock_cli.names import parsed_by
from liftlock_cli.opening import Settings, writing
from liftlock_cli.promoting import carry_out
from liftlock_cli.promotions import expect_option, expect_target_option, sparse_option
from liftlock_cli.requests import one_item, overridden


@click.command()
@click.argument("source", callback=parsed_by(Reference.parse), metavar="REPOSITORY:OLD")
@click.argument("tag", callback=parsed_by(parse_tag), metavar="NEW")
@click.option("--move", is_flag=True, help="Take the old tag away.")
@expect_option
@expect_target_option
@in_manner
@click.pass_obj
def retag(
    settings: Settings,
    *,
    source: Reference,
    tag: str,
    move: bool,
    expect_source: Expected | None,
    expect_target: Expected | None,
    manner: Manner,
) -> None:
    """Set the tag NEW to what registry/repository:OLD is, in the same repository.

    It is a promotion to another tag: with a number, which `undo` takes, and in the history.
    """
    if source.tag is None and source.digest is None:
        raise click.UsageError(f"{source} names no image. Say which tag, as {source}:OLD.")
    item = RequestItem(
        Selection.of(source),
        Target(source.name.registry, source.name.repository, tag),
        expect_source=expect_source or ANYTHING,
        expect_target=expect_target or ANYTHING,
    )
    asked = overridden(one_item(item), move=move)
    with writing(settings) as engine:
        carry_out(engine, asked, manner)


@click.command()
@click.argument("old", callback=parsed_by(RepositoryName.parse), metavar="REGISTRY/REPOSITORY")
@click.argument("new", callback=parsed_by(RepositoryName.parse), metavar="REGISTRY/NEW")
@sparse_option
@in_manner
@click.pass_obj
def rename(
    settings: Settings,
    *,
    old: RepositoryName,
    new: RepositoryName,
    allow_sparse: bool,
    manner: Manner,
) -> None:
    """Give a repository another name, in its registry or in another one.

    It is a promotion that moves the repository as a whole, at once whatever its size, to a name
    that is free. The old name is nobody's then; what happened under it stays in its history. To
    merge it into a repository that exists, use `promote --repository --move`.
    """
    item = RequestItem(
        Selection(old.registry, old.repository),
        Target(new.registry, new.repository),
        expect_target=ABSENT,
    )
    asked = overridden(one_item(item), move=True, allow_sparse=allow_sparse)
    with writing(settings) as engine:
        try:
            carry_out(engine, asked, manner)
        except TagMoved as taken:
            raise Conflict(
                f"{new} exists already. Take a name that is free, or merge {old} into it with "
                f"`liftlock promote {old} --repository --move --to {new}`."
            ) from taken
