"""Imports beside each other, and beside those who push, move and delete what they import."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

import liftlock
from liftlock import Mode, RepositoryName, Selection, Target
from liftlock.engine import Engine
from liftlock.errors import LiftlockError, StoreBusy, TagTaken
from liftlock.testing import images
from liftlock.testing.archives import Layout, tar_of

ROUNDS = 15
APP = RepositoryName("dev", "app")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    layout = Layout()
    for number in range(6):
        image = layout.enter(layout.manifest(f"{number}"), f"{number}")
        layout.enter(layout.manifest(f"sbom of {number}", subject=image))
    path = tmp_path / "archive.tar"
    path.write_bytes(tar_of(layout.files))
    return path


def at_once(*deeds: Callable[[], object]) -> list[object]:
    """Do all deeds at once; return what each returned, or was refused for."""

    def told(deed: Callable[[], object]) -> object:
        try:
            return deed()
        except LiftlockError as error:
            return error

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(told, deeds))


def opened(folder: Path) -> Engine:
    engine = liftlock.open(folder, create=True)
    for registry in ("dev", "prod"):
        engine.create_registry(registry, by="tests")
    return engine


def test_the_same_import_at_once_is_one(quick: Path, archive: Path):
    for number in range(ROUNDS):
        with opened(quick / str(number)) as engine:
            done = at_once(*[lambda: engine.import_images(archive, "dev/app", by="me")] * 3)
            assert sum(one.event is not None for one in done) == 1
            assert engine.get_repository(APP).usage.manifests == 12
            assert list(engine.check(content=True)) == []


def test_an_import_beside_pushes_to_its_tags_refuses_or_is_whole(quick: Path, archive: Path):
    for number in range(ROUNDS):
        with opened(quick / str(number)) as engine:
            imported, pushed = at_once(
                lambda: engine.import_images(archive, "dev/app", by="me"),
                lambda: images.image(engine, "dev/app", "5", seed="another"),
            )
            tags = {tag.name: tag.digest for tag in engine.list_tags(APP).entries}
            assert isinstance(pushed, images.Built)
            if isinstance(imported, TagTaken):
                assert tags == {"5": pushed.digest}
            else:
                # The push came after it, and is what counts.
                assert len(tags) == 6
                assert tags["5"] == pushed.digest
            assert list(engine.check(content=True)) == []


def test_an_import_whose_repository_is_moved_or_deleted_leaves_nothing_half(
    quick: Path, archive: Path
):
    for number in range(ROUNDS):
        with opened(quick / str(number)) as engine:
            images.image(engine, "dev/app", "before")

            def move(engine: Engine = engine) -> None:
                engine.promote(Selection.parse("dev/app"), Target("prod"), mode=Mode.MOVE, by="me")

            def delete(engine: Engine = engine) -> None:
                with suppress(LiftlockError):
                    engine.delete_repository(APP, by="me")

            imported, _ = at_once(
                lambda: engine.import_images(archive, "dev/app", by="me"),
                move if number % 2 else delete,
            )
            assert not isinstance(imported, Exception) or isinstance(imported, StoreBusy)
            again = engine.import_images(archive, "dev/app", by="me")
            assert engine.get_repository(APP).usage.manifests >= 12
            assert len(again.items) == 6
            assert list(engine.check(content=True)) == []
