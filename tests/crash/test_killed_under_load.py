"""A process is killed while several threads push, promote, move and undo; and servers are killed.

Where exactly it hits is left to chance here; `test_killed` goes through every single moment.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from load import SHARED, TEAMS, tags_of

import liftlock
from liftlock import Digest, Reference, RepositoryName
from liftlock.errors import RepositoryUnknown
from liftlock.model import HistoryEntry, Severity

LAUNCHER = (
    "import sys; from pathlib import Path; from liftlock.http.server import serve; "
    "sys.exit(serve(Path(sys.argv[1]), port=0))"
)
ROUNDS = 14
CONTENT = Random(1).randbytes(3_000_000)
DIGEST = Digest.of(CONTENT)


@pytest.fixture
def store(quick: Path) -> Path:
    with liftlock.open(quick / "store", create=True) as engine:
        for registry in ("dev", "prod"):
            engine.create_registry(registry, by="me")
    return quick / "store"


@pytest.mark.parametrize("mortals", ["load.py"], indirect=True)
@pytest.mark.parametrize(
    "seed", [0, *[pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 30)]]
)
def test_a_kill_under_load_loses_nothing_that_was_acknowledged(
    mortals, store: Path, seed: int
) -> None:
    random = Random(seed)
    acknowledged: set[int] = set()
    for number in range(ROUNDS):
        at_a_point, after_a_time = random.randrange(50, 1000), random.uniform(0.02, 0.4)
        death = {"kill_at": at_a_point} if number % 2 else {"kill_after": after_a_time}
        told = mortals.die(store, "load", seed=random.random(), **death)
        told = [json.loads(line) for line in told]
        with liftlock.open(store) as engine:
            assert [f for f in engine.check(content=True) if f.severity is Severity.ERROR] == []
            for team in range(TEAMS):
                lines = [line for line in told if line["team"] == team]
                assert tags_of(engine, team) in possible_tags(lines), lines[-3:]
            acknowledged |= {line["done"] for line in told if line.get("done")}
            # A move to where the image is already is told of at its source alone.
            entries = (*whole_history(engine, "dev"), *whole_history(engine, "prod"))
            assert acknowledged <= {entry.promotion for entry in entries}
            assert_each_follows_from_the_last(engine, SHARED)
    assert acknowledged


def possible_tags(lines: list[dict]) -> list[dict[str, str]]:
    """Return what the tags may be: as after the last thing done, or the one that was begun."""
    last_done = max(number for number, line in enumerate(lines) if "done" in line)
    after = [number for number, line in enumerate(lines) if "after" in line]
    return [lines[max(n for n in after if n < last_done)]["after"], lines[after[-1]]["after"]]


def whole_history(
    engine: liftlock.Engine, of: Reference | RepositoryName | str
) -> list[HistoryEntry]:
    """Return all entries, newest first."""
    entries: list[HistoryEntry] = []
    more = True
    while more:
        before = entries[-1].event if entries else None
        page = engine.history(of, before=before)
        entries += page.entries
        more = page.more
    return entries


def assert_each_follows_from_the_last(engine: liftlock.Engine, image: Reference) -> None:
    """Each change of a tag starts where the one before it ended, and the last is where it is."""
    try:
        tags = {tag.name: tag.digest for tag in engine.list_tags(image.name).entries}
    except RepositoryUnknown:  # killed before anybody came to promote there
        with pytest.raises(RepositoryUnknown):
            engine.history(image)
        return
    expected = None
    for entry in reversed(whole_history(engine, image)):
        if entry.action in {"created", "updated"}:
            assert entry.old_digest == expected, entry
            expected = entry.new_digest
    assert tags == ({image.tag: expected} if expected else {})


# --- a server and its uploads ---------------------------------------------------------------


class Server:
    """A server process, in a group of its own, and one connection to it."""

    def __init__(self, store: Path) -> None:
        roots = [str(Path(liftlock.__file__).parents[1]), *sys.path]
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, str(store)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(roots)},
            start_new_session=True,
        )
        self.address = self.process.stdout.readline().rpartition("//")[2].strip()
        self.connection = http.client.HTTPConnection(self.address, timeout=20)

    def request(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> http.client.HTTPResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, named)
        response = self.connection.getresponse()
        response.read()
        return response

    def kill(self) -> None:
        self.connection.close()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def server(store: Path) -> Iterator[Server]:
    server = Server(store)
    yield server
    if server.process.returncode is None:
        server.kill()


def test_an_upload_goes_on_after_its_server_was_killed_between_chunks(
    server: Server, store: Path
) -> None:
    place = server.request("POST", "/v2/dev/app/blobs/uploads/").headers["Location"]
    first, second = CONTENT[:1_000_000], CONTENT[1_000_000:2_000_000]
    for start, chunk in ((0, first), (1_000_000, second)):
        answer = server.request("PATCH", place, chunk, **chunk_headers(start, chunk))
        assert answer.status == http.client.ACCEPTED
        place = answer.headers["Location"]
    server.kill()
    finish_upload(store, place, received=2_000_000)


def test_an_upload_goes_on_after_its_server_was_killed_within_a_chunk(
    server: Server, store: Path
) -> None:
    """What was acknowledged is there; of the chunk under way any part may be."""
    place = server.request("POST", "/v2/dev/app/blobs/uploads/").headers["Location"]
    chunk = CONTENT[:1_000_000]
    answer = server.request("PATCH", place, chunk, **chunk_headers(0, chunk))
    assert answer.status == http.client.ACCEPTED
    place, connection = answer.headers["Location"], server.connection
    connection.putrequest("PATCH", place)
    connection.putheader("Content-Length", str(len(CONTENT) - 1_000_000))
    connection.endheaders()
    connection.send(CONTENT[1_000_000:2_500_000])
    server.kill()
    finish_upload(store, place, received=None)


def finish_upload(store: Path, place: str, *, received: int | None) -> None:
    """Start a server again, and push the rest from where it says that the session is."""
    server = Server(store)
    try:
        answer = server.request("GET", place)
        assert answer.status == http.client.NO_CONTENT
        size = int(answer.headers["Range"].partition("-")[2]) + 1
        assert size == received if received else 1_000_000 <= size <= 2_500_000
        rest = CONTENT[size:]
        answer = server.request("PATCH", place, rest, **chunk_headers(size, rest))
        assert answer.status == http.client.ACCEPTED
        joint = "&" if "?" in place else "?"
        answer = server.request("PUT", f"{answer.headers['Location']}{joint}digest={DIGEST}")
        assert answer.status == http.client.CREATED
    finally:
        server.kill()
    with liftlock.open(store) as engine:
        blob = engine.get_blob(RepositoryName("dev", "app"), DIGEST)
        assert b"".join(engine.read_blob(blob)) == CONTENT
        assert list(engine.check(content=True)) == []
        assert list(engine._blobs.iter_sessions()) == []


def chunk_headers(start: int, chunk: bytes) -> dict[str, str]:
    return {"Content_Range": f"{start}-{start + len(chunk) - 1}"}
