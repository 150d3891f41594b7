"""An import that is killed is seen wholly or not at all, and done again it goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from deeds import LIMITS, LOOSE, REGISTRIES
from stores import restore

import liftlock
from liftlock.model import Severity
from liftlock.oci.reference import RepositoryName
from liftlock.testing.clock import SOME_DAY, FakeClock

NAME = "large import"
LONG_AFTER = 4_000_000_000_000


def opened(store: Path, at: int = SOME_DAY) -> liftlock.Engine:
    return liftlock.open(store, clock=FakeClock(at), limits=LIMITS)


def seen(engine: liftlock.Engine) -> dict[str, tuple[int, int]]:
    """Tags and manifests of each repository that has some."""
    found = {str(r.name): r.usage for r in engine.list_repositories("prod").entries}
    return {n: (u.tags, u.manifests) for n, u in found.items() if (u.tags, u.manifests) != (0, 0)}


def test_an_import_killed_at_any_moment_is_seen_wholly_or_not_and_goes_on(
    mortals, quick: Path
) -> None:
    """E81: no blob comes in twice, and what is there at the end is what the archive has."""
    template = quick / "template"
    with liftlock.open(template, create=True, clock=FakeClock(SOME_DAY)) as engine:
        for deed in REGISTRIES:
            deed(engine, lambda _: None)
    shutil.copytree(template, quick / "dry")
    moments = [
        line.removeprefix("moment ")
        for line in mortals.live(quick / "dry", NAME)
        if line.startswith("moment ")
    ]
    with opened(quick / "dry") as engine:
        whole = seen(engine)
        blobs = engine.get_repository(RepositoryName("prod", "a")).usage.blobs
    assert whole == {"prod/a": (1, 2), "prod/b": (1, 2)}
    store = quick / "dry"
    for number, moment in enumerate(moments, 1):
        restore(template, store)
        told = mortals.die(store, NAME, kill_at=number)
        where = f"killed at moment {number} ({moment}) after {told}"
        with opened(store) as engine:
            assert not any(f.severity is Severity.ERROR for f in engine.check(content=True)), where
            assert seen(engine) in ({}, whole), where
            held = {str(r.name): r.usage.blobs for r in engine.list_repositories("prod").entries}
            for deed in LOOSE[NAME].deeds:
                deed(engine, lambda _: None)
            assert seen(engine) == whole, where
            entries = engine.history("prod").entries
            assert len({e.event for e in entries if e.kind == "import"}) == 1, where
            assert engine.get_repository(RepositoryName("prod", "a")).usage.blobs == blobs, where
            assert held.get("prod/a", 0) <= blobs
        with opened(store, LONG_AFTER) as engine:
            engine.sweep()
            assert list(engine.check(content=True)) == [], where
            assert list(engine._blobs.iter_sessions()) == [], where


@pytest.mark.parametrize("kept", [0, 1])
def test_what_came_in_before_the_kill_is_not_read_again(mortals, quick: Path, kept: int) -> None:
    with liftlock.open(quick / "store", create=True, clock=FakeClock(SOME_DAY)) as engine:
        for deed in REGISTRIES:
            deed(engine, lambda _: None)
    shutil.copytree(quick / "store", quick / "dry")
    told = mortals.live(quick / "dry", NAME)
    moments = [line for line in told if line.startswith("moment ")]
    ends = [n for n, line in enumerate(moments, 1) if line == "moment upload: ended"]
    mortals.die(quick / "store", NAME, kill_at=ends[kept])
    with opened(quick / "store") as engine:
        held = sum(r.usage.blobs for r in engine.list_repositories("prod").entries)
        assert held > kept
        before = engine._blobs.iter_blobs()
        files = {blob.locator for blob in before}
        for deed in LOOSE[NAME].deeds:
            deed(engine, lambda _: None)
        assert files <= {blob.locator for blob in engine._blobs.iter_blobs()}
