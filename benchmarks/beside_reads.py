"""What remains of the rate of promotions while readers saturate the server?

Sixteen connections get manifests by tag, again and again, as fast as they are answered; beside
them sixteen promote. Both are sent by the load generator, which takes its share of the processors
too. In turn with it: promotions alone, and reads alone.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import bulk_store
import contestants
import over_http
import servers
from anonymous_memory import Sampler
from load_generator import LoadGenerator, Request, rate
from outcome import Measured, Outcome, at_least, memory_claim
from over_http import CONNECTIONS, REPOSITORY
from sample_images import tag_of

from liftlock.oci.mediatype import OCI_MANIFEST

QUESTION: Final = "promotions while manifests are read"
_ALONE: Final = "Liftlock, promotions alone"
_BESIDE: Final = "Liftlock, promotions beside reads"
_READS_ALONE: Final = "Liftlock, reads alone"


class Sizes(NamedTuple):
    """How much is done."""

    promotions: int
    rounds: int
    read_seconds: float


FULL: Final = Sizes(promotions=3000, rounds=5, read_seconds=3)
SMALL: Final = Sizes(promotions=300, rounds=2, read_seconds=1)


def measure(folder: Path, sizes: Sizes) -> Outcome:
    """Run the three in turn on one server and judge the claims."""
    outcome = Outcome("beside_reads", QUESTION)
    generator = LoadGenerator(folder)
    root = folder / "store"
    contestants.run(bulk_store.build, root, [REPOSITORY], sizes.promotions + 1)
    with ExitStack() as stack:
        server = stack.enter_context(servers.liftlock(root, folder / "log"))
        memory = stack.enter_context(Sampler(server.pid))
        run = _Runs(generator, server.port, sizes)
        contests = {_READS_ALONE: run.reads, _ALONE: run.alone, _BESIDE: run.beside}
        rates = contestants.in_turn(sizes.rounds, contests)
    outcome.measured = [
        Measured(_ALONE, "promotions/s", tuple(rates[_ALONE])),
        Measured(_BESIDE, "promotions/s", tuple(rates[_BESIDE])),
        Measured(_READS_ALONE, "manifests/s", tuple(rates[_READS_ALONE]), "reads meanwhile"),
        Measured(
            "Liftlock, reads beside promotions",
            "manifests/s",
            tuple(run.reads_beside),
            "reads meanwhile",
        ),
    ]
    alone, beside = outcome.measured[0].median, outcome.measured[1].median
    outcome.claims = [
        at_least(0.4, beside / alone, "promotions beside reads, of promotions alone"),
        memory_claim(memory.most_bytes, "the server"),
    ]
    outcome.facts = {
        "promotions a run": f"{sizes.promotions:,}, {CONNECTIONS} connections",
        "reads": f"{CONNECTIONS} connections",
    }
    return outcome


class _Runs:
    def __init__(self, generator: LoadGenerator, port: int, sizes: Sizes) -> None:
        self._generator = generator
        self._port = port
        self._sizes = sizes
        self.reads_beside: list[float] = []
        gets = ([_get(number)] for number in range(sizes.promotions))
        self._gets = generator.write("gets", gets)

    def alone(self, round_number: int) -> float:
        return self._promote(f"prod/{REPOSITORY}-alone-{round_number}")

    def reads(self, _: int) -> float:
        with self._generator.looping(self._port, CONNECTIONS, self._gets) as result:
            time.sleep(self._sizes.read_seconds)
        return rate(result)

    def beside(self, round_number: int) -> float:
        with self._generator.looping(self._port, CONNECTIONS, self._gets) as result:
            time.sleep(self._sizes.read_seconds / 3)  # until reads run at their full rate
            promotions = self._promote(f"prod/{REPOSITORY}-beside-{round_number}")
        self.reads_beside.append(rate(result))
        return promotions

    def _promote(self, target: str) -> float:
        send = partial(self._generator.once, self._port)
        first = [over_http.promotion(self._sizes.promotions, target)]
        send(1, self._generator.write("first", first))
        units = (over_http.promotion(n, target) for n in range(self._sizes.promotions))
        return rate(send(CONNECTIONS, self._generator.write("promotions", units)))


def _get(number: int) -> Request:
    where = f"/v2/dev/{REPOSITORY}/manifests/{tag_of(number)}"
    return Request("GET", where, 200, accept=OCI_MANIFEST)
