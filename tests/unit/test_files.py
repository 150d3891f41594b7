"""What only a blob store of files has: locks between processes, folders, remains, errors."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from liftlock.blobs.contract import LOCATOR, Publication, digest_of, locator_of
from liftlock.blobs.disk import Disk
from liftlock.blobs.files import FileBlobStore, create
from liftlock.blobs.sessionfiles import Locked, lock
from liftlock.config import Limits
from liftlock.errors import StoreFull, StoreUnknown, UploadBusy, UploadUnknown
from liftlock.oci.digest import SHA512, Digest
from liftlock.testing.blob_contract import (
    CONTENT,
    DIGEST,
    OTHER,
    SESSION,
    SOME_DAY,
    die_committing,
    empty,
    publications,
    publish,
    push,
    start,
)
from liftlock.testing.failing_disk import FailingDisk, Killed, MortalDisk

HOLDER = """
import sys
from pathlib import Path
from liftlock.blobs.disk import Disk
from liftlock.blobs.files import FileBlobStore
with FileBlobStore(Path(sys.argv[1])).hold_session(sys.argv[2]) as session:
    session.append(sys.argv[3].encode())
    print("holding", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def disk() -> FailingDisk:
    return FailingDisk()


@pytest.fixture(scope="module")
def one_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One set of folders for all tests: to make and remove 512 of them takes a while."""
    root = tmp_path_factory.mktemp("store")
    create(root)
    return root


@pytest.fixture
def root(one_root: Path) -> Iterator[Path]:
    yield one_root
    empty(FileBlobStore(one_root))


@pytest.fixture
def store(root: Path, disk: FailingDisk) -> FileBlobStore:
    return FileBlobStore(root, disk, Limits(copy_bytes=1000))


# --- folders ------------------------------------------------------------------------------------


def test_a_store_has_all_its_folders_from_the_start(tmp_path: Path) -> None:
    create(tmp_path / "new")
    shards = sorted(path.name for path in (tmp_path / "new/blobs/sha256").iterdir())
    assert shards == [f"{number:02x}" for number in range(256)]
    assert len(list((tmp_path / "new/blobs/sha512").iterdir())) == 256
    assert list((tmp_path / "new/uploads").iterdir()) == []


def test_a_half_made_store_can_be_made_whole(tmp_path: Path) -> None:
    disk = FailingDisk()
    with disk.fail(errno.ENOSPC, "sync_directory"), pytest.raises(StoreFull):
        create(tmp_path, disk)
    (tmp_path / "blobs/sha512/ff").rmdir()
    create(tmp_path, disk)
    assert (tmp_path / "blobs/sha512/ff").is_dir()


def test_a_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnknown):
        FileBlobStore(tmp_path)


def test_other_users_of_the_machine_get_no_way_past_the_links(
    store: FileBlobStore, root: Path
) -> None:
    start(store, CONTENT, OTHER)
    path = Path(store.path(push(store, CONTENT)))
    for found in (path, path.parent, *(root / "uploads").iterdir()):
        assert found.stat().st_mode & 0o007 == 0


def test_foreign_files_are_passed_over(tmp_path: Path) -> None:
    create(tmp_path)
    store = FileBlobStore(tmp_path)
    (tmp_path / "blobs/sha256/00/notes.txt").write_text("mine")
    (tmp_path / "blobs/sha256/00" / f"{DIGEST.hex}.u").write_text("in a wrong folder")
    (tmp_path / "uploads/notes.txt").write_text("mine")
    assert list(store.iter_blobs()) == []
    assert list(store.iter_sessions()) == []


@pytest.mark.parametrize(
    "locator",
    [
        "",
        "../metadata/data.mdb",
        f"sha256/00/{'1' * 64}.u",
        f"sha256/11/{'1' * 64}",
        f"sha256/11/{'1' * 64}.",
        f"sha256/11/{'1' * 64}.u/../x",
        f"sha256/11/{'1' * 128}.u",
        f"sha512/11/{'1' * 64}.u",
        f"sha256/11/{'1' * 64}.u\n",
        f"sha256/11/{'1' * 64}.{'u' * 65}",
    ],
)
def test_a_misshapen_locator_is_a_bug(store: FileBlobStore, locator: str) -> None:
    with pytest.raises(AssertionError):
        store.size(locator)
    with pytest.raises(AssertionError):
        digest_of(locator)


def test_the_longest_locator_fits_a_file_name() -> None:
    locator = locator_of(Digest.of(b"", SHA512), "u" * 64)
    assert LOCATOR.fullmatch(locator)
    assert len(locator.rpartition("/")[2]) <= 255


def test_a_blob_is_as_old_as_its_name_not_as_its_bytes(store: FileBlobStore, root: Path) -> None:
    """A rename keeps the time of the last write, and the orphan sweep goes by what it is told."""
    start(store, CONTENT)
    os.utime(root / "uploads" / SESSION, (1, 1))
    with store.hold_session(SESSION) as session:
        publish(store, session, DIGEST, "u")
    (blob,) = store.iter_blobs()
    assert blob.changed_at > 1_000_000


# --- one request at a time, whichever process ---------------------------------------------------


def test_a_session_held_by_another_process_is_busy_until_that_dies(
    store: FileBlobStore, root: Path
) -> None:
    """What the killed process had acknowledged stays."""
    start(store, b"first, ")
    with holder(root, "then") as process:
        with pytest.raises(UploadBusy), store.hold_session(SESSION):
            pass
        assert not store.expire_session(SESSION, before=SOME_DAY)
        process.kill()
        process.wait()
        with store.hold_session(SESSION) as session:
            assert b"".join(session.read()) == b"first, then"


def test_a_child_forked_while_a_session_is_held_does_not_keep_it(store: FileBlobStore) -> None:
    start(store)
    reader, writer = os.pipe()
    with store.hold_session(SESSION):
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.read(reader, 1)  # until the parent closes its end
            os._exit(0)
    with store.hold_session(SESSION):
        pass
    os.close(writer)
    os.close(reader)
    os.waitpid(child, 0)


@pytest.mark.parametrize("left", [[], ["sha256"]], ids=["discarded", "published"])
def test_a_session_that_ends_between_opening_and_locking_is_unknown(
    store: FileBlobStore, root: Path, monkeypatch: pytest.MonkeyPatch, left: list[str]
) -> None:
    """The lock is then that of a file which has no name any more, or another one."""
    start(store, CONTENT)
    flock = fcntl.flock

    def end_first(*_: int) -> None:
        monkeypatch.setattr("fcntl.flock", flock)
        stored = root / "uploads" / SESSION
        if left:
            stored.rename(root / "blobs" / locator_of(DIGEST, "u"))
        else:
            stored.unlink()

    monkeypatch.setattr("fcntl.flock", end_first)
    with pytest.raises(UploadUnknown), store.hold_session(SESSION, lambda _: False):
        pass
    assert len(list(store.iter_blobs())) == len(left)


def test_bytes_that_are_being_committed_cannot_be_taken_back(
    store: FileBlobStore, root: Path
) -> None:
    """The trace leads to them, and their holder lives: they have no record yet."""
    start(store, CONTENT)
    with store.hold_session(SESSION) as session:
        locator = publish(store, session, DIGEST, "u")
        with pytest.raises(UploadBusy), store.hold_session(SESSION, lambda _: False):
            pass
        assert store.size(locator) == len(CONTENT)
        assert not store.expire_session(SESSION, before=SOME_DAY)
    with store.hold_session(SESSION, lambda _: False) as session:
        assert b"".join(session.read()) == CONTENT


def test_a_session_that_is_taken_up_again_while_it_expires_is_whole(
    store: FileBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holder died before the commit, long ago; it has its bytes back just after a look."""
    die_committing(store)
    with ExitStack() as held:

        def look(path: Path) -> Locked | None:
            monkeypatch.setattr("liftlock.blobs.sessions.lock", lock)
            found = lock(path)
            held.enter_context(store.hold_session(SESSION, lambda _: False)).append(b"more")
            return found

        monkeypatch.setattr("liftlock.blobs.sessions.lock", look)
        assert not store.expire_session(SESSION, before=SOME_DAY)
    assert store.peek_session(SESSION) == len(CONTENT) + len(b"more")


# --- what crashes and power cuts leave ----------------------------------------------------------


def test_a_trace_that_is_none_leads_nowhere(store: FileBlobStore, root: Path) -> None:
    locator = die_committing(store)
    path = root / "uploads" / f"{SESSION}.trace"
    for spoilt in (locator[:-5], f"{locator[:-60]}/../../../etc/passwd", "/etc/passwd", "x"):
        path.unlink()
        path.symlink_to(spoilt)
        with pytest.raises(UploadUnknown), store.hold_session(SESSION, lambda _: False):
            pass
    path.unlink()
    path.write_text(locator)
    with pytest.raises(UploadUnknown), store.hold_session(SESSION, lambda _: False):
        pass
    path.unlink()
    path.symlink_to(locator)
    with store.hold_session(SESSION, lambda _: False) as session:
        assert session.size == len(CONTENT)
    assert store.size(locator) is None


def test_a_session_that_lost_its_bytes_is_unknown(store: FileBlobStore, root: Path) -> None:
    start(store, CONTENT)
    (root / "uploads" / SESSION).unlink()
    with pytest.raises(UploadUnknown), store.hold_session(SESSION, lambda _: False):
        pass
    with pytest.raises(UploadUnknown):
        store.peek_session(SESSION)


@pytest.mark.parametrize("parts", [("",), (".trace",), ("", ".trace")])
def test_remains_are_found_once_and_expire(
    store: FileBlobStore, root: Path, parts: tuple[str, ...]
) -> None:
    for part in parts:
        (root / "uploads" / (SESSION + part)).write_bytes(b"left")
    (found,) = store.iter_sessions()
    assert found.session_id == SESSION
    assert found.size == (4 if "" in parts else 0)
    assert not store.expire_session(SESSION, before=found.changed_at)
    assert store.expire_session(SESSION, before=found.changed_at + 1)
    assert list((root / "uploads").iterdir()) == []


def test_a_kill_at_any_step_of_an_upload_loses_nothing_acknowledged(root: Path) -> None:
    """Each chunk that a request came to its end with is there again, or the blob is, recorded."""
    for operations in itertools.count():
        upload = Upload(root, MortalDisk(operations))
        try:
            upload.run()
        except Killed:
            upload.check()
            empty(FileBlobStore(root))
        else:
            break
    assert operations > 10
    assert list((root / "uploads").iterdir()) == []


def test_a_kill_while_a_session_is_settled_loses_nothing(root: Path) -> None:
    upload = Upload(root, MortalDisk(0))
    die_committing(FileBlobStore(root))
    upload.acknowledged = CONTENT
    with pytest.raises(Killed), upload.store.hold_session(SESSION, upload.is_recorded):
        pass
    upload.check()


# --- disks that fail ----------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "raised"), [(errno.EDQUOT, StoreFull), (errno.EIO, OSError)])
def test_a_session_that_cannot_be_made_leaves_nothing(
    root: Path, error: int, raised: type[Exception]
) -> None:
    disk = FailingDisk()
    with disk.fail(error, "create"), pytest.raises(raised):
        FileBlobStore(root, disk).create_session(SESSION)
    assert list((root / "uploads").iterdir()) == []


def test_the_disks_own_error_is_the_cause(store: FileBlobStore, disk: FailingDisk) -> None:
    with disk.fail(errno.ENOSPC, "create"), pytest.raises(StoreFull) as caught:
        store.create_session(SESSION)
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("operation", ["symlink", "rename", "sync_directory"])
@pytest.mark.parametrize(("error", "raised"), [(errno.ENOSPC, StoreFull), (errno.EIO, OSError)])
def test_a_failed_publication_leaves_the_session_as_it_was(
    store: FileBlobStore, disk: FailingDisk, operation: str, error: int, raised: type[Exception]
) -> None:
    start(store, CONTENT)
    with store.hold_session(SESSION) as session:
        with disk.fail(error, operation), pytest.raises(raised):
            publish(store, session, DIGEST, "u1")
        assert list(store.iter_blobs()) == []
        assert b"".join(session.read()) == CONTENT
    with store.hold_session(SESSION) as session:
        assert b"".join(store.read(publish(store, session, DIGEST, "u2"))) == CONTENT


@pytest.mark.parametrize(("error", "raised"), [(errno.ENOSPC, StoreFull), (errno.EIO, OSError)])
def test_a_session_whose_flush_failed_is_gone(
    store: FileBlobStore, disk: FailingDisk, error: int, raised: type[Exception]
) -> None:
    """A second flush would claim success, and a blob of lost bytes would be acknowledged."""
    start(store, CONTENT)
    with store.hold_session(SESSION) as session:
        with disk.fail(error, "fsync"), pytest.raises(raised):
            publish(store, session, DIGEST, "u")
        assert list(store.iter_blobs()) == []
        assert list(store.iter_sessions()) == []
        session.discard()
    with pytest.raises(UploadUnknown), store.hold_session(SESSION):
        pass


@pytest.mark.parametrize("operation", ["symlink", "rename", "fsync"])
def test_of_sessions_published_together_one_that_fails_stops_no_other(
    root: Path, operation: str
) -> None:
    disk = FailingOnceDisk(operation)
    store = FileBlobStore(root, disk)
    ids = [f"{number:032x}" for number in range(3)]
    for session_id in ids:
        start(store, session_id.encode(), session_id)
    with ExitStack() as held:
        sessions = [held.enter_context(store.hold_session(each)) for each in ids]
        disk.is_armed = True
        every = [
            Publication(each, locator_of(Digest.of(each.session_id.encode()), "u"))
            for each in sessions
        ]
        failures = store.publish(every)
    assert [isinstance(each, Exception) for each in failures] == [True, False, False]
    assert {blob.locator for blob in store.iter_blobs()} == {each.locator for each in every[1:]}
    # A flush is never tried again: its session is gone.
    sessions_left = {found.session_id for found in store.iter_sessions()}
    assert (ids[0] in sessions_left) == (operation != "fsync")


def test_sessions_published_into_a_folder_that_cannot_be_flushed_have_their_bytes_back(
    store: FileBlobStore, disk: FailingDisk
) -> None:
    start(store, CONTENT)
    start(store, CONTENT, OTHER)
    with store.hold_session(SESSION) as one, store.hold_session(OTHER) as other:
        with disk.fail(errno.EIO, "sync_directory"):
            both = publications(DIGEST, one, other)
            assert all(isinstance(each, OSError) for each in store.publish(both))
        assert list(store.iter_blobs()) == []
        assert b"".join(one.read()) == b"".join(other.read()) == CONTENT


@pytest.mark.parametrize("sessions", [1, 3])
def test_publishing_that_is_interrupted_anywhere_gives_every_session_its_bytes_back(
    root: Path, sessions: int
) -> None:
    """Ctrl-C comes as some operation of the disk ends, the last flush of a folder included."""
    disk = InterruptedDisk()
    store = FileBlobStore(root, disk)
    contents = {f"{number:032x}": b"%d" % number * 9 for number in range(sessions)}
    for session_id, content in contents.items():
        start(store, content, session_id)
    for operations in itertools.count(1):
        with ExitStack() as held:
            every = [held.enter_context(store.hold_session(each)) for each in contents]
            together = []
            for session in every:
                session.append(b"!")
                contents[session.session_id] += b"!"
                together += publications(Digest.of(contents[session.session_id]), session)
            disk.operations_left = operations
            try:
                assert store.publish(together) == [None] * sessions
            except KeyboardInterrupt:
                assert list(store.iter_blobs()) == []
                for session in every:
                    assert b"".join(session.read()) == contents[session.session_id]
            else:
                break
    assert operations > 4 * sessions


def test_a_disk_that_cannot_begin_early_fails_no_upload(
    store: FileBlobStore, disk: FailingDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are there by then: refused, they would count and not be hashed."""
    monkeypatch.setattr("liftlock.blobs.filesession._FLUSH_AHEAD_BYTES", 100)
    start(store, b"")
    with disk.fail(errno.EINVAL, "begin_flush"), store.hold_session(SESSION) as session:
        session.append(CONTENT[:200])
        session.append(CONTENT[200:])
        locator = publish(store, session, DIGEST, "u")
    assert b"".join(store.read(locator)) == CONTENT


def test_bytes_that_the_system_takes_piecemeal_all_arrive(
    store: FileBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr("os.pwrite", lambda file, data, at: pwrite(file, data[:1000], at))
    start(store, CONTENT)
    with store.hold_session(SESSION) as session:
        assert b"".join(session.read()) == CONTENT


def test_bytes_that_cannot_be_cut_off_again_are_written_over(
    store: FileBlobStore, disk: FailingDisk
) -> None:
    start(store, CONTENT[:300])
    with store.hold_session(SESSION) as session:
        with disk.fail(errno.ENOSPC, "write", "truncate"), pytest.raises(StoreFull):
            session.append(CONTENT[300:])
        assert b"".join(session.read()) == CONTENT[:300]
        session.append(CONTENT[300:])
        assert b"".join(session.read()) == CONTENT


def test_bytes_of_a_failed_publication_that_cannot_be_taken_back_are_found_by_the_trace(
    store: FileBlobStore, root: Path
) -> None:
    start(store, CONTENT)
    breaking = FileBlobStore(root, BreakingDisk())
    with breaking.hold_session(SESSION) as session, pytest.raises(StoreFull):
        publish(breaking, session, DIGEST, "u1")
    with store.hold_session(SESSION, lambda _: False) as session:
        assert b"".join(session.read()) == CONTENT


def test_bytes_that_cannot_be_taken_back_are_found_by_the_trace(
    store: FileBlobStore, disk: FailingDisk
) -> None:
    start(store, CONTENT)
    with store.hold_session(SESSION) as session:
        locator = publish(store, session, DIGEST, "u1")
        with disk.fail(errno.EIO, "link"), pytest.raises(OSError, match="link"):
            session.retract(locator)
    with store.hold_session(SESSION, lambda _: False) as session:
        assert b"".join(session.read()) == CONTENT


# --- descriptors --------------------------------------------------------------------------------


def test_no_descriptor_outlives_its_use(store: FileBlobStore) -> None:
    start(store, CONTENT, OTHER)
    locator = push(store, CONTENT)
    before = open_descriptors()
    store.read(locator)  # never started
    store.read(locator).close()  # closed unstarted
    next(store.read(locator))  # abandoned half-way
    pieces = store.read(locator)
    list(pieces)  # exhausted, and still referred to
    next(store.iter_blobs())
    next(store.iter_sessions())
    with store.hold_session(OTHER) as session:
        session.read()
        list(session.read())
        publish(store, session, DIGEST, "u2")
    with pytest.raises(UploadUnknown), store.hold_session(OTHER):
        pass
    assert open_descriptors() == before


def test_a_session_may_be_read_on_after_it_was_let_go(store: FileBlobStore) -> None:
    """Its descriptor is its own: one closed elsewhere could by then be another file's."""
    start(store, CONTENT)
    with store.hold_session(SESSION) as session:
        pieces = session.read()
        head = next(pieces)
    assert head + b"".join(pieces) == CONTENT


class Upload:
    """An upload, what of it was acknowledged, and what was recorded."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self.root = root
        self.store = FileBlobStore(root, disk)
        self.acknowledged = b""
        self.recorded = ""

    def run(self) -> None:
        self.store.create_session(SESSION)
        for chunk in (CONTENT[:300], CONTENT[300:]):
            with self.store.hold_session(SESSION) as session:
                session.append(chunk)
            self.acknowledged += chunk
        with self.store.hold_session(SESSION) as session:
            # A commit that fails, and one that does not.
            session.retract(publish(self.store, session, DIGEST, "u1"))
            self.recorded = publish(self.store, session, DIGEST, "u2")
            session.discard()

    def is_recorded(self, locator: str) -> bool:
        return locator == self.recorded

    def check(self) -> None:
        store = FileBlobStore(self.root)
        if self.recorded:
            assert b"".join(store.read(self.recorded)) == CONTENT
        elif self.acknowledged:
            assert store.peek_session(SESSION) >= len(self.acknowledged)
            with store.hold_session(SESSION, self.is_recorded) as session:
                found = b"".join(session.read())
            assert found.startswith(self.acknowledged)
            assert CONTENT.startswith(found)
        # What is left of the session is always found, and can be removed.
        for session_id in [found.session_id for found in store.iter_sessions()]:
            assert store.expire_session(session_id, before=SOME_DAY)
        assert list((self.root / "uploads").iterdir()) == []


class FailingOnceDisk(Disk):
    """Fails at the first operation of a kind, once it is armed."""

    def __init__(self, operation: str) -> None:
        self.operation = operation
        self.is_armed = False

    def symlink(self, path: Path, text: str) -> None:
        self.meet("symlink")
        super().symlink(path, text)

    def rename(self, source: Path, target: Path) -> None:
        self.meet("rename")
        super().rename(source, target)

    def fsync(self, file: int) -> None:
        self.meet("fsync")
        super().fsync(file)

    def meet(self, operation: str) -> None:
        if self.is_armed and operation == self.operation:
            self.is_armed = False
            raise OSError(errno.EIO, "broken", operation)


class InterruptedDisk(Disk):
    """Lets an interrupt come as an operation ends, which is counted; once."""

    operations_left = 0

    def begin_flush(self, file: int, start: int, stop: int) -> None:
        super().begin_flush(file, start, stop)
        self.end()

    def fsync(self, file: int) -> None:
        super().fsync(file)
        self.end()

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self.end()

    def symlink(self, path: Path, text: str) -> None:
        super().symlink(path, text)
        self.end()

    def sync_directory(self, path: Path) -> None:
        super().sync_directory(path)
        self.end()

    def end(self) -> None:
        self.operations_left -= 1
        if self.operations_left == 0:
            raise KeyboardInterrupt


class BreakingDisk(Disk):
    """Is full when a folder is to be flushed, and from then on broken."""

    is_broken = False

    def rename(self, source: Path, target: Path) -> None:
        if self.is_broken:
            raise OSError(errno.EIO, "broken")
        super().rename(source, target)

    def sync_directory(self, path: Path) -> None:
        self.is_broken = True
        raise OSError(errno.ENOSPC, "full", path)


@contextmanager
def holder(root: Path, appended: str) -> Iterator[subprocess.Popen[str]]:
    """Hold SESSION in another process, after that appended something to it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root), SESSION, appended],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        yield process
        process.kill()


def open_descriptors() -> set[str]:
    """List what this process has open; the listing's own descriptor is closed by then."""
    return {path.name for path in list(Path("/proc/self/fd").iterdir()) if path.is_symlink()}


def test_bytes_that_never_were_moved_are_not_lost(store: FileBlobStore) -> None:
    """An interrupt may come so close to the move that nobody knows whether it took place."""
    start(store, CONTENT)
    with store.hold_session(SESSION) as session:
        with pytest.raises(FileNotFoundError):
            session.retract(locator_of(DIGEST, "never"))
        publish(store, session, DIGEST, "then")
        session.discard()
    assert [each.size for each in store.iter_blobs()] == [len(CONTENT)]
    assert list(store.iter_sessions()) == []
