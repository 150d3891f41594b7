"""Images as OCI layouts on disk, made by hand, so that their bytes are ours and not a client's."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from liftlock_cli.demo.elf import tiny_program

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
PLATFORMS = ("amd64", "arm64")
GREETING = "hello from inside\n"


class Layout:
    """An OCI layout on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = root / "blobs" / "sha256"
        self.blobs.mkdir(parents=True)
        (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def add(self, content: bytes, media_type: str, **fields: object) -> dict[str, object]:
        digest = digest_of(content)
        (self.blobs / digest.partition(":")[2]).write_bytes(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content), **fields}

    def add_image(self, architecture: str, content: bytes) -> dict[str, object]:
        """Add an image of one layer, which has `content` as the file /file."""
        plain = tar_of({"file": content})
        layer = self.add(
            gzip.compress(plain, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip"
        )
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(plain)]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.add(
                json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"
            ),
            "layers": [layer],
        }
        # Spaces that no client would write: whoever formats it anew changes the digest.
        body = json.dumps(manifest, indent=5).encode() + b"\n"
        platform = {"architecture": architecture, "os": "linux"}
        return self.add(body, OCI_MANIFEST, platform=platform)

    def add_artifact(
        self, artifact_type: str, layer_type: str, content: bytes
    ) -> dict[str, object]:
        """Add what is no image: it has a type, an empty configuration, and one layer."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": self.add(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [self.add(content, layer_type)],
        }
        return self.add(json.dumps(manifest, indent=2).encode(), OCI_MANIFEST)

    def add_index(self, *contents: bytes) -> dict[str, object]:
        """Add an index of as many platforms as there are contents."""
        images = [self.add_image(*pair) for pair in zip(PLATFORMS, contents, strict=True)]
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": images}
        return self.add(json.dumps(document, indent=3).encode(), OCI_INDEX)

    def finish(self, top: dict[str, object], tag: str) -> str:
        """Make `top` the layout's one image, and return its digest."""
        entry = {key: part for key, part in top.items() if key != "platform"}
        entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
        index = {"schemaVersion": 2, "manifests": [entry]}
        (self.root / "index.json").write_text(json.dumps(index))
        return str(top["digest"])

    def contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.blobs.iterdir()}


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tar_of(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def write_context(folder: Path) -> Path:
    """Write what a build of an image from nothing needs: per platform a static program that greets.

    Builders set TARGETARCH; docker's older one has to be given it as a build argument.
    """
    folder.mkdir()
    for architecture in PLATFORMS:
        program = folder / f"greet-{architecture}"
        program.write_bytes(tiny_program(architecture, GREETING))
        program.chmod(0o755)
    (folder / "Dockerfile").write_text(
        "FROM scratch\n"
        "ARG TARGETARCH\n"
        "COPY greet-$TARGETARCH /greet\n"
        'LABEL lock="7"\n'
        'CMD ["/greet"]\n'
    )
    return folder
