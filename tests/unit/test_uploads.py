"""Upload sessions: whom they belong to, and what a clock may do to them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from liftlock import Digest, Limits, RepositoryName
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.config import DAY_MS
from liftlock.engine import Engine, LastChunk, SizeDiffers
from liftlock.errors import (
    ChunkOutOfOrder,
    DigestInvalid,
    RegistryUnknown,
    SizeInvalid,
    StoreFull,
    UploadBusy,
    UploadUnknown,
)
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import BlobContent
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import image, read, upload

DEV = RepositoryName("dev", "app")


def test_one_commit_under_a_wrong_clock_does_not_stop_uploads(
    engine: Engine, clock: FakeClock
) -> None:
    """A transaction's time never goes back, so it is no measure for a file's age."""
    clock.advance(365 * DAY_MS)
    image(engine, DEV, "1")
    clock.advance(-365 * DAY_MS)
    digest = upload(engine, DEV, b"pushed after the clock was set right")
    assert read(engine, DEV, digest)


def test_a_session_does_not_outlive_its_registry(engine: Engine) -> None:
    session = engine.start_upload(DEV, by="me")
    with engine.hold_upload(DEV, session) as held:
        held.append(b"for the old one")
    engine.delete_registry("dev", by="me", force=True)
    engine.create_registry("dev", by="me")
    with pytest.raises(UploadUnknown), engine.hold_upload(DEV, session):
        pass


def test_a_blob_has_a_largest_size(
    store: MemoryMetadataStore, blobs: MemoryBlobStore, clock: FakeClock
) -> None:
    """In one chunk, in several, in a last one, and in the only one; what came before stays."""
    with Engine(store, blobs, limits=Limits(blob_bytes_max=10), clock=clock) as engine:
        engine.create_registry("dev", by="tests")
        session = started(engine, b"1234567")
        for chunk in (b"8901", b"x" * 100):
            with engine.hold_upload(DEV, session) as held:
                with pytest.raises(SizeInvalid, match="blob_bytes_max"):
                    held.append(chunk)
                assert held.size == 7
            (refused,) = engine.finish_uploads([last(session, chunk)])
            assert isinstance(refused, SizeInvalid)
        begun = engine.start_upload(DEV, by="me")
        (refused,) = engine.finish_uploads([last(begun, b"x" * 11)._replace(size=0)])
        assert isinstance(refused, SizeInvalid)
        (found,) = engine.finish_uploads([last(session, b"890", b"1234567890")])
        assert isinstance(found, BlobContent)
        assert read(engine, DEV, Digest.of(b"1234567890")) == b"1234567890"


def test_uploads_that_nobody_goes_on_with_are_swept(
    engine: Engine, clock: FakeClock, blobs: MemoryBlobStore
) -> None:
    """E73: all of them with all their bytes, and none a moment too early."""
    idle = [started(engine, b"12345") for _ in range(1000)]
    clock.advance(engine.limits.upload_idle_ms)
    lively = started(engine, b"1")
    assert engine.sweep().sessions == 0
    clock.advance(1)
    swept = engine.sweep()
    assert (swept.sessions, swept.bytes) == (1000, 5000)
    assert [found.session_id for found in blobs.iter_sessions()] == [lively]
    with pytest.raises(UploadUnknown):
        engine.upload_size(DEV, idle[0])


# --- ended together ---------------------------------------------------------------------------


def started(engine: Engine, content: bytes = b"", name: RepositoryName = DEV) -> str:
    session = engine.start_upload(name, by="me")
    with engine.hold_upload(name, session) as held:
        held.append(content)
    return session


def last(session: str, content: bytes, whole: bytes = b"", **more: object) -> LastChunk:
    chunk = LastChunk(DEV, session, content, Digest.of(whole or content), "me")
    return chunk._replace(**more)


def test_uploads_end_together_and_each_is_what_it_is(engine: Engine) -> None:
    contents = [b"blob %d" % number for number in range(20)]
    chunks = [last(started(engine, text[:3]), text[3:], text) for text in contents]
    found = engine.finish_uploads(chunks)
    assert [blob.digest for blob in found] == [Digest.of(text) for text in contents]
    assert [read(engine, DEV, Digest.of(text)) for text in contents] == contents


def test_one_that_cannot_be_ended_keeps_no_other_from_it(engine: Engine) -> None:
    busy, gone, doomed = started(engine), started(engine), RepositoryName("test", "app")
    engine.cancel_upload(DEV, gone)
    wrong, early = started(engine, b"begun"), started(engine, b"begun")
    orphan = engine.start_upload(doomed, by="me")
    engine.delete_registry("test", by="me", force=True)
    with engine.hold_upload(DEV, busy):
        found = engine.finish_uploads(
            [
                last(started(engine), b"first"),
                last(busy, b"busy"),
                last(gone, b"gone"),
                last(wrong, b"x", b"another"),
                last(early, b"x", begin=3),
                last(orphan, b"doomed", name=doomed),
                last(started(engine), b"last"),
            ]
        )
    assert [type(each) for each in found] == [
        BlobContent, UploadBusy, UploadUnknown, DigestInvalid, ChunkOutOfOrder, RegistryUnknown,
        BlobContent,
    ]  # fmt: skip
    assert read(engine, DEV, Digest.of(b"last")) == b"last"
    assert engine.upload_size(DEV, early) == len(b"begun")  # and it goes on from there
    assert isinstance(engine.finish_uploads([last(early, b"!", b"begun!")])[0], BlobContent)


def test_a_session_that_is_longer_than_was_thought_is_left_alone(engine: Engine) -> None:
    """Another process went on with it: it may be so large that the others would wait for it."""
    session = started(engine, b"12345")
    (refused,) = engine.finish_uploads([last(session, b"6", b"123456", size=0)])
    assert isinstance(refused, SizeDiffers)
    assert engine.upload_size(DEV, session) == 5
    (found,) = engine.finish_uploads([last(session, b"6", b"123456", size=5)])
    assert isinstance(found, BlobContent)


def test_one_content_may_end_twice_at_once(engine: Engine, blobs: MemoryBlobStore) -> None:
    """E33."""
    found = engine.finish_uploads([last(started(engine), b"same") for _ in range(5)])
    assert {blob.digest for blob in found} == {Digest.of(b"same")}
    assert list(blobs.iter_blobs()) == []  # it is a row
    assert list(blobs.iter_sessions()) == []


def test_one_session_cannot_end_twice_at_once(engine: Engine) -> None:
    session = started(engine)
    found = engine.finish_uploads([last(session, b"once"), last(session, b"twice")])
    assert [type(each) for each in found] == [BlobContent, UploadBusy]


def test_a_commit_that_fails_gives_every_session_its_bytes_back(
    engine: Engine, store: MemoryMetadataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = [started(engine, b"%d" % number) for number in range(3)]

    def fail(operations: Sequence[object]) -> list[Exception]:
        return [StoreFull("the metadata")] * len(operations)

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_all", fail)
        found = engine.finish_uploads(
            [last(session, b"", b"%d" % number) for number, session in enumerate(sessions)]
        )
    assert [type(each) for each in found] == [StoreFull] * 3
    for session in sessions:
        assert engine.upload_size(DEV, session) == 1


def test_how_far_a_session_is_hashed_is_remembered_by_who_hashed_it(engine: Engine) -> None:
    session = engine.start_upload(DEV, by="me")
    assert engine.remembered_size(session) == 0
    with engine.hold_upload(DEV, session) as held:
        held.append(b"12345")
    assert engine.remembered_size(session) == 5
    engine.cancel_upload(DEV, session)
    assert engine.remembered_size(session) is None


def test_bytes_that_were_written_and_not_hashed_are_read_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"x" * 300_000
    session = engine.start_upload(DEV, by="me")
    with engine.hold_upload(DEV, session) as upload:
        with monkeypatch.context() as broken:
            broken.setattr(engine._hashers, "submit", raise_it)
            with pytest.raises(MemoryError):
                upload.append(content)
        assert upload.commit(Digest.of(content), by="me").size == len(content)


def raise_it(*_: object) -> None:
    raise MemoryError
