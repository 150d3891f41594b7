"""A manifest that comes in, judged by itself: before the store is asked, and outside its turn."""

from __future__ import annotations

from liftlock.config import Limits
from liftlock.content import Push
from liftlock.errors import ManifestTooLarge
from liftlock.oci import manifest as manifests
from liftlock.oci.reference import Reference


def push_of(reference: Reference, body: bytes, media_type: str | None, limits: Limits) -> Push:
    """Return what is to be pushed, if it can be right at all.

    Raises:
        ManifestTooLarge, ManifestInvalid, DigestInvalid: as `Engine.put_manifest`.
    """
    if len(body) > limits.manifest_bytes_max:
        raise ManifestTooLarge(limits.manifest_bytes_max)
    digest = manifests.identified(body, reference.digest)
    manifest = manifests.parse(body, media_type, depth_max=limits.json_depth_max)
    return Push(reference, body, manifest, digest)
