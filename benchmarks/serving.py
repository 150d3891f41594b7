"""How fast is the plain work of a registry, beside the CNCF registry?

The same requests go to both servers in turn, sent by the load generator in C: pulls of manifests
and small blobs, pushes of small blobs (POST, then PUT with all bytes), pages of a long list of
tags, and a large blob pushed and pulled on one connection. Beside the large push: how fast one
thread hashes as many bytes with SHA-256, which no registry can do without; how fast the disk takes
them; and servers in C that do no more than they must (`bare_push.py`).

The CNCF registry runs as light as it can be made: `servers.py` has its configuration. All write
to the same disk. What is pushed is new in every round.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import bare_push
import contestants
import flushes
import registry_client
import servers
from anonymous_memory import Sampler, processor_seconds
from load_generator import JOINT, LOCATION, LoadGenerator, Request, Unit, rate
from outcome import Measured, Outcome, at_least, memory_claim
from sample_images import Blob, image, tag_of
from servers import Server

import liftlock
from liftlock import Digest
from liftlock.oci.mediatype import OCI_MANIFEST

QUESTION: Final = "the plain work of a registry, beside the CNCF registry"
MIB: Final = 1024 * 1024
CONNECTIONS: Final = 16
_PUSHERS: Final = 8
_REPOSITORY: Final = "dev/team/app"
_TAGGED: Final = "dev/team/tagged"
_SMALL_BYTES: Final = 10 * 1024
_PAGE: Final = 100


class Sizes(NamedTuple):
    """How much there is, and how much is done in a run."""

    images: int
    blobs: int
    tags: int
    seconds: float
    ours_pushed: int
    theirs_pushed: int
    large_mib: int
    larges: int
    rounds: int


FULL: Final = Sizes(200, 500, 10_000, 2, 3000, 500, 100, 8, 5)
SMALL: Final = Sizes(20, 20, 300, 0.3, 50, 20, 8, 2, 2)


def measure(folder: Path, sizes: Sizes) -> Outcome:
    """Run both servers through all the work in turn, and judge the claims."""
    outcome = Outcome("serving", QUESTION)
    generator = LoadGenerator(folder)
    root, theirs = folder / "store", folder / "registry"
    theirs.mkdir()
    with liftlock.open(root, create=True) as engine:
        engine.create_registry("dev", by="bench")
    with ExitStack() as stack:
        ours = stack.enter_context(servers.liftlock(root, folder / "log"))
        memory = stack.enter_context(Sampler(ours.pid))
        registry = stack.enter_context(servers.docker_registry(theirs))
        bare = stack.enter_context(bare_push.receivers(folder))
        work = _Work(generator, sizes, folder)
        for server in (ours, registry):
            work.prepare(server)
        rates = contestants.in_turn(sizes.rounds, work.contestants(ours, registry, bare))
        outcome.facts |= work.calls(ours, folder)
    for label, runs in rates.items():
        chart, _, name = label.partition(": ")
        unit = "MB/s" if "MiB" in chart else "requests/s"
        outcome.measured.append(Measured(name, unit, tuple(runs), chart))
    _judge(outcome, memory.most_bytes, sizes)
    outcome.facts |= {
        f"processor time, {label}": f"{statistics.median(costs) * 1e6:,.0f} us"
        for label, costs in work.costs.items()
    }
    return outcome


class _Work:
    """What is asked of both servers; each kind of work by its name."""

    def __init__(self, generator: LoadGenerator, sizes: Sizes, folder: Path) -> None:
        self._generator = generator
        self._folder = folder
        self._sizes = sizes
        self.costs: dict[str, list[float]] = {}
        """Processor seconds of the server for one of each, by round."""
        self._done = 0
        self._blobs = [_blob(_SMALL_BYTES) for _ in range(sizes.blobs)]
        self._large = _blob(sizes.large_mib * MIB)
        images = range(sizes.images)
        self._manifest_gets = generator.write("manifests", ([_manifest_get(n)] for n in images))
        self._blob_gets = generator.write("blobs", ([_blob_get(blob)] for blob in self._blobs))
        self._large_get = generator.write("large", [[_blob_get(self._large)]] * sizes.larges)
        self._pages = generator.write("pages", ([_page(n)] for n in range(0, sizes.tags, _PAGE)))

    def prepare(self, server: Server) -> None:
        """Push what will be pulled and listed."""
        images = [image(_REPOSITORY, number) for number in range(self._sizes.images)]
        registry_client.push(server.port, _REPOSITORY, images)
        registry_client.push(server.port, _TAGGED, images[:1])
        self._send(server, _PUSHERS, "prepare-blobs", map(_pushed, self._blobs))
        self._send(server, 1, "prepare-large", [_pushed(self._large)])
        tags = ([_manifest_put(images[0].body, n)] for n in range(self._sizes.tags))
        self._send(server, CONNECTIONS, "prepare-tags", tags)

    def contestants(
        self, ours: Server, theirs: Server, bare: Mapping[str, Server]
    ) -> dict[str, Callable[[int], float]]:
        large = f"{self._sizes.large_mib} MiB"
        runs: dict[str, Callable[[int], float]] = {}
        for name, server, pushed in (
            ("the CNCF registry", theirs, self._sizes.theirs_pushed),
            ("Liftlock", ours, self._sizes.ours_pushed),
        ):
            runs |= {
                f"manifest GET: {name}": partial(self._loop, server, self._manifest_gets),
                f"GET of 10 KiB blobs: {name}": partial(self._loop, server, self._blob_gets),
                f"push of 10 KiB blobs: {name}": partial(self._push_small, server, pushed),
                f"page of {_PAGE} tags: {name}": partial(self._loop, server, self._pages),
                f"push of {large}: {name}": partial(self._push_large, server),
                f"pull of {large}: {name}": partial(self._pull_large, server),
            }
        runs |= {
            f"push of {large}: {name}": partial(self._push_large, server)
            for name, server in bare.items()
        }
        by_name = {"the CNCF registry": theirs, "Liftlock": ours, **bare}
        runs = {
            label: partial(self._costing, label, by_name[label.partition(": ")[2]], run)
            for label, run in runs.items()
        }
        runs[f"push of {large}: the disk alone: write, flush"] = self._write_large
        runs[f"push of {large}: SHA-256 alone"] = self._hash_large
        return runs

    def calls(self, server: Server, folder: Path) -> dict[str, str]:
        """Count the system calls of some small requests, sent over one connection."""
        sent = self._sizes.images
        blobs = [_pushed(_blob(_SMALL_BYTES)) for _ in range(sent)]
        work = {
            "a manifest GET": [[_manifest_get(number)] for number in range(sent)],
            "a GET of 10 KiB": [
                [_blob_get(self._blobs[n % len(self._blobs)])] for n in range(sent)
            ],
            "a push of 10 KiB": blobs,
        }
        return {
            f"system calls of {what}": flushes.counted(
                server.pid,
                sent,
                partial(self._send, server, 1, "calls", iter(units)),
                folder,
                flushes.EVERYTHING,
            )
            for what, units in work.items()
        }

    def _costing(
        self, label: str, server: Server, run: Callable[[int], float], round_number: int
    ) -> float:
        """Do a run, and note the processor time of one of what it does."""
        self._done = 0
        before = processor_seconds(server.pid)
        rate = run(round_number)
        used = processor_seconds(server.pid) - before
        self.costs.setdefault(label, []).append(used / self._done)
        return rate

    def _loop(self, server: Server, units: Path, _: int) -> float:
        with self._generator.looping(server.port, CONNECTIONS, units) as result:
            time.sleep(self._sizes.seconds)
        self._done += result["completed"]
        return rate(result)

    def _push_small(self, server: Server, count: int, _: int) -> float:
        units = (_pushed(_blob(_SMALL_BYTES)) for _ in range(count))
        return self._send(server, _PUSHERS, "push-small", units)

    def _push_large(self, server: Server, _: int) -> float:
        units = [_pushed(_blob(self._large_bytes)) for _ in range(2)]
        return self._send(server, 1, "push-large", units) * self._large_bytes / 1e6

    def _pull_large(self, server: Server, _: int) -> float:
        result = self._generator.once(server.port, 1, self._large_get)
        self._done += result["completed"]
        return rate(result) * self._large_bytes / 1e6

    def _hash_large(self, _: int) -> float:
        run = contestants.run(bare_push.seconds_to_hash, self._large_bytes)
        return self._large_bytes / 1e6 / float(run.value)

    def _write_large(self, number: int) -> float:
        path = self._folder / f"written-{number}"
        run = contestants.run(bare_push.seconds_to_write, self._large_bytes, path)
        return self._large_bytes / 1e6 / float(run.value)

    @property
    def _large_bytes(self) -> int:
        return self._sizes.large_mib * MIB

    def _send(self, server: Server, connections: int, name: str, units: Iterator[Unit]) -> float:
        path = self._generator.write(name, units)
        os.sync()  # the file of the units, and what came before, is nobody's to wait for
        result = self._generator.once(server.port, connections, path)
        self._done += result["completed"]
        return rate(result)


def _blob(size: int) -> Blob:
    content = os.urandom(size)
    return Blob(content, Digest.of(content))


def _pushed(blob: Blob) -> list[Request]:
    """Push a blob as oras, helm and regctl do: POST, then PUT with all bytes."""
    finish = f"{LOCATION}{JOINT}digest={blob.digest}"
    return [
        Request("POST", f"/v2/{_REPOSITORY}/blobs/uploads/", 202),
        Request("PUT", finish, 201, blob.content, "application/octet-stream"),
    ]


def _blob_get(blob: Blob) -> Request:
    return Request("GET", f"/v2/{_REPOSITORY}/blobs/{blob.digest}", 200)


def _manifest_get(number: int) -> Request:
    where = f"/v2/{_REPOSITORY}/manifests/{tag_of(number)}"
    return Request("GET", where, 200, accept=OCI_MANIFEST)


def _manifest_put(body: bytes, number: int) -> Request:
    return Request("PUT", f"/v2/{_TAGGED}/manifests/{_tag(number)}", 201, body, OCI_MANIFEST)


def _page(number: int) -> Request:
    return Request("GET", f"/v2/{_TAGGED}/tags/list?n={_PAGE}&last={_tag(number)}", 200)


def _tag(number: int) -> str:
    return f"t{number:06}"


def _judge(outcome: Outcome, memory: int, sizes: Sizes) -> None:
    medians = {(each.chart, each.label): each.median for each in outcome.measured}
    large = f"{sizes.large_mib} MiB"
    for bound, chart in (
        (4, "manifest GET"),
        (10, "GET of 10 KiB blobs"),
        (5, "push of 10 KiB blobs"),
        (10, f"page of {_PAGE} tags"),
        (0.9, f"push of {large}"),
        (1, f"pull of {large}"),
    ):
        ratio = medians[chart, "Liftlock"] / medians[chart, "the CNCF registry"]
        outcome.claims.append(at_least(bound, ratio, f"{chart}, of the CNCF registry"))
    push = f"push of {large}"
    alone = medians[push, "SHA-256 alone"]
    ratio = medians[push, "Liftlock"] / alone
    outcome.claims.append(at_least(0.8, ratio, f"{push}, of SHA-256 alone"))
    outcome.claims.append(memory_claim(memory, "the server"))
    bare = max(medians[push, label] for label in bare_push.DURABLE)
    outcome.facts |= {
        f"{push}, bare C": f"its faster form {bare / alone:.2f} of SHA-256 alone; Liftlock "
        f"{medians[push, 'Liftlock'] / bare:.2f} of it",
        "connections": f"{CONNECTIONS} for GETs and pages, {_PUSHERS} for small pushes, 1 for "
        "large blobs",
        "there are": f"{sizes.images} manifests, {sizes.blobs} small blobs, {sizes.tags:,} tags",
    }
