"""Real images, made of files from this machine, without a daemon and without root.

The same files give the same digests: nothing in an image tells when or by whom it was made.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from liftlock.oci.digest import Digest
from liftlock.oci.mediatype import OCI_INDEX, OCI_MANIFEST
from liftlock_cli.demo.elf import loaded_files, tiny_program

CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
SBOM: Final = "application/spdx+json"
SHELL: Final = Path("/bin/sh")
TOOL_ARCHITECTURES: Final = ("amd64", "arm64")

_LEVEL: Final = 6
"""The usual one; the highest takes three times as long for one percent."""
_EPOCH: Final = "1970-01-01T00:00:00Z"
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}
Json = Mapping[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class Content:
    """A blob or a manifest: bytes that a descriptor can name."""

    media_type: str
    body: bytes

    @property
    def digest(self) -> Digest:
        """The name of the bytes."""
        return Digest.of(self.body)

    def descriptor(self, **more: object) -> Json:
        """Describe it, as manifests do."""
        size = len(self.body)
        return {"mediaType": self.media_type, "digest": str(self.digest), "size": size, **more}


@dataclass(frozen=True, slots=True)
class Image:
    """An image or an index with all that it reaches."""

    tag: str
    top: Content
    """The manifest that the tag names."""
    children: tuple[Content, ...]
    """The manifests that an index names."""
    referrers: tuple[Content, ...]
    """The manifests that have `top` as their subject."""
    blobs: tuple[Content, ...]
    """The configs and layers of them all, each once."""

    @property
    def size(self) -> int:
        """Bytes of all blobs and manifests."""
        contents = (self.top, *self.children, *self.referrers, *self.blobs)
        return sum(len(content.body) for content in contents)


@dataclass(frozen=True, slots=True)
class File:
    """A file of a layer."""

    body: bytes
    mode: int = 0o644


def app(tag: str) -> Image:
    """Make an image of this machine's shell with the libraries that it needs, and a script.

    Raises:
        NotElf, FileNotFoundError: this machine's shell is not of a kind that the demo can take.
    """
    libraries = loaded_files(SHELL)
    base = _layer({str(path): File(path.read_bytes(), 0o755) for path in libraries})
    shell = _layer({str(SHELL): File(SHELL.read_bytes(), 0o755)})
    script = f'echo "Hello from app {tag}: promoted, and not a byte was moved."\n'
    own = _layer({"/app/hello.sh": File(f"#!/bin/sh\n{script}".encode(), 0o755)})
    folders = ":".join(sorted({str(path.parent) for path in libraries}))
    machine = platform.machine()
    manifest, blobs = _image(
        _ARCHITECTURES.get(machine, machine),
        [layer for layer in (base if libraries else None, shell, own) if layer],
        {
            "Entrypoint": [str(SHELL), "/app/hello.sh"],
            "Env": ["PATH=/bin", f"LD_LIBRARY_PATH={folders}"],
            "Labels": {"org.opencontainers.image.version": tag},
        },
    )
    return Image(tag, manifest, (), (), blobs)


def tool(tag: str) -> Image:
    """Make an index of two tiny static programs, and a bill of materials that refers to it."""
    children: list[Content] = []
    entries: list[Json] = []
    blobs: dict[Digest, Content] = {}
    files: dict[str, bytes] = {}
    for architecture in TOOL_ARCHITECTURES:
        message = f"Hello from tool {tag} on {architecture}.\n"
        files[f"/tool-{architecture}"] = program = tiny_program(architecture, message)
        manifest, own = _image(
            architecture, [_layer({"/tool": File(program, 0o755)})], {"Entrypoint": ["/tool"]}
        )
        children.append(manifest)
        entries.append(manifest.descriptor(platform={"architecture": architecture, "os": "linux"}))
        blobs |= {blob.digest: blob for blob in own}
    index = _json(OCI_INDEX, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    bill, own = _bill_of_materials(f"tool-{tag}", index, files)
    blobs |= {blob.digest: blob for blob in own}
    return Image(tag, index, tuple(children), (bill,), tuple(blobs.values()))


def _image(
    architecture: str, layers: Sequence[tuple[Content, str]], settings: Json
) -> tuple[Content, tuple[Content, ...]]:
    """Make an image of layers and their diff ids; return its manifest and its blobs."""
    config = _json(
        CONFIG,
        {
            "created": _EPOCH,
            "architecture": architecture,
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
            "history": [{"created": _EPOCH, "created_by": "liftlock demo"} for _ in layers],
        },
    )
    manifest = _json(
        OCI_MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config.descriptor(),
            "layers": [layer.descriptor() for layer, _ in layers],
        },
    )
    return manifest, (config, *(layer for layer, _ in layers))


def _bill_of_materials(
    name: str, subject: Content, files: Mapping[str, bytes]
) -> tuple[Content, tuple[Content, ...]]:
    """Make an artifact that lists `files` and has `subject` as its subject."""
    bill = _json(
        SBOM,
        {
            "spdxVersion": "SPDX-2.3",
            "dataLicense": "CC0-1.0",
            "SPDXID": "SPDXRef-DOCUMENT",
            "name": name,
            "documentNamespace": f"urn:liftlock:demo:{subject.digest.hex}",
            "creationInfo": {"created": _EPOCH, "creators": ["Tool: liftlock-demo"]},
            "files": [
                {
                    "SPDXID": f"SPDXRef-File-{number}",
                    "fileName": path,
                    "checksums": [
                        {"algorithm": "SHA256", "checksumValue": hashlib.sha256(body).hexdigest()}
                    ],
                }
                for number, (path, body) in enumerate(sorted(files.items()), start=1)
            ],
        },
    )
    empty = Content(EMPTY, b"{}")
    manifest = _json(
        OCI_MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": SBOM,
            "config": empty.descriptor(),
            "layers": [bill.descriptor()],
            "subject": subject.descriptor(),
        },
    )
    return manifest, (empty, bill)


def _layer(files: Mapping[str, File]) -> tuple[Content, str]:
    """Pack files into a layer; return it with its diff id, the digest of the bare tar."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        folders = {folder for path in files for folder in Path(path).parents} - {Path("/")}
        for folder in sorted(folders):
            entry = tarfile.TarInfo(str(folder).lstrip("/"))
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for path, file in sorted(files.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(file.body), file.mode
            tar.addfile(entry, io.BytesIO(file.body))
    bare = packed.getvalue()
    return Content(LAYER, gzip.compress(bare, _LEVEL, mtime=0)), str(Digest.of(bare))


def _json(media_type: str, document: Json) -> Content:
    return Content(media_type, json.dumps(document, separators=(",", ":")).encode())
