"""How imports and exports are printed: what came or went as a table, and what it was in all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from liftlock.documents import export_document, import_document
from liftlock.model import Export, ExportItem, Import, ImportItem, Outcome, Passed
from liftlock.oci.mediatype import DOCKER_LIST, DOCKER_MANIFEST
from liftlock_cli.output import (
    Column,
    Form,
    count_text,
    digest_text,
    print_document,
    print_line,
    print_table,
    size_text,
)

_ITEMS_MAX: Final = 50
"""Items that a table has; JSON has all."""
_NAMED_MAX: Final = 3
"""Images that a note names."""
_DOCKER: Final = frozenset({DOCKER_MANIFEST, DOCKER_LIST})
_DONE: Final = {
    Outcome.CREATE: "created",
    Outcome.OVERWRITE: "overwritten",
    Outcome.EXTEND: "extended",
    Outcome.UNCHANGED: "unchanged",
}
_IMPORTED: Final[tuple[Column[ImportItem], ...]] = (
    Column("IMAGE", lambda item: item.source),
    Column("TARGET", lambda item: item.target),
    Column("DIGEST", lambda item: digest_text(item.digest)),
)
_WAS: Final[Column[ImportItem]] = Column(
    "WAS", lambda item: digest_text(item.previous_digest) if item.previous_digest else "-"
)
_EXPORTED: Final[tuple[Column[ExportItem], ...]] = (
    Column("IMAGE", lambda item: item.source),
    Column("NAME", lambda item: item.name or "-"),
    Column("DIGEST", lambda item: digest_text(item.digest)),
)


def print_import(done: Import, form: Form, *, dry_run: bool) -> None:
    """Print what an import did, or would do; as names, its targets."""
    match form:
        case Form.TABLE:
            print_line(_import_line(done, dry_run=dry_run))
            action: Column[ImportItem] = Column(
                "ACTION", lambda item: item.action.value if dry_run else _DONE[item.action]
            )
            was = (_WAS,) if any(item.action is Outcome.OVERWRITE for item in done.items) else ()
            print_table((*_IMPORTED, action, *was), done.items[:_ITEMS_MAX])
            _print_more(len(done.items))
        case Form.JSON:
            print_document(import_document(done, dry_run=dry_run))
        case Form.NAME:
            for item in done.items:
                print_line(item.target)


def print_export(done: Export, form: Form, *, dry_run: bool, err: bool) -> None:
    """Print what an export wrote, or would write; as names, what of the store it is.

    Args:
        done: what was done.
        form: how it is printed.
        dry_run: whether nothing was done.
        err: whether it goes to stderr, since stdout is the export itself.
    """
    match form:
        case Form.TABLE:
            print_line(_export_line(done, dry_run=dry_run), err=err)
            print_table(_EXPORTED, done.items[:_ITEMS_MAX], err=err)
            _print_more(len(done.items), err=err)
        case Form.JSON:
            print_document(export_document(done, dry_run=dry_run), err=err)
        case Form.NAME:
            for item in done.items:
                print_line(item.source, err=err)


def _print_more(items: int, *, err: bool = False) -> None:
    if items > _ITEMS_MAX:
        more = count_text(items - _ITEMS_MAX, "more item")
        print_line(f"… and {more}; -o json prints them all", err=err)


def _import_line(done: Import, *, dry_run: bool) -> str:
    if not done.changed:
        return f"{done.archive}: all of it is there already"
    said = "would bring in" if dry_run else "brought in"
    manifests = count_text(done.manifests, "manifest")
    event = "" if done.event is None else f", event {done.event}"
    parts = [f"{said} {manifests} and {_blobs(done.brought)}", *_skipped(done.skipped)]
    return f"{done.archive}: {', '.join(parts)}{event}"


def _export_line(done: Export, *, dry_run: bool) -> str:
    if not done.changed and not dry_run:
        return f"{done.path}: all of it is there already"
    said = "would have" if dry_run else "has"
    manifests = count_text(done.manifests, "manifest")
    parts = [f"{said} {manifests} and {_blobs(_sum(done))}"]
    if done.kept.blobs:
        parts.append(f"of which {_blobs(done.kept)} were there already")
    return f"{done.path}: {', '.join(parts)}"


def export_notes(done: Export) -> Iterator[str]:
    """Yield what may not be what was meant."""
    if done.absent:
        more = " and more" if done.absent_more else ""
        yield f"images name what is not there: {', '.join(map(str, done.absent))}{more}"
    if done.foreign:
        count = count_text(len(done.foreign), "non-distributable layer")
        yield f"{count} that the repository does not have stayed behind"
    docker = [item.source for item in done.items if item.media_type in _DOCKER]
    if docker:
        names = ", ".join(docker[:_NAMED_MAX]) + (" and others" if len(docker) > _NAMED_MAX else "")
        yield (
            f"{names}: a manifest of docker's own type, which stays as it is; skopeo, podman and "
            "umoci find no such in a layout, docker and containerd do"
        )


def _sum(done: Export) -> Passed:
    return Passed(done.written.blobs + done.kept.blobs, done.written.bytes + done.kept.bytes)


def _skipped(passed: Passed) -> Iterator[str]:
    if passed.blobs:
        yield f"skipped {_blobs(passed)} that the target has"


def _blobs(passed: Passed) -> str:
    size = size_text(passed.bytes)
    unit = " bytes" if size.isdigit() else ""
    return f"{count_text(passed.blobs, 'blob')} ({size}{unit})"
