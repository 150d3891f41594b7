"""Uploads of one digest that end at the same time: one record, one file, no session left (E33)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rivals import LAYER, Gate, Meeting, errors, in_order

import liftlock
from liftlock import Digest
from liftlock.errors import RegistryUnknown, StoreBusy, UploadBusy, UploadUnknown
from liftlock.testing import images
from liftlock.testing.clock import FakeClock

DIGEST = Digest.of(LAYER)
APP, OTHER = images.repository("dev/app"), images.repository("prod/other")
POINTS = ["upload: published", "upload: recorded", "upload: ended"]


def leave_nothing(store: Path) -> None:
    """Nobody has the blob yet."""


def leave_whole(store: Path) -> None:
    """The blob is there."""
    with liftlock.open(store) as engine:
        images.upload(engine, "dev/before", LAYER)


def leave_damaged(store: Path) -> None:
    """The blob is there, and its file was cut."""
    leave_whole(store)
    os.truncate(file_of(store), 7)


def leave_lost(store: Path) -> None:
    """The blob is there, and its file is not."""
    leave_whole(store)
    file_of(store).unlink()


BEFORE = [leave_nothing, leave_whole, leave_damaged, leave_lost]


def file_of(store: Path) -> Path:
    (file,) = (store / "blobs").rglob(f"{DIGEST.hex}.*")
    return file


def assert_one_of_all(engine: liftlock.Engine, *names: str) -> None:
    """One record with one file, whole for all who have the blob, and nothing else."""
    assert len(list(engine._blobs.iter_blobs())) == 1
    assert list(engine._blobs.iter_sessions()) == []
    for name in names:
        assert images.read(engine, name, DIGEST) == LAYER
    assert list(engine.check(content=True)) == []


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("names", [("dev/app", "dev/app"), ("dev/app", "prod/other")])
def test_uploads_that_meet_at_a_point_make_one_file(
    store: Path, before: Callable[[Path], None], point: str, names: tuple[str, str]
) -> None:
    before(store)
    with (
        liftlock.open(store, reach=Meeting(point, 2)) as engine,
        ThreadPoolExecutor(2) as pool,
    ):
        uploads = [pool.submit(images.upload, engine, name, LAYER) for name in names]
        assert [upload.result() for upload in uploads] == [DIGEST, DIGEST]
        assert_one_of_all(engine, *names)


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("point", POINTS)
def test_an_upload_that_stops_at_a_point_while_another_is_done_makes_one_file(
    store: Path, before: Callable[[Path], None], point: str
) -> None:
    before(store)
    gate = Gate(point)
    with liftlock.open(store, reach=gate) as engine, ThreadPoolExecutor(1) as pool:
        gate.is_armed = True
        slow = pool.submit(images.upload, engine, "dev/app", LAYER)
        gate.wait()
        images.upload(engine, "prod/other", LAYER)
        gate.open()
        slow.result()
        assert_one_of_all(engine, "dev/app", "prod/other")


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("point", [*POINTS, "commit: durable"])
def test_uploads_of_two_processes_make_one_file(
    store: Path, rival, before: Callable[[Path], None], point: str
) -> None:
    before(store)
    one, other = rival(), rival()
    one.ask("stop", at=point)
    assert one.ask("upload", name="dev/app") == {"at": point}
    assert other.ask("upload", name="prod/other") == str(DIGEST)
    one.go_on()
    assert one.answer() == str(DIGEST)
    with liftlock.open(store) as engine:
        assert_one_of_all(engine, "dev/app", "prod/other")


@pytest.mark.parametrize("before", BEFORE)
def test_uploads_of_two_processes_that_are_published_both_make_one_file(
    store: Path, rival, before: Callable[[Path], None]
) -> None:
    before(store)
    processes = [rival(), rival()]
    for process in processes:
        process.ask("stop", at="upload: published")
        process.ask("upload", name="dev/app")
    for process in processes:
        process.go_on()
    assert [process.answer() for process in processes] == [str(DIGEST)] * 2
    with liftlock.open(store) as engine:
        assert_one_of_all(engine, "dev/app")


@pytest.mark.parametrize("before", BEFORE)
def test_many_uploads_of_one_digest_make_one_file(
    store: Path, before: Callable[[Path], None]
) -> None:
    before(store)
    names = [f"dev/app{number % 4}" for number in range(16)]
    reach = Meeting("upload: published", len(names))
    with liftlock.open(store, reach=reach) as engine, ThreadPoolExecutor(len(names)) as pool:
        for digest in pool.map(lambda name: images.upload(engine, name, LAYER), names):
            assert digest == DIGEST
        assert_one_of_all(engine, *names)


def test_a_blob_that_was_acknowledged_can_be_read_while_another_upload_of_it_ends(
    store: Path,
) -> None:
    """Its file was found, and is opened next: it must not be replaced for no reason meanwhile."""
    gate = Gate("upload: published")
    with liftlock.open(store, reach=gate) as engine, ThreadPoolExecutor(1) as pool:
        gate.is_armed = True
        slow = pool.submit(images.upload, engine, "dev/app", LAYER)
        gate.wait()
        images.upload(engine, "prod/other", LAYER)
        blob = engine.get_blob(OTHER, DIGEST)
        gate.open()
        slow.result()
        assert b"".join(engine.read_blob(blob)) == LAYER


def test_a_blob_being_read_while_its_damaged_file_is_replaced_is_read_to_its_end(
    store: Path,
) -> None:
    leave_whole(store)
    limits = liftlock.Limits(copy_bytes=1000)
    with liftlock.open(store, limits=limits) as engine:
        name = images.repository("dev/before")
        pieces = engine.read_blob(engine.get_blob(name, DIGEST))
        start = next(pieces)
        file_of(store).rename(store / "uploads" / "lost")
        images.upload(engine, "dev/app", LAYER)
        assert start + b"".join(pieces) == LAYER
        assert images.read(engine, name, DIGEST) == LAYER


# --- the orphan sweep -----------------------------------------------------------------------

HOUR_MS = 3600 * 1000


def now() -> FakeClock:
    """A clock that agrees with the files' times at the start."""
    return FakeClock(time.time_ns() // 1_000_000)


@pytest.mark.parametrize("hours", [0.9, 23])
def test_a_sweep_between_publishing_and_committing_leaves_the_file_its_time(
    store: Path, hours: float
) -> None:
    """Nobody can tell an orphan from a file whose record comes next, but by its age."""
    clock, gate = now(), Gate("upload: published")
    with liftlock.open(store, clock=clock, reach=gate) as engine, ThreadPoolExecutor(1) as pool:
        images.upload(engine, "dev/app", b"without any record nothing is swept")
        gate.is_armed = True
        slow = pool.submit(images.upload, engine, "dev/app", LAYER)
        gate.wait()
        clock.advance(int(hours * HOUR_MS))
        assert engine.sweep().orphans == 0
        gate.open()
        if hours < 1:
            slow.result()
        else:
            assert isinstance(slow.exception(), StoreBusy)
            images.upload(engine, "dev/app", LAYER)
        assert images.read(engine, "dev/app", DIGEST) == LAYER
        assert errors(engine) == []


def test_a_file_swept_before_its_commit_is_never_recorded(store: Path) -> None:
    """As when the machine slept in between: the commit refuses itself, and says to try again."""
    clock, gate = now(), Gate("upload: published")
    with liftlock.open(store, clock=clock, reach=gate) as engine, ThreadPoolExecutor(1) as pool:
        images.upload(engine, "dev/app", b"without any record nothing is swept")
        gate.is_armed = True
        slow = pool.submit(images.upload, engine, "dev/app", LAYER)
        gate.wait()
        clock.advance(25 * HOUR_MS)
        assert engine.sweep().orphans == 1
        gate.open()
        assert isinstance(slow.exception(), StoreBusy)
        assert errors(engine) == []
        images.upload(engine, "dev/app", LAYER)
        assert images.read(engine, "dev/app", DIGEST) == LAYER


# --- one session ----------------------------------------------------------------------------


def test_a_session_takes_one_request_at_a_time_from_all_processes(store: Path, rival) -> None:
    other = rival()
    with liftlock.open(store) as engine:
        session = engine.start_upload(APP, by="me")
        order = {"name": "dev/app", "session": session, "content": LAYER[10:].decode()}
        with engine.hold_upload(APP, session) as upload:
            upload.append(LAYER[:10])
            assert other.ask("append", **order) == UploadBusy.__name__
        assert other.ask("append", **order) == len(LAYER)
        with engine.hold_upload(APP, session) as upload:
            assert upload.size == len(LAYER)
            upload.commit(DIGEST, by="me")
        assert other.ask("append", **order) == UploadUnknown.__name__
        assert_one_of_all(engine, "dev/app")


@pytest.mark.parametrize("together", [True, False])
def test_an_upload_whose_registry_is_deleted_before_its_commit_goes_back_to_its_session(
    store: Path, *, together: bool
) -> None:
    with liftlock.open(store) as engine:
        session = engine.start_upload(APP, by="me")
        with engine.hold_upload(APP, session) as upload:
            upload.append(LAYER)

    def commit(engine: liftlock.Engine) -> None:
        with engine.hold_upload(APP, session) as upload:
            upload.commit(DIGEST, by="me")

    def delete(engine: liftlock.Engine) -> None:
        engine.delete_registry("dev", by="me")

    _, committed = in_order(store, [delete, commit], together=together)
    assert isinstance(committed.exception(), RegistryUnknown)
    with liftlock.open(store) as engine:
        assert list(engine.check(content=True)) == []
        assert (store / "uploads" / session).stat().st_size == len(LAYER)
        # A registry of the same name is another: what was meant for the old one stays out.
        engine.create_registry("dev", by="me")
        with pytest.raises(UploadUnknown):
            commit(engine)
        assert list(engine.check(content=True)) == []
