"""A process that is killed at any moment of a write leaves all of it or nothing of it.

The moments are every named point and every operation on the disk that a dry run comes by, so a
new one is tried as soon as it is there.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from deeds import INIT, LIMITS, SCENARIOS, finish, state, states_of
from stores import restore

import liftlock
from liftlock.errors import StoreExists, StoreUnknown
from liftlock.model import Severity
from liftlock.testing.clock import SOME_DAY, FakeClock

SOURCES = Path(liftlock.__file__).parent
LONG_AFTER = 4_000_000_000_000
"""When every grace is over, by any clock."""


@pytest.fixture(scope="module")
def templates(tmp_path_factory) -> dict[str, Path]:
    """For each scenario a store with what is there before it."""
    folder = tmp_path_factory.mktemp("templates")
    liftlock.init(folder / "empty")
    made = {}
    for name, scenario in SCENARIOS.items():
        made[name] = folder / name
        shutil.copytree(folder / "empty", made[name])
        with opened(made[name], LIMITS) as engine:
            for deed in scenario.before:
                deed(engine, lambda _: None)
    return made


@pytest.fixture(scope="module")
def moments(mortals, templates, tmp_path_factory) -> dict[str, list[str]]:
    """The moments of each scenario, from a dry run."""
    folder = tmp_path_factory.mktemp("dry")
    found = {}
    for name, template in templates.items():
        shutil.copytree(template, folder / name)
        told = mortals.live(folder / name, name)
        found[name] = [line.removeprefix("moment ") for line in told if line.startswith("moment ")]
    return found


def test_every_named_point_is_on_the_way_of_some_scenario(moments) -> None:
    named = {
        point
        for source in SOURCES.rglob("*.py")
        for point in re.findall(r"\breach\(\s*\"([^\"]+)\"", source.read_text())
    }
    reached = {moment for found in moments.values() for moment in found}
    assert named
    assert named <= reached


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_any_moment_what_was_acknowledged_stays_and_the_rest_is_whole_or_not(
    mortals, templates, moments, quick: Path, name: str
) -> None:
    _, deeds, limits = SCENARIOS[name]
    store = quick / "store"
    shutil.copytree(templates[name], store)
    with opened(store, limits) as engine:
        states = list(states_of(engine, deeds))
    states.append(states[-1])  # killed after the last answer
    for number, moment in enumerate(moments[name], 1):
        restore(templates[name], store)
        told = mortals.die(store, name, kill_at=number)
        done, where = told.count("done"), f"killed at moment {number} ({moment}) after {told}"
        with opened(store, limits) as engine:
            is_mended = state_is_whole(engine) or "mend" not in name
            assert is_mended or done == 0, where
            found = state(engine)
            assert found in states[done : done + 2], where
            if finish(engine, told):
                assert state(engine) == states[done + 1], where
            for deed in deeds[done:]:
                deed(engine, lambda _: None)
            assert state(engine) == states[-1], where
        # In the same process as before the kill, and then long after.
        with liftlock.open(store, clock=FakeClock(LONG_AFTER), limits=LIMITS) as engine:
            engine.sweep()
            assert list(engine.check(content=True)) == [], where
            assert list(engine._blobs.iter_sessions()) == [], where


def test_a_killed_init_is_done_again(mortals, quick: Path) -> None:
    kill_init(mortals, quick, every_folder=100)


@pytest.mark.long
def test_an_init_killed_at_any_folder_is_done_again(mortals, quick: Path) -> None:
    kill_init(mortals, quick, every_folder=1)


def kill_init(mortals, folder: Path, *, every_folder: int) -> None:
    """Kill an init at each operation, but only at some of the 517 folders that it makes."""
    told = mortals.live(folder / "whole", INIT)
    found = [line.removeprefix("moment ") for line in told]
    assert found.count("disk: make_directory") > 512
    finished = 0
    for number, moment in enumerate(found, 1):
        if moment == "disk: make_directory" and number > 5 and number % every_folder:
            continue
        store = folder / str(number)
        mortals.die(store, INIT, kill_at=number)
        try:
            liftlock.open(store).close()
            finished += 1
            with pytest.raises(StoreExists):
                liftlock.init(store)
        except StoreUnknown:
            assert not finished, f"killed at moment {number} ({moment})"
            liftlock.init(store)
        with liftlock.open(store) as engine:
            engine.create_registry("dev", by="me")
            assert list(engine.check(content=True)) == []
        shutil.rmtree(store)
    assert finished, "after the last operation, if not before, it was finished"


@pytest.mark.parametrize("left", [{}, {"lock.mdb": b""}, {"lock.mdb": b"", "data.mdb": b""}])
def test_an_init_killed_within_lmdb_is_done_again(
    mortals, quick: Path, left: dict[str, bytes]
) -> None:
    """Between making a file and writing to it: no operation of ours, but the kernel's to end."""
    store = quick / "store"
    found = mortals.live(quick / "whole", INIT)
    mortals.die(store, INIT, kill_at=len(found) - 2)
    for path in (store / "metadata").iterdir():
        path.unlink()
    for name, content in left.items():
        (store / "metadata" / name).write_bytes(content)
    with pytest.raises(StoreUnknown):
        liftlock.open(store)
    liftlock.init(store)
    with liftlock.open(store) as engine:
        engine.create_registry("dev", by="me")


def opened(store: Path, limits: liftlock.Limits) -> liftlock.Engine:
    return liftlock.open(store, clock=FakeClock(SOME_DAY), limits=limits)


def state_is_whole(engine: liftlock.Engine) -> bool:
    """Tell whether no invariant is broken; what a sweep will take is none."""
    return all(found.severity is not Severity.ERROR for found in engine.check(content=True))
