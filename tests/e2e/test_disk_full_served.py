"""A server whose disk is really full: 507, and then fine again, without a restart (E69)."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Final

import httpx2
import pytest
from shells import ENV
from smalldisks import fill, mounted

import liftlock

WAIT_SECONDS: Final = 20
DISK_BYTES: Final = 48 * 1024 * 1024
TRIES_MAX: Final = 400
INODES_MAX: Final = 1200
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
random: Final = Random(1)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Served:
    """A server on a small disk, and what its clients do."""

    def __init__(self, disk: Path) -> None:
        self.ballast = disk / "ballast"
        self.root = disk / "store"
        with liftlock.open(self.root, create=True) as engine:
            for registry in ("dev", "prod"):
                engine.create_registry(registry, by="tests")
        command = [sys.executable, "-m", "liftlock_cli", "--root", str(self.root), "serve"]
        self.process = subprocess.Popen(
            [*command, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENV,
        )
        url = self.process.stdout.readline().strip().rpartition(" ")[2]
        self.http = httpx2.Client(base_url=url, timeout=WAIT_SECONDS)
        self.blob = self.push(b"{}")
        assert self.put("1", b"").status_code == 201

    def close(self) -> None:
        """It ran through all of it, and nothing is left that does not belong there."""
        self.http.close()
        assert self.process.poll() is None
        self.process.terminate()
        _, logged = self.process.communicate(timeout=WAIT_SECONDS)
        assert self.process.returncode == 0
        assert "Traceback" not in logged
        with liftlock.open(self.root) as engine:
            assert [str(finding) for finding in engine.check(content=True)] == []
        assert list((self.root / "uploads").iterdir()) == []

    def start(self) -> httpx2.Response:
        return self.http.post("/v2/dev/app/blobs/uploads/")

    def push(self, content: bytes) -> str:
        digest = digest_of(content)
        target = "/v2/dev/app/blobs/uploads/"
        answer = self.http.post(target, params={"digest": digest}, content=content)
        assert answer.status_code == 201, answer.text
        return digest

    def put(self, tag: str, noise: bytes) -> httpx2.Response:
        config = {"mediaType": "application/x.config", "digest": self.blob, "size": 2}
        document = {"schemaVersion": 2, "config": config, "annotations": {"noise": noise.hex()}}
        return self.http.put(
            f"/v2/dev/app/manifests/{tag}",
            content=json.dumps(document),
            headers={"Content-Type": OCI_MANIFEST},
        )

    def still_serves(self) -> None:
        """Whoever reads notices nothing."""
        assert self.http.get("/v2/").status_code == 200
        assert self.http.get("/v2/dev/app/manifests/1").status_code == 200
        assert self.http.get(f"/v2/dev/app/blobs/{self.blob}").content == b"{}"
        assert "1" in self.http.get("/v2/dev/app/tags/list").json()["tags"]


@pytest.fixture(params=["tmpfs", "ext4"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, DISK_BYTES, request.param):
        server = Served(disk)
        try:
            yield server
            server.close()
        finally:
            server.process.kill()
            server.process.communicate()


def full(answer: httpx2.Response) -> None:
    """507, in words, and with the advice to try again."""
    assert answer.status_code == 507, answer.text
    (entry,) = answer.json()["errors"]
    assert entry["code"] == "UNAVAILABLE"
    assert "room" in entry["message"]
    assert int(answer.headers["retry-after"]) > 0


def until_full(send: Callable[[int], httpx2.Response], status: int = 201) -> int:
    """Send it with 0, 1, 2 and so on until there is no room; return with which there was none.

    LMDB writes into pages that became free before it needs new ones, so that some may fit.
    """
    for number in range(TRIES_MAX):
        answer = send(number)
        if answer.status_code != status:
            full(answer)
            return number
    raise AssertionError("it was never full")


def test_a_chunk_that_does_not_fit(served: Served) -> None:
    """PATCH: the session stays where it was, and goes on from there."""
    content = random.randbytes(3_000_000)
    location = served.start().headers["location"]
    assert served.http.patch(location, content=content[:1_000_000]).status_code == 202
    fill(served.ballast, leave=500_000)
    full(served.http.patch(location, content=content[1_000_000:]))
    stands = served.http.get(location).headers["range"]
    received = int(stands.removeprefix("0-")) + 1
    assert 1_000_000 <= received < 1_600_000  # what came in whole pieces is kept
    served.still_serves()
    digest = digest_of(content)
    assert served.http.get(f"/v2/dev/app/blobs/{digest}").status_code == 404
    served.ballast.unlink()
    rest = {"Content-Range": f"{received}-{len(content) - 1}"}
    answer = served.http.patch(location, content=content[received:], headers=rest)
    assert answer.status_code == 202
    assert served.http.put(location, params={"digest": digest}).status_code == 201
    assert served.http.get(f"/v2/dev/app/blobs/{digest}").content == content


def test_a_blob_in_one_request_that_does_not_fit(served: Served) -> None:
    """It leaves no session: its client was never told of one."""
    content = random.randbytes(3_000_000)
    fill(served.ballast, leave=500_000)
    target, digest = "/v2/dev/app/blobs/uploads/", digest_of(content)
    full(served.http.post(target, params={"digest": digest}, content=content))
    assert list((served.root / "uploads").iterdir()) == []
    served.still_serves()
    served.ballast.unlink()
    assert served.push(content) == digest


def test_a_commit_for_whose_record_there_is_no_room(served: Served) -> None:
    """PUT: the bytes are there already; the session keeps them."""
    contents = [random.randbytes(6000) for _ in range(200)]
    locations = []
    for content in contents:
        locations.append(served.start().headers["location"])
        assert served.http.patch(locations[-1], content=content).status_code == 202

    def commit(number: int) -> httpx2.Response:
        digest = digest_of(contents[number])
        return served.http.put(locations[number], params={"digest": digest})

    def commit_without_room(number: int) -> httpx2.Response:
        fill(served.ballast)  # each time: a session that has ended makes room for a record
        return commit(number)

    refused = until_full(commit_without_room)
    target = f"/v2/dev/app/blobs/{digest_of(contents[refused])}"
    assert served.http.get(target).status_code == 404
    assert served.http.get(locations[refused]).headers["range"] == "0-5999"
    served.still_serves()
    served.ballast.unlink()
    for number in range(refused, len(contents)):
        assert commit(number).status_code == 201
    assert served.http.get(target).content == contents[refused]


def test_manifests_and_promotions_for_which_there_is_no_room(served: Served) -> None:
    fill(served.ballast)
    refused = until_full(lambda number: served.put(f"big{number}", random.randbytes(9000)))
    tags = served.http.get("/v2/dev/app/tags/list").json()["tags"]
    assert set(tags) == {"1", *(f"big{number}" for number in range(refused))}

    def promote(number: int) -> httpx2.Response:
        items = [
            {"source": "dev/app:1", "target": f"prod/app{number}-{item}:1"} for item in range(50)
        ]
        return served.http.post("/api/v1/promotions", json={"items": items})

    for number in range(TRIES_MAX):
        answer = promote(number)
        if answer.status_code != 201:
            break
    assert answer.status_code == 507, answer.text
    assert answer.json()["type"] == "urn:liftlock:error:store-full"
    assert served.http.get(f"/v2/prod/app{number}-0/tags/list").status_code == 404
    served.still_serves()
    served.ballast.unlink()
    assert promote(number).status_code == 201
    assert served.put("after", random.randbytes(9000)).status_code == 201


def test_a_session_for_which_there_is_no_room(tmp_path: Path) -> None:
    """A disk may have room for bytes, and none for another file."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, DISK_BYTES, "tmpfs", f",nr_inodes={INODES_MAX}"):
        served = Served(disk)
        try:
            takers = []
            for number in count():
                try:
                    takers.append(disk / f"taker{number}")
                    takers[-1].touch(exist_ok=False)
                except OSError:
                    break
            location = served.start().headers["location"]
            full(served.http.patch(location, content=b"first bytes"))
            served.still_serves()
            for taker in takers[:-1]:
                taker.unlink()
            assert served.http.patch(location, content=b"first bytes").status_code == 202
            assert served.http.delete(location).status_code == 204
            served.close()
        finally:
            served.process.kill()
            served.process.communicate()


@pytest.mark.parametrize("served", ["ext4"], indirect=True)
def test_a_rename_for_which_there_is_no_room(served: Served) -> None:
    """The blob's folder needs another block for the name; for records there is room."""
    contents = list(islice(of_one_folder(), 60))
    locations = []
    for content in contents:
        locations.append(served.start().headers["location"])
        assert served.http.patch(locations[-1], content=content).status_code == 202

    def commit(number: int) -> httpx2.Response:
        digest = digest_of(contents[number])
        return served.http.put(locations[number], params={"digest": digest})

    folder = served.root / "blobs" / "sha256" / "00"
    for number in range(30):  # a block of 4 KiB has room for some 37 such names
        assert commit(number).status_code == 201
    one_block = folder.stat().st_size
    leave_free_pages(served)

    def commit_without_room(number: int) -> httpx2.Response:
        fill(served.ballast)
        return commit(30 + number)

    refused = 30 + until_full(commit_without_room)
    assert folder.stat().st_size == one_block
    assert len(list(folder.iterdir())) == refused
    assert served.put("room-for-records", b"").status_code == 201
    served.still_serves()
    assert served.http.get(locations[refused]).status_code == 204
    served.ballast.unlink()
    for number in range(refused, 60):
        assert commit(number).status_code == 201
    assert folder.stat().st_size > one_block


def of_one_folder() -> Iterator[bytes]:
    """Contents whose digests begin alike."""
    for number in count():
        content = b"content %d, more than a row has" % number * 1000
        if digest_of(content).startswith("sha256:00"):
            yield content


def leave_free_pages(served: Served) -> None:
    """Have LMDB's file grow: what is written beside a reader cannot go into pages it may see."""

    def write_beside(_: object) -> None:
        for number in range(100):
            assert served.put(f"beside{number}", b"").status_code == 201

    with liftlock.open(served.root) as engine:
        engine._store.read(write_beside)
