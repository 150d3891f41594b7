"""Behind nginx: below a path, on an odd port, and with TLS ending there (E40).

Programs that are not installed skip these tests, unless LIFTLOCK_REQUIRE_CLIENTS is set: then they
fail, so that nobody takes a run without them for a run with them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from shells import ENV, Shell

import liftlock

pytestmark = pytest.mark.clients

WAIT_SECONDS = 10
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONTENT = bytes(number % 251 for number in range(3_000_000))

OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
ADVISED = OPERATIONS.partition("```nginx\n")[2].partition("```")[0]
"""The lines for nginx that docs/operations.md has."""

# nginx has a slash behind the address where it is to take the path off.
CONFIG = """
pid {folder}/nginx.pid;
error_log stderr warn;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_max_body_size 0;
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_http_version 1.1;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{passing};
        {advised}
    }}
    server {{
        listen 127.0.0.1:{stripping};
        location /registry/ {{ proxy_pass http://{prefixed}/; }}
    }}
    server {{
        listen 127.0.0.1:{secure} ssl;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        location / {{ proxy_pass http://{plain}; }}
    }}
}}
"""


def require(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        if os.environ.get("LIFTLOCK_REQUIRE_CLIENTS"):
            pytest.fail(f"{program} is not installed, and LIFTLOCK_REQUIRE_CLIENTS is set")
        pytest.skip(f"{program} is not installed")
    return found


def free_ports(number: int) -> Sequence[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where two servers listen: one that knows of a prefix, and one that does not."""
    processes, addresses, roots = [], {}, []
    for name, prefix, more in (
        (
            "prefixed",
            ["--path-prefix", "/registry"],
            ["--setting", "http_limits.client_requests_max=0"],
        ),
        ("plain", [], []),
    ):
        root = tmp_path_factory.mktemp(name) / "store"
        with liftlock.open(root, create=True) as engine:
            engine.create_registry("dev", by="tests")
        start = [sys.executable, "-m", "liftlock_cli", "--root", str(root)]
        process = subprocess.Popen(
            [*start, *more, "serve", "--port", "0", *prefix],
            stdout=subprocess.PIPE,
            text=True,
            env=ENV,
        )
        processes.append(process)
        roots.append(root)
        addresses[name] = process.stdout.readline().strip().rpartition("://")[2]
    yield addresses
    for process, root in zip(processes, roots, strict=True):
        process.terminate()
        process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 0
        with liftlock.open(root) as engine:
            assert [str(finding) for finding in engine.check(content=True)] == []


@pytest.fixture(scope="module")
def proxies(
    served: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, int]]:
    """The ports of nginx: `passing`, `stripping`, `secure`."""
    nginx, openssl = require("nginx"), require("openssl")
    folder = tmp_path_factory.mktemp("nginx")
    key, certificate = str(folder / "key.pem"), str(folder / "certificate.pem")
    new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run(
        [openssl, *new, "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    ports = dict(zip(("passing", "stripping", "secure"), free_ports(3), strict=True))
    config = folder / "nginx.conf"
    assert ADVISED.count("127.0.0.1:5000") == 1
    advised = ADVISED.replace("127.0.0.1:5000", served["prefixed"])
    config.write_text(CONFIG.format(folder=folder, advised=advised, **served, **ports))
    process = subprocess.Popen(
        [nginx, "-p", str(folder), "-c", str(config), "-g", "daemon off;"],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + WAIT_SECONDS
    while not all(map(listens, ports.values())):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield ports
    process.terminate()
    process.communicate(timeout=WAIT_SECONDS)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize("how", ["passing", "stripping"])
def test_a_client_that_follows_what_it_is_told_stays_below_the_prefix(
    proxies: dict[str, int], how: str
) -> None:
    """It pushes an image in chunks, pages through tags, and promotes; all on an odd port."""
    base = f"http://127.0.0.1:{proxies[how]}/registry"
    repository = f"dev/{how}"
    with httpx2.Client(timeout=WAIT_SECONDS) as client:

        def follow(answer: httpx2.Response, status: int, path: str) -> str:
            assert answer.status_code == status, answer.text
            found = answer.url.join(path)
            assert found.port == proxies[how]
            assert urlsplit(str(found)).path.startswith("/registry/")
            return str(found)

        digests = []
        for content in (b"{}", CONTENT):
            answer = client.post(f"{base}/v2/{repository}/blobs/uploads/")
            session = follow(answer, 202, answer.headers["location"])
            answer = client.patch(session, content=content)
            session = follow(answer, 202, answer.headers["location"])
            digests.append(digest_of(content))
            answer = client.put(session, params={"digest": digests[-1]})
            blob = follow(answer, 201, answer.headers["location"])
            assert client.get(blob).content == content
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/x.config", "digest": digests[0], "size": 2},
            "layers": [
                {"mediaType": "application/x.layer", "digest": digests[1], "size": len(CONTENT)}
            ],
        }
        for tag in "123":
            answer = client.put(
                f"{base}/v2/{repository}/manifests/{tag}",
                content=json.dumps(manifest),
                headers={"Content-Type": OCI_MANIFEST},
            )
            pushed = follow(answer, 201, answer.headers["location"])
            assert client.get(pushed).json() == manifest
        answer = client.get(f"{base}/v2/{repository}/tags/list", params={"n": 2})
        rest = follow(answer, 200, answer.links["next"]["url"])
        assert client.get(rest).json()["tags"] == ["3"]
        item = {"source": f"{repository}:1", "target": f"{repository}:stable"}
        answer = client.post(f"{base}/api/v1/promotions", json={"items": [item]})
        made = follow(answer, 201, answer.headers["location"])
        assert client.get(made).json()["items"][0]["action"] == "create"
        # Names have slashes in our own paths, and generated clients encode them.
        for name in (f"{repository}:stable", f"{repository.replace('/', '%2F')}%3Astable"):
            shown = client.get(f"{base}/api/v1/tags/{name}").json()
            assert shown["name"] == f"{repository}:stable"
        answer = client.get(f"{base}/api/v1/tags/{repository}", params={"limit": 2})
        rest = follow(answer, 200, answer.links["next"]["url"])
        assert [tag["tag"] for tag in client.get(rest).json()["tags"]] == ["3", "stable"]


def test_a_real_client_pushes_and_pulls_where_tls_ends_at_the_proxy(
    proxies: dict[str, int], tmp_path: Path
) -> None:
    """Nothing that the server says leads the client back to plain HTTP, or to another port."""
    skopeo = require("skopeo")
    body = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers"}})
    there = f"docker://127.0.0.1:{proxies['secure']}/dev/secure:1"
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    layout(source, body.encode())
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
    copy = [skopeo, "--policy", str(policy), "copy", "--preserve-digests"]
    for words in (
        ["--dest-tls-verify=false", f"oci:{source}:1", there],
        ["--src-tls-verify=false", there, f"oci:{target}:1"],
    ):
        done = subprocess.run(
            [*copy, *words], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
    ours, theirs = (
        json.loads((folder / "index.json").read_text())["manifests"][0]["digest"]
        for folder in (source, target)
    )
    assert ours == theirs


def layout(folder: Path, config: bytes) -> None:
    """Write an OCI layout of one image with one layer."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes, media_type: str) -> dict[str, object]:
        digest = digest_of(content)
        (blobs / digest.partition(":")[2]).write_bytes(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    described = put(config, "application/vnd.oci.image.config.v1+json")
    layer = put(CONTENT, "application/vnd.oci.image.layer.v1.tar+zstd")
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described,
        "layers": [layer],
    }
    entry = put(json.dumps(document).encode(), OCI_MANIFEST)
    entry["annotations"] = {"org.opencontainers.image.ref.name": "1"}
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("registry", "write it like /registry"),
        ("/registry/", "without a slash at its end"),
        ("/v2/registry", "this server's own"),
    ],
)
def test_a_prefix_that_cannot_be_is_refused_before_anything_is_served(
    tmp_path: Path, prefix: str, reason: str
) -> None:
    shell = Shell(tmp_path / "store")
    said = shell.fails(2, "serve", "--port", "0", "--path-prefix", prefix)
    assert reason in " ".join(said.split())
    assert not shell.root.exists()
