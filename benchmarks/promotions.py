"""How much of what LMDB can do does a promotion reach?

Every promotion is new to the target: a tag, a manifest and four blobs of its own; six more are
shared. Beside the engine runs a bare py-lmdb program (`bare_lmdb.py`) that does the very gets,
seeks, puts and deletes that the engine does for the same promotions, with the same commits:
recorded from the engine (`lmdb_steps.py`), once with one caller and once with 64 queued. The
claims compare with its encoding form.

Before anything is timed, the bare program's result is compared with the engine's, row for row.
The recording with 64 queued always fills its commits; the engine's own may close sooner.
"""

from __future__ import annotations

import pickle
import shutil
import threading
import time
from collections import deque
from concurrent.futures import Future
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import Final, NamedTuple

import bare_lmdb
import bulk_store
import contestants
from lmdb_steps import Recorded, recorded
from outcome import Measured, Outcome, at_least, memory_claim
from sample_images import tag_of

import liftlock
from liftlock import Engine, Limits, PromotionRequest, Reference, RequestItem, Selection, Target
from liftlock.model import Promotion

QUESTION: Final = "promotions of one image, beside bare py-lmdb"
QUEUED: Final = 64
_REPOSITORY: Final = "team/app"
_WAIT_SECONDS_MAX: Final = 60
_ENDLESS_MS: Final = 3_600_000


class Sizes(NamedTuple):
    """How much is done."""

    images: int
    rounds: int


FULL: Final = Sizes(images=1500, rounds=5)
SMALL: Final = Sizes(images=200, rounds=2)
ENGINE_ONE: Final = "engine, one caller"
ENGINE_QUEUED: Final = f"engine, {QUEUED} queued"


def measure(folder: Path, sizes: Sizes) -> Outcome:
    """Run all contestants in turn and judge the claims."""
    prepared = folder / "prepared"
    contestants.run(prepare, prepared, sizes.images)
    one, many = (_recording(folder, prepared, sizes.images, queued=q) for q in (False, True))
    calls = {
        "bare, prepared, one by one": (bare_prepared, one),
        "bare, encoding, one by one": (bare_encoding, one),
        ENGINE_ONE: (one_caller, sizes.images),
        f"bare, prepared, {QUEUED} a commit": (bare_prepared, many),
        f"bare, encoding, {QUEUED} a commit": (bare_encoding, many),
        ENGINE_QUEUED: (queued, sizes.images),
    }
    memory: list[int] = []

    def seconds(name: str, round_number: int) -> float:
        copy = folder / "run"
        shutil.copytree(prepared, copy)
        call, *args = calls[name]
        run = contestants.run(call, copy, *args)
        shutil.rmtree(copy)
        if name.startswith("engine"):
            memory.append(run.anonymous_bytes)
        return float(run.value)

    taken = contestants.in_turn(sizes.rounds, {name: partial(seconds, name) for name in calls})
    outcome = Outcome("promotions", QUESTION)
    for name, runs in taken.items():
        chart = "one by one" if "one" in name else f"{QUEUED} at a time"
        rates = tuple(sizes.images / run for run in runs)
        outcome.measured.append(Measured(name, "promotions/s", rates, chart))
    _judge(outcome, memory)
    outcome.facts = {"promotions a run": f"{sizes.images:,}", **_described(one, many)}
    return outcome


def _judge(outcome: Outcome, memory: list[int]) -> None:
    rates = {each.label: each.median for each in outcome.measured}
    encoding_one = rates["bare, encoding, one by one"]
    encoding_many = rates[f"bare, encoding, {QUEUED} a commit"]
    one, many = rates[ENGINE_ONE], rates[ENGINE_QUEUED]
    outcome.claims = [
        at_least(0.6, one / encoding_one, "one caller, of the bare program (encoding)"),
        at_least(0.5, many / encoding_many, f"{QUEUED} queued, of the bare program (encoding)"),
        at_least(2, many / one, f"{QUEUED} queued, of one caller"),
        memory_claim(max(memory), "an engine that promotes"),
    ]


def _described(one: Path, many: Path) -> dict[str, str]:
    facts = {}
    for name, path in (("one caller", one), (f"{QUEUED} queued", many)):
        recording: list[Recorded] = pickle.loads(path.read_bytes())
        steps = [step for each in recording for step in each.steps]
        put = sum(len(s[2]) if s[0] == "putmulti" else s[0] == "put" for s in steps)
        reads = sum(step[0] in {"get", "set_range"} for step in steps)
        facts[f"recorded, {name}"] = (
            f"{len(recording):,} transactions; {put:,} rows put, {reads:,} look-ups"
        )
    return facts


# --- the store and the recordings -----------------------------------------------------------------


def prepare(root: Path, images: int) -> None:
    """Make the store that every run copies; the target's repository is there, with one image."""
    bulk_store.build(root, [_REPOSITORY], images + 1)
    with liftlock.open(root) as engine:
        engine.promote_all(request(images), by="bench", comment="go")


def request(number: int) -> PromotionRequest:
    source = Selection.of(Reference.parse(f"dev/{_REPOSITORY}:{tag_of(number)}"))
    return PromotionRequest((RequestItem(source, Target("prod")),))


def _recording(folder: Path, prepared: Path, images: int, *, queued: bool) -> Path:
    """Record a run of the engine, and see that its replay leaves what the engine left."""
    path = folder / f"steps-{'queued' if queued else 'one'}"
    recorded_in, replayed_in = folder / "recorded", folder / "replayed"
    for copy in (recorded_in, replayed_in):
        shutil.copytree(prepared, copy)
    contestants.run(record_queued if queued else record_one, recorded_in, images, path)
    contestants.run(bare_prepared, replayed_in, path)
    difference = contestants.run(bare_lmdb.same_content, recorded_in, replayed_in).value
    if difference:
        raise SystemExit(f"the recording is not what the engine did: {difference}")
    for copy in (recorded_in, replayed_in):
        shutil.rmtree(copy)
    return path


def record_one(root: Path, images: int, path: Path) -> None:
    """Record promotions that come one by one."""
    with recorded() as transactions, liftlock.open(root) as engine:
        transactions.clear()
        for number in range(images):
            engine.promote_all(request(number), by="bench", comment="go")
    _keep(transactions, images, path)


def record_queued(root: Path, images: int, path: Path) -> None:
    """Record promotions that are all queued before the first commit: full commits throughout."""
    gate = threading.Event()
    limits = Limits(batch_ms_max=_ENDLESS_MS)
    with recorded() as transactions, liftlock.open(root, limits=limits) as engine:
        transactions.clear()
        engine._store.submit(lambda _: gate.wait(_WAIT_SECONDS_MAX))
        waiting = [_submitted(engine, number) for number in range(images)]
        gate.set()
        for future in waiting:
            assert future.result(_WAIT_SECONDS_MAX).changed
    _keep(transactions, images, path)


def _keep(transactions: list[Recorded], images: int, path: Path) -> None:
    commits = [each for each in transactions if each.is_write]
    if not commits or mean(len(each.steps) for each in commits) < images / len(commits):
        raise SystemExit("the engine promoted, and py-lmdb was not seen to be called for it")
    path.write_bytes(pickle.dumps(transactions))


# --- the contestants ------------------------------------------------------------------------------


def bare_prepared(root: Path, path: Path) -> float:
    return bare_lmdb.replay(root, pickle.loads(path.read_bytes()), encoding=False)


def bare_encoding(root: Path, path: Path) -> float:
    return bare_lmdb.replay(root, pickle.loads(path.read_bytes()), encoding=True)


def one_caller(root: Path, images: int) -> float:
    requests = [request(number) for number in range(images)]
    with liftlock.open(root) as engine:
        started = time.perf_counter()
        for each in requests:
            engine.promote_all(each, by="bench", comment="go")
        return time.perf_counter() - started


def queued(root: Path, images: int) -> float:
    """Keep 64 promotions queued: as soon as one is answered, the next one comes."""
    numbers = iter(range(images))
    waiting: deque[Future[Promotion]] = deque()
    with liftlock.open(root) as engine:
        started = time.perf_counter()
        waiting.extend(_submitted(engine, number) for number in islice(numbers, QUEUED))
        while waiting:
            assert waiting.popleft().result(_WAIT_SECONDS_MAX).changed
            waiting.extend(_submitted(engine, number) for number in islice(numbers, 1))
        return time.perf_counter() - started


def _submitted(engine: Engine, number: int) -> Future[Promotion]:
    return engine.submit_promotion(request(number), by="bench", comment="go")
