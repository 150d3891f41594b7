"""One snapshot of an image, of what it names, and of what is attached to any of that.

Level by level, as a promotion follows it; but nothing is refused here. What cannot be read, or is
beyond the limits, is left out, and known to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar

from liftlock import links, names
from liftlock.config import Limits
from liftlock.errors import ManifestInvalid, RecordCorrupt
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.records import BlobRecord
from liftlock.oci import manifest as manifests
from liftlock.oci.manifest import Manifest
from liftlock.oci.reference import Reference

T = TypeVar("T")


class Present(NamedTuple):
    """A manifest that the repository has."""

    media_type: str
    size: int
    """Its bytes; 0 if they cannot be read."""
    manifest: Manifest | None
    """None: it cannot be read."""
    referrers: tuple[bytes, ...]
    tags: Mapping[str, bytes]
    """Its attachment tags, and where they lead."""


@dataclass(slots=True)
class Seen:
    """What a snapshot has of an image."""

    root: bytes
    present: dict[bytes, Present] = field(default_factory=dict)
    absent: set[bytes] = field(default_factory=set)
    """Manifests that are named, and that the repository lacks."""
    blobs: dict[bytes, BlobRecord] = field(default_factory=dict)
    """Those that are named, and that the repository has."""


def path_steps_max(limits: Limits) -> int:
    """Return how many steps below the image are followed, be it to children or attachments."""
    return 2 * limits.closure_nesting_max


def read_image(txn: ReadTxn, reference: Reference, limits: Limits) -> Seen:
    """Read an image with all that it reaches, as far as the limits go.

    Raises:
        NameInvalid: the reference has neither a tag nor a digest.
        RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there.
    """
    repository = names.get_id(txn, reference.name)
    root, _ = links.find_manifest(txn, repository, reference)
    seen = Seen(root)
    level = [root]
    for _ in range(path_steps_max(limits) + 1):
        room = limits.closure_manifests_max - len(seen.present) - len(seen.absent)
        level = level[: max(room, 0)]
        if not level:
            break
        level = _read_level(txn, repository, seen, level, room)
    return seen


def _read_level(
    txn: ReadTxn, repository: int, seen: Seen, level: Sequence[bytes], room: int
) -> list[bytes]:
    """Read some manifests into `seen`; return what is reached from them and not known yet."""
    found = zip(level, links.find_links(txn, repository, level), strict=True)
    linked = {digest: link for digest, link in found if link is not None}
    seen.absent.update(digest for digest in level if digest not in linked)
    digests = list(linked)
    bodies = _readable(partial(links.find_bodies, txn), digests)
    referrers = links.referrers_of(txn, repository, digests, limit=room + 1)
    tags = links.attachment_tags(txn, repository, digests)
    reached: dict[bytes, None] = {}
    blobs: dict[bytes, None] = {}
    for digest, body, referring in zip(digests, bodies, referrers, strict=True):
        media_type = linked[digest].media_type
        manifest = _decoded(body, media_type)
        present = Present(
            media_type, len(body or b""), manifest, tuple(referring), tags.get(digest, {})
        )
        seen.present[digest] = present
        if manifest is not None:
            reached.update((child.digest.key, None) for child in manifest.children)
            blobs.update((blob.digest.key, None) for blob in manifest.blobs)
        reached.update(dict.fromkeys((*present.tags.values(), *referring)))
    _read_blobs(txn, repository, seen, [blob for blob in blobs if blob not in seen.blobs])
    return [
        digest for digest in reached if digest not in seen.present and digest not in seen.absent
    ]


def _read_blobs(txn: ReadTxn, repository: int, seen: Seen, blobs: Sequence[bytes]) -> None:
    granted = links.presence(txn, repository, blobs).granted
    there = [blob for blob in blobs if blob in granted]
    records = zip(there, _readable(partial(links.find_blobs, txn), there), strict=True)
    seen.blobs.update((blob, record) for blob, record in records if record is not None)


def _readable(
    find: Callable[[Sequence[bytes]], Iterable[T | None]], digests: Sequence[bytes]
) -> list[T | None]:
    """Return what `find` finds; of rows that are damaged, nothing. `check` tells of those."""
    with suppress(RecordCorrupt):
        return list(find(digests))
    found: list[T | None] = []
    for digest in digests:
        try:
            found += find((digest,))
        except RecordCorrupt:
            found.append(None)
    return found


def _decoded(body: bytes | None, media_type: str) -> Manifest | None:
    if body is None:
        return None
    try:
        return manifests.decode(body, media_type)
    except ManifestInvalid:
        return None
