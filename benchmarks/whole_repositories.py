"""What does promoting a whole repository cost, by its number of tags?

*Copy* to a free name, beside a bare program that reads the same rows, gives each the new id and
puts it. Which tables are copied is taken from what the engine left under the new id. Every run
begins with a fresh copy of the store.

*Move* to another registry and back, again and again, in stores with one repository of three
sizes: it re-parents one id, so its time must not depend on the tags.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import bare_lmdb
import bulk_store
import contestants
from outcome import Measured, Outcome, at_most, memory_claim

import liftlock
from liftlock import Engine, Mode, PromotionRequest, RepositoryName, RequestItem, Selection, Target
from liftlock.metadata import keys
from liftlock.metadata.contract import Table

QUESTION: Final = "whole repositories"
_NAME: Final = "team/app"
_MOVE_MS_MAX: Final = 10
_COPY: Final = "engine, copy"
_BARE: Final = "bare, read, re-key and put"


class Sizes(NamedTuple):
    """How many tags, and how often."""

    copied: int
    rounds: int
    moved: tuple[int, ...]
    moves: int


FULL: Final = Sizes(copied=10_000, rounds=5, moved=(100, 10_000, 100_000), moves=50)
SMALL: Final = Sizes(copied=1000, rounds=2, moved=(100, 1000), moves=10)


def measure(folder: Path, sizes: Sizes) -> Outcome:
    """Copy in turn with the bare program, then move, and judge the claims."""
    outcome = Outcome("whole_repositories", QUESTION)
    memory: list[int] = []
    stores: dict[int, Path] = {}
    for tags in sorted({sizes.copied, *sizes.moved}):
        stores[tags] = folder / f"store-{tags}"
        contestants.run(bulk_store.build, stores[tags], [_NAME], tags)
    outcome.measured += _copied(folder, stores[sizes.copied], sizes, memory, outcome.facts)
    bare, engine = (each.median for each in outcome.measured)
    text = f"copy of {sizes.copied:,} tags to a free name, of the bare program's time"
    outcome.claims.append(at_most(1.5, engine / bare, text))
    for tags in sizes.moved:
        run = contestants.run(move, stores[tags], sizes.moves)
        memory.append(run.anonymous_bytes)
        label = f"engine, move of {tags:,} tags"
        outcome.measured.append(Measured(label, "ms", tuple(run.value), "moving a repository"))
        text = f"ms, median move of {tags:,} tags"
        outcome.claims.append(at_most(_MOVE_MS_MAX, statistics.median(run.value), text))
    outcome.claims.append(memory_claim(max(memory), "an engine that copies or moves"))
    outcome.facts["moves a size"] = str(sizes.moves)
    return outcome


def _copied(
    folder: Path, prepared: Path, sizes: Sizes, memory: list[int], facts: dict[str, str]
) -> list[Measured]:
    seen = folder / "seen"
    shutil.copytree(prepared, seen)
    contestants.run(copy, seen)
    tables = contestants.run(copied_tables, seen).value
    shutil.rmtree(seen)
    rows = sum(tables.values())
    facts["rows copied"] = f"{rows:,} ({', '.join(sorted(tables))})"

    def seconds(call: Any, *args: Any) -> float:
        run_in = folder / "run"
        shutil.copytree(prepared, run_in)
        run = contestants.run(call, run_in, *args)
        shutil.rmtree(run_in)
        if call is copy:
            memory.append(run.anonymous_bytes)
        return float(run.value)

    def bare(_: int) -> float:
        return seconds(bare_copy, tables)

    def ours(_: int) -> float:
        return seconds(copy)

    runs = contestants.in_turn(sizes.rounds, {_BARE: bare, _COPY: ours})
    title = f"copying {sizes.copied:,} tags"
    return [Measured(label, "s", tuple(taken), title) for label, taken in runs.items()]


def copy(root: Path) -> float:
    """Copy the repository to a free name of another registry; return the seconds."""
    with liftlock.open(root) as engine:
        started = time.perf_counter()
        done = _promote(engine, "dev", "prod", Mode.COPY)
        taken = time.perf_counter() - started
        assert done, "the copy changed nothing"
        usage = [engine.get_repository(RepositoryName(r, _NAME)).usage for r in ("dev", "prod")]
        assert usage[0] == usage[1], "the copy has not what its source has"
    return taken


def move(root: Path, times: int) -> list[float]:
    """Move the repository there and back; return the milliseconds of each move."""
    taken = []
    with liftlock.open(root) as engine:
        for number in range(times):
            there = ("dev", "prod") if number % 2 == 0 else ("prod", "dev")
            started = time.perf_counter()
            done = _promote(engine, *there, Mode.MOVE)
            taken.append((time.perf_counter() - started) * 1000)
            assert done, "the move changed nothing"
    return taken


def _promote(engine: Engine, source: str, target: str, mode: Mode) -> bool:
    item = RequestItem(Selection(source, _NAME), Target(target))
    return engine.promote_all(PromotionRequest((item,), mode), by="bench").changed


# --- the bare program -----------------------------------------------------------------------------


def copied_tables(root: Path) -> dict[str, int]:
    """Return the tables that the engine copied, with how many rows."""
    env, handles = bare_lmdb.opened(root)
    with closing(env), env.begin() as txn:
        source, target = _ids(txn, handles)
        found = {}
        for table in bare_lmdb.SCOPED:
            rows = [
                sum(1 for _ in _rows(txn, handles[table], keys.id_key(number)))
                for number in (source, target)
            ]
            # Not those that begin anew in a copy, such as the history.
            if 0 < rows[0] <= rows[1]:
                found[table] = rows[0]
    return found


def bare_copy(root: Path, tables: dict[str, int]) -> float:
    """Read the rows of these tables, give them a fresh id, put them; one commit."""
    env, handles = bare_lmdb.opened(root)
    with closing(env):
        started = time.perf_counter()
        with env.begin(write=True) as txn:
            (source,) = _ids(txn, handles)
            old, new = keys.id_key(source), keys.id_key(source + 1)
            for table, count in tables.items():
                rows = _rows(txn, handles[table], old)
                with txn.cursor(handles[table]) as cursor:
                    given, written = cursor.putmulti(
                        ((new + key[keys.ID_BYTES :], value) for key, value in rows), append=True
                    )
                assert given == written == count
        return time.perf_counter() - started


def _ids(txn: Any, handles: dict[str, Any]) -> list[int]:
    with txn.cursor(handles[Table.REPOSITORIES]) as cursor:
        return [keys.first_id(key) for key in cursor.iternext(keys=True, values=False)]


def _rows(txn: Any, handle: Any, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    with txn.cursor(handle) as cursor:
        if cursor.set_range(prefix):
            for key, value in cursor.iternext(keys=True, values=True):
                if not key.startswith(prefix):
                    return
                yield key, value
