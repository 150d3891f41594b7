"""An engine in memory: milliseconds, and at the end of each test the store must be whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from liftlock import Limits, seals
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.metadata.contract import MetadataStore
from liftlock.metadata.lmdb import LmdbMetadataStore
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import SettingsChange
from liftlock.testing.clock import FakeClock

REGISTRIES = ("dev", "test", "prod")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> MemoryMetadataStore:
    return MemoryMetadataStore(clock, seals.seal)


@pytest.fixture
def blobs(clock: FakeClock) -> MemoryBlobStore:
    return MemoryBlobStore(clock=clock)


@pytest.fixture
def unchecked(
    store: MemoryMetadataStore, blobs: MemoryBlobStore, clock: FakeClock
) -> Iterator[Engine]:
    """An engine for tests that damage something."""
    with Engine(store, blobs, clock=clock) as engine:
        for registry in REGISTRIES:
            engine.create_registry(registry, by="tests")
        yield engine


@pytest.fixture
def filing(unchecked: Engine) -> Engine:
    """The same, to which every blob is a file."""
    return Engine(
        unchecked._store,
        unchecked._blobs,
        clock=unchecked._clock,
        limits=Limits(file_bytes_min=0),
    )


@pytest.fixture
def engine(unchecked: Engine) -> Iterator[Engine]:
    yield unchecked
    assert list(unchecked.check(content=True)) == []


@pytest.fixture(params=["at once", "in parts", "in parts, on disk"])
def way(request: pytest.FixtureRequest) -> str:
    """How sets are planned and written, and where."""
    return str(request.param)


@pytest.fixture
def sets_store(way: str, clock: FakeClock, tmp_path: Path) -> MetadataStore:
    if way.endswith("disk"):
        return LmdbMetadataStore(tmp_path, clock, seals.seal)
    return MemoryMetadataStore(clock, seals.seal)


@pytest.fixture
def sets(
    way: str, sets_store: MetadataStore, blobs: MemoryBlobStore, clock: FakeClock
) -> Iterator[Engine]:
    """An engine to which sets are small, and others to which they are big: all do the same."""
    limits = Limits() if way == "at once" else Limits(part_pairs_max=2)
    with Engine(sets_store, blobs, limits=limits, clock=clock) as engine:
        for registry in REGISTRIES:
            engine.create_registry(registry, by="tests")
        yield engine
        assert list(engine.check(content=True)) == []


@pytest.fixture
def allow_sparse(request: pytest.FixtureRequest) -> None:
    """dev and prod allow sparse manifests; test does not."""
    for name in ("sets", "engine"):
        if name in request.fixturenames:
            for registry in ("dev", "prod"):
                engine = request.getfixturevalue(name)
                engine.update_registry(registry, SettingsChange(allow_sparse=True), by="tests")
