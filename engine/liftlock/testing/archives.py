"""Builders of archives: OCI layouts and docker archives as names and bytes, and tars of them.

    layout = Layout()
    layout.image("1", seed="a")
    path.write_bytes(tar_of(layout.files))

What is built is right; tests of what is wrong change it afterwards.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import zstandard

from liftlock.oci.digest import Digest
from liftlock.oci.mediatype import OCI_INDEX, OCI_MANIFEST
from liftlock.testing.images import CONFIG, LAYER

Json = dict[str, Any]  # Any: JSON
Files = dict[str, bytes]
REF_NAME = "org.opencontainers.image.ref.name"
FULL_NAME = "io.containerd.image.name"


class Layout:
    """An OCI image layout in memory."""

    def __init__(self) -> None:
        self.blobs: Files = {}
        self.entries: list[Json] = []

    @property
    def files(self) -> Files:
        """All of it, by name."""
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.entries}
        return {
            "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
            "index.json": json.dumps(index).encode(),
            **self.blobs,
        }

    def add(self, content: bytes, media_type: str, **more: object) -> Json:
        """Add a blob or manifest; return its descriptor."""
        digest = Digest.of(content)
        self.blobs[blob_name(digest)] = content
        return {"mediaType": media_type, "digest": str(digest), "size": len(content), **more}

    def manifest(
        self, seed: str = "", *, contents: Sequence[bytes] | None = None, **more: object
    ) -> Json:
        """Add an image; return its descriptor."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "seed": seed}).encode()
        layers = [f"layer of {seed}".encode()] if contents is None else contents
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.add(config, CONFIG),
            "layers": [self.add(layer, LAYER) for layer in layers],
            **more,
        }
        return self.add(json.dumps(document, indent=3).encode(), OCI_MANIFEST)

    def index(self, children: Sequence[Json], **more: object) -> Json:
        """Add an index; return its descriptor."""
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": list(children),
            **more,
        }
        return self.add(json.dumps(document).encode(), OCI_INDEX)

    def enter(self, descriptor: Json, name: str | None = None, full: str | None = None) -> Json:
        """List a manifest in index.json; return its descriptor."""
        said = {REF_NAME: name, FULL_NAME: full}
        annotations = {key: value for key, value in said.items() if value is not None}
        self.entries.append(descriptor | ({"annotations": annotations} if annotations else {}))
        return descriptor

    def image(
        self, name: str | None = None, seed: str = "", *, contents: Sequence[bytes] | None = None
    ) -> Digest:
        """Add an image and list it; return its digest."""
        descriptor = self.enter(self.manifest(seed, contents=contents), name)
        return Digest.parse(descriptor["digest"])


def docker_files(*tags: str, layers: Sequence[bytes] = (b"one", b"two"), seed: str = "") -> Files:
    """Return what `docker save` wrote before version 25, the second layer as a link's target."""
    diffs = [str(Digest.of(layer)) for layer in layers]
    config = json.dumps(
        {"architecture": "amd64", "seed": seed, "rootfs": {"type": "layers", "diff_ids": diffs}}
    ).encode()
    name = f"{Digest.of(config).hex}.json"
    folders = [Digest.of(b"id of " + layer).hex for layer in layers]
    names = [f"{folder}/layer.tar" for folder in folders]
    listed = [{"Config": name, "RepoTags": list(tags) or None, "Layers": names}]
    return {
        name: config,
        **dict(zip(names, layers, strict=True)),
        "manifest.json": json.dumps(listed).encode(),
    }


def blob_name(digest: Digest) -> str:
    """Return where a blob lies in a layout."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


def tar_of(files: Mapping[str, bytes | tarfile.TarInfo], form: str = "tar") -> bytes:
    """Return a tar of files; a header in place of content stands for a member without."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return compressed(packed.getvalue(), form)


def compressed(data: bytes, form: str) -> bytes:
    """Return data in a form: `tar`, `tar.gz` or `tar.zst`."""
    if form == "tar.gz":
        return gzip.compress(data, mtime=0)
    return zstandard.compress(data) if form == "tar.zst" else data


def link_to(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    """Return the header of a link, or of what else has no content."""
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, target
    return header


def write_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a folder; return it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root
