"""What the tests of races share; `rivals` is also the script that their other processes run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import liftlock

HERE = Path(__file__).parent
sys.path.append(str(HERE))

from rivals import WAIT_SECONDS, Rival  # noqa: E402 - only now it is found


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


@pytest.fixture
def environment(store: Path) -> dict[str, str]:
    roots = [str(Path(liftlock.__file__).parents[1]), *sys.path]
    return os.environ | {"LIFTLOCK_STORE__ROOT": str(store), "PYTHONPATH": os.pathsep.join(roots)}


@pytest.fixture(params=[1, 3], ids=["1-worker", "3-workers"])
def address(environment: dict[str, str], request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a server listens."""
    workers = str(request.param)
    server = subprocess.Popen(
        [sys.executable, "-m", "liftlock_cli", "serve", "--port", "0", "--workers", workers],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    yield server.stdout.readline().rpartition("//")[2].strip()
    server.terminate()
    server.communicate(timeout=WAIT_SECONDS)
    assert server.returncode == 0
