"""What an archive holds: images by their names, manifests in memory, blobs where they lie."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from liftlock.config import Limits
from liftlock.errors import ArchiveInvalid, DigestInvalid, ManifestInvalid
from liftlock.model import ArchiveKind
from liftlock.oci import manifest as manifests
from liftlock.oci.descriptor import Descriptor
from liftlock.oci.digest import Digest
from liftlock.oci.manifest import Edges, Manifest
from liftlock.transfer.archives import Archive, Found


class Named(NamedTuple):
    """An image, as the archive's own list has it."""

    name: str
    """`tag`, or `path[:tag][@digest]` in full, perhaps with a host; empty if it has none."""
    digest: bytes


class Held(NamedTuple):
    """A manifest of the archive."""

    media_type: str
    body: bytes
    edges: Edges


@dataclass(slots=True)
class Contents:
    """All that can be brought in."""

    kind: ArchiveKind
    images: list[Named] = field(default_factory=list)
    manifests: dict[bytes, Held] = field(default_factory=dict)
    blobs: dict[bytes, Found] = field(default_factory=dict)
    """Those that the archive has."""
    sizes: dict[bytes, int] = field(default_factory=dict)
    """What manifests say of their blobs, in the archive or not."""
    warnings: list[str] = field(default_factory=list)
    kept_bytes: int = 0
    """Of what is kept in memory."""

    def count(self, archive: Archive, more: int, limits: Limits) -> None:
        """Take note of what is kept in memory.

        Raises:
            ArchiveInvalid: it is too much.
        """
        self.kept_bytes += more
        most = limits.archive_manifests_bytes_max
        if self.kept_bytes > most:
            raise ArchiveInvalid(
                archive.path,
                f"its manifests have more than {most} bytes (archive_manifests_bytes_max); "
                "import it in parts, with --tags",
            )

    def hold(self, archive: Archive, body: bytes, media_type: str | None, limits: Limits) -> bytes:
        """Take in a manifest that is verified; return its digest's key.

        Raises:
            ArchiveInvalid: it is none.
        """
        digest = Digest.of(body)
        parsed = parsed_manifest(archive, digest, body, media_type, limits)
        self.add(archive, digest, body, parsed)
        return digest.key

    def add(self, archive: Archive, digest: Digest, body: bytes, parsed: Manifest) -> None:
        """Take in a manifest that is verified and parsed."""
        for blob in parsed.blobs:
            self._name_blob(archive, blob)
        self.manifests[digest.key] = Held(parsed.media_type, body, parsed.edges)

    def blobs_of(self, digests: Collection[bytes]) -> Iterator[bytes]:
        """Yield the blobs that some manifests name, as often as they do."""
        for digest in digests:
            edges = self.manifests[digest].edges
            yield from edges.blobs
            yield from edges.foreign

    def _name_blob(self, archive: Archive, blob: Descriptor) -> None:
        known = self.sizes.setdefault(blob.digest.key, blob.size)
        if known != blob.size:
            reason = f"its manifests say of {blob.digest} that it has {known} and {blob.size} bytes"
            raise ArchiveInvalid(archive.path, reason)


def parsed_manifest(
    archive: Archive, digest: Digest, body: bytes, media_type: str | None, limits: Limits
) -> Manifest:
    """Read a manifest, or refuse the archive for it."""
    try:
        return manifests.parse(body, media_type or None, depth_max=limits.json_depth_max)
    except (ManifestInvalid, DigestInvalid) as error:
        raise ArchiveInvalid(archive.path, f"manifest {digest}: {error.reason}") from error
