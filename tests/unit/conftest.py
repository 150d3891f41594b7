"""An engine in memory: milliseconds, and at the end of each test the store must be whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from liftlock import history
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.testing.clock import FakeClock

REGISTRIES = ("dev", "test", "prod")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> MemoryMetadataStore:
    return MemoryMetadataStore(clock, history.seal)


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
def engine(unchecked: Engine) -> Iterator[Engine]:
    yield unchecked
    assert list(unchecked.check(content=True)) == []
