"""Every metadata store, held to the one contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from liftlock.config import Limits
from liftlock.metadata.contract import Instant, MetadataStore
from liftlock.metadata.lmdb import LmdbMetadataStore
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.points import Reach
from liftlock.testing.metadata_contract import BeforeCommit, MetadataStoreContract


class TestLmdbMetadataStore(MetadataStoreContract):
    def open_store(
        self,
        folder: Path,
        clock: Callable[[], Instant],
        before_commit: BeforeCommit,
        limits: Limits,
        reach: Reach,
    ) -> MetadataStore:
        return LmdbMetadataStore(folder, clock, before_commit, limits, reach)


class TestMemoryMetadataStore(MetadataStoreContract):
    def open_store(
        self,
        folder: Path,
        clock: Callable[[], Instant],
        before_commit: BeforeCommit,
        limits: Limits,
        reach: Reach,
    ) -> MetadataStore:
        return MemoryMetadataStore(clock, before_commit, limits, reach)
