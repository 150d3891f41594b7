"""The blob stores keep the contract; what only files have is in tests/unit/test_files.py."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from liftlock.blobs.contract import BlobStore
from liftlock.blobs.files import FileBlobStore, create
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.config import Limits
from liftlock.testing.blob_contract import PIECE_BYTES, BlobStoreContract
from liftlock.testing.failing_disk import FailingDisk

LIMITS = Limits(copy_bytes=PIECE_BYTES)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One set of folders for all tests: to make and remove 512 of them takes a while."""
    root = tmp_path_factory.mktemp("store")
    create(root)
    return root


class TestFileBlobStore(BlobStoreContract):
    @pytest.fixture
    def folder(self, root: Path) -> Path:
        return root

    def open_store(self, folder: Path) -> BlobStore:
        self.root = folder
        self.disk = FailingDisk()
        return FileBlobStore(folder, self.disk, LIMITS)

    def reopen(self, store: BlobStore) -> BlobStore:
        store.close()
        return FileBlobStore(self.root, self.disk, LIMITS)

    def full(self, store: BlobStore) -> AbstractContextManager[None]:
        return self.disk.fail(errno.ENOSPC, "create", "write", "symlink")


class TestMemoryBlobStore(BlobStoreContract):
    def open_store(self, folder: Path) -> BlobStore:
        return MemoryBlobStore(LIMITS)

    def reopen(self, store: BlobStore) -> BlobStore:
        store.close()
        return store

    @contextmanager
    def full(self, store: BlobStore) -> Iterator[None]:
        assert isinstance(store, MemoryBlobStore)
        store.fill(is_full=True)
        yield
        store.fill(is_full=False)
