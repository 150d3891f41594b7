"""`import`, `export`: images out of archives, and into them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Final

import click

from liftlock.model import Format, Import
from liftlock.oci.reference import Selection, Target
from liftlock_cli.manner import dry_run_option, quiet_option
from liftlock_cli.names import parsed_by
from liftlock_cli.opening import Settings, actor, reading, take_signals, terminable, writing
from liftlock_cli.output import Form, output_option, print_line
from liftlock_cli.progress import bar
from liftlock_cli.promotions import sparse_option
from liftlock_cli.registries import comment_option
from liftlock_cli.requests import Tags, parse_tags
from liftlock_cli.transferviews import export_notes, print_export, print_import

_STDOUT: Final = "-"

tags_option = click.option(
    "--tags",
    callback=parsed_by(parse_tags),
    metavar="GLOB|TAG,TAG",
    help="Only the tags that match, such as '1.*'; or those of these names.  [default: all]",
)


@click.command("import")
@click.argument("archive", type=click.Path(), metavar="ARCHIVE")
@click.option(
    "--to",
    "target",
    callback=parsed_by(Target.parse),
    metavar="TARGET",
    help="registry[/repository][:tag]; what is left out is as the archive calls it.",
)
@tags_option
@click.option(
    "--retag",
    metavar="TEMPLATE",
    help="How the tags are named at the target, as in '{tag}-rc'.  [default: as in ARCHIVE]",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Also move tags that are there, with another digest.  [default: refuse]",
)
@sparse_option
@comment_option
@dry_run_option
@quiet_option
@output_option
@click.pass_obj
def import_images(
    settings: Settings,
    *,
    archive: str,
    target: Target | None,
    tags: Tags | None,
    retag: str | None,
    overwrite: bool,
    allow_sparse: bool,
    comment: str,
    dry_run: bool,
    quiet: bool,
    form: Form,
) -> None:
    """Bring in the images of ARCHIVE, all of them at once.

    ARCHIVE is an OCI image layout (a folder or a tar) or what `docker save` writes; tars may be
    compressed with gzip or zstd. All is verified. Referrers, attachment tags and an index's images
    come along. Blobs come in first; then manifests and tags, in one transaction. Broken off and
    begun again, it goes on. With -o name, prints what the images are called then.
    """
    with (
        writing(settings) as engine,
        engine.planned_import(
            archive,
            target,
            by=actor(),
            comment=comment,
            tags=tags,
            retag=retag,
            overwrite=overwrite,
            allow_sparse=allow_sparse,
            heed=take_signals,
        ) as plan,
    ):
        done = plan.planned
        if not dry_run:
            with bar("Importing", done.brought.bytes, quiet=quiet) as advance:
                done = _interruptible(
                    lambda: engine.execute_import(plan, progress=_heeding(advance)), archive
                )
        print_import(done, form, dry_run=dry_run)
        _print_notes(done.warnings, quiet=quiet)


@click.command("export")
@click.argument(
    "sources",
    nargs=-1,
    required=True,
    metavar="SOURCE...",
    callback=lambda context, parameter, texts: tuple(
        parsed_by(Selection.parse)(context, parameter, text) for text in texts
    ),
)
@click.argument("path", type=click.Path(allow_dash=True), metavar="PATH")
@click.option(
    "--format",
    "form_of_layout",
    type=click.Choice([form.value for form in Format]),
    callback=lambda _ctx, _parameter, value: Format(value) if value else None,
    help="What PATH is to be.  [default: as its name says, else a folder]",
)
@tags_option
@click.option(
    "--overwrite",
    is_flag=True,
    help="Also replace a file, or images of the same names in a folder.  [default: refuse]",
)
@sparse_option
@dry_run_option
@quiet_option
@output_option
@click.pass_obj
def export_images(
    settings: Settings,
    *,
    sources: tuple[Selection, ...],
    path: str,
    form_of_layout: Format | None,
    tags: Tags | None,
    overwrite: bool,
    allow_sparse: bool,
    dry_run: bool,
    quiet: bool,
    form: Form,
) -> None:
    """Write images to PATH, as an OCI image layout.

    SOURCE is an image, a repository with all its tags, all repositories below a path
    (registry/path/**), or a registry; several go to one layout. All that they reach comes along:
    an index's images, their blobs, referrers, attachment tags. PATH is a folder; or a tar, if its
    name ends in .tar, .tar.gz or .tar.zst; - is stdout, and is a tar. A folder that is a layout is
    added to. Broken off and begun again, it goes on with a folder. With -o name, prints what was
    exported.
    """
    to_stdout = path == _STDOUT
    if to_stdout and form_of_layout is Format.FOLDER:
        raise click.UsageError("stdout cannot be a folder: name another PATH, or --format tar.")
    if to_stdout and sys.stdout.isatty() and not dry_run:
        raise click.UsageError("A tar does not go to a terminal: name another PATH, or pipe it.")
    default = Format.TAR if to_stdout else None
    with terminable(), reading(settings) as engine:
        plan = engine.plan_export(
            sources, path, format=form_of_layout or default, tags=tags, allow_sparse=allow_sparse
        )
        with bar("Exporting", plan.size, quiet=quiet or dry_run) as advance:
            done = engine.execute_export(
                plan,
                sys.stdout.buffer if to_stdout else None,
                overwrite=overwrite,
                dry_run=dry_run,
                progress=advance,
            )
        print_export(done, form, dry_run=dry_run, err=to_stdout and not dry_run)
        _print_notes(export_notes(done), quiet=quiet)


def _print_notes(notes: Iterable[str], *, quiet: bool) -> None:
    for note in () if quiet else notes:
        print_line(f"Warning: {note}", err=True)


def _heeding(advance: Callable[[int], None]) -> Callable[[int], None]:
    """Return what tells of bytes, and is where signals take effect."""

    def heed(count: int) -> None:
        advance(count)
        take_signals()

    return heed


def _interruptible(work: Callable[[], Import], archive: str) -> Import:
    try:
        return work()
    except KeyboardInterrupt:
        print_line(
            f"Broken off: no image of {archive} was brought in. Blobs that came in are held; the "
            "same command again goes on from there.",
            err=True,
        )
        raise
