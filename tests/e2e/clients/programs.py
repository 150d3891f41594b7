"""Clients as programs and packages, and our server as the process that they talk to.

A client that is not installed skips its tests, unless LIFTLOCK_REQUIRE_CLIENTS is set: then it
fails them, so that nobody takes a run without clients for a run with them.
"""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import httpx2
import pytest
from shells import ENV

import liftlock

REGISTRIES = ("dev", "prod")
CLIENT_SECONDS = 120
START_SECONDS = 30
STOP_SECONDS = 30


def missing(what: str) -> NoReturn:
    """Say that the machine cannot run a test, as loudly as is wanted."""
    if os.environ.get("LIFTLOCK_REQUIRE_CLIENTS"):
        pytest.fail(f"{what}, and LIFTLOCK_REQUIRE_CLIENTS is set")
    pytest.skip(what)


def require(program: str) -> str:
    """Find a client on the machine, or beside the Python that runs the tests."""
    beside = os.fspath(Path(sys.executable).parent)
    found = shutil.which(program) or shutil.which(program, path=beside)
    return found or missing(f"{program} is not installed")


def require_package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        missing(f"the package {name} is not installed")


def run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a client that has to succeed; return what it prints on stdout."""
    return ran(*command, cwd=cwd, env=env).stdout


def ran(
    *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=CLIENT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@contextmanager
def running(
    *command: str | Path, ready: Callable[[], bool], log: Path, env: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a daemon until it is not needed any more; it writes `log`."""
    with log.open("w") as file:
        process = subprocess.Popen(
            list(map(str, command)),
            env={**os.environ, **(env or {})},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            assert process.poll() is None, f"{command} ended\n{log.read_text()}"
            assert time.monotonic() < deadline, f"{command} hangs\n{log.read_text()}"
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()


def storage_of(engine: str, folder: Path) -> list[str]:
    """The command, with everything that it keeps in `folder`."""
    words = [require(engine), "--root", f"{folder}/storage", "--runroot", f"{folder}/run"]
    words += ["--storage-driver", "vfs"]
    if engine == "podman":
        words += ["--events-backend=file", "--cgroup-manager=cgroupfs"]
    return words


def answers(host: str) -> bool:
    """Say whether somebody accepts connections at `host`, which has a port, or is a socket file."""
    address, _, port = host.rpartition(":")
    family = socket.AF_INET if address else socket.AF_UNIX
    with socket.socket(family) as probe:
        return probe.connect_ex((address, int(port)) if address else host) == 0


def free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return "{}:{}".format(*listener.getsockname())


class Skopeo:
    """skopeo, on registries without TLS."""

    def __init__(self) -> None:
        self.program = require("skopeo")

    def copy(self, source: str, target: str, *options: str) -> None:
        run(*self.copying(source, target, *options))

    def copying(self, source: str, target: str, *options: str) -> list[str]:
        """The command that copies: for those who start several at once."""
        return [
            *(self.program, "copy", "--src-tls-verify=false", "--dest-tls-verify=false"),
            *(*options, source, target),
        ]

    def push(self, layout: str, target: str) -> None:
        """Push all platforms of an image, as it is."""
        self.copy(f"oci:{layout}", f"docker://{target}", "--all", "--preserve-digests")

    def sync(self, *words: str) -> None:
        run(self.program, "sync", "--src-tls-verify=false", "--dest-tls-verify=false", *words)

    def ask(self, verb: str, *words: str) -> str:
        return run(self.program, verb, "--tls-verify=false", *words)


@dataclass(frozen=True)
class Server:
    """`liftlock serve`, and what plain HTTP sees of it, whatever a client believes."""

    host: str

    def name(self, repository: str) -> str:
        """What clients call a repository, or an image."""
        return f"{self.host}/{repository}"

    def get(self, path: str) -> httpx2.Response:
        answer = httpx2.get(f"http://{self.host}{path}")
        assert answer.status_code == httpx2.codes.OK, f"{path}: {answer.status_code} {answer.text}"
        return answer

    def manifest(self, repository: str, reference: str) -> dict[str, Any]:
        return self.get(f"/v2/{repository}/manifests/{reference}").json()

    def config(self, repository: str, reference: str) -> dict[str, Any]:
        """The configuration of an image of one platform."""
        digest = self.manifest(repository, reference)["config"]["digest"]
        return self.get(f"/v2/{repository}/blobs/{digest}").json()

    def digest(self, repository: str, reference: str) -> str:
        return self.get(f"/v2/{repository}/manifests/{reference}").headers["Docker-Content-Digest"]

    def tags(self, repository: str) -> list[str]:
        return self.get(f"/v2/{repository}/tags/list").json()["tags"]

    def promote(self, source: str, target: str) -> dict[str, Any]:
        answer = httpx2.post(
            f"http://{self.host}/api/v1/promotions",
            json={"items": [{"source": source, "target": target}]},
        )
        assert answer.status_code == httpx2.codes.CREATED, answer.text
        return answer.json()


@contextmanager
def serving(folder: Path, workers: int = 1) -> Iterator[Server]:
    """Serve a new store; at the end it must be whole, and the server must have had no complaint."""
    root = folder / "store"
    with liftlock.open(root, create=True) as engine:
        for registry in REGISTRIES:
            engine.create_registry(registry, by="tests")
    log = folder / "server.log"
    command = [sys.executable, "-W", "error", "-m", "liftlock_cli", "--root", str(root)]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*command, "serve", "--port", "0", "--workers", str(workers)],
            env=ENV,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    try:
        yield Server(process.stdout.readline().strip().rpartition("://")[2])
    finally:
        process.terminate()
        process.communicate(timeout=STOP_SECONDS)
    # A machine with fewer processors than workers is warned of: that is no complaint of ours.
    said = [line for line in log.read_text().splitlines() if "Configured number of" not in line]
    assert (process.returncode, said) == (0, [])
    with liftlock.open(root) as engine:
        assert [str(finding) for finding in engine.check(content=True)] == []
