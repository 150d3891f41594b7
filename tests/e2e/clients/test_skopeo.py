"""skopeo: what it pushes is what it pulls, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from layouts import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Layout, digest_of
from programs import answers, free_address, ran, require, running

pytestmark = [
    pytest.mark.clients,
    pytest.mark.parametrize("server", [1, 3], ids=["1-worker", "3-workers"], indirect=True),
]


def test_a_layout_comes_back_byte_for_byte(skopeo, server, index, tmp_path):
    layout, digest = index
    name = server.name("dev/there-and-back:1")
    skopeo.push(f"{layout.root}:1", name)
    back = tmp_path / "back"
    skopeo.copy(f"docker://{name}", f"oci:{back}:1", "--all", "--preserve-digests")
    returned = back / "blobs" / "sha256"
    assert {path.name: path.read_bytes() for path in returned.iterdir()} == layout.contents()
    assert digest in (back / "index.json").read_text()


def test_it_inspects_lists_and_deletes(skopeo, server, index):
    layout, digest = index
    name = server.name("dev/inspected")
    for tag in ("1", "2"):
        skopeo.push(f"{layout.root}:1", f"{name}:{tag}")
    seen = json.loads(skopeo.ask("inspect", f"docker://{name}:1"))
    assert (seen["Digest"], seen["RepoTags"]) == (digest, ["1", "2"])
    assert json.loads(skopeo.ask("inspect", "--config", f"docker://{name}:1"))["os"] == "linux"
    raw = skopeo.ask("inspect", "--raw", f"docker://{name}:1")
    assert digest_of(raw.encode()) == digest
    assert json.loads(skopeo.ask("list-tags", f"docker://{name}"))["Tags"] == ["1", "2"]
    skopeo.ask("delete", f"docker://{name}@{digest}")
    assert json.loads(skopeo.ask("list-tags", f"docker://{name}"))["Tags"] == []


@pytest.mark.parametrize("target", ["dev/copy", "prod/copy"], ids=["repository", "registry"])
def test_it_copies_to_another_place_without_uploading_layers(skopeo, server, index, target):
    """It asks for a mount, and is given one, across registries too."""
    layout, digest = index
    skopeo.push(f"{layout.root}:1", server.name("dev/copied:1"))
    source, to = f"docker://{server.name('dev/copied:1')}", f"docker://{server.name(target)}:1"
    program, *words = skopeo.copying(source, to, "--all", "--preserve-digests")
    told = ran(program, "--debug", *words).stderr
    # For which of the two it asks is up to a cache of its own, which now and then lacks one.
    assert 1 <= told.count("Trying to mount") == told.count("mount OK")
    assert server.digest(target, "1") == digest


def test_one_platform_of_an_index_is_copied(skopeo, server, index):
    layout, _ = index
    name = server.name("dev/platforms")
    skopeo.push(f"{layout.root}:1", f"{name}:all")
    program, *words = skopeo.copying(f"docker://{name}:all", f"docker://{name}:arm")
    ran(program, "--override-arch", "arm64", *words)
    children = server.manifest("dev/platforms", "all")["manifests"]
    arm = next(one["digest"] for one in children if one["platform"]["architecture"] == "arm64")
    assert server.digest("dev/platforms", "arm") == arm


def test_formats_are_converted_there_and_back(skopeo, server, index):
    """Docker's media types come back as they were pushed, and the layers stay what they are."""
    layout, _ = index
    name = f"docker://{server.name('dev/formats')}"
    skopeo.push(f"{layout.root}:1", server.name("dev/formats:1"))
    skopeo.copy(f"{name}:1", f"{name}:docker", "--all", "--format=v2s2")
    skopeo.copy(f"{name}:docker", f"{name}:oci", "--all", "--format=oci")
    assert kinds(server, "docker") == (DOCKER_LIST, {DOCKER_MANIFEST})
    assert kinds(server, "oci") == (OCI_INDEX, {OCI_MANIFEST})
    assert layers(server, "1") == layers(server, "docker") == layers(server, "oci")


def kinds(server, tag):
    """The media type of an index as it is served, and those of its images."""
    answer = server.get(f"/v2/dev/formats/manifests/{tag}")
    served = {
        server.get(f"/v2/dev/formats/manifests/{one['digest']}").headers["Content-Type"]
        for one in answer.json()["manifests"]
    }
    return answer.headers["Content-Type"], served


def layers(server, tag):
    children = server.manifest("dev/formats", tag)["manifests"]
    images = [server.manifest("dev/formats", one["digest"]) for one in children]
    return [layer["digest"] for image in images for layer in image["layers"]]


def test_layers_are_compressed_anew(skopeo, server, image):
    """E43: zstd."""
    layout, _ = image
    target = server.name("dev/zstd:1")
    options = ("--format=oci", "--dest-compress-format=zstd")
    skopeo.copy(f"oci:{layout.root}:1", f"docker://{target}", *options)
    (layer,) = server.manifest("dev/zstd", "1")["layers"]
    assert layer["mediaType"].endswith("tar+zstd")


@pytest.mark.parametrize(
    ("artifact_type", "layer_type"),
    [
        ("application/wasm", "application/wasm"),
        ("application/vnd.in-toto+json", "application/vnd.in-toto+json"),
        (
            "application/vnd.dev.cosign.artifact.sig.v1+json",
            "application/vnd.dev.cosign.simplesigning.v1+json",
        ),
        ("application/vnd.example.unheard-of", "application/octet-stream"),
    ],
    ids=["wasm", "in-toto", "cosign", "unknown"],
)
def test_what_is_no_image_is_copied_as_it_is(skopeo, server, tmp_path, artifact_type, layer_type):
    """E43: the types of the manifest, its configuration and its layers are nobody's business."""
    layout = Layout(tmp_path / "artifact")
    digest = layout.finish(layout.add_artifact(artifact_type, layer_type, b"content"), "1")
    repository = f"artifacts/{digest[-8:]}"
    skopeo.push(f"{layout.root}:1", server.name(f"dev/{repository}:1"))
    server.promote(f"dev/{repository}:1", f"prod/{repository}")
    back = tmp_path / "back"
    source = f"docker://{server.name(f'prod/{repository}')}@{digest}"
    skopeo.copy(source, f"oci:{back}:1", "--preserve-digests")
    returned = back / "blobs" / "sha256"
    assert {path.name: path.read_bytes() for path in returned.iterdir()} == layout.contents()


def test_a_repository_is_synced_out_and_in_again(skopeo, server, index, tmp_path):
    layout, digest = index
    name = server.name("dev/synced")
    for tag in ("1", "2"):
        skopeo.push(f"{layout.root}:1", f"{name}:{tag}")
    folder, whole = tmp_path / "synced", ("--all", "--preserve-digests")
    skopeo.sync("--src=docker", "--dest=docker", *whole, name, server.name("prod/mirror"))
    skopeo.sync("--src=docker", "--dest=dir", *whole, name, str(folder))
    skopeo.sync("--src=dir", "--dest=docker", *whole, str(folder), server.name("prod/carried"))
    for repository in ("prod/mirror/synced", "prod/carried/synced"):
        assert server.tags(repository) == ["1", "2"]
        assert server.digest(repository, "2") == digest


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[str]:
    """Host and port of a CNCF registry."""
    host = free_address()
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "peer")}},
        "http": {"addr": host},
    }
    file = tmp_path / "peer.json"
    file.write_text(json.dumps(settings))
    command = (require("docker-registry"), "serve", file)
    with running(*command, ready=partial(answers, host), log=tmp_path / "peer.log"):
        yield host


def test_it_copies_from_and_to_another_registry(skopeo, server, peer, index):
    """What moves in from the CNCF registry, and out again, keeps its digests."""
    layout, digest = index
    skopeo.push(f"{layout.root}:1", f"{peer}/old/app:1")
    whole = ("--src=docker", "--dest=docker", "--all", "--preserve-digests")
    skopeo.sync(*whole, f"{peer}/old/app", server.name("dev/in"))
    assert server.digest("dev/in/app", "1") == digest
    skopeo.sync(*whole, server.name("dev/in/app"), f"{peer}/out")
    raw = skopeo.ask("inspect", "--raw", f"docker://{peer}/out/app:1")
    assert digest_of(raw.encode()) == digest
