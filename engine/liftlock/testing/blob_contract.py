"""What every blob store must do, as tests: inherit, and say how to make, reopen and fill one.

    class TestFileBlobStore(BlobStoreContract):
        def open_store(self, folder: Path) -> BlobStore: ...
        def reopen(self, store: BlobStore) -> BlobStore: ...
        def full(self, store: BlobStore) -> AbstractContextManager[None]: ...

What only one kind of store has (files, locks between processes) is tested beside that kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from threading import Thread
from typing import Final
from uuid import uuid4

import pytest

from liftlock.blobs.contract import (
    BlobStore,
    Locator,
    Publication,
    Session,
    digest_of,
    locator_of,
)
from liftlock.errors import StoreFull, UploadBusy, UploadUnknown
from liftlock.oci.digest import SHA512, Digest

SESSION: Final = "0123456789abcdef" * 2
OTHER: Final = "fedcba9876543210" * 2
LONGER: Final = SESSION + "0f"
LONGEST: Final = SESSION * 4
CONTENT: Final = bytes(range(256)) * 40
DIGEST: Final = Digest.of(CONTENT)
PIECE_BYTES: Final = 1000
"""The stores under test have this for `Limits.copy_bytes`, so that content comes in pieces."""
SOME_DAY: Final = 2**62
"""Later than any time stamp."""


class BlobStoreContract(ABC):
    """Tests of `BlobStore`; a fixture `store` gives each of them a new one."""

    @abstractmethod
    def open_store(self, folder: Path) -> BlobStore:
        """Open an empty store, made with `copy_bytes` of PIECE_BYTES, which may use `folder`."""

    @abstractmethod
    def reopen(self, store: BlobStore) -> BlobStore:
        """Close the store, and return it as a restarted process would see it."""

    @abstractmethod
    def full(self, store: BlobStore) -> AbstractContextManager[None]:
        """Leave the store no room while the context lasts."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Override it if a folder takes long to prepare; each test leaves it emptied."""
        return tmp_path

    @pytest.fixture
    def store(self, folder: Path) -> Iterator[BlobStore]:
        store = self.open_store(folder)
        yield store
        empty(store)
        store.close()

    # --- a session receives bytes -----------------------------------------------------------

    def test_a_new_session_is_empty(self, store: BlobStore) -> None:
        store.create_session(SESSION)
        with store.hold_session(SESSION) as session:
            assert (session.session_id, session.size) == (SESSION, 0)
            assert list(session.read()) == []
        assert store.peek_session(SESSION) == 0

    def test_an_id_may_have_more_to_say(self, store: BlobStore) -> None:
        for session_id in (SESSION, LONGER, LONGEST):
            start(store, session_id.encode(), session_id)
        for session_id in (SESSION, LONGER, LONGEST):
            with store.hold_session(session_id) as session:
                assert b"".join(session.read()) == session_id.encode()

    def test_a_session_that_is_there_stays_as_it_is(self, store: BlobStore) -> None:
        assert not store.has_session(SESSION)
        start(store, CONTENT)
        assert store.has_session(SESSION)
        store.create_session(SESSION)
        assert store.peek_session(SESSION) == len(CONTENT)

    def test_appended_bytes_add_up(self, store: BlobStore) -> None:
        store.create_session(SESSION)
        with store.hold_session(SESSION) as session:
            session.append(CONTENT[:100])
            session.append(b"")
            session.append(memoryview(CONTENT)[100:3000])
            assert session.size == 3000
            assert b"".join(session.read()) == CONTENT[:3000]
        with store.hold_session(SESSION) as session:
            session.append(CONTENT[3000:])
            assert b"".join(session.read()) == CONTENT

    def test_what_is_received_can_be_peeked_at_while_the_session_is_held(
        self, store: BlobStore
    ) -> None:
        """A client asks how far it came while its last request is still dying."""
        store.create_session(SESSION)
        with store.hold_session(SESSION) as session:
            session.append(CONTENT)
            assert store.peek_session(SESSION) == len(CONTENT)

    def test_a_session_is_read_in_bounded_pieces(self, store: BlobStore) -> None:
        start(store, CONTENT)
        with store.hold_session(SESSION) as session:
            assert {len(piece) for piece in session.read()} == {PIECE_BYTES, 240}

    def test_sessions_survive_a_restart(self, store: BlobStore) -> None:
        start(store, CONTENT)
        store = self.reopen(store)
        with store.hold_session(SESSION) as session:
            assert b"".join(session.read()) == CONTENT

    @pytest.mark.parametrize(
        "session_id",
        [OTHER, "", "..", "../blobs", "0" * 31, "0" * 129, "A" * 32, SESSION[:-1] + "e",
         f"{'0' * 32}\n", f"{SESSION}.trace", "/" + "0" * 31, "\u0660" * 32],
    )  # fmt: skip
    def test_a_session_that_was_never_made_is_unknown(
        self, store: BlobStore, session_id: str
    ) -> None:
        """Ids come from clients: those that could lead elsewhere are no worse than wrong ones."""
        start(store)
        with pytest.raises(UploadUnknown), store.hold_session(session_id):
            pass
        with pytest.raises(UploadUnknown):
            store.peek_session(session_id)

    # --- one request at a time --------------------------------------------------------------

    def test_a_held_session_is_busy(self, store: BlobStore) -> None:
        start(store)
        with store.hold_session(SESSION):
            with pytest.raises(UploadBusy), store.hold_session(SESSION):
                pass
            with pytest.raises(UploadBusy), store.hold_session(SESSION):
                pass  # being refused did not let go of it either
        with store.hold_session(SESSION):
            pass

    def test_a_published_session_is_still_busy(self, store: BlobStore) -> None:
        start(store, CONTENT)
        with store.hold_session(SESSION) as session:
            publish(store, session, DIGEST, "u")
            with pytest.raises(UploadBusy), store.hold_session(SESSION):
                pass

    def test_sessions_are_held_independently(self, store: BlobStore) -> None:
        start(store)
        store.create_session(OTHER)
        with store.hold_session(SESSION), store.hold_session(OTHER) as other:
            assert other.session_id == OTHER

    def test_a_failed_request_lets_go_of_its_session(self, store: BlobStore) -> None:
        start(store)
        with pytest.raises(ZeroDivisionError), store.hold_session(SESSION):
            raise ZeroDivisionError
        with store.hold_session(SESSION):
            pass

    def test_a_session_held_in_one_thread_may_be_let_go_in_another(self, store: BlobStore) -> None:
        start(store)
        hold = store.hold_session(SESSION)
        thread = Thread(target=hold.__enter__)
        thread.start()
        thread.join()
        with pytest.raises(UploadBusy), store.hold_session(SESSION):
            pass
        hold.__exit__(None, None, None)
        with store.hold_session(SESSION):
            pass

    # --- a session becomes a blob -----------------------------------------------------------

    def test_a_published_blob_is_what_was_received(self, store: BlobStore) -> None:
        locator = push(store, CONTENT)
        assert store.size(locator) == len(CONTENT)
        assert b"".join(store.read(locator)) == CONTENT

    def test_a_locator_tells_whose_it_is(self, store: BlobStore) -> None:
        """The sweep finds files and has to look for their records."""
        locator = push(store, CONTENT, unique="a-B_9")
        assert locator == f"sha256/{DIGEST.hex[:2]}/{DIGEST.hex}.a-B_9"
        assert digest_of(locator) == DIGEST

    def test_a_blob_may_be_named_by_sha512(self, store: BlobStore) -> None:
        digest = Digest.of(CONTENT, SHA512)
        start(store, CONTENT)
        with store.hold_session(SESSION) as session:
            locator = publish(store, session, digest, "u")
        assert b"".join(store.read(locator)) == CONTENT
        assert digest_of(locator) == digest

    def test_an_empty_blob_is_a_blob(self, store: BlobStore) -> None:
        locator = push(store, b"")
        assert store.size(locator) == 0
        assert list(store.read(locator)) == []

    def test_publishing_leaves_the_session_until_it_is_discarded(self, store: BlobStore) -> None:
        start(store, CONTENT)
        with store.hold_session(SESSION) as session:
            publish(store, session, DIGEST, "u")
            assert session.size == len(CONTENT)
            assert [found.session_id for found in store.iter_sessions()] == [SESSION]
            session.discard()
        assert list(store.iter_sessions()) == []
        with pytest.raises(UploadUnknown), store.hold_session(SESSION):
            pass

    def test_a_published_session_takes_and_gives_no_bytes(self, store: BlobStore) -> None:
        """They would go to, or come from, a blob that may be recorded by now."""
        start(store, CONTENT)
        with store.hold_session(SESSION) as session:
            publish(store, session, DIGEST, "u")
            with pytest.raises(AssertionError):
                session.append(b"more")
            with pytest.raises(AssertionError):
                session.read()
            with pytest.raises(AssertionError):
                publish(store, session, DIGEST, "u2")

    def test_a_locator_is_not_used_twice(self, store: BlobStore) -> None:
        locator = push(store, CONTENT)
        start(store, CONTENT, OTHER)
        with store.hold_session(OTHER) as session, pytest.raises(AssertionError):
            publish(store, session, DIGEST, locator.rpartition(".")[2])

    def test_a_session_that_is_being_committed_can_be_peeked_at(self, store: BlobStore) -> None:
        start(store, CONTENT)
        with store.hold_session(SESSION) as session:
            publish(store, session, DIGEST, "u")
            assert store.peek_session(SESSION) == len(CONTENT)

    def test_a_retracted_session_goes_on(self, store: BlobStore) -> None:
        """The client's retry must work after a failed commit, without sending all again."""
        start(store, CONTENT[:500])
        with store.hold_session(SESSION) as session:
            first = publish(store, session, Digest.of(CONTENT[:500]), "u1")
            session.retract(first)
            assert store.size(first) is None
            session.append(CONTENT[500:])
            assert b"".join(session.read()) == CONTENT
        with store.hold_session(SESSION) as session:
            second = publish(store, session, DIGEST, "u2")
            session.discard()
        assert b"".join(store.read(second)) == CONTENT
        assert [blob.locator for blob in store.iter_blobs()] == [second]

    def test_uploads_of_one_digest_make_a_file_each(self, store: BlobStore) -> None:
        """Which of them stays is for the records to say; no name is ever used twice."""
        first = push(store, CONTENT, unique="u1")
        second = push(store, CONTENT, unique="u2", session_id=OTHER)
        assert first != second
        store.remove(first)
        assert b"".join(store.read(second)) == CONTENT

    def test_a_discarded_session_is_gone_at_once(self, store: BlobStore) -> None:
        start(store, CONTENT)
        with store.hold_session(SESSION) as session:
            session.discard()
            with pytest.raises(UploadUnknown):
                store.peek_session(SESSION)
            session.discard()
        with pytest.raises(UploadUnknown), store.hold_session(SESSION):
            pass
        assert list(store.iter_sessions()) == []

    def test_a_session_whose_bytes_just_came_is_settled_or_gone(self, store: BlobStore) -> None:
        """Nobody was told that they arrived, so that nobody can go on from there."""
        store.create_session(SESSION)
        with store.hold_session(SESSION) as session:
            session.append(CONTENT)
            locator = publish(store, session, DIGEST, "u")
            with pytest.raises((UploadBusy, UploadUnknown)), store.hold_session(SESSION):
                pass
        try:
            with store.hold_session(SESSION, lambda _: False) as session:
                assert b"".join(session.read()) == CONTENT
        except UploadUnknown:
            assert b"".join(store.read(locator)) == CONTENT

    def test_many_are_published_together(self, store: BlobStore) -> None:
        contents = [b"%d" % number for number in range(9)]
        ids = [f"{number:032x}" for number in range(9)]
        for session_id, content in zip(ids, contents, strict=True):
            start(store, content, session_id)
        with ExitStack() as held:
            sessions = [held.enter_context(store.hold_session(each)) for each in ids]
            every = [
                Publication(session, locator_of(Digest.of(content), "u"))
                for session, content in zip(sessions, contents, strict=True)
            ]
            assert store.publish(every) == [None] * 9
            for session in sessions:
                session.discard()
        assert [b"".join(store.read(each.locator)) for each in every] == contents
        assert list(store.iter_sessions()) == []

    def test_nothing_is_published_together(self, store: BlobStore) -> None:
        assert store.publish([]) == []

    def test_published_together_without_room_each_keeps_its_bytes(self, store: BlobStore) -> None:
        start(store, CONTENT)
        start(store, CONTENT, OTHER)
        with store.hold_session(SESSION) as one, store.hold_session(OTHER) as other:
            with self.full(store):
                found = store.publish(publications(DIGEST, one, other))
            assert [type(each) for each in found] == [StoreFull] * 2
            assert list(store.iter_blobs()) == []
            both = publications(DIGEST, one, other)
            assert store.publish(both) == [None] * 2
            assert [b"".join(store.read(each.locator)) for each in both] == [CONTENT] * 2

    # --- whose holder died during the commit ------------------------------------------------

    def test_an_unsettled_session_is_left_alone_without_the_records(self, store: BlobStore) -> None:
        locator = die_committing(store)
        store = self.reopen(store)
        with pytest.raises(UploadUnknown), store.hold_session(SESSION):
            pass
        assert store.size(locator) == len(CONTENT)

    def test_an_unrecorded_session_gets_its_bytes_back(self, store: BlobStore) -> None:
        """They were acknowledged, chunk by chunk, and must survive `kill -9`."""
        locator = die_committing(store)
        store = self.reopen(store)
        assert store.peek_session(SESSION) == len(CONTENT)
        with store.hold_session(SESSION, lambda named: named != locator) as session:
            assert b"".join(session.read()) == CONTENT
            assert store.size(locator) is None
            assert publish(store, session, DIGEST, "again") != locator

    def test_a_recorded_session_is_over(self, store: BlobStore) -> None:
        locator = die_committing(store)
        with pytest.raises(UploadUnknown), store.hold_session(SESSION, lambda _: True):
            pass
        assert list(store.iter_sessions()) == []
        assert b"".join(store.read(locator)) == CONTENT

    def test_a_session_whose_blob_was_swept_is_unknown(self, store: BlobStore) -> None:
        store.remove(die_committing(store))
        with pytest.raises(UploadUnknown):
            store.peek_session(SESSION)
        with pytest.raises(UploadUnknown), store.hold_session(SESSION, lambda _: False):
            pass

    def test_the_records_are_not_asked_about_a_session_that_has_its_bytes(
        self, store: BlobStore
    ) -> None:
        start(store, CONTENT)
        with store.hold_session(SESSION) as session:
            session.retract(publish(store, session, DIGEST, "u"))
        with store.hold_session(SESSION, lambda _: True) as session:
            assert session.size == len(CONTENT)

    # --- reading ----------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("start_at", "stop"),
        [(0, None), (0, 1), (1, 2), (999, 1001), (1000, 2000), (5, 10_239), (5000, None),
         (10_239, None), (10_240, None), (20_000, None), (0, 20_000), (7, 7), (0, 0)],
    )  # fmt: skip
    def test_a_range_is_read_exactly(
        self, store: BlobStore, start_at: int, stop: int | None
    ) -> None:
        pieces = list(store.read(push(store, CONTENT), start_at, stop))
        assert b"".join(pieces) == CONTENT[start_at:stop]
        assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)

    def test_an_absent_blob_is_refused_at_the_call(self, store: BlobStore) -> None:
        locator = push(store, CONTENT)
        store.remove(locator)
        store.remove(locator)
        with pytest.raises(FileNotFoundError):
            store.read(locator)
        assert store.size(locator) is None

    def test_a_path_leads_to_the_bytes(self, store: BlobStore) -> None:
        locator = push(store, CONTENT)
        path = store.path(locator)
        assert path is None or Path(path).read_bytes() == CONTENT

    def test_a_blob_removed_while_it_is_read_is_read_to_its_end(self, store: BlobStore) -> None:
        """A pull in flight outlives the sweep."""
        locator = push(store, CONTENT)
        pieces = store.read(locator)
        head = next(pieces)
        store.remove(locator)
        assert head + b"".join(pieces) == CONTENT

    def test_reading_ends_when_closed(self, store: BlobStore) -> None:
        pieces = store.read(push(store, CONTENT))
        next(pieces)
        pieces.close()
        pieces.close()
        assert list(pieces) == []

    # --- looking around ---------------------------------------------------------------------

    def test_every_blob_is_found(self, store: BlobStore) -> None:
        pushed = {push(store, b"%d" % n, session_id=f"{n:032x}"): len(str(n)) for n in range(20)}
        found = {blob.locator: blob.size for blob in store.iter_blobs()}
        assert found == pushed

    def test_a_blob_dates_from_its_publication(self, store: BlobStore) -> None:
        """Not from when its bytes came in: the orphan sweep would take a slow upload's blob."""
        start(store, CONTENT)
        (received,) = store.iter_sessions()
        with store.hold_session(SESSION) as session:
            publish(store, session, DIGEST, "u")
        (blob,) = store.iter_blobs()
        assert blob.changed_at >= received.changed_at > 0

    def test_blobs_may_come_and_go_while_they_are_streamed(self, store: BlobStore) -> None:
        locators = {push(store, b"%d" % n, session_id=f"{n:032x}") for n in range(5)}
        found = set()
        for blob in store.iter_blobs():
            found.add(blob.locator)
            store.remove(blob.locator)
        assert found == locators
        assert list(store.iter_blobs()) == []

    def test_every_session_is_found_once(self, store: BlobStore) -> None:
        start(store, CONTENT)
        store.create_session(OTHER)
        found = {session.session_id: session.size for session in store.iter_sessions()}
        assert found == {SESSION: len(CONTENT), OTHER: 0}
        assert len(list(store.iter_sessions())) == 2

    def test_an_idle_session_expires(self, store: BlobStore) -> None:
        start(store, CONTENT)
        (found,) = store.iter_sessions()
        assert not store.expire_session(SESSION, before=found.changed_at)
        assert store.expire_session(SESSION, before=found.changed_at + 1)
        assert not store.expire_session(SESSION, before=SOME_DAY)
        assert list(store.iter_sessions()) == []

    def test_a_held_session_does_not_expire(self, store: BlobStore) -> None:
        start(store, CONTENT)
        with store.hold_session(SESSION) as session:
            assert not store.expire_session(SESSION, before=SOME_DAY)
            assert b"".join(session.read()) == CONTENT

    def test_the_blob_of_a_session_that_expires_unsettled_stays(self, store: BlobStore) -> None:
        locator = die_committing(store)
        assert store.expire_session(SESSION, before=SOME_DAY)
        assert store.size(locator) == len(CONTENT)

    # --- no room ----------------------------------------------------------------------------

    def test_a_session_refused_for_lack_of_room_leaves_nothing(self, store: BlobStore) -> None:
        with self.full(store), pytest.raises(StoreFull):
            store.create_session(SESSION)
        assert list(store.iter_sessions()) == []
        start(store, CONTENT)

    def test_bytes_refused_for_lack_of_room_do_not_count(self, store: BlobStore) -> None:
        """And the client can go on from there once there is room, without a restart."""
        start(store, CONTENT[:300])
        with store.hold_session(SESSION) as session:
            with self.full(store), pytest.raises(StoreFull):
                session.append(CONTENT[300:])
            assert session.size == 300
            assert store.peek_session(SESSION) == 300
            session.append(CONTENT[300:])
            assert b"".join(session.read()) == CONTENT

    def test_a_blob_refused_for_lack_of_room_leaves_its_session(self, store: BlobStore) -> None:
        start(store, CONTENT)
        with store.hold_session(SESSION) as session:
            with self.full(store), pytest.raises(StoreFull):
                publish(store, session, DIGEST, "u1")
            assert list(store.iter_blobs()) == []
            assert b"".join(session.read()) == CONTENT
            assert b"".join(store.read(publish(store, session, DIGEST, "u2"))) == CONTENT

    def test_a_full_store_can_be_emptied(self, store: BlobStore) -> None:
        locator = push(store, CONTENT, session_id=OTHER)
        start(store, CONTENT)
        with self.full(store):
            assert b"".join(store.read(locator)) == CONTENT
            store.remove(locator)
            with store.hold_session(SESSION) as session:
                session.discard()
        assert list(store.iter_blobs()) == []
        assert list(store.iter_sessions()) == []


def start(store: BlobStore, content: bytes = b"", session_id: str = SESSION) -> None:
    """Make a session that has received `content`."""
    store.create_session(session_id)
    with store.hold_session(session_id) as session:
        session.append(content)


def push(
    store: BlobStore, content: bytes, *, unique: str = "u", session_id: str = SESSION
) -> Locator:
    """Make a blob through a session, which has ended then."""
    start(store, content, session_id)
    with store.hold_session(session_id) as session:
        locator = publish(store, session, Digest.of(content), unique)
        session.discard()
    return locator


def publish(store: BlobStore, session: Session, digest: Digest, unique: str) -> Locator:
    """Publish one session; raise whatever keeps it from that."""
    locator = locator_of(digest, unique)
    (failure,) = store.publish([Publication(session, locator)])
    if failure is not None:
        raise failure
    return locator


def publications(digest: Digest, *sessions: Session) -> list[Publication]:
    """Give each session a locator that was never used."""
    return [Publication(session, locator_of(digest, uuid4().hex)) for session in sessions]


def die_committing(store: BlobStore) -> Locator:
    """Publish what was acknowledged, and let go as a killed process does."""
    start(store, CONTENT)
    with store.hold_session(SESSION) as session:
        return publish(store, session, DIGEST, "u")


def empty(store: BlobStore) -> None:
    """Remove all blobs, and all sessions that are not held."""
    for blob in store.iter_blobs():
        store.remove(blob.locator)
    for session in store.iter_sessions():
        store.expire_session(session.session_id, before=SOME_DAY)
