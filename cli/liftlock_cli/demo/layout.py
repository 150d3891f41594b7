"""Images as an OCI image layout, which skopeo, podman and crane read (image-spec, layout)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from liftlock_cli.demo.images import Image


def write_layout(folder: Path, images: Iterable[Image]) -> None:
    """Make `folder` a layout of exactly these images, each under its tag as the name.

    So `oci:<folder>:<tag>` names one of them.
    """
    shutil.rmtree(folder, ignore_errors=True)
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    entries = []
    for image in images:
        for content in (image.top, *image.children, *image.referrers, *image.blobs):
            (blobs / content.digest.hex).write_bytes(content.body)
        named = {"org.opencontainers.image.ref.name": image.tag}
        entries.append(image.top.descriptor(annotations=named))
        entries.extend(referrer.descriptor() for referrer in image.referrers)
    index = {"schemaVersion": 2, "manifests": entries}
    (folder / "index.json").write_text(json.dumps(index, indent=2))
    # Last: what has this file is a layout.
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
