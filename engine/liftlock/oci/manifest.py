"""Manifests: bytes in, what they name out.

`parse` is the gate for what a client sends. It is strict where two readers could disagree about
what the bytes mean (a key twice, an index that is also an image, nonsense where a digest should
be), and leaves everything else alone: the bytes are stored as they came.

`decode` reads bytes that passed the gate once; promotion does that for every manifest it follows.
Both read with the same decoder, so what was admitted means the same ever after.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from liftlock.errors import DigestInvalid, ManifestInvalid
from liftlock.oci import mediatype
from liftlock.oci.ambiguity import refuse_ambiguity
from liftlock.oci.descriptor import Descriptor
from liftlock.oci.digest import HEX_PREFIXES, Digest, key_of
from liftlock.oci.document import Document, Entry, decoded
from liftlock.oci.mediatype import FOREIGN

ARTIFACT_TYPE_BYTES_MAX: Final = 255
_HALF: Final = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE: Final = re.compile(f"{_HALF}/{_HALF}")
_SIZE_MAX: Final = 2**63 - 1


class Edges(NamedTuple):
    """What promotion needs of a manifest: whom it names, as digest keys."""

    children: tuple[bytes, ...]
    blobs: tuple[bytes, ...]
    """Config and layers that the repository must have."""
    foreign: tuple[bytes, ...]
    """Layers that it may lack."""
    subject: bytes | None
    artifact_type: str | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest names."""

    media_type: str
    """Bare, as in Content-Type; from the caller, or from the document."""
    artifact_type: str | None
    """As the referrers API reports it: an image without one has its config's media type."""
    children: tuple[Descriptor, ...]
    """An index's manifests."""
    blobs: tuple[Descriptor, ...]
    """Config and layers, in the document's order; a digest named twice is here once."""
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    """Layers alone, each as often as the document names it."""
    subject: Descriptor | None
    annotations: Mapping[str, str] | None
    platforms: tuple[str, ...]
    """An index's platforms, where its entries name them."""

    @property
    def edges(self) -> Edges:
        """Whom it names, as `decode_edges` would say it."""
        return Edges(
            children=tuple(child.digest.key for child in self.children),
            blobs=tuple(blob.digest.key for blob in self.blobs if not blob.is_foreign),
            foreign=tuple(blob.digest.key for blob in self.blobs if blob.is_foreign),
            subject=self.subject.digest.key if self.subject else None,
            artifact_type=self.artifact_type,
        )


def parse(body: bytes, content_type: str | None, *, depth_max: int) -> Manifest:
    """Judge what a client sends as a manifest.

    Args:
        body: the bytes, already within the size limit.
        content_type: the request's Content-Type without parameters; None if it had none.
        depth_max: how deeply objects and arrays may nest.

    Raises:
        ManifestInvalid: with the rule that it breaks.
    """
    if content_type in mediatype.SCHEMA_1:
        raise ManifestInvalid(_NO_SCHEMA_1)
    refuse_ambiguity(body, depth_max)
    document = decoded(body)
    if document.schema_version == 1:
        raise ManifestInvalid(_NO_SCHEMA_1)
    if document.media_type and content_type and document.media_type != content_type:
        raise ManifestInvalid(
            f"its mediaType is {document.media_type!r:.120}, "
            f"but it was sent as {content_type!r:.120}"
        )
    media_type = content_type or document.media_type or _guessed_type(document)
    # It goes into a Content-Type header when the manifest is pulled.
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise ManifestInvalid(f"{media_type!r:.120} is no media type (RFC 6838: <type>/<subtype>)")
    _require_shape(document, media_type)
    manifest = _manifest(document, media_type)
    if len((manifest.artifact_type or "").encode()) > ARTIFACT_TYPE_BYTES_MAX:
        raise ManifestInvalid(f"artifactType is longer than {ARTIFACT_TYPE_BYTES_MAX} bytes")
    return manifest


def identified(body: bytes, expected: Digest | None) -> Digest:
    """Return the digest of `body`, in the algorithm of `expected` if that is given.

    Raises:
        DigestInvalid: it is not the expected one.
    """
    digest = Digest.of(body, expected.algorithm) if expected else Digest.of(body)
    if expected is not None and digest != expected:
        raise DigestInvalid(str(expected), f"the manifest received has {digest}")
    return digest


def decode(body: bytes, media_type: str) -> Manifest:
    """Read bytes that `parse` admitted.

    Raises:
        ManifestInvalid: they are not those bytes any more.
    """
    return _manifest(decoded(body), media_type)


def decode_edges(body: bytes) -> Edges:
    """Read whom the bytes that `parse` admitted name; ten times as fast as `decode`.

    Raises:
        ManifestInvalid: they are not those bytes any more.
    """
    document = decoded(body)
    config = [document.config] if document.config else []
    named = [*config, *(document.layers or ()), *(document.blobs or ())]
    # `key_of` each, in place: this is most of what a promotion reads.
    needed = {
        unhexlify(HEX_PREFIXES[(text := raw.digest)[:7]] + text[7:]): None
        for raw in named
        if not raw.media_type.startswith(FOREIGN)
    }
    foreign: tuple[bytes, ...] = ()
    if len(needed) < len(named):  # some are foreign, or named twice
        keys = [key_of(raw.digest) for raw in named if raw.media_type.startswith(FOREIGN)]
        foreign = tuple(key for key in dict.fromkeys(keys) if key not in needed)
    children = document.manifests or ()
    return Edges(
        tuple({key_of(raw.digest): None for raw in children}) if children else (),
        tuple(needed),
        foreign,
        key_of(document.subject.digest) if document.subject else None,
        _artifact_type(document),
    )


def _guessed_type(document: Document) -> str:
    if document.manifests is not None:
        return mediatype.OCI_INDEX
    return mediatype.OCI_MANIFEST


def _require_shape(document: Document, media_type: str) -> None:
    """Raise ManifestInvalid unless the document has what its type must have, and only that."""
    # image-spec: images and indexes MUST say 2. Others need not, as the old artifact manifest.
    is_known = media_type in mediatype.IMAGES | mediatype.INDEXES
    if document.schema_version not in ({2} if is_known else {2, None}):
        raise ManifestInvalid("schemaVersion must be 2")
    if document.manifests is not None and (
        document.layers is not None or document.config is not None
    ):
        raise ManifestInvalid("it has both manifests and layers or config: index and image at once")
    # Of a list that is absent or null, as some clients write an empty one, nothing is demanded.
    if media_type in mediatype.INDEXES and (document.layers or document.config):
        raise ManifestInvalid(f"{media_type} has no layers and no config")
    if media_type in mediatype.IMAGES and document.config is None:
        raise ManifestInvalid(f"{media_type} must have a config")


def _manifest(document: Document, media_type: str) -> Manifest:
    layers = tuple(_descriptor(raw) for raw in (*(document.layers or ()), *(document.blobs or ())))
    config = _descriptor(document.config) if document.config else None
    blobs = _once((config, *layers) if config else layers)
    children: dict[Digest, Descriptor] = {}
    platforms: list[str] = []
    for raw in document.manifests or ():
        descriptor = _descriptor(raw)
        children.setdefault(descriptor.digest, descriptor)
        if descriptor.platform and descriptor.platform not in platforms:
            platforms.append(descriptor.platform)
    return Manifest(
        media_type=media_type,
        artifact_type=_artifact_type(document),
        children=tuple(children.values()),
        blobs=blobs,
        config=config,
        layers=layers,
        subject=_descriptor(document.subject) if document.subject else None,
        annotations=document.annotations,
        platforms=tuple(platforms),
    )


def _once(descriptors: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
    """Drop what is named before. Named both ways, it counts as needed, not as foreign."""
    kept: dict[Digest, Descriptor] = {}
    for descriptor in descriptors:
        known = kept.get(descriptor.digest)
        if known is not None and known.is_foreign and not descriptor.is_foreign:
            del kept[descriptor.digest]
        kept.setdefault(descriptor.digest, descriptor)
    return tuple(kept.values())


def _artifact_type(document: Document) -> str | None:
    # distribution-spec, "Listing Referrers": an image without one is known by its config's type.
    if document.artifact_type or document.config is None:
        return document.artifact_type or None
    return document.config.media_type or None


def _descriptor(raw: Entry) -> Descriptor:
    if not 0 <= raw.size <= _SIZE_MAX:
        raise ManifestInvalid(f"{raw.size} is no size for {raw.digest!r:.140}")
    try:
        digest = Digest.parse(raw.digest)
    except DigestInvalid as error:
        raise ManifestInvalid(f"it names a bad digest. {error}"[:300].rstrip(".")) from error
    platform = raw.platform
    return Descriptor(
        media_type=raw.media_type,
        digest=digest,
        size=raw.size,
        artifact_type=raw.artifact_type,
        platform=(
            "/".join(filter(None, (platform.os, platform.architecture, platform.variant)))
            if platform
            else None
        ),
        annotations=raw.annotations,
    )


_NO_SCHEMA_1: Final = (
    "Docker schema 1 is not supported: such manifests are rewritten on the way, so their digest "
    "cannot be kept; convert the image with a current client"
)
