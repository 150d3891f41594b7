"""How many promotions a second over HTTP, beside what clients get out of the CNCF registry?

Three ways to promote the same images, each into a repository that has the shared layers already:

- Liftlock: `POST /api/v1/promotions`, one request a promotion.
- The best client that the distribution spec allows, on the CNCF registry (`docker-registry`): it
  keeps its connections, gets the manifest, asks for each blob, mounts those that are missing and
  puts the manifest. A second form remembers from the images before which blobs the target has, so
  it asks nothing; that is right only for a client that is alone with the target. Both are sent by
  the same program in C, so the client costs next to nothing.
- `skopeo copy` within that registry, one after the other and four at once, with its cache warm.

The claims compare Liftlock with the fastest run of the client that asks, and of skopeo; how it
compares with the client that remembers is said beside them. All write to the same disk.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple

import bulk_store
import contestants
import flushes
import registry_client
import servers
from anonymous_memory import Sampler
from load_generator import LoadGenerator, Request, Result, Unit, rate
from outcome import Measured, Outcome, at_least, memory_claim, shown
from sample_images import Image, image, tag_of
from servers import HOST, Server

QUESTION: Final = "promotions over HTTP, beside the CNCF registry"
CONNECTIONS: Final = 16
REPOSITORY: Final = "team/app"
_SOURCE: Final = f"dev/{REPOSITORY}"
_MOUNTING: Final = 8
_ASKING: Final = "mounting client that asks"
_REMEMBERING: Final = "mounting client that remembers"
_FLUSHED: Final = 10
_SKOPEO_SECONDS_MAX: Final = 60
_SKOPEOS: Final = 4
_CEILING_TIMES: Final = 3
"""A load generator that could not send so much more would be what is measured."""
_ALONE_PART: Final = 5
"""One connection promotes a fifth of what many do, in about the time."""


class Sizes(NamedTuple):
    """How many promotions make a run, of each kind; and how many runs."""

    ours: int
    mounted: int
    copied: int
    rounds: int


FULL: Final = Sizes(ours=3000, mounted=150, copied=16, rounds=5)
SMALL: Final = Sizes(ours=300, mounted=16, copied=4, rounds=2)
OURS: Final = f"Liftlock, {CONNECTIONS} connections"


def measure(folder: Path, sizes: Sizes) -> Outcome:
    """Run all contestants in turn, beside each other's idle servers, and judge the claims."""
    outcome = Outcome("over_http", QUESTION)
    generator = LoadGenerator(folder)
    root, theirs = folder / "store", folder / "registry"
    theirs.mkdir()
    contestants.run(bulk_store.build, root, [REPOSITORY], sizes.ours + 1, seconds=600)
    with ExitStack() as stack:
        ours = stack.enter_context(servers.liftlock(root, folder / "log"))
        memory = stack.enter_context(Sampler(ours.pid))
        registry = stack.enter_context(servers.docker_registry(theirs))
        # The last image goes first into each target, so that the shared layers are there.
        images = [image(REPOSITORY, number) for number in range(sizes.mounted + 1)]
        registry_client.push(registry.port, _SOURCE, images)
        run = _Runs(generator, ours, registry, images, sizes)
        rates = contestants.in_turn(sizes.rounds, run.contestants())
        outcome.facts |= run.flushed(folder)
    for label, runs in rates.items():
        outcome.measured.append(Measured(label, "promotions/s", tuple(runs)))
    outcome.measured.append(_ceiling(generator, sizes))
    _judge(outcome, memory.most_bytes)
    outcome.facts |= {
        "compared with": f"{_version('docker-registry')}; {_version('skopeo')}",
        "promotions a run": f"{sizes.ours:,} by Liftlock, {sizes.mounted} by mounting, "
        f"{sizes.copied} by skopeo",
        "Liftlock's latency at the last run": "; ".join(
            f"{count} connections: median {latency['p50']:.1f} ms, 99 % {latency['p99']:.1f} ms"
            for count, latency in sorted(run.latency.items())
        ),
    }
    return outcome


class _Runs:
    """What each contestant does in a round; targets are new in every round."""

    def __init__(
        self,
        generator: LoadGenerator,
        ours: Server,
        registry: Server,
        images: list[Image],
        sizes: Sizes,
    ) -> None:
        self._generator = generator
        self._ours = ours
        self._registry = registry
        self._images = images
        self._sizes = sizes
        self.latency: dict[int, dict[str, float]] = {}
        """Of Liftlock's last run with so many connections, in ms."""

    def contestants(self) -> dict[str, Callable[[int], float]]:
        remembering, asking = registry_client.promote_remembering, registry_client.promote_asking
        return {
            f"{_ASKING}, {_MOUNTING} at once": partial(self._mounted, "asks", asking, _MOUNTING),
            f"{_ASKING}, {CONNECTIONS} at once": partial(
                self._mounted, "asks-more", asking, CONNECTIONS
            ),
            f"{_REMEMBERING}, {_MOUNTING} at once": partial(
                self._mounted, "remembers", remembering, _MOUNTING
            ),
            "skopeo copy": partial(self._copied, "one", 1),
            f"skopeo copy, {_SKOPEOS} at once": partial(self._copied, "some", _SKOPEOS),
            "Liftlock, 1 connection": partial(self._promoted, "single", 1),
            OURS: partial(self._promoted, "many", CONNECTIONS),
        }

    def flushed(self, folder: Path) -> dict[str, str]:
        """Count what a promotion flushes: some by one connection, so that no commit is shared."""
        target = f"prod/{REPOSITORY}-flushed"
        self._prepare_ours(target)
        self._prepare_theirs(target)
        images = self._images[:_FLUSHED]
        mine = (promotion(number, target) for number in range(_FLUSHED))
        asking = (registry_client.promote_asking(each, _SOURCE, target) for each in images)
        return {
            f"flushed and renamed for a promotion, {name}": flushes.counted(
                server.pid, _FLUSHED, partial(self._send, server, 1, "flushed", units), folder
            )
            for name, server, units in (
                ("Liftlock", self._ours, mine),
                ("the CNCF registry (mounting)", self._registry, asking),
            )
        }

    def _promoted(self, name: str, connections: int, round_number: int) -> float:
        target = f"prod/{REPOSITORY}-{name}-{round_number}"
        count = self._sizes.ours if connections > 1 else self._sizes.ours // _ALONE_PART
        self._prepare_ours(target)
        units = (promotion(number, target) for number in range(count))
        result = self._sent(self._ours, connections, name, units)
        self.latency[connections] = result["latency_ms"]
        return rate(result)

    def _mounted(
        self,
        name: str,
        promote: Callable[[Image, str, str], Unit],
        connections: int,
        round_number: int,
    ) -> float:
        target = f"prod/{REPOSITORY}-{name}-{round_number}"
        self._prepare_theirs(target)
        units = (promote(each, _SOURCE, target) for each in self._images[:-1])
        return self._send(self._registry, connections, name, units)

    def _prepare_ours(self, target: str) -> None:
        """Promote one image, so that the shared layers are there."""
        self._send(self._ours, 1, "first", [promotion(self._sizes.ours, target)])

    def _prepare_theirs(self, target: str) -> None:
        unit = registry_client.promote_first(self._images[-1], _SOURCE, target)
        self._send(self._registry, 1, "first", [unit])

    def _send(self, server: Server, connections: int, name: str, units: Iterable[Unit]) -> float:
        return rate(self._sent(server, connections, name, units))

    def _sent(self, server: Server, connections: int, name: str, units: Iterable[Unit]) -> Result:
        return self._generator.once(server.port, connections, self._generator.write(name, units))

    def _copied(self, name: str, together: int, round_number: int) -> float:
        target = f"prod/{REPOSITORY}-skopeo-{name}-{round_number}"
        copy = partial(skopeo_copy, self._registry.port, target)
        # The first round's copies also teach skopeo's cache where blobs are.
        warm = range(self._sizes.copied) if round_number == 0 else range(1)
        for number in warm:
            skopeo_copy(self._registry.port, f"{target}-warm", number)
        copy(self._sizes.copied)
        started = perf_counter()
        with ThreadPoolExecutor(together) as pool:
            for _ in pool.map(copy, range(self._sizes.copied)):
                pass
        return self._sizes.copied / (perf_counter() - started)


def promotion(number: int, target: str) -> list[Request]:
    """Ask Liftlock for one promotion."""
    tag = tag_of(number)
    item = {"source": f"{_SOURCE}:{tag}", "target": f"{target}:{tag}"}
    body = json.dumps({"items": [item]}).encode()
    return [Request("POST", "/api/v1/promotions", 201, body, "application/json")]


def skopeo_copy(port: int, target: str, number: int) -> None:
    """Copy one image within the registry, as a pipeline does."""
    where, tag = f"docker://{HOST}:{port}", tag_of(number)
    command = ["skopeo", "copy", "--quiet", "--insecure-policy"]
    command += ["--src-tls-verify=false", "--dest-tls-verify=false"]
    command += [f"{where}/{_SOURCE}:{tag}", f"{where}/{target}:{tag}"]
    subprocess.run(command, check=True, capture_output=True, timeout=_SKOPEO_SECONDS_MAX)


def _version(program: str) -> str:
    command = [program, "--version"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _ceiling(generator: LoadGenerator, sizes: Sizes) -> Measured:
    """Measure the load generator against a server that does nothing."""
    units = generator.write("ceiling", (promotion(n, "prod") for n in range(sizes.ours * 5)))
    with generator.fixed_server() as port:
        runs = tuple(rate(generator.once(port, CONNECTIONS, units)) for _ in range(sizes.rounds))
    label = f"fixed answers, {CONNECTIONS} connections"
    return Measured(label, "requests/s", runs, "the load generator's own ceiling")


def _judge(outcome: Outcome, memory: int) -> None:
    medians = {each.label: each.median for each in outcome.measured}

    def fastest(beginning: str) -> float:
        return max(rate for label, rate in medians.items() if label.startswith(beginning))

    ours, ceiling = medians[OURS], outcome.measured[-1].median
    outcome.claims = [
        at_least(50, ours / fastest(_ASKING), "Liftlock, of the best client that asks and mounts"),
        at_least(100, ours / fastest("skopeo"), "Liftlock, of the fastest skopeo copy"),
        at_least(_CEILING_TIMES, ceiling / ours, "the load generator alone, of Liftlock"),
        memory_claim(memory, "the server"),
    ]
    remembering = shown(ours / fastest(_REMEMBERING))
    outcome.facts["Liftlock, of a client that remembers what it mounted"] = remembering
