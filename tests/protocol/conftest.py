"""A real server on a real store, and what its clients need to be terse.

Servers run as processes of their own, as in production; the tests look into the store through a
second engine on the same folder.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import unquote

import httpx2
import jsonschema
import pytest

import liftlock
from liftlock.http.api.openapi import document_of
from liftlock.http.api.table import ENDPOINTS
from liftlock.model import Severity
from liftlock.oci.reference import RepositoryName

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
REGISTRIES = ("dev", "prod")
ITEM_FIELDS = ("tags", "retag", "expect_source", "expect_target")
WAIT_SECONDS = 10

_LAUNCHER = """
import json, sys
from pathlib import Path
from liftlock.http.limits import HttpLimits
from liftlock.http.server import serve
from liftlock.http.settings import HttpSettings
root, port, workers, settings, limits = sys.argv[1:]
sys.exit(serve(Path(root), port=int(port), workers=int(workers),
               settings=HttpSettings(**json.loads(settings)),
               limits=HttpLimits(**json.loads(limits))))
"""


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def launch(
    root: Path,
    port: int = 0,
    workers: int = 1,
    settings: Mapping[str, object] = {},
    **limits: object,
) -> subprocess.Popen[str]:
    """Start a server process in a group of its own."""
    roots = [Path(liftlock.__file__).parents[1], *map(Path, sys.path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, roots))}
    arguments = [str(root), str(port), str(workers), json.dumps(settings), json.dumps(limits)]
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _LAUNCHER, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def stop(process: subprocess.Popen[str]) -> tuple[str, str]:
    """End a server as an init system would; return what it still said."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.communicate(timeout=WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise


@dataclass
class Raw:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> object:
        return json.loads(self.body)


@dataclass
class Image:
    digest: str
    body: bytes
    config: str
    layers: list[str]


class Line:
    """A connection that is kept, so that one worker answers all that is asked over it."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
        try:
            identified = self.ask("GET", "/v2/").headers["x-request-id"]
        except BaseException:
            self.close()
            raise
        self.worker = identified.partition("-")[0]
        """What the ids that this worker gives to requests begin with."""

    def ask(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] = {}
    ) -> Raw:
        self.connection.request(method, target, body, headers)
        response = self.connection.getresponse()
        named = {name.lower(): text for name, text in response.getheaders()}
        return Raw(response.status, named, response.read())

    def close(self) -> None:
        self.connection.close()


def lines(port: int, workers: int) -> list[Line]:
    """Connect to each of so many workers, once all of them listen."""
    found: dict[str, Line] = {}
    deadline = time.monotonic() + WAIT_SECONDS
    while len(found) < workers:
        assert time.monotonic() < deadline, "not every worker answers"
        line = Line(port)
        if found.setdefault(line.worker, line) is not line:
            line.close()
    return list(found.values())


class Description:
    """The API's description, held against answers: none may be outside it."""

    def __init__(self) -> None:
        self.document = document_of(ENDPOINTS)
        self.paths = [
            (re.compile(re.sub(r"\\{\w+\\}", "(.+)", re.escape(path))), operations)
            for path, operations in self.document["paths"].items()
        ]
        self.seen: set[tuple[str, int]] = set()
        """Operations, and how they were answered."""

    def check(self, response: httpx2.Response) -> None:
        """Hold one answer against what is said of its operation."""
        path = unquote(response.request.url.path)
        if not path.startswith("/api/v1/"):
            return
        response.read()
        operation = self.operation(response.request.method, path)
        if operation is None:  # 404 or 405: no operation at all
            assert response.status_code in {404, 405, 422}, path
            self.fits(response.json(), "ProblemDocument")
            return
        status = response.status_code
        self.seen.add((operation["operationId"], status))
        said = operation["responses"][str(status)]
        said = self.find(said["$ref"]) if "$ref" in said else said
        assert {name for name in ("Link", "Location", "ETag") if name in response.headers} <= (
            said["headers"].keys()
        )
        if "content" not in said:
            assert response.content == b""
            return
        (content,) = said["content"].items()
        assert response.headers["content-type"] == content[0]
        if response.request.method != "HEAD" and "$ref" in content[1]["schema"]:
            self.fits(response.json(), content[1]["schema"]["$ref"].rpartition("/")[2])

    def operation(self, method: str, path: str) -> dict | None:
        method = "get" if method == "HEAD" else method.lower()
        found = [operations for form, operations in self.paths if form.fullmatch(path)]
        # A tag's path is one of a repository, too, to whom a colon is nothing special.
        return found[-1].get(method) if found else None

    def find(self, reference: str) -> dict:
        found = self.document
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]
        return found

    def fits(self, body: object, name: str) -> None:
        schema = {"$ref": f"#/components/schemas/{name}"}
        schema["components"] = self.document["components"]
        jsonschema.Draft202012Validator(schema).validate(body)


DESCRIPTION = Description()


class Server:
    """A running server, seen from outside (`http`, `raw`) and from inside (`engine`)."""

    def __init__(self, root: Path, port: int, workers: int, pid: int) -> None:
        self.root = root
        self.pid = pid
        self.port = port
        self.workers = workers
        self.url = f"http://127.0.0.1:{port}"
        # With several workers, each request shall have the chance to come to another one.
        kept = httpx2.Limits(max_keepalive_connections=0 if workers > 1 else None)
        self.http = httpx2.Client(
            base_url=self.url,
            timeout=WAIT_SECONDS,
            limits=kept,
            event_hooks={"response": [DESCRIPTION.check]},
        )
        self.engine = liftlock.open(root)
        for line in lines(port, workers):
            line.close()

    def close(self) -> None:
        self.http.close()
        self.engine.close()

    def worker(self) -> int:
        """The process that answers, where there is one."""
        (pid,) = children(self.pid, "lift-worker-")
        return pid

    # --- sockets

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """Connect, as one of the many addresses that this machine has for itself."""
        return socket.create_connection(
            ("127.0.0.1", self.port), timeout=WAIT_SECONDS, source_address=(source, 0)
        )

    def raw(self, request: bytes, source: str = "127.0.0.1") -> Raw:
        """Send bytes as they are; return the one answer."""
        with self.connect(source) as connection:
            connection.sendall(request)
            return self.answer(connection, request.split(b" ", 1)[0].decode())

    @staticmethod
    def answer(connection: socket.socket, method: str = "GET") -> Raw:
        """Read one answer; the connection stays open."""
        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        headers = {name.lower(): text for name, text in response.getheaders()}
        return Raw(response.status, headers, response.read())

    def get(self, target: str, *, method: str = "GET", headers: Mapping[str, str] = {}) -> Raw:
        """Ask for a target that a client library would have mended."""
        lines = [f"{method} {target} HTTP/1.1", "Host: test", "Content-Length: 0"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        return self.raw("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def head(self, target: str, **headers: str) -> Raw:
        """Send a HEAD, and take all that comes until the server closes for its body."""
        lines = [f"HEAD {target} HTTP/1.1", "Host: test", "Connection: close"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        received = b""
        with self.connect() as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            while piece := connection.recv(65536):
                received += piece
        top, _, body = received.partition(b"\r\n\r\n")
        status, *fields = top.decode("latin-1").split("\r\n")
        named = dict(field.split(": ", 1) for field in fields)
        return Raw(int(status.split()[1]), named, body)

    # --- what every test does

    def refused(self, answer: httpx2.Response | Raw, status: int, code: str) -> list[dict]:
        """Check that an answer is the spec's envelope with this code; return its entries."""
        headers = {name.lower(): text for name, text in answer.headers.items()}
        content = answer.body if isinstance(answer, Raw) else answer.content
        got = answer.status if isinstance(answer, Raw) else answer.status_code
        assert got == status, content
        assert headers["content-type"] == "application/json"
        assert headers["docker-distribution-api-version"] == "registry/2.0"
        assert headers["x-request-id"]
        entries = json.loads(content)["errors"]
        assert entries
        for entry in entries:
            assert entry["code"] == code, entry
            assert entry["message"].endswith("."), entry
            assert len(entry["message"]) > 20, entry
        return entries

    def problem(self, answer: httpx2.Response | Raw, status: int, rule: str | None = None) -> dict:
        """Check that an answer is a problem of RFC 9457; return it."""
        headers = {name.lower(): text for name, text in answer.headers.items()}
        content = answer.body if isinstance(answer, Raw) else answer.content
        got = answer.status if isinstance(answer, Raw) else answer.status_code
        assert got == status, content
        assert headers["content-type"] == "application/problem+json"
        assert headers["x-request-id"]
        problem = json.loads(content)
        assert problem["status"] == status
        assert problem["type"] == (f"urn:liftlock:error:{rule}" if rule else "about:blank")
        assert problem["title"]
        assert problem["detail"].endswith("."), problem
        assert len(problem["detail"]) > 20, problem
        return problem

    def promote(
        self, source: str, target: str, *, headers: Mapping[str, str] = {}, **more: object
    ) -> httpx2.Response:
        """Ask for a promotion of one item; what `more` names goes where it belongs."""
        whole = {name: more.pop(name) for name in list(more) if name not in ITEM_FIELDS}
        body = {"items": [{"source": source, "target": target, **more}], **whole}
        return self.http.post("/api/v1/promotions", json=body, headers=headers)

    def push_blob(self, repository: str, content: bytes, algorithm: str = "sha256") -> str:
        digest = digest_of(content, algorithm)
        answer = self.http.post(
            f"/v2/{repository}/blobs/uploads/", params={"digest": digest}, content=content
        )
        assert answer.status_code == 201, answer.text
        return digest

    def start_upload(self, repository: str, query: str = "") -> str:
        answer = self.http.post(f"/v2/{repository}/blobs/uploads/{query}")
        assert answer.status_code == 202, answer.text
        return answer.headers["location"]

    def put(self, repository: str, reference: str, body: bytes, media_type: str = OCI_MANIFEST):
        return self.http.put(
            f"/v2/{repository}/manifests/{reference}",
            content=body,
            headers={"Content-Type": media_type},
        )

    def push_image(self, repository: str, tag: str | None = None, **fields: object) -> Image:
        """Push an image of two blobs; `fields` go into its manifest."""
        layer = fields.pop("layer", b"a layer of " + repository.encode())
        config = self.push_blob(repository, b"{}")
        pushed = self.push_blob(repository, layer)
        body = manifest(config, [(pushed, len(layer))], **fields)
        answer = self.put(repository, tag or digest_of(body), body)
        assert answer.status_code == 201, answer.text
        return Image(digest_of(body), body, config, [pushed])

    def sessions(self) -> list[str]:
        """What upload sessions there are on disk."""
        return sorted(path.name for path in (self.root / "uploads").iterdir())

    def blob_files(self, digest: str) -> list[Path]:
        """The files of a blob, whatever their locators."""
        return sorted((self.root / "blobs").rglob(f"{digest.partition(':')[2]}*"))


def manifest(config: str, layers: list[tuple[str, int]], **fields: object) -> bytes:
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config, "size": 2},
            "layers": [
                {"mediaType": LAYER, "digest": digest, "size": size} for digest, size in layers
            ],
            **fields,
        }
    ).encode()


def _running(root: Path, *expected: str, workers: int = 1, **settings: object) -> Iterator[Server]:
    """Run a server; at its end the store must be whole, and the log hold only what is expected."""
    with liftlock.open(root, create=True) as engine:
        for registry in REGISTRIES:
            engine.create_registry(registry, by="tests")
    process = launch(root, workers=workers, **settings)
    line = process.stdout.readline()
    if not line:
        pytest.fail(f"the server did not start: {process.communicate()[1]}")
    server = Server(root, int(line.rsplit(":", 1)[1]), workers, process.pid)
    yield server
    broken = [finding for finding in server.engine.check() if finding.severity is Severity.ERROR]
    server.close()
    out, logged = stop(process)
    assert process.returncode == 0
    assert out == ""
    assert [line for line in logged.splitlines() if not any(map(line.count, expected))] == []
    assert not broken


@pytest.fixture(scope="session", params=[1, 3], ids=["1-worker", "3-workers"])
def server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """A server with its defaults; all that is asked of one worker is asked of several."""
    yield from _running(tmp_path_factory.mktemp("store") / "liftlock", workers=request.param)


@pytest.fixture(scope="session")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits half a second where others wait a minute, and takes small pieces."""
    yield from _running(
        tmp_path_factory.mktemp("hasty") / "liftlock",
        "is damaged",
        "took nothing",
        idle_seconds=0.5,
        header_seconds=1,
        body_piece_bytes=16 * 1024,
        drain_bytes_max=64 * 1024,
    )


@pytest.fixture(scope="session")
def prefixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is told of a proxy which offers it below /a/registry."""
    root = tmp_path_factory.mktemp("prefixed") / "liftlock"
    yield from _running(root, settings={"path_prefix": "/a/registry"})


@pytest.fixture(scope="session")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that lets no client have much of it."""
    yield from _running(
        tmp_path_factory.mktemp("tight") / "liftlock",
        "closed",
        connections_max=300,
        look_seconds=0.2,
        client_requests_max=4,
        client_connections_max=50,
        client_uploads_max=3,
    )


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server of this test alone, which may change or delete whatever it likes."""
    yield from _running(tmp_path / "liftlock")


_numbers = count(1)


@pytest.fixture
def repo(request: pytest.FixtureRequest) -> Iterator[str]:
    """A repository of this test alone; whatever the test did, no upload may be left."""
    yield f"dev/t{next(_numbers)}"
    for name in ("server", "hasty", "prefixed", "tight"):
        if name in request.fixturenames:
            running = request.getfixturevalue(name)
            deadline = time.monotonic() + WAIT_SECONDS
            while running.sessions() and time.monotonic() < deadline:
                time.sleep(0.01)
            assert running.sessions() == []


def children(pid: int, name: str) -> set[int]:
    """Return the children of a process whose names begin with `name`."""
    found = set()
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            if Path(f"/proc/{child}/comm").read_text().startswith(name):
                found.add(int(child))
    return found


def becomes(look: Callable[[], object], wanted: object) -> bool:
    """Look again and again until it is as wanted, or `WAIT_SECONDS` are over."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (found := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    return found == wanted


class Tools:
    """The functions and names of this file: tests are no package, and cannot import it."""

    digest_of = staticmethod(digest_of)
    manifest = staticmethod(manifest)
    launch = staticmethod(launch)
    stop = staticmethod(stop)
    becomes = staticmethod(becomes)
    children = staticmethod(children)
    name = staticmethod(RepositoryName.parse)
    description = DESCRIPTION
    lines, Line = staticmethod(lines), Line
    OCI_MANIFEST, OCI_INDEX, LAYER, CONFIG = OCI_MANIFEST, OCI_INDEX, LAYER, CONFIG
    WAIT_SECONDS = WAIT_SECONDS


@pytest.fixture
def tools() -> type[Tools]:
    return Tools
