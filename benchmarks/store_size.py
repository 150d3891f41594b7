"""Is a promotion slower in a large store than in a small one?

The same promotions, one by one, in a store of a thousand tags (one repository) and in one of a
million (a thousand repositories of a thousand). The images of each round are new ones, chosen by a
seeded generator, in the large store from a hundred repositories. Every target repository has one
image before the clock runs, so that a promotion writes as many rows in one store as in the other.

The stores are made by `bulk_store.py`. The large one is smaller than the machine's memory and was
just written, so its pages are cached: what is asked is whether deeper trees and more pages cost,
not what a cold disk costs.
"""

from __future__ import annotations

import random
import statistics
import time
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import bulk_store
import contestants
from outcome import Measured, Outcome, at_most, memory_claim
from sample_images import tag_of

import liftlock
from liftlock import Engine, Reference, RepositoryName, Target

QUESTION: Final = "one promotion, by the size of the store"
_SEED: Final = 20
_TARGETS: Final = 100
_BUILD_SECONDS_MAX: Final = 900


class Sizes(NamedTuple):
    """The two stores, and how much is promoted in a round."""

    tags: int
    repositories: int
    promotions: int
    rounds: int


FULL: Final = Sizes(tags=1000, repositories=1000, promotions=190, rounds=5)
SMALL: Final = Sizes(tags=100, repositories=20, promotions=30, rounds=3)


def measure(folder: Path, sizes: Sizes) -> Outcome:
    """Build both stores, promote in turn in each, and judge the claims."""
    outcome = Outcome("store_size", QUESTION)
    memory: list[int] = []
    calls = {}
    for repositories in (1, sizes.repositories):
        root = folder / f"store-{repositories}"
        started = time.monotonic()
        names = bulk_store.names_of(repositories)
        contestants.run(bulk_store.build, root, names, sizes.tags, seconds=_BUILD_SECONDS_MAX)
        label = f"engine, store of {repositories * sizes.tags:,} tags"
        size = (root / "metadata" / "data.mdb").stat().st_size / 2**20
        took = time.monotonic() - started
        outcome.facts[label] = f"{size:,.0f} MiB of metadata, built in {took:.0f} s"
        chosen = _chosen(names, sizes)
        contestants.run(prepare, root, sorted({name for name, _ in chosen}), sizes.tags)
        calls[label] = partial(_median_ms, root, chosen, sizes.promotions, memory)
    medians = contestants.in_turn(sizes.rounds, calls)
    for label, runs in medians.items():
        outcome.measured.append(Measured(label, "ms a promotion", tuple(runs)))
    small, large = (each.median for each in outcome.measured)
    outcome.claims = [
        at_most(1.5, large / small, "median promotion in the large store, of the small one's"),
        memory_claim(max(memory), "an engine in the large store"),
    ]
    outcome.facts["promotions a round"] = str(sizes.promotions)
    return outcome


def _chosen(names: list[str], sizes: Sizes) -> list[tuple[str, int]]:
    """Choose images for all rounds; never the last of a repository, which prepares its target."""
    chance = random.Random(_SEED)
    among = chance.sample(names, min(_TARGETS, len(names)))
    images = [(name, number) for name in among for number in range(sizes.tags - 1)]
    return chance.sample(images, sizes.promotions * sizes.rounds)


def _median_ms(
    root: Path, chosen: list[tuple[str, int]], count: int, memory: list[int], round_number: int
) -> float:
    run = contestants.run(promote, root, chosen[round_number * count :][:count])
    memory.append(run.anonymous_bytes)
    return float(statistics.median(run.value))


def prepare(root: Path, names: list[str], tags: int) -> None:
    """Promote one image of each repository, so that the target has it and the shared layers."""
    with liftlock.open(root) as engine:
        for name in names:
            _promote(engine, name, tags - 1)


def promote(root: Path, images: list[tuple[str, int]]) -> list[float]:
    """Promote images one by one; return the milliseconds of each."""
    taken = []
    with liftlock.open(root) as engine:
        for name, number in images:
            started = time.perf_counter()
            _promote(engine, name, number)
            taken.append((time.perf_counter() - started) * 1000)
    return taken


def _promote(engine: Engine, name: str, number: int) -> None:
    source = Reference(RepositoryName("dev", name), tag_of(number))
    assert engine.promote(source, Target("prod"), by="bench").changed
