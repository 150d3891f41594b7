"""How the tests of metadata stores come by one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from liftlock.config import Limits
from liftlock.metadata.contract import (
    Instant,
    MetadataStore,
    WriteTxn,
)
from liftlock.points import Reach
from liftlock.testing.clock import FakeClock
from liftlock.testing.metadata_contract.acting import within_time

ONE_BATCH: Final = Limits(batch_ms_max=60_000)
"""A batch does not end because a test takes its time."""


BeforeCommit = Callable[[WriteTxn], None]


class OpenedStore(ABC):
    """A fixture `store` gives each test a new one."""

    @abstractmethod
    def open_store(
        self,
        folder: Path,
        clock: Callable[[], Instant],
        before_commit: BeforeCommit,
        limits: Limits,
        reach: Reach,
    ) -> MetadataStore:
        """Open an empty store, which may use `folder`."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def commits(self) -> list[int]:
        """Number of writes of each commit."""
        return []

    @pytest.fixture
    def before_commit(self) -> BeforeCommit:
        return lambda txn: None

    @pytest.fixture
    def points(self) -> dict[str, Callable[[], None]]:
        """What happens at a named point of a write; a test fills it."""
        return {}

    @pytest.fixture
    def store(
        self,
        folder: Path,
        clock: FakeClock,
        commits: list[int],
        points: dict[str, Callable[[], None]],
    ) -> Iterator[MetadataStore]:
        def count(txn: WriteTxn) -> None:
            commits.append(getattr(txn, "writes", 0))

        def reach(point: str) -> None:
            points.get(point, _go_on)()

        store = self.open_store(folder, clock, count, ONE_BATCH, reach)
        yield store
        within_time(store.close)


def _go_on() -> None:
    """Nothing happens at this point."""
