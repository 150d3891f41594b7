"""What the tests of races share; `rivals` is also the script that their other processes run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import liftlock

HERE = Path(__file__).parent
sys.path.append(str(HERE))

from rivals import Rival  # noqa: E402 - only now it is found


@pytest.fixture
def store(quick: Path) -> Path:
    """A store with the registries dev and prod."""
    with liftlock.open(quick / "store", create=True) as engine:
        for registry in ("dev", "prod"):
            engine.create_registry(registry, by="me")
    return quick / "store"


@pytest.fixture
def rival(store: Path) -> Iterator[Callable]:
    """Start a process of its own with an engine on the store."""
    started = []

    def start(*, engine: bool = True) -> Rival:
        started.append(Rival(store))
        if engine:
            started[-1].ask("open")
        return started[-1]

    yield start
    for process in started:
        process.end()
