"""The OCI image layout (image-spec, image-layout.md): where things lie in it, and its index.json.

What an entry is called is in its annotations. A layout of one repository names tags, as skopeo,
umoci and podman do; one of several names each image in full.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from liftlock.oci.digest import Digest
from liftlock.oci.mediatype import OCI_INDEX

MARKER: Final = "oci-layout"
INDEX: Final = "index.json"
BLOBS: Final = "blobs"
VERSION: Final = "1.0.0"
MARKER_BODY: Final = b'{"imageLayoutVersion":"1.0.0"}'

REF_NAME: Final = "org.opencontainers.image.ref.name"
"""A tag, or an image's full name."""
FULL_NAME: Final = "io.containerd.image.name"
"""An image's full name: containerd, docker and podman call it so when they load the layout."""

Json = dict[str, Any]  # Any: JSON


def blob_path(digest: Digest) -> str:
    """Return where a blob or manifest lies."""
    return f"{BLOBS}/{digest.algorithm}/{digest.hex}"


def descriptor(
    media_type: str,
    digest: Digest,
    size: int,
    artifact_type: str | None,
    annotations: Mapping[str, str],
) -> Json:
    """Return an entry of index.json."""
    entry: Json = {"mediaType": media_type, "digest": str(digest), "size": size}
    if artifact_type:
        entry["artifactType"] = artifact_type
    if annotations:
        entry["annotations"] = dict(sorted(annotations.items()))
    return entry


def index_body(entries: Sequence[Json], rest: Mapping[str, Any] | None = None) -> bytes:
    """Return an index.json with these entries; `rest` is what an older one says besides."""
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX} | dict(rest or {})
    document["manifests"] = list(entries)
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"
