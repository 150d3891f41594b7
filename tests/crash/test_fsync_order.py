"""A power cut after any step of any upload loses nothing that was committed.

And each flush is needed: leave one out, and there is a step after which a cut would lose a blob.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from itertools import count
from pathlib import Path

import pytest

from liftlock.blobs.contract import Publication, locator_of
from liftlock.blobs.files import FileBlobStore, create
from liftlock.oci.digest import SHA256, SHA512, Digest
from liftlock.testing.blob_contract import publish
from liftlock.testing.durability import (
    Loss,
    PowerCut,
    RecordingDisk,
    Step,
    flushes,
    losses,
    without,
)

CONTENT = b"one layer, " * 500


Story = Callable[["Recording"], None]


class CommitFailedError(Exception):
    """Stands for whatever a metadata commit may raise."""


class Recording:
    """A new store on a recording disk, and uploads to it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "store"
        self.disk = RecordingDisk()
        create(self.root, self.disk)
        self.store = FileBlobStore(self.root, self.disk)
        self.uploads = 0

    @property
    def steps(self) -> list[Step]:
        return self.disk.steps

    def receive(self, content: bytes) -> str:
        self.uploads += 1
        session_id = f"{self.uploads:032x}"
        self.store.create_session(session_id)
        with self.store.hold_session(session_id) as session:
            session.append(content[: len(content) // 3])
        with self.store.hold_session(session_id) as session:
            session.append(content[len(content) // 3 :])
        return session_id

    def push(self, content: bytes, algorithm: str = SHA256) -> str:
        """Do what an upload does."""
        digest = Digest.of(content, algorithm)
        with self.store.hold_session(self.receive(content)) as session:
            locator = publish(self.store, session, digest, f"{self.uploads}")
            self.commit(digest, locator, content)
            session.discard()
        return locator

    def commit(self, digest: Digest, locator: str, content: bytes, *, fails: bool = False) -> None:
        with self.disk.commit({str(digest): (self.path(locator), content)}):
            if fails:
                raise CommitFailedError

    def path(self, locator: str) -> Path:
        return self.root / "blobs" / locator


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return Recording(tmp_path)


def push_one_of_each_algorithm(recording: Recording) -> None:
    recording.push(CONTENT, SHA256)
    recording.push(CONTENT, SHA512)


def push_an_empty_blob(recording: Recording) -> None:
    recording.push(b"", SHA256)
    recording.push(b"", SHA512)


def publish_again_after_a_commit_that_failed(recording: Recording) -> None:
    """A failed commit's file has to be durable too: the cut may come before it fails.

    And the bytes that came since have to be flushed again.
    """
    push_one_of_each_algorithm(recording)
    session_id = recording.receive(CONTENT)
    whole = CONTENT + b"and the rest"
    with recording.store.hold_session(session_id) as session:
        locator = publish(recording.store, session, Digest.of(CONTENT), "u1")
        with pytest.raises(CommitFailedError):
            recording.commit(Digest.of(CONTENT), locator, CONTENT, fails=True)
        session.retract(locator)
        session.append(b"and the rest")
        locator = publish(recording.store, session, Digest.of(whole), "u2")
        recording.commit(Digest.of(whole), locator, whole)
        session.discard()


def publish_again_after_a_kill(recording: Recording) -> None:
    """A session whose holder died before the commit is settled, and tried again."""
    push_one_of_each_algorithm(recording)
    content = CONTENT + b"!"
    session_id = recording.receive(content)
    digest = Digest.of(content)
    with recording.store.hold_session(session_id) as session:
        locator = publish(recording.store, session, digest, "u1")
        with pytest.raises(CommitFailedError):
            recording.commit(digest, locator, content, fails=True)
    with recording.store.hold_session(session_id, lambda _: False) as session:
        session.append(b"?")
        content += b"?"
        locator = publish(recording.store, session, Digest.of(content), "u2")
        recording.commit(Digest.of(content), locator, content)
        session.discard()


def publish_many_together(recording: Recording) -> None:
    """Some of them into one folder; and one whose commit fails, which is published again alone."""
    push_one_of_each_algorithm(recording)
    contents = [CONTENT + b"number %d" % number for number in range(3)]
    contents += [next(same_folder(contents[0])), CONTENT + b"!"]
    digests = [Digest.of(content) for content in contents]
    with ExitStack() as held:
        sessions = [
            held.enter_context(recording.store.hold_session(recording.receive(content)))
            for content in contents
        ]
        locators = [locator_of(digest, "u") for digest in digests]
        together = [Publication(*each) for each in zip(sessions, locators, strict=True)]
        assert recording.store.publish(together) == [None] * 5
        for digest, locator, content in zip(digests, locators, contents, strict=True):
            fails = content.endswith(b"!")
            with pytest.raises(CommitFailedError) if fails else nullcontext():
                recording.commit(digest, locator, content, fails=fails)
        sessions[-1].retract(locators[-1])
        sessions[-1].append(b"?")
        whole = contents[-1] + b"?"
        locator = publish(recording.store, sessions[-1], Digest.of(whole), "u2")
        recording.commit(Digest.of(whole), locator, whole)
        for session in sessions:
            session.discard()


def same_folder(content: bytes) -> Iterator[bytes]:
    """Stream contents whose blobs belong in the folder of this one's."""
    wanted = Digest.of(content).hex[:2]
    for number in count():
        found = b"another, %d" % number
        if Digest.of(found).hex[:2] == wanted:
            yield found


def replace_the_file_of_a_digest(recording: Recording) -> None:
    """As when the old file was found damaged: the record moves, then the old file goes."""
    push_one_of_each_algorithm(recording)
    old = recording.push(CONTENT + b"!")
    recording.push(CONTENT + b"!")
    recording.store.remove(old)


def drop_the_new_file_of_a_digest(recording: Recording) -> None:
    """As when the known file was found whole: the record stays, and the new file goes."""
    push_one_of_each_algorithm(recording)
    digest = Digest.of(CONTENT)
    with recording.store.hold_session(recording.receive(CONTENT)) as session:
        locator = publish(recording.store, session, digest, "twin")
        # Only inside the commit is it known which of the two the record takes, so until its end
        # the new one must be as good as the old.
        with pytest.raises(CommitFailedError):
            recording.commit(digest, locator, CONTENT, fails=True)
        recording.store.remove(locator)
        session.discard()


STORIES = [
    push_one_of_each_algorithm,
    push_an_empty_blob,
    publish_again_after_a_commit_that_failed,
    publish_again_after_a_kill,
    publish_many_together,
    replace_the_file_of_a_digest,
    drop_the_new_file_of_a_digest,
]


@pytest.mark.parametrize("story", STORIES)
def test_a_power_cut_after_any_step_loses_nothing(recording: Recording, story: Story) -> None:
    story(recording)
    assert list(losses(recording.steps)) == []


@pytest.mark.parametrize("story", STORIES)
def test_every_flush_is_needed(recording: Recording, story: Story) -> None:
    story(recording)
    found = flushes(recording.steps)
    shared = 1 if story is publish_many_together else 0  # one flush for two of a folder
    assert len(found) == 5 + 2 * published(recording.steps) - shared
    for flush in found:
        assert first_loss(without(recording.steps, flush)), recording.steps[flush].text


@pytest.mark.parametrize("story", STORIES)
def test_the_replay_ends_where_the_disk_did(recording: Recording, story: Story) -> None:
    """Or the simulation would be of something else than what happened."""
    story(recording)
    cut = replayed(recording.steps)
    for folder in ("blobs", "uploads"):
        found = {path: path.read_bytes() for path in files_under(recording.root / folder)}
        assert found == {path: cut.now_at(path) for path in found}
    for path, content in cut.promises():
        assert path.read_bytes() == content


# --- the check turns red when it must -----------------------------------------------------------


def test_removing_the_old_file_before_the_commit_is_a_loss(recording: Recording) -> None:
    """If the cut comes before the commit is durable, the record still names the old file."""
    old = recording.push(CONTENT)
    with recording.store.hold_session(recording.receive(CONTENT)) as session:
        locator = publish(recording.store, session, Digest.of(CONTENT), "new")
        recording.store.remove(old)
        recording.commit(Digest.of(CONTENT), locator, CONTENT)
    loss = first_loss(recording.steps)
    assert loss is not None
    assert loss.path == recording.path(old)


def test_removing_the_old_file_within_the_commit_is_a_loss(recording: Recording) -> None:
    old = recording.push(CONTENT)
    with recording.store.hold_session(recording.receive(CONTENT)) as session:
        locator = publish(recording.store, session, Digest.of(CONTENT), "new")
        with recording.disk.commit({str(Digest.of(CONTENT)): (recording.path(locator), CONTENT)}):
            recording.store.remove(old)
    assert first_loss(recording.steps)


def test_taking_back_the_file_of_a_commit_that_succeeded_is_a_loss(recording: Recording) -> None:
    with recording.store.hold_session(recording.receive(CONTENT)) as session:
        locator = publish(recording.store, session, Digest.of(CONTENT), "u")
        recording.commit(Digest.of(CONTENT), locator, CONTENT)
        session.retract(locator)
    assert first_loss(recording.steps)


def test_committing_before_publishing_is_a_loss(recording: Recording) -> None:
    digest = Digest.of(CONTENT)
    locator = f"sha256/{digest.hex[:2]}/{digest.hex}.u"
    promises = {str(digest): (recording.path(locator), CONTENT)}
    session_id = recording.receive(CONTENT)
    with recording.store.hold_session(session_id) as session, recording.disk.commit(promises):
        publish(recording.store, session, digest, "u")
    assert first_loss(recording.steps)


def test_a_withdrawn_promise_may_be_broken(recording: Recording) -> None:
    locator = recording.push(CONTENT)
    with recording.disk.commit({str(Digest.of(CONTENT)): None}):
        pass
    recording.store.remove(locator)
    assert first_loss(recording.steps) is None


def test_a_cut_may_leave_unflushed_bytes_in_part_or_as_zeros() -> None:
    path = Path("/folder/file")
    cut = PowerCut()
    cut.create(path, 1)
    cut.sync_directory(path.parent)
    cut.write(1, b"abcd", 0)
    assert cut.left_at(path) == {None, b"ab", b"\0\0\0\0", b"abcd"}
    cut.fsync(1)
    assert cut.left_at(path) == {b"abcd"}
    cut.write(1, b"efgh", 4)
    assert cut.left_at(path) == {b"abcd", b"abcdef", b"abcd\0\0\0\0", b"abcdefgh"}
    cut.truncate(1, 2)
    assert b"abcd" in cut.left_at(path)
    assert cut.now_at(path) == b"ab"


def test_a_cut_may_leave_an_unflushed_name_as_it_was_or_as_it_is() -> None:
    old, new = Path("/a/old"), Path("/b/new")
    cut = PowerCut()
    cut.create(old, 1)
    cut.fsync(1)
    assert cut.left_at(old) == {None, b""}
    cut.sync_directory(old.parent)
    assert cut.left_at(old) == {b""}
    cut.rename(old, new)
    assert cut.left_at(old) == cut.left_at(new) == {None, b""}
    cut.sync_directory(new.parent)
    assert cut.left_at(old) == {None, b""}
    assert cut.left_at(new) == {b""}
    cut.unlink(new)
    assert cut.left_at(new) == {None, b""}
    cut.sync_directory(new.parent)
    assert cut.left_at(new) == {None}


def test_a_cut_may_take_a_folder_with_all_that_is_in_it() -> None:
    folder = Path("/a/folder")
    cut = PowerCut()
    cut.make_directory(folder)
    cut.create(folder / "file", 1)
    cut.fsync(1)
    cut.sync_directory(folder)
    assert cut.left_at(folder / "file") == {None, b""}
    cut.sync_directory(folder.parent)
    assert cut.left_at(folder / "file") == {b""}


def first_loss(steps: list[Step]) -> Loss | None:
    return next(losses(steps), None)


def published(steps: list[Step]) -> int:
    """Count the renames to a blob's name."""
    renames = [step.text for step in steps if step.text.startswith("rename ")]
    return sum("/blobs/" in text.partition(" to ")[2] for text in renames)


def replayed(steps: list[Step]) -> PowerCut:
    cut = PowerCut()
    for step in steps:
        step.replay(cut)
    return cut


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
