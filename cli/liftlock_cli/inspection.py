"""An image as `show` prints it: its manifest, what that names, who refers to it, what befell it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import click

from liftlock.documents import history_document
from liftlock.engine import Engine
from liftlock.errors import BlobUnknown
from liftlock.model import HistoryEntry, ManifestContent, Page, Referrer
from liftlock.oci import manifest as manifests
from liftlock.oci.descriptor import Descriptor
from liftlock.oci.digest import Digest
from liftlock.oci.manifest import Manifest
from liftlock.oci.reference import Reference, RepositoryName
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
from liftlock_cli.paging import every
from liftlock_cli.views import HISTORY

_HISTORY_HEAD: Final = 3
"""Changes of a tag that `show` prints; `history` prints all."""
_CONFIG_BYTES_MAX: Final = 1024 * 1024
_CONFIG_TYPES: Final = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    }
)


@dataclass(frozen=True, slots=True)
class Inspection:
    """All that is printed of an image."""

    reference: Reference
    content: ManifestContent
    manifest: Manifest
    platforms: tuple[str, ...]
    referrers: tuple[Referrer, ...]
    history: tuple[HistoryEntry, ...]


def inspect(engine: Engine, reference: Reference) -> Inspection:
    """Gather what there is to know of an image.

    Raises:
        RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there.
    """
    content = engine.get_manifest(reference)
    manifest = manifests.decode(content.body, content.media_type)
    return Inspection(
        reference,
        content,
        manifest,
        manifest.platforms or _config_platform(engine, reference.name, manifest),
        tuple(_referrers(engine, reference.name, content.digest)),
        engine.history(reference, limit=_HISTORY_HEAD).entries,
    )


def print_inspection(image: Inspection, form: Form) -> None:
    """Print it; as a name, pinned to its digest."""
    match form:
        case Form.TABLE:
            _print_tables(image)
        case Form.JSON:
            print_document(_document(image))
        case Form.NAME:
            print_line(f"{image.reference.name}@{image.content.digest}")


def _config_platform(engine: Engine, name: RepositoryName, manifest: Manifest) -> tuple[str, ...]:
    """Read the platform of a single image from its config; nothing if that does not tell."""
    config = next((blob for blob in manifest.blobs if blob.media_type in _CONFIG_TYPES), None)
    if config is None:
        return ()
    try:
        blob = engine.get_blob(name, config.digest)
        if blob.size > _CONFIG_BYTES_MAX:
            return ()
        document = json.loads(b"".join(engine.read_blob(blob)))
    except (BlobUnknown, ValueError, RecursionError):  # it may be anything
        return ()
    if not isinstance(document, dict):
        return ()
    parts = [document.get(key) for key in ("os", "architecture", "variant")]
    platform = "/".join(part for part in parts if isinstance(part, str) and part)
    return (platform,) if platform else ()


def _artifact_type(manifest: Manifest) -> str | None:
    """Return an artifact's type; a plain image has its config's, which says nothing."""
    return None if manifest.artifact_type in _CONFIG_TYPES else manifest.artifact_type


def _referrers(engine: Engine, name: RepositoryName, subject: Digest) -> Iterator[Referrer]:
    def fetch(after: str) -> Page[Referrer]:
        return engine.list_referrers(name, subject, after=after)

    return every(fetch, "", lambda referrer: referrer.position)


def _print_tables(image: Inspection) -> None:
    content, manifest = image.content, image.manifest
    facts = [
        ("image", str(image.reference)),
        # Whole, also on a terminal: it is what one copies from here.
        ("digest", str(content.digest)),
        ("media type", content.media_type),
        ("artifact type", _artifact_type(manifest) or ""),
        ("size", size_text(len(content.body))),
        ("platforms", ", ".join(image.platforms)),
        ("subject", str(manifest.subject.digest) if manifest.subject else ""),
    ]
    print_facts([(name, value) for name, value in facts if value])
    if manifest.children:
        click.echo("\nmanifests")
        print_table(_CHILDREN, manifest.children)
    if manifest.blobs:
        click.echo("\nblobs")
        print_table(_BLOBS, manifest.blobs)
    if image.referrers:
        click.echo("\nreferrers")
        print_table(_REFERRERS, image.referrers)
    if image.history:
        click.echo("\nlast changes")
        print_table(HISTORY.columns, image.history)


_CHILDREN: Final[tuple[Column[Descriptor], ...]] = (
    Column("DIGEST", lambda child: digest_text(child.digest)),
    Column("SIZE", lambda child: size_text(child.size), right=True),
    Column("PLATFORM", lambda child: child.platform or "-"),
    Column("MEDIA TYPE", lambda child: child.media_type),
)
_BLOBS: Final[tuple[Column[Descriptor], ...]] = (
    Column("DIGEST", lambda blob: digest_text(blob.digest)),
    Column("SIZE", lambda blob: size_text(blob.size), right=True),
    Column("MEDIA TYPE", lambda blob: blob.media_type),
)
_REFERRERS: Final[tuple[Column[Referrer], ...]] = (
    Column("DIGEST", lambda referrer: digest_text(referrer.digest)),
    Column("SIZE", lambda referrer: size_text(referrer.size), right=True),
    Column("ARTIFACT TYPE", lambda referrer: referrer.artifact_type or "-"),
)


def _document(image: Inspection) -> Document:
    content, manifest = image.content, image.manifest
    return {
        "reference": str(image.reference),
        "digest": str(content.digest),
        "media_type": content.media_type,
        "artifact_type": _artifact_type(manifest),
        "size": len(content.body),
        "platforms": list(image.platforms),
        "subject": str(manifest.subject.digest) if manifest.subject else None,
        "manifests": [
            {**_descriptor_document(child), "platform": child.platform}
            for child in manifest.children
        ],
        "blobs": [_descriptor_document(blob) for blob in manifest.blobs],
        "referrers": [
            {
                "digest": str(referrer.digest),
                "media_type": referrer.media_type,
                "size": referrer.size,
                "artifact_type": referrer.artifact_type,
            }
            for referrer in image.referrers
        ],
        "history": [history_document(entry) for entry in image.history],
    }


def _descriptor_document(descriptor: Descriptor) -> dict[str, object]:
    return {
        "digest": str(descriptor.digest),
        "media_type": descriptor.media_type,
        "size": descriptor.size,
    }
