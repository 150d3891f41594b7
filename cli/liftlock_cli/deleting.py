"""`delete`: tags, manifests and repositories, and how to get them back."""

from __future__ import annotations

from collections.abc import Iterator

import click

from liftlock.documents import deletion_document
from liftlock.errors import NotFound
from liftlock.model import ANYTHING, Deletion
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, RepositoryName
from liftlock_cli.manner import dry_run_option
from liftlock_cli.names import Place, parse_place, parsed_by, parsed_each_by
from liftlock_cli.opening import Settings, actor, reading, writing
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
from liftlock_cli.registries import comment_option, usage_text


@click.command()
@click.argument(
    "names", nargs=-1, required=True, callback=parsed_each_by(parse_place), metavar="NAME..."
)
@click.option("--repository", is_flag=True, help="Delete whole repositories; each NAME is one.")
@click.option(
    "--expect",
    callback=parsed_by(Digest.parse),
    metavar="DIGEST",
    help="Refuse unless the tag is there.  [default: anywhere]",
)
@click.option("--if-exists", is_flag=True, help="Pass over what is not there.")
@comment_option
@dry_run_option
@output_option
@click.pass_obj
def delete(
    settings: Settings,
    *,
    names: tuple[Place, ...],
    repository: bool,
    expect: Digest | None,
    if_exists: bool,
    comment: str,
    dry_run: bool,
    form: Form,
) -> None:
    """Delete tags and manifests, or repositories as a whole.

    NAME is registry/repository:tag, or registry/repository@digest: the manifest, with all its tags.
    What a deleted tag led to can be pulled by its digest for a week (limits.hold_ms) at least, and
    `retag` sets the tag again. All is judged before anything is deleted; then each is deleted by
    itself.
    """
    # What is named twice is meant once: it would not be there the second time.
    deletable = [_require_meant(name, repository=repository) for name in dict.fromkeys(names)]
    if expect is not None and (repository or len(names) > 1):
        raise click.UsageError("--expect is for one tag: say its name, and no other.")
    opened = reading if dry_run else writing
    with opened(settings) as engine:

        def deleted(of: Reference | RepositoryName, *, only_judge: bool) -> Deletion | None:
            try:
                return engine.delete(
                    of,
                    by=actor(),
                    comment=comment,
                    expect=expect or ANYTHING,
                    dry_run=only_judge,
                )
            except NotFound as error:
                if not if_exists:
                    raise
                if only_judge and not settings.quiet:
                    print_line(f"Passed over: {error}", err=True)
                return None

        judged = [deleted(of, only_judge=True) for of in deletable]
        if dry_run:
            done: Iterator[Deletion | None] = iter(judged)
        else:
            done = (deleted(one.of, only_judge=False) for one in judged if one)
        _print((one for one in done if one), form, dry_run=dry_run)


def _require_meant(name: Place, *, repository: bool) -> Reference | RepositoryName:
    """Return what is to be deleted, if its form says that it is meant."""
    match name:
        case RepositoryName() if not repository:
            raise click.UsageError(
                f"{name} is a whole repository. To delete one tag, name it, as {name}:TAG; to "
                "delete all that it has, add --repository."
            )
        case Reference() if repository:
            raise click.UsageError(f"{name} is an image, and --repository deletes {name.name}.")
        case Reference() | RepositoryName():
            return name
        case _:
            raise click.UsageError(
                f"{name} is a registry. Delete it with `liftlock registry delete {name}`."
            )


def _print(deletions: Iterator[Deletion], form: Form, *, dry_run: bool) -> None:
    if form is not Form.TABLE:
        view: View[Deletion] = View(
            (Column("NAME", _name),), lambda one: deletion_document(one, dry_run=dry_run), _name
        )
        print_many(form, view, deletions)
        return
    for deletion in deletions:
        for line in _lines(deletion, "would delete" if dry_run else "deleted"):
            print_line(line)


def _name(deletion: Deletion) -> str:
    return str(deletion.of)


def _lines(deletion: Deletion, verb: str) -> Iterator[str]:
    until = instant_text(deletion.kept_until)
    if isinstance(deletion.of, RepositoryName):
        assert deletion.usage
        yield f"{verb} {deletion.of}: {usage_text(deletion.usage)}"
        yield f"  nothing brings it back; its rows are swept after {until}, its history stays"
        return
    name = deletion.of.name
    if deletion.of.tag is not None:
        whole = f"{name}@{deletion.digest}"
        yield f"{verb} {name}:{deletion.of.tag}, which was at {digest_text(deletion.digest)}"
        yield f"  until {until} at least: liftlock retag {whole} {deletion.of.tag}"
        return
    tags = f" and its tags {', '.join(deletion.tags)}" if deletion.tags else ""
    yield f"{verb} {name}@{deletion.digest}{tags}"
    yield f"  what it names stays until {until} at least, so that it can be pushed again alone"
