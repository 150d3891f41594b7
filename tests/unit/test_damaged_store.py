"""A store that has lost a part is refused, never begun anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import liftlock
from liftlock.config import HOUR_MS, Limits
from liftlock.errors import StoreDamaged
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import image

ALL_FILES = Limits(file_bytes_min=0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with liftlock.open(tmp_path / "store", create=True, limits=ALL_FILES) as engine:
        engine.create_registry("dev", by="me")
        image(engine, "dev/app", "1")
    return tmp_path / "store"


@pytest.mark.parametrize("part", ["metadata", "blobs", "uploads"])
@pytest.mark.parametrize("create", [True, False])
def test_a_missing_folder_is_named(root: Path, part: str, *, create: bool) -> None:
    """As when a volume is not mounted."""
    shutil.rmtree(root / part)
    with pytest.raises(StoreDamaged, match=part):
        liftlock.open(root, create=create)
    assert not (root / part).exists()


@pytest.mark.parametrize("left", ["nothing", "an empty file"])
def test_metadata_that_are_gone_are_not_begun_anew(root: Path, left: str) -> None:
    """An empty store in their place would make every blob an orphan, to be swept."""
    data = root / "metadata" / "data.mdb"
    data.unlink()
    if left != "nothing":
        data.touch()
    with pytest.raises(StoreDamaged, match=r"data\.mdb"):
        liftlock.open(root, create=True)
    assert data.exists() == (left != "nothing")


def test_nothing_is_swept_where_there_is_no_record_at_all(root: Path, tmp_path: Path) -> None:
    with liftlock.open(tmp_path / "other", create=True):
        pass
    shutil.rmtree(tmp_path / "other" / "blobs")
    shutil.copytree(root / "blobs", tmp_path / "other" / "blobs")
    clock = FakeClock()
    clock.advance(10**13)  # far beyond the age of files that were made just now
    with liftlock.open(tmp_path / "other", clock=clock, limits=ALL_FILES) as engine:
        assert engine.sweep().orphans == 0
        engine.create_registry("dev", by="me")
        image(engine, "dev/app", "other", seed="other")
        clock.advance(25 * HOUR_MS)
        assert engine.sweep().orphans > 0
