"""How much memory does the server need while large blobs come and go, and some readers crawl?

At the same time: clients push a large blob each, clients pull one each, and many readers take
another at a kilobyte a second (E75). Meanwhile tags are pushed, so that each commit makes the reads
before it old; the readers' table of LMDB is looked at to find the oldest that is still open.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import lmdb
import registry_client
import servers
from anonymous_memory import Sampler
from outcome import Measured, Outcome, at_least, at_most
from registry_client import ask
from sample_images import image
from servers import HOST
from watcher import Watcher

import liftlock
from liftlock.folder import METADATA
from liftlock.oci.digest import Digest
from liftlock.oci.mediatype import OCI_MANIFEST

QUESTION: Final = "memory while large blobs come and go"
MIB: Final = 1024 * 1024
_REPOSITORY: Final = "dev/team/app"
_CLAIM_MIB: Final = 200
_SLOW_BYTES: Final = 1000
_TIMEOUT_SECONDS: Final = 600
_TAG_SECONDS: Final = 0.1
_READER: Final = re.compile(r"^\s*(\d+)\s+([0-9a-f]+)\s+(\d+)\s*$", re.MULTILINE)


class Sizes(NamedTuple):
    """How many clients of each kind, and how large their blobs are."""

    pushers: int
    pullers: int
    crawlers: int
    blob_mib: int
    seconds_min: float
    """At least so long, since the crawlers' connections fill up slowly."""


FULL: Final = Sizes(8, 8, 200, 1024, 30)
SMALL: Final = Sizes(2, 2, 20, 16, 3)


def measure(folder: Path, sizes: Sizes) -> Outcome:
    """Let all of them loose on one server, and judge the claims."""
    outcome = Outcome("serving_memory", QUESTION)
    root = folder / "store"
    with liftlock.open(root, create=True) as engine:
        engine.create_registry("dev", by="bench")
    blob = Large(sizes.blob_mib, 0)
    with ExitStack() as stack:
        server = stack.enter_context(servers.liftlock(root, folder / "log"))
        registry_client.push(server.port, _REPOSITORY, [image(_REPOSITORY, 0)])
        push(server.port, blob)
        memory = stack.enter_context(Sampler(server.pid))
        tags = stack.enter_context(_tagging(server.port))
        environment = stack.enter_context(closing(_environment(root / METADATA)))
        readers = stack.enter_context(Readers(environment))
        crawlers = stack.enter_context(_crawling(server.port, blob, sizes.crawlers))
        work: list[Callable[[], float]] = [
            partial(push, server.port, Large(sizes.blob_mib, number + 1))
            for number in range(sizes.pushers)
        ]
        work += [partial(pull, server.port, blob)] * sizes.pullers
        began = time.perf_counter()
        with ThreadPoolExecutor(len(work)) as pool:
            seconds = [done.result() for done in [pool.submit(each) for each in work]]
        time.sleep(max(0, sizes.seconds_min - (time.perf_counter() - began)))
        crawled, tagged = crawlers(), tags()
    rates = [sizes.blob_mib * MIB / 1e6 / each for each in seconds]
    outcome.measured = [
        Measured("Liftlock, a push", "MB/s", tuple(rates[: sizes.pushers]), "each client's rate"),
        Measured("Liftlock, a pull", "MB/s", tuple(rates[sizes.pushers :]), "each client's rate"),
    ]
    outcome.claims = [
        at_most(_CLAIM_MIB, memory.most_bytes / MIB, "MiB of anonymous memory, all processes"),
        at_most(1, readers.oldest_seconds, "seconds that a read transaction was open, at most"),
        at_least(sizes.crawlers, crawled, "readers at 1 kB/s that were served to the end"),
    ]
    outcome.facts = {
        "at the same time": f"{sizes.pushers} pushes and {sizes.pullers} pulls of "
        f"{sizes.blob_mib} MiB, {sizes.crawlers} readers at 1 kB/s, {tagged:,} pushes of a tag",
        "looks at the readers' table": f"{readers.looks:,}",
    }
    return outcome


class Large:
    """A blob of many pieces, which only its last piece tells from the others; never held whole."""

    _PIECE: Final = os.urandom(MIB)

    def __init__(self, mib: int, number: int) -> None:
        self.size = mib * MIB
        self._pieces = mib
        self._last = number.to_bytes(8, "big") + self._PIECE[8:]
        hashed = hashlib.sha256()
        for piece in self:
            hashed.update(piece)
        self.digest = Digest.of_hash("sha256", hashed.digest())

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self._pieces - 1):
            yield self._PIECE
        yield self._last


def push(port: int, blob: Large) -> float:
    """Push as docker does: one PATCH, then an empty PUT. Return the seconds it took."""
    began = time.perf_counter()
    with closing(http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_SECONDS)) as connection:
        where = ask(connection, "POST", f"/v2/{_REPOSITORY}/blobs/uploads/", b"")
        where = ask(connection, "PATCH", where, iter(blob), length=blob.size)
        ask(connection, "PUT", f"{where}?digest={blob.digest}", b"")
    return time.perf_counter() - began


def pull(port: int, blob: Large) -> float:
    """Pull, and drop what comes. Return the seconds it took."""
    began, left, buffer = time.perf_counter(), blob.size, bytearray(256 * 1024)
    with closing(http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_SECONDS)) as connection:
        connection.request("GET", f"/v2/{_REPOSITORY}/blobs/{blob.digest}")
        answer = connection.getresponse()
        assert answer.status == http.client.OK
        while left:
            left -= answer.readinto(buffer) or left
    return time.perf_counter() - began


@contextmanager
def _tagging(port: int) -> Iterator[Callable[[], int]]:
    """Push another tag each moment; yields what says how many there are."""
    body, stop, count = image(_REPOSITORY, 0).body, threading.Event(), 0

    def tag() -> None:
        nonlocal count
        with closing(http.client.HTTPConnection(HOST, port, timeout=60)) as connection:
            while not stop.wait(_TAG_SECONDS):
                where = f"/v2/{_REPOSITORY}/manifests/t{count}"
                ask(connection, "PUT", where, body, OCI_MANIFEST)
                count += 1

    with ThreadPoolExecutor(1) as pool:
        tagging = pool.submit(tag)
        try:
            yield lambda: count
        finally:
            stop.set()
            tagging.result()


@contextmanager
def _crawling(port: int, blob: Large, count: int) -> Iterator[Callable[[], int]]:
    """Read a blob on many connections, slowly; yields what says how many still get bytes."""
    request = f"GET /v2/{_REPOSITORY}/blobs/{blob.digest} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
    stop, alive = threading.Event(), 0

    def crawl() -> None:
        nonlocal alive
        with ExitStack() as stack:
            poller = stack.enter_context(selectors.DefaultSelector())
            for _ in range(count):
                client = stack.enter_context(socket.socket())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.connect((HOST, port))
                client.sendall(request.encode())
                poller.register(client, selectors.EVENT_READ)
            while not stop.wait(1):
                ready = [key.fileobj for key, _ in poller.select(0)]
                assert all(isinstance(each, socket.socket) for each in ready)
                alive = sum(bool(each.recv(_SLOW_BYTES)) for each in ready)

    with ThreadPoolExecutor(1) as pool:
        crawling = pool.submit(crawl)
        try:
            yield lambda: alive
        finally:
            stop.set()
            crawling.result()


class Readers(Watcher):
    """Looks at LMDB's table of readers, from another process than the server."""

    def __init__(self, environment: lmdb.Environment) -> None:
        super().__init__()
        self._environment = environment
        self._seen: dict[tuple[str, str, str], float] = {}
        self.oldest_seconds = 0.0
        self.looks = 0

    def look(self) -> None:
        now, before = time.monotonic(), self._seen
        found = _READER.findall(self._environment.readers())
        # Who reads at the same commit as at the last look may never have stopped.
        self._seen = {reader: before.get(reader, now) for reader in found}
        oldest = max((now - since for since in self._seen.values()), default=0)
        self.oldest_seconds = max(self.oldest_seconds, oldest)
        self.looks += 1


def _environment(folder: Path) -> lmdb.Environment:
    return lmdb.open(str(folder), readonly=True, max_dbs=32, max_readers=1024)
