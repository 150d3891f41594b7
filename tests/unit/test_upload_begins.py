"""Sessions before their first byte: nothing but an id, which was given out here."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from liftlock import Digest, Limits, RepositoryName
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.config import DAY_MS, HOUR_MS
from liftlock.engine import Engine, LastChunk
from liftlock.errors import ChunkOutOfOrder, DigestInvalid, RecordCorrupt, StoreBusy, UploadUnknown
from liftlock.metadata.contract import Table, WriteTxn
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import BlobContent
from liftlock.testing.blob_contract import push
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import read, upload

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")
CONTENT = b"all of it in one request"
DIGEST = Digest.of(CONTENT)


def whole(session: str, content: bytes = CONTENT, digest: Digest = DIGEST) -> LastChunk:
    return LastChunk(DEV, session, content, digest, "me", size=0)


def assert_over(engine: Engine, session: str) -> None:
    """Ask in every way."""
    with pytest.raises(UploadUnknown):
        engine.upload_size(DEV, session)
    with pytest.raises(UploadUnknown), engine.hold_upload(DEV, session):
        pass
    with pytest.raises(UploadUnknown):
        engine.cancel_upload(DEV, session)
    (refused,) = engine.finish_uploads([whole(session)])
    assert isinstance(refused, UploadUnknown)


def test_a_session_that_was_started_is_nowhere(engine: Engine, blobs: MemoryBlobStore) -> None:
    session = engine.start_upload(DEV, by="me")
    assert engine.upload_size(DEV, session) == 0
    assert list(blobs.iter_sessions()) == []


def test_what_comes_whole_never_is_a_session(engine: Engine, blobs: MemoryBlobStore) -> None:
    (found,) = engine.finish_uploads([whole(engine.start_upload(DEV, by="me"))])
    assert isinstance(found, BlobContent)
    assert read(engine, DEV, DIGEST) == CONTENT
    assert list(blobs.iter_sessions()) == list(blobs.iter_blobs()) == []


def commit(engine: Engine, session: str) -> None:
    with engine.hold_upload(DEV, session) as upload:
        upload.append(CONTENT)
        upload.commit(DIGEST, by="me")


def finish(engine: Engine, session: str) -> None:
    (found,) = engine.finish_uploads([whole(session)])
    assert isinstance(found, BlobContent)


def cancel(engine: Engine, session: str) -> None:
    engine.cancel_upload(DEV, session)


def cancel_with_bytes(engine: Engine, session: str) -> None:
    with engine.hold_upload(DEV, session) as upload:
        upload.append(b"some")
    engine.cancel_upload(DEV, session)


def send_another(engine: Engine, session: str) -> None:
    with engine.hold_upload(DEV, session) as upload:
        upload.append(b"another")
        with pytest.raises(DigestInvalid):
            upload.commit(DIGEST, by="me")


def send_another_whole(engine: Engine, session: str) -> None:
    (refused,) = engine.finish_uploads([whole(session, b"another")])
    assert isinstance(refused, DigestInvalid)


@pytest.mark.parametrize(
    "end", [commit, finish, cancel, cancel_with_bytes, send_another, send_another_whole]
)
def test_a_session_that_ended_does_not_begin_once_more(
    engine: Engine, blobs: MemoryBlobStore, end: Callable[[Engine, str], None]
) -> None:
    """E30, and in another process too: only the stores know it."""
    session = engine.start_upload(DEV, by="me")
    end(engine, session)
    other = Engine(engine._store, blobs, clock=engine._clock)
    assert_over(other, session)
    assert list(blobs.iter_sessions()) == []


def test_of_two_requests_that_bring_all_one_ends_the_session(engine: Engine) -> None:
    session = engine.start_upload(DEV, by="me")
    first, second = engine.finish_uploads([whole(session), whole(session)])
    assert isinstance(first, BlobContent)
    assert isinstance(second, UploadUnknown)


@pytest.mark.parametrize("was_there", [True, False])
def test_what_comes_whole_at_once_ends_as_if_one_came_after_the_other(
    engine: Engine, *, was_there: bool
) -> None:
    """Whatever of it is there twice: the session, the content, the repository that is made."""
    if was_there:
        for name in (DEV, PROD):
            upload(engine, name, b"before")
    once, other, over, *rest = (engine.start_upload(DEV, by="me") for _ in range(6))
    engine.cancel_upload(DEV, over)
    asked = [
        whole(once, b"first", Digest.of(b"first")),
        whole(over),
        whole(rest[0]),
        whole(engine.start_upload(PROD, by="me"))._replace(name=PROD),
        whole(rest[1]),
        whole(once, b"again", Digest.of(b"again")),
        whole(other, b"last", Digest.of(b"last")),
    ]
    found = [*engine.finish_uploads(asked[:2]), *engine.finish_uploads(asked[2:])]
    assert [type(each) for each in found] == [
        BlobContent, UploadUnknown, BlobContent, BlobContent, BlobContent, UploadUnknown,
        BlobContent,
    ]  # fmt: skip
    assert [read(engine, name, DIGEST) for name in (DEV, PROD)] == [CONTENT] * 2
    # One more that is plain: all of it in one draft.
    more = [engine.start_upload(DEV, by="me") for _ in range(3)]
    found = engine.finish_uploads([
        whole(more[0], b"one", Digest.of(b"one")), whole(once), whole(more[1]),
        whole(more[2], b"two", Digest.of(b"two")),
    ])  # fmt: skip
    assert [type(each) for each in found] == [
        BlobContent, UploadUnknown, BlobContent, BlobContent
    ]  # fmt: skip


def test_several_at_once_make_their_repository_once(engine: Engine) -> None:
    texts = [b"one", b"two", b"three"]
    sessions = [engine.start_upload(DEV, by="me") for _ in texts]
    chunks = map(whole, sessions, texts, map(Digest.of, texts))
    assert all(isinstance(each, BlobContent) for each in engine.finish_uploads([*chunks]))
    assert [read(engine, DEV, Digest.of(each)) for each in texts] == texts


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_small_blob_that_is_a_file_stays_one_unless_that_is_damaged(
    engine: Engine, filing: Engine, blobs: MemoryBlobStore, *, is_lost: bool
) -> None:
    """Others that come with it are as they are."""
    upload(filing, DEV, CONTENT)
    (stored,) = blobs.iter_blobs()
    if is_lost:
        blobs.remove(stored.locator)
    texts = [b"one", CONTENT, b"two"]
    chunks = [whole(engine.start_upload(DEV, by="me"), each, Digest.of(each)) for each in texts]
    found = engine.finish_uploads(chunks)
    assert [blob.digest for blob in found] == [Digest.of(each) for each in texts]
    assert len(list(blobs.iter_blobs())) == (0 if is_lost else 1)
    assert [read(engine, DEV, Digest.of(each)) for each in texts] == texts


def test_who_began_a_session_that_another_request_ends_leaves_what_is_swept(
    engine: Engine, blobs: MemoryBlobStore
) -> None:
    """One brings all, and holds nothing; the other came between, and holds a session of its own."""
    session = engine.start_upload(DEV, by="me")
    first, second = engine.finish_uploads([whole(session), whole(session)._replace(size=None)])
    assert isinstance(first, BlobContent)
    assert isinstance(second, UploadUnknown)
    assert len(list(blobs.iter_sessions())) == 1
    assert engine.sweep().sessions == 1
    assert_over(engine, session)
    assert list(blobs.iter_sessions()) == []


def damage_record(txn: WriteTxn) -> None:
    """Damage that of the only blob."""
    ((key, value),) = txn.scan(Table.BLOBS)
    txn.put_many(Table.BLOBS, [(key, value[:-1] + bytes((value[-1] ^ 1,)))])


@pytest.mark.parametrize("file_bytes_min", [0, 1000])
def test_a_damaged_record_stops_the_upload_of_its_blob_alone(
    unchecked: Engine, blobs: MemoryBlobStore, file_bytes_min: int
) -> None:
    """Others that share its commit go on, whoever they are."""
    limits = Limits(file_bytes_min=file_bytes_min)
    engine = Engine(unchecked._store, blobs, clock=unchecked._clock, limits=limits)
    upload(engine, DEV, CONTENT)

    engine._store.write(damage_record)
    sessions = [engine.start_upload(DEV, by="me") for _ in range(3)]
    chunks = [
        whole(sessions[0], b"one", Digest.of(b"one")),
        whole(sessions[1]),
        whole(sessions[2], b"two", Digest.of(b"two")),
    ]
    found = engine.finish_uploads(chunks)
    assert [type(each) for each in found] == [BlobContent, RecordCorrupt, BlobContent]
    assert read(engine, DEV, Digest.of(b"two")) == b"two"


def test_what_another_process_has_begun_is_gone_on_with(
    engine: Engine, blobs: MemoryBlobStore
) -> None:
    session = engine.start_upload(DEV, by="me")
    other = Engine(engine._store, blobs, clock=engine._clock)
    with other.hold_upload(DEV, session) as upload:
        upload.append(CONTENT[:5])
    # This process still takes the session for empty.
    assert engine.remembered_size(session) == 0
    (refused,) = engine.finish_uploads([whole(session, CONTENT[5:])])
    assert type(refused).__name__ == "SizeDiffers"
    with engine.hold_upload(DEV, session) as upload:
        upload.append(CONTENT[5:])
        upload.commit(DIGEST, by="me")
    assert read(engine, DEV, DIGEST) == CONTENT


@pytest.mark.parametrize("late", [0, 1])
def test_a_session_begins_soon_or_not_at_all(engine: Engine, clock: FakeClock, late: int) -> None:
    session = engine.start_upload(DEV, by="me")
    clock.advance(engine.limits.upload_begin_ms + late)
    if late:
        assert_over(engine, session)
    else:
        finish(engine, session)


def test_one_that_was_held_and_brought_nothing_has_not_begun(
    engine: Engine, blobs: MemoryBlobStore, clock: FakeClock
) -> None:
    session = engine.start_upload(DEV, by="me")
    with engine.hold_upload(DEV, session) as upload, pytest.raises(ChunkOutOfOrder):
        upload.append(CONTENT, at=5)
    assert engine.upload_size(DEV, session) == 0
    clock.advance(engine.limits.upload_begin_ms + 1)
    assert_over(engine, session)
    assert list(blobs.iter_sessions()) == []


def test_one_that_has_begun_may_take_its_time(engine: Engine, clock: FakeClock) -> None:
    session = engine.start_upload(DEV, by="me")
    with engine.hold_upload(DEV, session) as upload:
        upload.append(CONTENT[:5])
    clock.advance(2 * engine.limits.upload_begin_ms)
    with engine.hold_upload(DEV, session) as upload:
        upload.append(CONTENT[5:])
        upload.commit(DIGEST, by="me")
    assert read(engine, DEV, DIGEST) == CONTENT


@pytest.mark.parametrize("place", [0, 12, 50, 70, 100, 125])
def test_an_id_that_was_not_given_out_is_none(engine: Engine, place: int) -> None:
    session = engine.start_upload(DEV, by="me")
    digit = "0" if session[place] != "0" else "1"
    assert_over(engine, session[:place] + digit + session[place + 1 :])


@pytest.mark.parametrize("other", ["", "00", "zz" * 63, "00" * 63, "0" * 125])
def test_what_is_no_id_is_none(engine: Engine, other: str) -> None:
    assert_over(engine, other)


@pytest.mark.parametrize("spell", [str.upper, lambda text: f"{text[:2]} {text[2:]}"])
def test_an_id_has_one_spelling(engine: Engine, spell: Callable[[str], str]) -> None:
    """The same digits to whoever reads hex, and to a folder another name."""
    session = engine.start_upload(DEV, by="me")
    assert_over(engine, spell(session))
    finish(engine, session)


def test_another_store_gives_out_other_ids(engine: Engine, clock: FakeClock) -> None:
    with Engine(MemoryMetadataStore(clock), MemoryBlobStore(), clock=clock) as other:
        other.create_registry("dev", by="me")
        session = other.start_upload(DEV, by="me")
    assert_over(engine, session)


def damage_secret(txn: WriteTxn) -> None:
    ((key, value),) = txn.scan(Table.SECRETS)
    txn.put_many(Table.SECRETS, [(key, b"\0" + value[1:])])


def lose_secret(txn: WriteTxn) -> None:
    txn.delete_many(Table.SECRETS, [key for key, _ in txn.scan(Table.SECRETS)])


@pytest.mark.parametrize("lose", [damage_secret, lose_secret])
def test_without_the_secret_open_sessions_are_over_and_pushes_go_on(
    engine: Engine, blobs: MemoryBlobStore, lose: Callable[[WriteTxn], None]
) -> None:
    """In every process: one that remembers the secret, and one that looks it up."""
    before = engine.start_upload(DEV, by="me")
    other = Engine(engine._store, blobs, clock=engine._clock)
    engine._store.write(lose)
    with pytest.raises(UploadUnknown):
        other.upload_size(DEV, before)
    between = other.start_upload(DEV, by="me")
    assert engine.upload_size(DEV, between) == 0
    assert_over(engine, before)
    finish(other, engine.start_upload(DEV, by="me"))
    finish(engine, between)


def test_an_id_is_one_repositorys(engine: Engine) -> None:
    """E31."""
    session = engine.start_upload(DEV, by="me")
    with pytest.raises(UploadUnknown):
        engine.upload_size(PROD, session)


def test_what_tells_of_ended_sessions_is_swept_when_they_could_not_begin_any_more(
    engine: Engine, store: MemoryMetadataStore, clock: FakeClock
) -> None:
    for number in range(3):
        upload(engine, DEV, b"%d" % number)
        clock.advance(HOUR_MS)
    clock.advance(engine.limits.upload_begin_ms - HOUR_MS)
    assert engine.sweep().ended == 1
    assert len(store.read(lambda txn: list(txn.scan(Table.ENDED)))) == 2


def test_a_full_disk_keeps_nobody_from_cancelling(engine: Engine, blobs: MemoryBlobStore) -> None:
    """Of a session that is nowhere, too."""
    session = engine.start_upload(DEV, by="me")
    blobs.fill(is_full=True)
    engine.cancel_upload(DEV, session)
    blobs.fill(is_full=False)
    assert list(blobs.iter_sessions()) == []


def test_other_content_is_told_though_another_process_writes(
    engine: Engine, blobs: MemoryBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the request is about counts. Its bytes are gone; only that they were is not noted."""

    def be_busy(_: object) -> None:
        raise StoreBusy("another process writes")

    engine.start_upload(DEV, by="me")  # a store in memory makes its secret now
    with monkeypatch.context() as patch:
        patch.setattr(engine._store, "write", be_busy)
        with pytest.raises(DigestInvalid):
            engine.put_blob(DEV, DIGEST, b"another", by="me")
    assert list(blobs.iter_sessions()) == []


def leave(engine: Engine, session: str, *, age_ms: int, end: bool) -> None:
    """End a session, or do not, and die before its bytes are removed."""
    with engine.hold_upload(DEV, session) as upload:
        upload.append(CONTENT)
    engine._clock.advance(age_ms)
    ticket = engine._uploads.tickets.read(session, DEV)
    if end:
        engine._store.write(ticket.end)


@pytest.mark.parametrize("age_ms", [0, 2 * DAY_MS])
def test_a_crash_after_its_end_leaves_a_session_over(
    engine: Engine, blobs: MemoryBlobStore, clock: FakeClock, age_ms: int
) -> None:
    """E30: its row may be swept long before what a crash has left of it is idle enough."""
    session = engine.start_upload(DEV, by="me")
    leave(engine, session, age_ms=age_ms, end=True)
    clock.advance(max(0, engine.limits.upload_begin_ms + 2 * HOUR_MS - age_ms))
    swept = engine.sweep()
    assert (swept.sessions, swept.ended) == (1, 1)
    assert list(blobs.iter_sessions()) == []
    assert_over(engine, session)


def test_a_session_that_ends_while_it_is_swept_stays_over(
    engine: Engine, store: MemoryMetadataStore, clock: FakeClock
) -> None:
    """Its holder has committed, and not come to its removal; it may die before it does."""
    session = engine.start_upload(DEV, by="me")
    leave(engine, session, age_ms=2 * DAY_MS, end=False)
    with engine.hold_upload(DEV, session):
        engine._store.write(engine._uploads.tickets.read(session, DEV).end)
        assert engine.sweep().ended == 0
    assert_over(engine, session)
    assert engine.sweep().ended == 1


def test_a_damaged_record_keeps_its_file_and_no_sweep_from_its_work(
    unchecked: Engine, filing: Engine, blobs: MemoryBlobStore, clock: FakeClock
) -> None:
    upload(filing, DEV, CONTENT)
    unchecked._store.write(damage_record)
    upload(filing, DEV, b"another")
    push(blobs, b"orphan")
    clock.advance(2 * DAY_MS)
    swept = unchecked.sweep()
    assert (swept.orphans, swept.ended) == (1, 2)
    assert len(list(blobs.iter_blobs())) == 2


def test_a_clock_that_was_never_set_keeps_no_sweep_from_its_work(
    engine: Engine, clock: FakeClock
) -> None:
    """A machine without a battery begins in 1970."""
    upload(engine, DEV, b"pushed before the restart")
    clock.advance(HOUR_MS - clock())
    assert engine.sweep().ended == 0


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11])
def test_a_blob_is_a_row_or_a_file_by_its_size(
    store: MemoryMetadataStore, blobs: MemoryBlobStore, clock: FakeClock, size: int
) -> None:
    limits = Limits(file_bytes_min=10)
    with Engine(store, blobs, limits=limits, clock=clock) as engine:
        engine.create_registry("dev", by="me")
        digest = upload(engine, DEV, bytes(size))
        assert len(list(blobs.iter_blobs())) == (size >= 10)
        blob = engine.get_blob(DEV, digest)
        assert (blob.size, blob.content is None) == (size, size >= 10)
        assert b"".join(engine.read_blob(blob, 1, 5)) == bytes(max(0, min(size, 5) - 1))
        assert list(engine.check(content=True)) == []
