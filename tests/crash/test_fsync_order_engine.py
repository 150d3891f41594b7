"""The whole engine's order of writes, flushes, renames and commits, under every power cut.

The engine works on a recording disk, and its commits of metadata are marked in the record. Then
the power is cut after every step: each committed record must have its whole file. And for `init`:
either there is no stamp, or there is a whole store.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import liftlock
from liftlock import Digest, RepositoryName
from liftlock.blobs.contract import digest_of
from liftlock.engine import LastChunk
from liftlock.errors import StoreFull
from liftlock.links import find_blobs
from liftlock.metadata.contract import Table
from liftlock.testing.durability import (
    PowerCut,
    Promise,
    RecordingDisk,
    Step,
    flushes,
    losses,
    without,
)
from liftlock.testing.failing_disk import Killed

APP = RepositoryName("dev", "app")
LAYER = b"one layer, " * 300
CONFIG = b'{"os": "linux"}'
KNOWN = {Digest.of(content, name): content for content in (LAYER, CONFIG, b"", LAYER + CONFIG)
         for name in ("sha256", "sha512")}  # fmt: skip
STAMP = "liftlock.json"
DATA = Path("metadata", "data.mdb")
Story = Callable[["Recorded"], None]


class NotTakenError(Exception):
    """The commit recorded another file, or failed."""


class Recorded:
    """A store from its making on, with an engine whose every step is recorded."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "store"
        self.disk = RecordingDisk()
        liftlock.init(self.root, disk=self.disk)
        self.note_what_lmdb_did()
        self.after_init = len(self.steps)
        self.commit = None
        limits = liftlock.Limits(file_bytes_min=0)
        self.engine = liftlock.open(self.root, disk=self.disk, reach=self.mark, limits=limits)
        self.engine.create_registry("dev", by="me")

    @property
    def steps(self) -> list[Step]:
        return self.disk.steps

    def note_what_lmdb_did(self) -> None:
        """Put into the record what does not go through our disk: LMDB makes and flushes a file.

        It is there from when it is first needed: before its folder's flush.
        """
        path = self.root / DATA

        def make(cut: PowerCut) -> None:
            cut.create(path, -1)
            cut.write(-1, b"lmdb", 0)
            cut.fsync(-1)

        before = (f"flush folder {path.parent}", f"rename {self.root / STAMP}.new")
        at = next(n for n, step in enumerate(self.steps) if step.text.startswith(before))
        self.steps.insert(at, Step(f"LMDB makes {path}", make))

    def mark(self, point: str) -> None:
        """Mark the commits: each may record the files that no record names so far."""
        if point == "commit: operations have written":
            self.offered = self.without_record()
            self.commit = self.disk.commit(self.offered)
            self.commit.__enter__()
        elif point == "commit: durable":
            left = self.without_record().values()
            is_taken = not any(promise in left for promise in self.offered.values())
            self.end_commit(None if is_taken else NotTakenError())

    def end_commit(self, error: Exception | None = None) -> None:
        commit, self.commit = self.commit, None
        with suppress(NotTakenError):
            commit.__exit__(type(error) if error else None, error, None)

    def without_record(self) -> dict[str, Promise | None]:
        engine = self.engine
        recorded = engine._store.read(
            lambda txn: {find_blobs(txn, (key,))[0].locator for key, _ in txn.scan(Table.BLOBS)}
        )
        locators = {stored.locator for stored in engine._blobs.iter_blobs()} - recorded
        return {
            str(digest_of(locator)): (self.root / "blobs" / locator, KNOWN[digest_of(locator)])
            for locator in locators
        }

    def upload(self, content: bytes, algorithm: str = "sha256") -> None:
        session = self.engine.start_upload(APP, algorithm=algorithm, by="me")
        with self.engine.hold_upload(APP, session) as received:
            received.append(content[:1000])
        with self.engine.hold_upload(APP, session) as received:
            received.append(content[1000:])
            received.commit(Digest.of(content, algorithm), by="me")

    def file_of(self, content: bytes) -> Path:
        path = self.engine.blob_path(self.engine.get_blob(APP, Digest.of(content)))
        assert path is not None
        return Path(path)


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    recorded = Recorded(tmp_path)
    yield recorded
    recorded.engine.close()


# --- pushes ---------------------------------------------------------------------------------


def push(recorded: Recorded) -> None:
    recorded.upload(CONFIG)
    recorded.upload(LAYER, "sha512")
    recorded.upload(b"")


def push_the_same_again(recorded: Recorded) -> None:
    recorded.upload(LAYER)
    recorded.upload(LAYER)


def replace_a_damaged_file(recorded: Recorded) -> None:
    recorded.upload(LAYER)
    os.truncate(recorded.file_of(LAYER), 7)
    recorded.upload(LAYER)
    recorded.upload(LAYER)


def replace_a_lost_file(recorded: Recorded) -> None:
    recorded.upload(LAYER)
    recorded.file_of(LAYER).rename(recorded.root / "uploads" / "aside")
    recorded.upload(LAYER)


def retry_after_a_commit_that_failed(recorded: Recorded) -> None:
    """Bytes that went back into the session are published again, with more behind them."""
    recorded.upload(CONFIG)
    session = recorded.engine.start_upload(APP, by="me")
    with recorded.engine.hold_upload(APP, session) as received:
        received.append(LAYER)
        with fail_to_commit(recorded), pytest.raises(StoreFull):
            received.commit(Digest.of(LAYER), by="me")
        received.append(CONFIG)
        received.commit(Digest.of(LAYER + CONFIG), by="me")


def end_many_together(recorded: Recorded) -> None:
    """Some with bytes of an earlier request, one empty, one whose known file is damaged."""
    engine = recorded.engine
    recorded.upload(CONFIG)
    os.truncate(recorded.file_of(CONFIG), 7)
    chunks = []
    for content, acknowledged in ((b"", 0), (LAYER, 0), (CONFIG, 3), (LAYER + CONFIG, 9)):
        session = engine.start_upload(APP, by="me")
        with engine.hold_upload(APP, session) as received:
            received.append(content[:acknowledged])
        digest = Digest.of(content)
        chunks.append(LastChunk(APP, session, content[acknowledged:], digest, "me"))
    found = engine.finish_uploads(chunks)
    assert [blob.digest for blob in found] == [chunk.digest for chunk in chunks]
    assert recorded.file_of(CONFIG).read_bytes() == CONFIG


class fail_to_commit:  # noqa: N801 - used like a function
    """Let every commit fail while the context lasts."""

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self.group = recorded.engine._store._group
        self.commit = self.group._commit

    def __enter__(self) -> None:
        def commit(txn: object) -> None:
            self.group._reach("commit: operations have written")
            self.recorded.end_commit(NotTakenError())
            raise StoreFull("the metadata")

        self.group._commit = commit

    def __exit__(self, *_: object) -> None:
        self.group._commit = self.commit


STORIES = [
    push,
    push_the_same_again,
    replace_a_damaged_file,
    replace_a_lost_file,
    retry_after_a_commit_that_failed,
    end_many_together,
]


@pytest.mark.parametrize("story", STORIES)
def test_a_power_cut_after_any_step_leaves_every_record_its_file(
    recorded: Recorded, story: Story
) -> None:
    story(recorded)
    assert last_promises(recorded.steps)
    assert first(losses(recorded.steps)) is None


@pytest.mark.parametrize("story", STORIES)
def test_no_flush_of_a_push_can_be_left_out(recorded: Recorded, story: Story) -> None:
    story(recorded)
    found = [at for at in flushes(recorded.steps) if at >= recorded.after_init]
    assert len(found) >= 2
    for at in found:
        assert first(losses(without(recorded.steps, at))), recorded.steps[at].text


def test_committing_before_the_file_is_published_would_be_found(recorded: Recorded) -> None:
    """The marks are where the commits are: a record put too early is a loss."""
    recorded.upload(CONFIG)
    steps = recorded.steps
    last_rename = max(i for i, step in enumerate(steps) if step.text.startswith("rename "))
    begin = max(i for i, step in enumerate(steps) if step.text == "begin to commit")
    end = max(i for i, step in enumerate(steps) if step.text == "commit")
    moved = steps[:last_rename] + steps[begin : end + 1] + steps[last_rename:begin]
    assert first(losses(moved))


# --- init -----------------------------------------------------------------------------------


def test_a_power_cut_after_any_step_of_init_leaves_a_store_or_none(recorded: Recorded) -> None:
    assert list(faults(recorded.root, recorded.steps[: recorded.after_init])) == []


def test_no_flush_of_init_can_be_left_out(recorded: Recorded) -> None:
    steps = recorded.steps[: recorded.after_init]
    # Whoever made those above, another `init` perhaps, may not have come to flush them.
    above = {f"flush folder {folder}" for folder in recorded.root.parent.parents}
    needless = [
        steps[at].text
        for at in flushes(steps)
        if steps[at].text not in above and first(faults(recorded.root, without(steps, at))) is None
    ]
    assert needless == []


def test_every_folder_above_a_new_store_is_flushed(tmp_path: Path) -> None:
    """`init` makes them all, so their names are its to keep."""
    disk, root = RecordingDisk(), tmp_path / "a" / "b" / "store"
    liftlock.init(root, disk=disk)
    flushed = {step.text for step in disk.steps if step.is_flush}
    for folder in (root, *root.parents):
        if folder == tmp_path:
            break
        assert f"flush folder {folder.parent}" in flushed, f"the name of {folder} may be lost"


@pytest.mark.parametrize("operations", [0, 1, 2, 3, 100, 517, 518, 519, 520, 521, 522, 523, 524,
                                        525, 526, 527, 528, 529, 530])  # fmt: skip
def test_an_init_after_a_killed_one_flushes_what_that_left(tmp_path: Path, operations: int) -> None:
    """Folders that are there already may still be lost, and nobody knows: flush them all."""
    disk, root = KilledOnce(operations), tmp_path / "store"
    try:
        liftlock.init(root, disk=disk)
    except Killed:
        if not (root / STAMP).exists():
            liftlock.init(root, disk=disk)
            assert list(faults(root, disk.steps, lmdb=False)) == []


class KilledOnce(RecordingDisk):
    """Records a number of operations, raises Killed, and is as good as new after that."""

    def __init__(self, operations: int) -> None:
        super().__init__()
        self._left = operations

    def _note(self, *arguments: object, **named: object) -> None:
        super()._note(*arguments, **named)
        self._left -= 1
        if self._left == 0:
            raise Killed


def faults(root: Path, steps: list[Step], *, lmdb: bool = True) -> Iterator[str]:
    """Cut the power after each step of an init, and yield what is wrong with what may be left.

    Where the stamp may be, all must be; and after the last step the stamp is there for certain.
    """
    cut = PowerCut()
    made = {root / STAMP} | ({root / DATA} if lmdb else set())
    for number, step in enumerate(steps, 1):
        step.replay(cut)
        stamps = cut.left_at(root / STAMP)
        is_done = number == len(steps)
        if stamps == {None}:
            if is_done:
                yield "there is no stamp"
            continue
        where = f"after step {number}, {step.text}"
        whole = cut.now_at(root / STAMP)
        if stamps - {None, whole} or (is_done and None in stamps):
            yield f"{where}: the stamp may be {stamps}"
        for path in made - {root / STAMP}:
            if None in cut.left_at(path):
                yield f"{where}: {path} may be missing"
        for folder, is_safe in cut._folders.items():
            if not is_safe:
                yield f"{where}: the folder {folder} may be missing"


def last_promises(steps: list[Step]) -> list[Promise]:
    cut = PowerCut()
    for step in steps:
        step.replay(cut)
    return list(cut.promises())


def first(found: Iterator[object]) -> object | None:
    return next(found, None)
