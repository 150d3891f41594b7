"""The servers that are compared, each on a free port of the loopback, for the length of a block."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")

HOST: Final = "127.0.0.1"
_LISTENS: Final = re.compile(rf"http://{re.escape(HOST)}:(\d+)\n")
_START_SECONDS_MAX: Final = 30
_STOP_SECONDS_MAX: Final = 30
_POLL_SECONDS: Final = 0.05

# As light as it can be made: descriptors of blobs cached, no log of requests, no health checks.
_DOCKER_REGISTRY: Final = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  cache: {{blobdescriptor: inmemory}}
  filesystem: {{rootdirectory: {root}, maxthreads: 100}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http: {{addr: "{host}:{port}", relativeurls: true}}
"""


class Server(NamedTuple):
    """A server that answers."""

    port: int
    pid: int


class ServerFailed(Exception):
    """It did not come up; the sentence ends with what it said."""


@contextmanager
def liftlock(root: Path, log: Path) -> Iterator[Server]:
    """Serve the store at `root` as a user does."""
    command = [sys.executable, "-m", "liftlock_cli", "--root", str(root)]
    command += ["serve", "--host", HOST, "--port", "0"]
    with _process(command, log) as process:
        yield Server(int(_awaited(partial(_listens, log), process, log)), process.pid)


@contextmanager
def docker_registry(folder: Path) -> Iterator[Server]:
    """Run the CNCF registry on files, with deletion enabled as its users have it."""
    port, config, log = _free_port(), folder / "config.yml", folder / "log"
    config.write_text(_DOCKER_REGISTRY.format(root=folder / "storage", host=HOST, port=port))
    with _process(["docker-registry", "serve", str(config)], log) as process:
        _awaited(partial(_answers, port), process, log)
        yield Server(port, process.pid)


@contextmanager
def _process(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _awaited(look: Callable[[], T | None], process: subprocess.Popen[bytes], log: Path) -> T:
    """Return what `look` finds, once it finds something."""
    deadline = time.monotonic() + _START_SECONDS_MAX
    while process.poll() is None and time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(_POLL_SECONDS)
    said = log.read_text(errors="replace")[-2000:]
    raise ServerFailed(f"{process.args!r} does not answer ({process.poll()}). It said: {said}")


def _listens(log: Path) -> str | None:
    listens = _LISTENS.search(log.read_text(errors="replace"))
    return listens[1] if listens else None


def _answers(port: int) -> bool:
    with (
        suppress(OSError, http.client.HTTPException),
        closing(http.client.HTTPConnection(HOST, port, timeout=_STOP_SECONDS_MAX)) as connection,
    ):
        connection.request("GET", "/v2/")
        return connection.getresponse().status == http.client.OK
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
