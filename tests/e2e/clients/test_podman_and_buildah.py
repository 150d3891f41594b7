"""podman and buildah: they build, push, pull and run, without a daemon."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from layouts import GREETING
from programs import CLIENT_SECONDS, missing, require, run, storage_of

pytestmark = pytest.mark.clients


@pytest.fixture(params=["podman", "buildah"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def engine(name: str, short: Path) -> Callable[..., str]:
    """The engine with an image store of its own, which is empty."""
    return partial(run, *storage_of(name, short))


def test_what_is_built_is_pushed_and_pulled(engine, name, server, context, tmp_path):
    image, file = server.name(f"dev/{name}-built:1"), tmp_path / "digest"
    engine("build", "--isolation=chroot", "--tag", image, context)
    engine("push", "--tls-verify=false", "--digestfile", file, image)
    assert file.read_text() == server.digest(f"dev/{name}-built", "1")
    built = identity(engine, image)
    engine("rmi", "--all", "--force")
    engine("pull", "--tls-verify=false", image)
    assert identity(engine, image) == built


def identity(engine, image):
    """The image's id: the digest of its configuration, which names the layers."""
    return engine("images", "--quiet", "--no-trunc", image).strip()


def test_an_image_of_others_keeps_its_layers(engine, name, server, skopeo, image):
    """The engine takes an image in and gives it back; the layers stay what they were."""
    layout, digest = image
    repository = f"dev/{name}-back"
    target = server.name(repository)
    skopeo.push(f"{layout.root}:1", f"{target}:1")
    engine("pull", "--tls-verify=false", f"{target}:1")
    engine("push", "--tls-verify=false", f"{target}:1", f"docker://{target}:2")
    engine("rmi", "--all", "--force")
    engine("pull", "--tls-verify=false", f"{target}:2")
    assert server.digest(repository, "1") == digest
    before, after = (server.manifest(repository, tag)["layers"] for tag in ("1", "2"))
    assert after[0]["digest"] == before[0]["digest"]
    assert server.config(repository, "2")["rootfs"] == server.config(repository, "1")["rootfs"]


def test_an_image_of_two_platforms_is_built_and_pushed(engine, name, server, context):
    repository = f"dev/{name}-platforms"
    image = server.name(f"{repository}:1")
    engine(
        *("build", "--isolation=chroot", "--platform=linux/amd64,linux/arm64"),
        *("--manifest", image, context),
    )
    engine("manifest", "push", "--all", "--tls-verify=false", image, f"docker://{image}")
    children = server.manifest(repository, "1")["manifests"]
    assert {one["platform"]["architecture"] for one in children} == {"amd64", "arm64"}
    for child in children:
        program = (context / f"greet-{child['platform']['architecture']}").read_bytes()
        (layer,) = server.manifest(repository, child["digest"])["layers"]
        packed = server.get(f"/v2/{repository}/blobs/{layer['digest']}").content
        assert program in gzip.decompress(packed)
    engine("rmi", "--all", "--force")
    engine("pull", "--tls-verify=false", "--arch=arm64", image)
    assert '"arm64"' in engine("inspect", "--type=image", image)


@pytest.mark.parametrize("name", ["podman"], indirect=True)
def test_what_was_pulled_runs(engine, name, server, context, short):
    if os.geteuid() != 0:
        missing("whoever runs a container here is root")
    image = server.name("dev/run:1")
    engine("build", "--isolation=chroot", "--tag", image, context)
    engine("push", "--tls-verify=false", image)
    engine("rmi", "--all", "--force")
    # crun refuses machines with both versions of cgroups; and a container gets no higher limits
    # than we have, which may be less than podman would ask for.
    limits = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
    pull = ("--pull=always", "--tls-verify=false")
    command = [*storage_of("podman", short), "--runtime", require("runc"), "run", "--rm"]
    done = subprocess.run(
        [*command, "--network=none", *limits, *pull, image],
        capture_output=True,
        text=True,
        timeout=CLIENT_SECONDS,
        check=False,
    )
    if done.returncode in {125, 126}:
        missing(f"containers cannot run here: {done.stderr}")
    assert done.stdout == GREETING, done.stderr


@pytest.mark.parametrize("name", ["podman"], indirect=True)
def test_a_search_finds_repositories_and_tags(engine, name, server, skopeo, image):
    """podman searches the catalog, and lists tags page by page."""
    layout, _ = image
    found = server.name("prod/search/me")
    for tag in ("1", "2", "3"):
        skopeo.push(f"{layout.root}:1", f"{found}:{tag}")
    search = ("search", "--tls-verify=false", "--format={{.Name}}")
    assert found in engine(*search, server.name("")).split()
    assert engine(*search, server.name("search")).split() == [found]
    tags = ("search", "--tls-verify=false", "--list-tags", "--format=json")
    for limit, expected in ((5, ["1", "2", "3"]), (2, ["1", "2"])):
        (listed,) = json.loads(engine(*tags, f"--limit={limit}", found))
        assert listed == {"Name": found, "Tags": expected}
