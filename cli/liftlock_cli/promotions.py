"""`promote`, `undo`: what the project is for."""

from __future__ import annotations

from pathlib import Path

import click

from liftlock.model import ANYTHING, Expected, Side
from liftlock.oci.reference import Selection, Target
from liftlock.promotion import RequestItem
from liftlock_cli.manner import Manner, dry_run_option, in_manner, quiet_option
from liftlock_cli.names import parse_expected, parse_number, parsed_by
from liftlock_cli.opening import Settings, actor, writing
from liftlock_cli.output import Form, output_option
from liftlock_cli.progress import progress
from liftlock_cli.promoting import carry_out, print_made
from liftlock_cli.registries import comment_option
from liftlock_cli.requests import Tags, chosen_tags, given, one_item, overridden, parse_tags
from liftlock_cli.setfiles import read_set

expect_option = click.option(
    "--expect",
    "expect_source",
    callback=parsed_by(parse_expected),
    metavar="DIGEST|absent",
    help="Refuse unless the source tag is there.  [default: anywhere]",
)
expect_target_option = click.option(
    "--expect-target",
    callback=parsed_by(parse_expected),
    metavar="DIGEST|absent",
    help="Refuse unless the target tag is there.  [default: anywhere]",
)


sparse_option = click.option(
    "--allow-sparse",
    is_flag=True,
    help="Also if indexes or images name what the target lacks then.  [default: refuse]",
)


@click.command()
@click.argument("source", callback=parsed_by(Selection.parse), required=False, metavar="[SOURCE]")
@click.option(
    "--to",
    "target",
    callback=parsed_by(Target.parse),
    metavar="TARGET",
    help="registry[/repository][:tag]; what is left out is the source's.",
)
@click.option("--all-tags", is_flag=True, help="All tags of SOURCE, with what they reach.")
@click.option(
    "--tags",
    callback=parsed_by(parse_tags),
    metavar="GLOB|TAG,TAG",
    help="The tags of SOURCE that match, such as '1.*'; or those of these names.",
)
@click.option(
    "--repository", is_flag=True, help="SOURCE as a whole, with what bears no tag as well."
)
@click.option(
    "--set",
    "set_file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="A set of items instead of SOURCE and --to, as JSON or YAML; - is stdin.",
)
@click.option(
    "--retag",
    metavar="TEMPLATE",
    help="How the tags are named at the target, as in '{tag}-rc'.  [default: as at the source]",
)
@click.option("--move", is_flag=True, help="Take it away from the source.")
@click.option(
    "--purge",
    is_flag=True,
    help="With --move: unlink at once what nothing at the source needs any more.  "
    "[default: hold it for a week]",
)
@sparse_option
@expect_option
@expect_target_option
@click.option(
    "--attachments",
    type=click.Choice([side.value for side in Side]),
    callback=lambda _ctx, _parameter, value: Side(value) if value else None,
    help="Which side's attachment tags count where both differ.  [default: refuse]",
)
@in_manner
@click.pass_obj
def promote(
    settings: Settings,
    *,
    source: Selection | None,
    target: Target | None,
    all_tags: bool,
    tags: Tags | None,
    repository: bool,
    set_file: Path | None,
    retag: str | None,
    move: bool,
    purge: bool,
    allow_sparse: bool,
    expect_source: Expected | None,
    expect_target: Expected | None,
    attachments: Side | None,
    manner: Manner,
) -> None:
    """Make the target be what SOURCE is now, without moving a byte.

    SOURCE is registry/repository[:tag][@digest]; a tag and a digest must agree. Or, with one of
    --all-tags, --tags and --repository, a repository, all repositories below a path
    (registry/path/**), or a registry. All that an image reaches comes along: an index's images,
    their blobs, referrers, attachment tags. It happens wholly or not at all, and the same again is
    harmless. With -o name, prints the promotion's number, which `undo` takes.
    """
    if set_file is not None:
        others: dict[str, object] = {
            "SOURCE": source,
            "--to": target,
            "--retag": retag,
            "--all-tags": all_tags,
            "--tags": tags,
            "--repository": repository,
            "--expect": expect_source,
            "--expect-target": expect_target,
        }
        if said := given(others):
            raise click.UsageError(f"{said[0]} is told in the file, item by item, with --set.")
        asked = read_set(set_file)
    elif source is None or target is None:
        raise click.UsageError("Say SOURCE and --to TARGET, or --set FILE.")
    else:
        chosen = chosen_tags(source, all_tags=all_tags, tags=tags, repository=repository)
        asked = one_item(
            RequestItem(
                source, target, chosen, retag, expect_source or ANYTHING, expect_target or ANYTHING
            )
        )
    asked = overridden(
        asked, move=move, purge=purge, allow_sparse=allow_sparse, attachments=attachments
    )
    with writing(settings) as engine:
        carry_out(engine, asked, manner)


@click.command()
@click.argument("number", callback=parsed_by(parse_number), metavar="NUMBER")
@comment_option
@dry_run_option
@quiet_option
@output_option
@click.pass_obj
def undo(
    settings: Settings, *, number: int, comment: str, dry_run: bool, quiet: bool, form: Form
) -> None:
    """Take back promotion NUMBER, if its target still is what it made.

    The undo is a promotion of its own, with a number and an entry in the history.
    """
    with writing(settings) as engine:
        with progress("undoing", quiet=quiet):
            promotion = engine.undo(number, by=actor(), comment=comment, dry_run=dry_run)
        print_made(promotion, form, dry_run=dry_run)
