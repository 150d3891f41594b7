"""What we export others read, and what they write we import; digests are the same on both sides."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from layouts import OCI_MANIFEST, Layout, digest_of, write_context
from programs import require, require_package, run, storage_of
from shells import Shell

import liftlock

pytestmark = pytest.mark.clients
REF_NAME = "org.opencontainers.image.ref.name"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A store with the registries dev and prod, and nothing in them."""
    with liftlock.open(tmp_path / "store", create=True) as engine:
        for registry in ("dev", "prod"):
            engine.create_registry(registry, by="tests")
    return Shell(tmp_path / "store")


@pytest.fixture
def stocked(shell: Shell, image: tuple[Layout, str], index: tuple[Layout, str]) -> dict[str, str]:
    """In dev/app the image as 1 and the index as many; returns their digests by tag."""
    shell.out("import", str(image[0].root), "--to", "dev/app")
    shell.out("import", str(index[0].root), "--to", "dev/app:many")
    assert {e["tag"]: e["digest"] for e in shell.json("ls", "dev/app")} == {
        "1": image[1],
        "many": index[1],
    }
    return {"1": image[1], "many": index[1]}


def digest_at(shell: Shell, name: str) -> str:
    repository, _, tag = name.partition(":")
    return next(e["digest"] for e in shell.json("ls", repository) if e["tag"] == tag)


# --- skopeo -------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
@pytest.mark.parametrize("tag", ["1", "many"])
def test_skopeo_reads_what_we_export(shell, skopeo, stocked, tmp_path, transport, tag):
    out = tmp_path / ("out" if transport == "oci" else "out.tar")
    shell.out("export", "dev/app", str(out))
    source = f"{transport}:{out}:{tag}"
    raw = run(skopeo.program, "inspect", "--raw", source)
    assert digest_of(raw.encode()) == stocked[tag]
    skopeo.copy(source, f"oci:{tmp_path / 'back'}:{tag}", "--all", "--preserve-digests")
    (entry,) = json.loads((tmp_path / "back/index.json").read_text())["manifests"]
    assert entry["digest"] == stocked[tag]


def test_skopeo_reads_a_whole_registry_by_full_names(shell, skopeo, stocked, tmp_path):
    shell.out("import", *exported(shell, tmp_path, "dev/app"), "--to", "dev/other")
    shell.out("export", "dev", str(tmp_path / "all.tar"))
    raw = run(skopeo.program, "inspect", "--raw", f"oci-archive:{tmp_path}/all.tar:dev/other:1")
    assert digest_of(raw.encode()) == stocked["1"]


def exported(shell: Shell, folder: Path, *sources: str) -> list[str]:
    path = str(folder / "exported")
    shell.out("export", *sources, path)
    return [path]


@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
@pytest.mark.parametrize("tag", ["1", "many"])
def test_we_read_what_skopeo_copies(shell, skopeo, stocked, tmp_path, transport, tag):
    path = tmp_path / "copied"
    exported(shell, tmp_path, "dev/app")
    words = ("--all", "--preserve-digests")
    skopeo.copy(f"oci:{tmp_path / 'exported'}:{tag}", f"{transport}:{path}:x", *words)
    shell.out("import", str(path), "--to", "prod/app")
    assert digest_at(shell, "prod/app:x") == stocked[tag]


def test_we_read_what_skopeo_copies_without_a_name(shell, skopeo, image, tmp_path):
    skopeo.copy(f"oci:{image[0].root}:1", f"oci:{tmp_path / 'bare'}")
    assert "does not say which repository" in shell.fails(
        2, "import", str(tmp_path / "bare"), "--to", "prod"
    )
    shell.out("import", str(tmp_path / "bare"), "--to", "prod/app:1")
    assert digest_at(shell, "prod/app:1") == image[1]


def test_the_docker_archive_of_skopeo_keeps_config_and_layers(shell, skopeo, image, tmp_path):
    path = tmp_path / "docker.tar"
    skopeo.copy(f"oci:{image[0].root}:1", f"docker-archive:{path}:team/app:5")
    done = shell.json("import", str(path), "--to", "prod")
    assert (done["kind"], done["items"][0]["target"]) == ("docker-archive", "prod/team/app:5")
    again = shell.json("import", str(path), "--to", "prod")
    assert not again["changed"]
    # What skopeo makes of ours has the same config and the same layers as of its own.
    shell.out("export", "prod/team/app:5", str(tmp_path / "ours"))
    ours = json.loads(run(skopeo.program, "inspect", "--raw", f"oci:{tmp_path / 'ours'}:5"))
    theirs = json.loads(run(skopeo.program, "inspect", "--raw", f"docker-archive:{path}"))
    assert ours["mediaType"] == OCI_MANIFEST
    assert ours["config"]["digest"] == theirs["config"]["digest"]
    assert [one["digest"] for one in ours["layers"]] == [one["digest"] for one in theirs["layers"]]
    skopeo.copy(f"oci:{tmp_path / 'ours'}:5", f"dir:{tmp_path / 'dir'}")


# --- umoci --------------------------------------------------------------------------------------


def test_umoci_unpacks_what_we_export_and_we_read_what_it_repacks(shell, image, tmp_path):
    umoci = require("umoci")
    shell.out("import", str(image[0].root), "--to", "dev/app")
    out = tmp_path / "out"
    shell.out("export", "dev/app", str(out))
    assert run(umoci, "ls", "--layout", out).split() == ["1"]
    run(umoci, "stat", "--image", f"{out}:1")
    run(umoci, "unpack", "--rootless", "--image", f"{out}:1", tmp_path / "bundle")
    assert (tmp_path / "bundle/rootfs/file").read_bytes() == b"hello"
    (tmp_path / "bundle/rootfs/added").write_text("water level")
    run(umoci, "repack", "--image", f"{out}:2", tmp_path / "bundle")
    repacked = {
        entry["annotations"][REF_NAME]: entry["digest"]
        for entry in json.loads((out / "index.json").read_text())["manifests"]
    }
    shell.out("import", str(out), "--to", "prod/app")
    assert {e["tag"]: e["digest"] for e in shell.json("ls", "prod/app")} == repacked
    # An export adds to what umoci has written, and umoci goes on with what the export has left.
    shell.out("export", "prod/app:2", str(out))
    run(umoci, "gc", "--layout", out)
    assert sorted(run(umoci, "ls", "--layout", out).split()) == ["1", "2"]


def test_we_read_what_umoci_makes_from_nothing(shell, tmp_path):
    umoci = require("umoci")
    out = tmp_path / "new"
    run(umoci, "init", "--layout", out)
    assert "names no image" in shell.fails(2, "import", str(out), "--to", "prod/app")
    run(umoci, "new", "--image", f"{out}:empty")
    (entry,) = json.loads((out / "index.json").read_text())["manifests"]
    shell.out("import", str(out), "--to", "prod/app")
    assert digest_at(shell, "prod/app:empty") == entry["digest"]


# --- podman and buildah -------------------------------------------------------------------------


@pytest.fixture
def podman(short: Path) -> Callable[..., str]:
    return partial(run, *storage_of("podman", short))


@pytest.fixture
def built(podman: Callable[..., str], tmp_path: Path) -> str:
    """The id of an image that podman has built as localhost/team/app:1."""
    context = write_context(tmp_path / "context")
    podman("build", "--isolation=chroot", "--tag", "localhost/team/app:1", context)
    return identity(podman, "localhost/team/app:1")


def identity(podman: Callable[..., str], image: str) -> str:
    return podman("images", "--quiet", "--no-trunc", image).strip()


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive", "oci-dir"])
def test_an_image_comes_from_podman_and_goes_back(shell, podman, built, tmp_path, form):
    saved = tmp_path / "saved"
    podman("save", "--format", form, "--output", saved, "localhost/team/app:1")
    done = shell.json("import", str(saved), "--to", "prod")
    assert [item["target"] for item in done["items"]] == ["prod/team/app:1"]
    podman("rmi", "--all", "--force")
    shell.out("export", "prod/team/app:1", str(tmp_path / "ours.tar"))
    podman("load", "--input", tmp_path / "ours.tar")
    (name,) = podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert name == "localhost/prod/team/app:1"
    # The id is the digest of the config, which came and went as it was.
    assert identity(podman, name) == built
    podman("rmi", "--all", "--force")
    podman("pull", f"oci-archive:{tmp_path / 'ours.tar'}")
    assert identity(podman, name) == built


def test_several_images_come_from_podman_in_one_docker_archive(shell, podman, built, tmp_path):
    podman("tag", "localhost/team/app:1", "localhost/team/app:2", "quay.io/other/tool:3")
    podman(
        *("save", "--multi-image-archive", "--output", tmp_path / "saved.tar"),
        *("localhost/team/app:1", "localhost/team/app:2", "quay.io/other/tool:3"),
    )
    with tarfile.open(tmp_path / "saved.tar") as tar:
        assert any(member.issym() for member in tar)
    shell.out("import", str(tmp_path / "saved.tar"), "--to", "prod")
    assert shell.tags("prod").keys() == {
        "prod/team/app:1",
        "prod/team/app:2",
        "prod/other/tool:3",
    }


def test_buildah_reads_what_we_export_and_we_read_what_it_pushes(shell, stocked, short, tmp_path):
    buildah = partial(run, *storage_of("buildah", short))
    shell.out("export", "dev/app:1", str(tmp_path / "out"))
    buildah("pull", f"oci:{tmp_path / 'out'}:1")
    identifier = buildah("images", "--quiet", "--no-trunc").strip()
    buildah("push", identifier, f"oci:{tmp_path / 'back'}:7")
    shell.out("import", str(tmp_path / "back"), "--to", "prod/app")
    assert digest_at(shell, "prod/app:7")


# --- oras ---------------------------------------------------------------------------------------


def test_oras_reads_the_layout_that_we_export(shell, stocked, tmp_path):
    layouts = require_package("oras.layout")
    shell.out("export", "dev/app", str(tmp_path / "out"))
    layout = layouts.NewLayout(str(tmp_path / "out"))
    for tag, digest in stocked.items():
        assert digest in layout.get_ordered_blobs(tag)


def test_we_read_the_layout_that_oras_pulls(shell, server, skopeo, index, tmp_path):
    layouts, provider = require_package("oras.layout"), require_package("oras.provider")
    layout, digest = index
    skopeo.push(f"{layout.root}:1", f"{server.name('dev/pulled')}:1")
    registry = provider.Registry(server.host, insecure=True)
    target = server.name("dev/pulled:1")
    layouts.NewLayoutFromRegistry(str(tmp_path / "out"), registry, target, tag="one")
    shell.out("import", str(tmp_path / "out"), "--to", "prod/pulled")
    assert digest_at(shell, "prod/pulled:one") == digest
