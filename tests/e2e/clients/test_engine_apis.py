"""The packages docker and podman: they push and pull through an engine's API.

The engine is podman's own service on a socket, so no daemon has to be on the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from programs import Server, answers, require, require_package, run, running

pytestmark = pytest.mark.clients


@pytest.fixture
def service(server: Server, short: Path) -> Iterator[str]:
    """The address of podman's service; it may talk to our server without TLS."""
    words = [require("podman"), "--root", short / "storage", "--runroot", short / "run"]
    words += ["--storage-driver", "vfs", "--events-backend=file", "--cgroup-manager=cgroupfs"]
    registries = short / "registries.conf"
    registries.write_text(f'[[registry]]\nlocation = "{server.host}"\ninsecure = true\n')
    socket = short / "podman.sock"
    with running(
        *(*words, "system", "service", "--time=0", f"unix://{socket}"),
        ready=partial(answers, str(socket)),
        log=short / "podman.log",
        env={"CONTAINERS_REGISTRIES_CONF": str(registries)},
    ):
        yield f"unix://{socket}"
        run(*words, "rmi", "--all", "--force")


def test_docker_builds_pushes_and_pulls(server, service, context):
    docker = require_package("docker")
    repository = "dev/docker-package"
    name = server.name(repository)
    client = docker.DockerClient(base_url=service)
    built, _ = client.images.build(
        path=str(context), tag=f"{name}:1", buildargs={"TARGETARCH": "amd64"}
    )
    assert error_in(client.images.push(name, tag="1", stream=True, decode=True)) == ""
    client.images.remove(f"{name}:1", force=True)
    assert client.images.pull(name, tag="1").id == built.id
    assert built.id == server.manifest(repository, "1")["config"]["digest"]
    client.close()


def test_docker_says_what_is_not_there(server, service, context):
    docker = require_package("docker")
    client = docker.DockerClient(base_url=service)
    told = client.api.pull(server.name("dev/absent"), tag="1", stream=True, decode=True)
    assert "name unknown" in error_in(told)
    name = server.name("absent/app")
    client.images.build(path=str(context), tag=f"{name}:1", buildargs={"TARGETARCH": "amd64"})
    told = client.images.push(name, tag="1", stream=True, decode=True)
    assert "name unknown" in error_in(told)
    client.close()


def error_in(told):
    return next((line["error"] for line in told if "error" in line), "")


def test_podman_pulls_tags_and_pushes(server, service, skopeo, image):
    podman = require_package("podman")
    layout, digest = image
    repository = "dev/podman-package"
    name = server.name(repository)
    skopeo.push(f"{layout.root}:1", f"{name}:1")
    with podman.PodmanClient(base_url=service) as client:
        pulled = client.images.pull(f"{name}:1", tls_verify=False)
        assert pulled.tag(name, "2")
        client.images.push(f"{name}:2", destination=f"{name}:2", tlsVerify=False)
        client.images.remove(f"{name}:2", force=True)
        assert client.images.pull(f"{name}:2", tls_verify=False).id == pulled.id
    assert server.digest(repository, "1") == digest
    configs = [server.manifest(repository, tag)["config"]["digest"] for tag in ("1", "2")]
    assert configs[0] == configs[1] == f"sha256:{pulled.id.removeprefix('sha256:')}"
