"""How much memory and time does a plan of very many tags take?

A dry run of all tags of one repository (`tags="*"`), which says of every tag what would become of
it, and the dry run of the whole repository as such, answered with counts.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import bulk_store
import contestants
from outcome import Measured, Outcome, memory_claim

import liftlock
from liftlock import PromotionRequest, RequestItem, Selection, Target

QUESTION: Final = "a plan of very many tags"
_NAME: Final = "team/app"
_ALL: Final = "*"


class Sizes(NamedTuple):
    """How many tags; how often."""

    tags: int
    rounds: int


FULL: Final = Sizes(tags=100_000, rounds=3)
SMALL: Final = Sizes(tags=2000, rounds=2)


def measure(folder: Path, sizes: Sizes) -> Outcome:
    """Plan in turn in both ways, and judge the claims."""
    root = folder / "store"
    contestants.run(bulk_store.build, root, [_NAME], sizes.tags)
    memory: dict[str, list[int]] = {}

    def seconds(label: str, tags: str | None, _: int) -> float:
        run = contestants.run(plan, root, tags)
        memory.setdefault(label, []).append(run.anonymous_bytes)
        return float(run.value)

    ways = {
        f"engine, plan of {sizes.tags:,} tags": _ALL,
        f"engine, plan of a repository of {sizes.tags:,} tags": None,
    }
    calls = {label: partial(seconds, label, tags) for label, tags in ways.items()}
    runs = contestants.in_turn(sizes.rounds, calls)
    return Outcome(
        "dry_run",
        QUESTION,
        measured=[Measured(label, "s", tuple(taken)) for label, taken in runs.items()],
        claims=[memory_claim(max(most), label) for label, most in memory.items()],
    )


def plan(root: Path, tags: str | None) -> float:
    """Plan the promotion of a repository's tags, or of the repository; return the seconds."""
    item = RequestItem(Selection("dev", _NAME), Target("prod"), tags)
    with liftlock.open(root) as engine:
        started = time.perf_counter()
        planned = engine.promote_all(PromotionRequest((item,)), by="bench", dry_run=True)
        taken = time.perf_counter() - started
        assert planned.changed, "the plan changes nothing"
    return taken
