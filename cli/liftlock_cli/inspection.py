"""An image as `show` prints it: what it is, the tree of what belongs to it, what befell it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import click
import msgspec

from liftlock.documents import history_document, inspection_document
from liftlock.engine import Engine
from liftlock.model import HistoryEntry, Inspection
from liftlock.oci.descriptor import Descriptor
from liftlock.oci.reference import Reference
from liftlock_cli.output import (
    Column,
    Document,
    Form,
    digest_text,
    print_document,
    print_facts,
    print_line,
    print_table,
    size_text,
)
from liftlock_cli.trees import print_tree
from liftlock_cli.views import HISTORY

_HISTORY_HEAD: Final = 3
"""Changes of a tag that `show` prints; `history` prints all."""


@dataclass(frozen=True, slots=True)
class Image:
    """All that is printed of an image."""

    reference: Reference
    manifest: Inspection
    history: tuple[HistoryEntry, ...]


def inspect(engine: Engine, reference: Reference) -> Image:
    """Gather what there is to know of an image.

    Raises:
        RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there.
    """
    manifest = engine.inspect(reference)
    return Image(reference, manifest, engine.history(reference, limit=_HISTORY_HEAD).entries)


def print_image(image: Image, form: Form) -> None:
    """Print it; as a name, pinned to its digest."""
    match form:
        case Form.TABLE:
            _print_tables(image)
        case Form.JSON:
            print_document(_document(image))
        case Form.NAME:
            print_line(f"{image.reference.name}@{image.manifest.digest}")


def _print_tables(image: Image) -> None:
    manifest = image.manifest
    print_facts([(name, value) for name, value in _facts(image) if value])
    if manifest.children or manifest.attachments:
        click.echo()
        print_tree(str(image.reference), manifest)
    if manifest.blobs:
        click.echo("\nblobs")
        print_table(_BLOBS, manifest.blobs)
    if image.history:
        click.echo("\nlast changes")
        print_table(HISTORY.columns, image.history)
    if not manifest.is_complete:
        what = "Not all is shown: something cannot be read (`liftlock check` tells), or there is "
        print_line(f"{what}more than fits the limits.", err=True)


def _facts(image: Image) -> Iterator[tuple[str, str]]:
    manifest = image.manifest
    yield "image", str(image.reference)
    # Whole, also on a terminal: it is what one copies from here.
    yield "digest", str(manifest.digest)
    yield "media type", manifest.media_type
    yield "artifact type", manifest.artifact_type or ""
    yield "size", size_text(manifest.size)
    yield "total size", size_text(manifest.total_size)
    yield "platforms", ", ".join(_platforms(manifest))
    yield "signed", "yes (nobody has verified it)" if manifest.is_signed else "no"
    yield "subject", str(manifest.subject) if manifest.subject else ""
    for key, value in sorted((manifest.annotations or {}).items()):
        yield "annotation", f"{key}={value}"


def _platforms(manifest: Inspection) -> list[str]:
    found = [child.platform for child in manifest.children] or [manifest.platform]
    return list(dict.fromkeys(platform for platform in found if platform))


_BLOBS: Final[tuple[Column[Descriptor], ...]] = (
    Column("DIGEST", lambda blob: digest_text(blob.digest)),
    Column("SIZE", lambda blob: size_text(blob.size), right=True),
    Column("MEDIA TYPE", lambda blob: blob.media_type),
)


def _document(image: Image) -> Document:
    return {
        "reference": str(image.reference),
        **msgspec.structs.asdict(inspection_document(image.manifest)),
        "history": [history_document(entry) for entry in image.history],
    }
