"""Real clients: what they push is what they pull, byte for byte.

A client that is not installed skips its tests, unless LIFTLOCK_REQUIRE_CLIENTS is set: then it
fails them, so that nobody takes a run without clients for a run with them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

import liftlock

pytestmark = pytest.mark.clients

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"

_LAUNCHER = (
    "import sys; from pathlib import Path; from liftlock.http.server import serve; "
    "sys.exit(serve(Path(sys.argv[1]), port=0))"
)


def require(client: str) -> str:
    found = shutil.which(client)
    if found is None:
        if os.environ.get("LIFTLOCK_REQUIRE_CLIENTS"):
            pytest.fail(f"{client} is not installed, and LIFTLOCK_REQUIRE_CLIENTS is set")
        pytest.skip(f"{client} is not installed")
    return found


def run(*command: str | Path) -> str:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """Host and port of a server with the registries dev and prod."""
    root = tmp_path_factory.mktemp("clients") / "store"
    with liftlock.open(root, create=True) as engine:
        for registry in ("dev", "prod"):
            engine.create_registry(registry, by="tests")
    path = os.pathsep.join([str(Path(liftlock.__file__).parents[1]), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", _LAUNCHER, str(root)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    yield process.stdout.readline().strip().removesuffix("\n").rpartition("://")[2]
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0
    with liftlock.open(root) as engine:
        assert [str(finding) for finding in engine.check(content=True)] == []


class Layout:
    """An OCI layout on disk, made by hand, so that its bytes are ours and not a client's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = root / "blobs" / "sha256"
        self.blobs.mkdir(parents=True)
        (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def add(self, content: bytes, media_type: str, **fields: object) -> dict[str, object]:
        hexadecimal = hashlib.sha256(content).hexdigest()
        (self.blobs / hexadecimal).write_bytes(content)
        digest = f"sha256:{hexadecimal}"
        return {"mediaType": media_type, "digest": digest, "size": len(content), **fields}

    def add_image(self, architecture: str, content: bytes) -> dict[str, object]:
        plain = tar_of(content)
        diff = f"sha256:{hashlib.sha256(plain).hexdigest()}"
        layer = self.add(
            gzip.compress(plain, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip"
        )
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff]},
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

    def finish(self, top: dict[str, object], tag: str) -> str:
        entry = {key: part for key, part in top.items() if key != "platform"}
        entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
        index = {"schemaVersion": 2, "manifests": [entry]}
        (self.root / "index.json").write_text(json.dumps(index))
        return str(top["digest"])

    def contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.blobs.iterdir()}


def tar_of(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("file")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def index(tmp_path):
    """A layout with an index of two platforms, tagged 1."""
    layout = Layout(tmp_path / "layout")
    images = [layout.add_image("amd64", os.urandom(3_000_000)), layout.add_image("arm64", b"arm")]
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": images}, indent=3)
    return layout, layout.finish(layout.add(body.encode(), OCI_INDEX), "1")


class TestSkopeo:
    @pytest.fixture
    def skopeo(self):
        program = require("skopeo")
        return lambda *arguments: run(program, *arguments)

    def push(self, skopeo, layout, target):
        skopeo(
            *("copy", "--all", "--preserve-digests", "--dest-tls-verify=false"),
            *(f"oci:{layout.root}:1", f"docker://{target}"),
        )

    def test_a_layout_comes_back_byte_for_byte(self, skopeo, host, index, tmp_path):
        layout, digest = index
        self.push(skopeo, layout, f"{host}/dev/there-and-back:1")
        skopeo(
            *("copy", "--all", "--preserve-digests", "--src-tls-verify=false"),
            *(f"docker://{host}/dev/there-and-back:1", f"oci:{tmp_path / 'back'}:1"),
        )
        returned = tmp_path / "back" / "blobs" / "sha256"
        assert {path.name: path.read_bytes() for path in returned.iterdir()} == layout.contents()
        assert digest in (tmp_path / "back" / "index.json").read_text()

    def test_it_inspects_lists_and_deletes(self, skopeo, host, index):
        layout, digest = index
        name = f"{host}/dev/inspected"
        for tag in ("1", "2"):
            self.push(skopeo, layout, f"{name}:{tag}")
        seen = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{name}:1"))
        assert seen["Digest"] == digest
        raw = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{name}:1")
        assert f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}" == digest
        listed = json.loads(skopeo("list-tags", "--tls-verify=false", f"docker://{name}"))
        assert listed["Tags"] == ["1", "2"]
        skopeo("delete", "--tls-verify=false", f"docker://{name}@{digest}")
        listed = json.loads(skopeo("list-tags", "--tls-verify=false", f"docker://{name}"))
        assert listed["Tags"] == []

    def test_it_copies_between_repositories_and_registries(self, skopeo, host, index):
        layout, digest = index
        self.push(skopeo, layout, f"{host}/dev/copied:1")
        for target in ("dev/copy", "prod/copy"):
            skopeo(
                *("copy", "--all", "--preserve-digests"),
                *("--src-tls-verify=false", "--dest-tls-verify=false"),
                *(f"docker://{host}/dev/copied:1", f"docker://{host}/{target}:1"),
            )
            address = f"docker://{host}/{target}:1"
            seen = json.loads(skopeo("inspect", "--tls-verify=false", address))
            assert seen["Digest"] == digest


@pytest.mark.parametrize("engine", ["podman", "buildah"])
def test_an_engine_pulls_and_pushes(engine, host, tmp_path):
    """The engine takes an image in and gives it back; the layers stay what they were."""
    program = require(engine)
    layout = Layout(tmp_path / "layout")
    digest = layout.finish(layout.add_image("amd64", b"hello"), "1")
    skopeo = require("skopeo")
    target = f"{host}/dev/{engine}"
    run(
        *(skopeo, "copy", "--preserve-digests", "--dest-tls-verify=false"),
        *(f"oci:{layout.root}:1", f"docker://{target}:1"),
    )
    # Podman takes no run folder of more than 50 characters.
    with tempfile.TemporaryDirectory(prefix="ll-") as short:
        pull_and_push(program, engine, target, digest, Path(short))


def pull_and_push(program, engine, target, digest, folder):
    storage = ["--root", folder / "storage", "--runroot", folder / "run"]
    storage += ["--storage-driver", "vfs"]
    if engine == "podman":
        storage += ["--events-backend=file", "--cgroup-manager=cgroupfs"]
    run(program, *storage, "pull", "--tls-verify=false", f"{target}:1")
    run(program, *storage, "push", "--tls-verify=false", f"{target}:1", f"docker://{target}:2")
    inspect = (require("skopeo"), "inspect", "--tls-verify=false")
    before = json.loads(run(*inspect, f"docker://{target}:1"))
    after = json.loads(run(*inspect, f"docker://{target}:2"))
    assert before["Digest"] == digest
    assert after["Architecture"] == "amd64"
    run(program, *storage, "rmi", "--all", "--force")
    run(program, *storage, "pull", "--tls-verify=false", f"{target}:2")
    assert (
        json.loads(run(*inspect, "--config", f"docker://{target}:2"))["rootfs"]
        == json.loads(run(*inspect, "--config", f"docker://{target}:1"))["rootfs"]
    )
