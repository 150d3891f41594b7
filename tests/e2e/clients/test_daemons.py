"""docker and containerd: daemons that build, push, pull, copy and run.

They need root and 65 MB of packages (in Debian: docker.io, containerd), so they are no part of the
default run: `make engines`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from layouts import GREETING
from programs import answers, missing, require, run, running

pytestmark = [pytest.mark.clients, pytest.mark.engines]


@pytest.fixture(scope="module", autouse=True)
def _root() -> None:
    if os.geteuid() != 0:
        missing("a daemon is started by root")


@pytest.fixture
def docker(short: Path) -> Iterator[Callable[..., str]]:
    """docker's client, and a daemon with nothing of the machine's: no network either."""
    socket = short / "docker.sock"
    command = [
        *(require("dockerd"), "--iptables=false", "--ip6tables=false", "--bridge=none"),
        *("--data-root", short / "data", "--exec-root", short / "exec"),
        *("--pidfile", short / "docker.pid", "--host", f"unix://{socket}"),
    ]
    client = (require("docker"), "--host", f"unix://{socket}")
    with running(*command, ready=partial(answers, str(socket)), log=short / "docker.log"):
        yield partial(run, *client, env={"DOCKER_BUILDKIT": "0", "DOCKER_CONFIG": str(short)})


def build(docker, name, context):
    docker("build", "--network=none", "--build-arg=TARGETARCH=amd64", "--tag", name, context)


def identity(docker, name):
    return docker("image", "inspect", "--format={{.Id}}", name).strip()


def test_docker_builds_pushes_pulls_and_runs(docker, server, context):
    name = server.name("dev/docker:1")
    build(docker, name, context)
    built, told = identity(docker, name), docker("push", name)
    assert server.digest("dev/docker", "1") in told
    docker("rmi", "--force", built)
    docker("pull", name)
    assert identity(docker, name) == built == server.manifest("dev/docker", "1")["config"]["digest"]
    assert docker("run", "--rm", "--network=none", name) == GREETING


def test_docker_copies_layers_by_mounting_them(docker, server, context):
    """Across registries too: docker says whence."""
    source, target = server.name("dev/docker-copied:1"), server.name("prod/docker-copied:1")
    build(docker, source, context)
    docker("push", source)
    docker("tag", source, target)
    assert "Mounted from dev/docker-copied" in docker("push", target)
    assert server.digest("prod/docker-copied", "1") == server.digest("dev/docker-copied", "1")


def test_docker_pulls_what_was_promoted(docker, server, context):
    build(docker, server.name("dev/docker-promoted:1"), context)
    docker("push", server.name("dev/docker-promoted:1"))
    server.promote("dev/docker-promoted:1", "prod/docker-promoted")
    digest = server.digest("dev/docker-promoted", "1")
    name = server.name(f"prod/docker-promoted@{digest}")
    docker("pull", name)
    assert docker("run", "--rm", "--network=none", name) == GREETING


def test_docker_makes_an_index(docker, server, context, skopeo, index):
    """From images of two platforms that are in the registry already."""
    layout, _ = index
    skopeo.push(f"{layout.root}:1", server.name("dev/docker-index:all"))
    children = server.manifest("dev/docker-index", "all")["manifests"]
    name = server.name("dev/docker-index")
    amend = [f"{name}@{child['digest']}" for child in children]
    docker("manifest", "create", "--insecure", f"{name}:made", *amend)
    docker("manifest", "push", "--insecure", f"{name}:made")
    made = server.manifest("dev/docker-index", "made")["manifests"]
    assert {one["digest"] for one in made} == {one["digest"] for one in children}


@pytest.fixture
def ctr(short: Path) -> Iterator[Callable[..., str]]:
    """containerd's client, and a daemon with nothing of the machine's."""
    socket = short / "containerd.sock"
    settings = short / "containerd.toml"
    settings.write_text(
        f'version = 2\nroot = "{short}/data"\nstate = "{short}/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\naddress = "{socket}"\n[ttrpc]\naddress = "{socket}.ttrpc"\n'
    )
    command = (require("containerd"), "--config", settings)
    client = (require("ctr"), "--address", socket)
    with running(*command, ready=partial(answers, str(socket)), log=short / "containerd.log"):
        yield partial(run, *client)


def test_containerd_pulls_pushes_and_runs(ctr, server, skopeo, context, short):
    """What buildah built: containerd pulls it, runs it, and pushes it to another registry."""
    storage = ("--root", short / "storage", "--runroot", short / "run", "--storage-driver=vfs")
    buildah, source = partial(run, require("buildah"), *storage), server.name("dev/containerd:1")
    buildah("build", "--isolation=chroot", "--tag", source, context)
    buildah("push", "--tls-verify=false", source)
    ctr("images", "pull", "--plain-http", source)
    assert ctr("run", "--rm", source, "greeter") == GREETING
    target = server.name("prod/containerd:1")
    ctr("images", "tag", source, target)
    ctr("images", "push", "--plain-http", target)
    assert server.digest("prod/containerd", "1") == server.digest("dev/containerd", "1")


def test_containerd_keeps_all_platforms(ctr, server, skopeo, index):
    layout, digest = index
    source, target = server.name("dev/platforms:1"), server.name("prod/platforms:1")
    skopeo.push(f"{layout.root}:1", source)
    ctr("images", "pull", "--plain-http", "--all-platforms", source)
    ctr("images", "tag", source, target)
    ctr("images", "push", "--plain-http", target)
    assert server.digest("prod/platforms", "1") == digest
    assert json.loads(skopeo.ask("inspect", "--raw", f"docker://{target}"))["manifests"]


def test_containerd_takes_the_server_for_a_mirror(ctr, server, skopeo, image, short):
    """E38: it asks for ns=docker.io, and gets what one registry here has under that name."""
    layout, digest = image
    skopeo.push(f"{layout.root}:1", server.name("dev/mirrored/app:1"))
    hosts = short / "hosts" / "docker.io"
    hosts.mkdir(parents=True)
    (hosts / "hosts.toml").write_text(
        f'[host."http://{server.host}/v2/dev"]\n'
        'capabilities = ["pull", "resolve"]\noverride_path = true\n'
    )
    ctr("images", "pull", "--hosts-dir", hosts.parent, "docker.io/mirrored/app:1")
    assert digest in ctr("images", "list", "name==docker.io/mirrored/app:1")
