"""A descriptor: how a manifest names other content (image-spec, descriptor.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from liftlock.oci.digest import Digest
from liftlock.oci.mediatype import is_foreign


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Media type, digest and size in bytes of some content, and for whom it is."""

    media_type: str
    digest: Digest
    size: int
    """In bytes."""
    artifact_type: str | None = None
    platform: str | None = None
    """`os/architecture[/variant]`, where the descriptor has one."""
    annotations: Mapping[str, str] | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether the content may be absent from the repository that names it."""
        return is_foreign(self.media_type)
