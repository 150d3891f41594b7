"""The images of every benchmark: each tag its own manifest, four blobs of its own, six shared.

The same repository and number always give the same bytes, so one contestant's images can be made
again for another. Blobs are a few bytes each: a promotion, by whatever means, never moves them.
"""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from liftlock import Digest
from liftlock.oci.manifest import Edges
from liftlock.oci.mediatype import OCI_MANIFEST

OWN: Final = 4
"""Blobs of an image's own: the config and three layers."""
SHARED: Final = 6
"""Layers that all images of the store have."""
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"


class Blob(NamedTuple):
    """Content and its name."""

    content: bytes
    digest: Digest


class Image(NamedTuple):
    """An image that can be pushed."""

    tag: str
    body: bytes
    digest: Digest
    own: tuple[Blob, ...]
    """The config first."""

    @property
    def edges(self) -> Edges:
        """Whom its manifest names."""
        blobs = (self.own[0], *SHARED_BLOBS, *self.own[1:])
        return Edges((), tuple(blob.digest.key for blob in blobs), (), None, _CONFIG)


def tag_of(number: int) -> str:
    """Return the tag of an image."""
    return f"v{number}"


def image(repository: str, number: int) -> Image:
    """Make an image; `repository` and `number` tell its bytes from another's."""
    config = b'{"os":"linux","image":%d,"of":"%s"}' % (number, repository.encode())
    layers = [
        b"layer %d of image %d of %s" % (layer, number, repository.encode())
        for layer in range(1, OWN)
    ]
    own = tuple(_blob(content) for content in (config, *layers))
    body = _BODY % tuple(
        part for blob in own for part in (str(blob.digest).encode(), len(blob.content))
    )
    return Image(tag_of(number), body, Digest.of(body), own)


def _blob(content: bytes) -> Blob:
    return Blob(content, Digest.of(content))


SHARED_BLOBS: Final = tuple(_blob(b"shared layer %d" % number) for number in range(SHARED))


def _template() -> bytes:
    """Return a manifest as a client writes it, with holes for digests and sizes of own blobs."""
    own = {"digest": "%s", "size": "%d"}
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": _CONFIG, **own},
        "layers": [
            *(
                {"mediaType": _LAYER, "digest": str(blob.digest), "size": len(blob.content)}
                for blob in SHARED_BLOBS
            ),
            *({"mediaType": _LAYER, **own} for _ in range(1, OWN)),
        ],
    }
    return json.dumps(document, indent=2).replace('"%d"', "%d").encode()


_BODY: Final = _template()
