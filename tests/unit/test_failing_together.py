"""Uploads that are ended together, when the disk fails once, or the commit is interrupted."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

import liftlock
from liftlock import Digest, Limits, RepositoryName
from liftlock.config import HOUR_MS
from liftlock.engine import Engine, LastChunk, Upload
from liftlock.errors import BlobUnknown, RepositoryUnknown, StoreBusy, UploadUnknown
from liftlock.model import BlobContent
from liftlock.testing.clock import FakeClock
from liftlock.testing.failing_disk import FailingDisk
from liftlock.testing.images import read

DEV = RepositoryName("dev", "app")
ACKNOWLEDGED = 3
ALL_FILES = Limits(file_bytes_min=0)


class FailingOnceDisk(FailingDisk):
    """Fails at one operation, which is counted from when it is armed."""

    def __init__(self) -> None:
        super().__init__()
        self.operations_left = -1
        self.failed = ""

    def _is_next_to_fail(self, operation: str) -> bool:
        return self.operations_left == 0

    def _meet(self, operation: str) -> None:
        self.operations_left -= 1
        if self.operations_left == -1:
            self.failed = operation
            raise OSError(errno.EIO, os.strerror(errno.EIO), operation)


@pytest.mark.parametrize("acknowledged", [0, ACKNOWLEDGED])
def test_each_is_a_blob_or_a_session_that_goes_on(tmp_path: Path, acknowledged: int) -> None:
    """Whoever is told of a blob has it; nobody else loses what was acknowledged or stays locked.

    But for a session whose own flush failed: nobody knows what of it reached the disk.
    """
    disk = FailingOnceDisk()
    with liftlock.open(tmp_path / "store", create=True, disk=disk, limits=ALL_FILES) as engine:
        engine.create_registry("dev", by="me")
        descriptors = open_descriptors()
        for number in count():
            contents = [b"%d of %d" % (part, number) for part in (0, 1, 1, 2)]
            chunks = [begun(engine, content, acknowledged) for content in contents]
            disk.operations_left, disk.failed = number, ""
            found = engine.finish_uploads(chunks)
            disk.operations_left = -1
            if not disk.failed:
                break
            lost = sum(map(is_lost, [engine] * len(chunks), chunks, contents, found))
            assert lost <= (disk.failed == "fsync"), disk.failed
            assert open_descriptors() == descriptors, disk.failed
        assert number > 4 * 4
        assert all(isinstance(each, BlobContent) for each in found)
        assert {finding.rule for finding in engine.check(content=True)} <= {"file-has-record"}


def test_an_interrupted_commit_gives_every_session_its_bytes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with liftlock.open(tmp_path / "store", create=True, limits=ALL_FILES) as engine:
        engine.create_registry("dev", by="me")
        chunks = [begun(engine, b"fresh", 0), begun(engine, b"acknowledged", ACKNOWLEDGED)]
        with monkeypatch.context() as patch:
            patch.setattr(engine._store, "write_all", interrupt)
            with pytest.raises(KeyboardInterrupt):
                engine.finish_uploads(chunks)
        sizes = [engine.upload_size(DEV, chunk.session_id) for chunk in chunks]
        assert sizes == [len(b"fresh"), len(b"acknowledged")]
        found = engine.finish_uploads([chunk._replace(data=b"") for chunk in chunks])
        assert all(isinstance(each, BlobContent) for each in found)
        assert list(engine.check(content=True)) == []


def test_a_commit_that_fails_touches_nobody_who_began_the_session_once_more(
    tmp_path: Path,
) -> None:
    """E30: nothing of the first was acknowledged, so the second finds the session empty."""
    clock = FakeClock()

    def reach(moment: str) -> None:
        if moment == "upload: published" and not seconds:
            second = engine.hold_upload(DEV, session)
            seconds.append(stack.enter_context(second))
            seconds[0].append(b"of the second")
            clock.advance(2 * HOUR_MS)  # which makes the commit refuse

    seconds: list[Upload] = []
    digest, other = Digest.of(b"of the first"), Digest.of(b"of the second")
    with (
        liftlock.open(
            tmp_path / "store", create=True, clock=clock, limits=ALL_FILES, reach=reach
        ) as engine,
        ExitStack() as stack,
    ):
        engine.create_registry("dev", by="me")
        session = engine.start_upload(DEV, by="me")
        with engine.hold_upload(DEV, session) as first:
            first.append(b"of the first")
            with pytest.raises(StoreBusy):
                first.commit(digest, by="me")
            # It tries again, of which nobody keeps an embedder.
            with pytest.raises(UploadUnknown):
                first.commit(digest, by="me")
            with pytest.raises(UploadUnknown):
                first.append(b", more")
        assert engine.upload_size(DEV, session) == len(b"of the second")
        seconds[0].commit(other, by="me")
        assert read(engine, DEV, other) == b"of the second"
        with pytest.raises(BlobUnknown):
            engine.get_blob(DEV, digest)
        assert list(engine.check(content=True)) == []


@pytest.mark.parametrize("many", [1, 3])
@pytest.mark.parametrize("file_bytes_min", [0, 1000])
def test_whatever_point_an_interrupt_comes_at_each_is_a_blob_or_a_session_with_its_bytes(
    tmp_path: Path, many: int, file_bytes_min: int
) -> None:
    """Alone, as together; whether what they have was acknowledged before, or has just come."""
    points_left = -1

    def reach(_: str) -> None:
        nonlocal points_left
        points_left -= 1
        if points_left == 0:
            raise KeyboardInterrupt

    with liftlock.open(
        tmp_path / "store", create=True, reach=reach, limits=Limits(file_bytes_min=file_bytes_min)
    ) as engine:
        engine.create_registry("dev", by="me")
        for number in count(1):
            contents = [b"%d of %d" % (part, number) for part in range(many)]
            chunks = [begun(engine, content, part) for part, content in enumerate(contents)]
            points_left = number
            try:
                end(engine, chunks)
            except KeyboardInterrupt:
                for chunk, content in zip(chunks, contents, strict=True):
                    if not is_there(engine, chunk):
                        assert engine.upload_size(DEV, chunk.session_id) == len(content)
            else:
                break
        named = 3 if file_bytes_min == 0 else 2  # of each; three are of the commit
        assert number > 3 + named * many
        assert list(engine.check(content=True)) == []


def end(engine: Engine, chunks: list[LastChunk]) -> None:
    """End one upload by itself, many together."""
    if len(chunks) > 1:
        assert all(isinstance(each, BlobContent) for each in engine.finish_uploads(chunks))
        return
    with engine.hold_upload(DEV, chunks[0].session_id) as held:
        held.append(chunks[0].data)
        held.commit(chunks[0].digest, by="me")


def is_there(engine: Engine, chunk: LastChunk) -> bool:
    try:
        return engine.get_blob(DEV, chunk.digest).digest == chunk.digest
    except (BlobUnknown, RepositoryUnknown):
        return False


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def begun(engine: Engine, content: bytes, acknowledged: int) -> LastChunk:
    session = engine.start_upload(DEV, by="me")
    with engine.hold_upload(DEV, session) as held:
        held.append(content[:acknowledged])
    return LastChunk(DEV, session, content[acknowledged:], Digest.of(content), "me")


def is_lost(
    engine: Engine, chunk: LastChunk, content: bytes, found: BlobContent | Exception
) -> bool:
    """Whether a session is gone; what is a blob, or can still become one, is not."""
    if isinstance(found, BlobContent):
        assert read(engine, DEV, chunk.digest) == content
        return False
    try:
        with engine.hold_upload(DEV, chunk.session_id) as held:
            if held.size == 0 and len(chunk.data) < len(content):
                return True  # it may begin once more
            assert held.size in {len(content) - len(chunk.data), len(content)}
            held.append(content[held.size :])
            held.commit(chunk.digest, by="me")
    except UploadUnknown:
        return True
    assert read(engine, DEV, chunk.digest) == content
    return False
