"""A disk that is really full: what does not fit is refused, nothing half is left, life goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Final

import pytest
from smalldisks import fill, mounted

import liftlock
from liftlock import Digest, Mode, Reference, RepositoryName, Target
from liftlock.errors import LiftlockError, StoreFull
from liftlock.metadata.contract import Table
from liftlock.model import Severity
from liftlock.testing import images

DISK_BYTES: Final = 12 * 1024 * 1024
TRIES_MAX: Final = 500
APP: Final = RepositoryName("dev", "app")
random: Final = Random(1)


class FullDisk:
    """A small disk that can be filled up, and a store on it with an engine that stays open."""

    def __init__(self, root: Path) -> None:
        self.ballast = root / "ballast"
        self.engine = liftlock.open(root / "store", create=True)
        for registry in ("dev", "prod"):
            self.engine.create_registry(registry, by="me")

    def fill(self, *, leave: int = 0) -> None:
        """Take all the room there is, but for `leave` bytes."""
        fill(self.ballast, leave=leave)

    def free(self) -> None:
        self.ballast.unlink()

    def check(self) -> None:
        """Nothing is wrong; and no file is there that no record names."""
        assert list(self.engine.check(content=True)) == []

    def errors(self) -> list[object]:
        return [f for f in self.engine.check(content=True) if f.severity is Severity.ERROR]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FullDisk]:
    with mounted(tmp_path, DISK_BYTES):
        disk = FullDisk(tmp_path)
        yield disk
        disk.engine.close()


def until_full(operation: Callable[[int], object]) -> int:
    """Do it, with 0, 1, 2 and so on, until there is no room; return how often it was done.

    LMDB writes into pages that became free before it needs new ones, so the first few may fit.
    """
    for number in range(TRIES_MAX):
        try:
            operation(number)
        except StoreFull as full:
            assert "room" in str(full)  # noqa: PT017 - the count is needed too
            return number
    raise AssertionError("it was never full")


def test_a_chunk_that_does_not_fit_is_refused_and_the_session_goes_on(disk: FullDisk) -> None:
    content = random.randbytes(3_000_000)
    session = disk.engine.start_upload(APP, by="me")
    with disk.engine.hold_upload(APP, session) as upload:
        upload.append(content[:1_000_000])
    disk.fill(leave=500_000)
    with (
        disk.engine.hold_upload(APP, session) as upload,
        pytest.raises(StoreFull),
    ):
        upload.append(content[1_000_000:])
    assert disk.engine.upload_size(APP, session) == 1_000_000
    disk.check()
    disk.free()
    with disk.engine.hold_upload(APP, session) as upload:
        upload.append(content[1_000_000:])
        upload.commit(Digest.of(content), by="me")
    assert images.read(disk.engine, APP, Digest.of(content)) == content
    disk.check()


def test_a_session_that_does_not_fit_is_refused_and_leaves_nothing(disk: FullDisk) -> None:
    disk.fill()
    with pytest.raises(StoreFull):
        started_and_filled(disk)
    disk.free()
    disk.engine.sweep()
    images.upload(disk.engine, APP, b"content")
    disk.check()


def started_and_filled(disk: FullDisk) -> None:
    session = disk.engine.start_upload(APP, by="me")
    with disk.engine.hold_upload(APP, session) as upload:
        upload.append(b"content")


def test_uploads_are_published_on_a_full_disk_or_refused_and_go_on_after_it(disk: FullDisk) -> None:
    """Their bytes are there already: what lacks room is the record."""
    contents = [random.randbytes(5000) for _ in range(200)]
    sessions = []
    for content in contents:
        session = disk.engine.start_upload(APP, by="me")
        with disk.engine.hold_upload(APP, session) as upload:
            upload.append(content)
        sessions.append((session, content))
    disk.fill()

    def commit(number: int) -> None:
        session, content = sessions[number]
        with disk.engine.hold_upload(APP, session) as upload:
            upload.commit(Digest.of(content), by="me")

    done = until_full(commit)
    disk.check()
    assert disk.engine.upload_size(APP, sessions[done][0]) == 5000
    disk.free()
    for number in range(done, len(sessions)):
        commit(number)
    for content in contents:
        assert images.read(disk.engine, APP, Digest.of(content)) == content
    disk.check()


def test_manifests_are_refused_on_a_full_disk_and_pushed_after_it(disk: FullDisk) -> None:
    pushed = images.image(disk.engine, APP, "1")
    disk.fill()

    def push(number: int) -> None:
        document = json.loads(pushed.body) | {
            "annotations": {"noise": random.randbytes(9000).hex()}
        }
        images.push(disk.engine, APP, f"big{number}", document)

    done = until_full(push)
    disk.check()
    found = {tag.name for tag in disk.engine.list_tags(APP).entries}
    assert found == {"1", *(f"big{number}" for number in range(done))}
    assert disk.engine.get_manifest(pushed.reference).body == pushed.body
    disk.free()
    push(done)
    disk.check()


@pytest.mark.parametrize("mode", Mode)
def test_a_promotion_on_a_full_disk_is_done_or_not_and_done_after_it(
    disk: FullDisk, mode: Mode
) -> None:
    """Wholly or not at all, and for a move on both sides."""
    contents = [f"layer {number}".encode() for number in range(60)]
    built = images.image(disk.engine, APP, "1", contents=contents)
    images.referrer(disk.engine, built)
    sources = []
    for number in range(60):
        name = RepositoryName("dev", f"app{number}")
        disk.engine.promote(built.reference, Target("dev", name.repository), by="me")
        sources.append(name)
    disk.fill()

    def promote(number: int) -> None:
        source = Reference(sources[number], "1")
        disk.engine.promote(source, Target("prod"), mode=mode, by="me")

    done = until_full(promote)
    disk.check()
    for number, source in enumerate(sources[: done + 2]):
        is_done = number < done
        assert has_tag(disk.engine, RepositoryName("prod", source.repository)) == is_done
        assert has_tag(disk.engine, source) == (mode is Mode.COPY or not is_done)
    disk.free()
    promote(done)
    assert disk.engine.history("prod", limit=1).entries[0].name == f"prod/app{done}:1"
    disk.check()


def has_tag(engine: liftlock.Engine, name: RepositoryName) -> bool:
    try:
        return bool(engine.list_tags(name).entries)
    except LiftlockError:
        return False


def test_pulling_cancelling_and_sweeping_still_work_on_a_full_disk(disk: FullDisk) -> None:
    built = [images.image(disk.engine, APP, f"{n}", seed=f"{n}") for n in range(20)]
    session = disk.engine.start_upload(APP, by="me")
    with disk.engine.hold_upload(APP, session) as upload:
        upload.append(random.randbytes(100_000))
    disk.fill()
    for image in built:
        assert disk.engine.get_manifest(image.reference).body == image.body
        assert images.read(disk.engine, APP, image.blobs[1])
    disk.engine.cancel_upload(APP, session)
    disk.engine.sweep()
    # That made room, without anything else having been freed.
    images.image(disk.engine, APP, "new", seed="new")
    disk.check()


def test_a_full_disk_in_the_middle_of_company_refuses_without_losing_a_neighbour(
    disk: FullDisk,
) -> None:
    """Many in one commit that fails: each runs alone then, and gets its own answer."""
    built = images.image(disk.engine, APP, "1")
    disk.fill()
    done, refused = set[str](), set[str]()

    def push(number: int) -> None:
        document = json.loads(built.body) | {"annotations": {"noise": random.randbytes(4000).hex()}}
        try:
            images.push(disk.engine, APP, f"t{number}", document)
            done.add(f"t{number}")
        except StoreFull:
            refused.add(f"t{number}")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(push, range(200)))
    assert refused
    assert len(done) + len(refused) == 200
    assert {tag.name for tag in disk.engine.list_tags(APP).entries} == {"1", *done}
    disk.check()
    disk.free()
    images.image(disk.engine, APP, "2")
    disk.check()


def test_who_submits_is_told_of_a_full_disk_like_who_waits(disk: FullDisk) -> None:
    """It is the commit that fails, after the operation has returned."""
    disk.fill()

    def put(number: int) -> None:
        rows = [(b"%d %d" % (number, row), random.randbytes(1000)) for row in range(100)]
        submitted = disk.engine._store.submit(lambda txn: txn.put_many(Table.META, rows))
        submitted.result(30)

    until_full(put)
    disk.check()


def test_a_full_map_is_refused_like_a_full_disk(tmp_path: Path) -> None:
    """LMDB's map has a limit of its own (L36)."""
    limits = liftlock.Limits(map_bytes=1024 * 1024)
    with liftlock.open(tmp_path / "store", create=True, limits=limits) as engine:
        engine.create_registry("dev", by="me")
        built = images.image(engine, APP, "1")

        def push(number: int) -> None:
            noise = random.randbytes(9000).hex()
            document = json.loads(built.body) | {"annotations": {"noise": noise}}
            images.push(engine, APP, f"big{number}", document)

        done = until_full(push)
        assert list(engine.check(content=True)) == []
        assert len(engine.list_tags(APP).entries) == done + 1
        for number in range(done):
            engine.delete_tag(APP, f"big{number}", by="me")
        assert list(engine.check(content=True)) == []
