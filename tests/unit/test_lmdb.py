"""What only the LMDB store has: files, processes, damage, a full map. Numbers L… are the traps."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FunctionType

import lmdb
import pytest

import liftlock
from liftlock import Limits, Reference, RepositoryName, names
from liftlock.config import MIB
from liftlock.engine import Engine
from liftlock.errors import (
    FormatUnknown,
    LiftlockError,
    RecordCorrupt,
    StoreBusy,
    StoreDamaged,
    StoreFull,
    Unavailable,
)
from liftlock.metadata import keys
from liftlock.metadata import lmdb as lmdb_module
from liftlock.metadata.contract import Numbered, ReadTxn, Row, Table, WriteTxn
from liftlock.metadata.counts import Counts
from liftlock.metadata.draft import Draft
from liftlock.metadata.lmdb import LmdbMetadataStore
from liftlock.metadata.writerturn import WriterTurn
from liftlock.oci.digest import SHA512, Digest
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import image

WAIT_SECONDS = 20
ROOTS = os.pathsep.join([str(Path(liftlock.__file__).parents[1]), *filter(None, sys.path)])


def open_store(folder: Path, **limits: int) -> LmdbMetadataStore:
    return LmdbMetadataStore(folder, FakeClock(), limits=Limits(**limits))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbMetadataStore]:
    store = open_store(tmp_path)
    yield store
    store.close()


def run(store: LmdbMetadataStore, way: str, operation: Callable[[WriteTxn], None]) -> None:
    if way == "write":
        store.write(operation)
    else:
        store.submit(operation).result(WAIT_SECONDS)


def put(store: LmdbMetadataStore, key: bytes, value: bytes = b"value") -> None:
    store.write(lambda txn: txn.put_many(Table.TAGS, [(key, value)]))


def get(store: LmdbMetadataStore, key: bytes) -> bytes | None:
    return store.read(lambda txn: txn.get(Table.TAGS, key))


class Child:
    """A process of its own, running a script on the store; it says lines, and can be killed."""

    def __init__(self, folder: Path, script: str) -> None:
        body = (
            "import sys, time\nfrom pathlib import Path\n"
            "from liftlock.metadata.contract import Table\n"
            "from liftlock.metadata.lmdb import LmdbMetadataStore\n"
            "def say(text): print(text, flush=True)\n"
            "def wait(): say('ready'); sys.stdin.readline()\n"
            "store = LmdbMetadataStore(Path(sys.argv[1]), lambda: 1)\n"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", body + script, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": ROOTS},
            text=True,
        )
        assert self.line() == "ready"

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=WAIT_SECONDS)

    def clean_up(self) -> None:
        with self.process:
            self.process.kill()

    def end(self) -> str:
        out, _ = self.process.communicate("\n", timeout=WAIT_SECONDS)
        assert self.process.returncode == 0
        return out.strip()


Spawn = Callable[[Path, str], Child]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    children: list[Child] = []

    def spawned(folder: Path, script: str) -> Child:
        children.append(Child(folder, script))
        return children[-1]

    yield spawned
    for child in children:
        child.clean_up()


# --- durable ----------------------------------------------------------------------------------


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    clock = FakeClock()
    store = LmdbMetadataStore(tmp_path, clock)

    def write(txn: WriteTxn) -> None:
        txn.put_many(Table.TAGS, [(b"key", b"value")])
        txn.add(b"counter", Counts(1, 2, 3, -4, 5))
        for _ in range(3):
            txn.next_id(Numbered.EVENT)

    store.write(write)
    store.close()
    clock.advance(-1000)
    store = LmdbMetadataStore(tmp_path, clock)
    assert get(store, b"key") == b"value"
    assert store.read(lambda txn: txn.count(b"counter")) == (1, 2, 3, -4, 5)
    assert store.write(lambda txn: (txn.next_id(Numbered.EVENT), txn.at)) == (
        4,
        clock.now + 1000,
    )
    store.close()


def test_everything_is_flushed_and_nothing_is_mapped_for_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L1, L20, L21: what these options cost is never worth it."""
    given: dict[str, object] = {}
    original = lmdb.open

    def watched(path: str, **options: object) -> object:
        given.update(options)
        return original(path, **options)

    monkeypatch.setattr(lmdb_module.lmdb, "open", watched)
    store = open_store(tmp_path)
    flags = store._env.flags()
    store.close()
    for name in ("sync", "metasync"):
        assert given.get(name, True) is True
        assert flags[name] is True
    for name in ("writemap", "map_async"):
        assert given.get(name, False) is False
        assert flags[name] is False
    assert given["lib_version"] == 0
    assert given["max_dbs"] > len(Table)


# --- formats (L1) -----------------------------------------------------------------------------


def test_a_file_of_lmdb_1_0_is_refused_and_untouched(tmp_path: Path) -> None:
    """L1, E80."""
    environment = lmdb.open(str(tmp_path), lib_version=1)
    with environment.begin(write=True) as txn:
        txn.put(b"key", b"value")
    environment.close()
    before = (tmp_path / "data.mdb").read_bytes()
    with pytest.raises(FormatUnknown):
        open_store(tmp_path)
    assert (tmp_path / "data.mdb").read_bytes() == before


@pytest.mark.parametrize("content", [b"garbage" * 5000, bytes(8192), b"short"])
def test_garbage_is_refused_and_untouched(tmp_path: Path, content: bytes) -> None:
    """L1, E80."""
    (tmp_path / "data.mdb").write_bytes(content)
    with pytest.raises(LiftlockError) as caught:
        open_store(tmp_path)
    assert isinstance(caught.value, FormatUnknown)
    assert (tmp_path / "data.mdb").read_bytes() == content


def test_the_environment_does_not_choose_the_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L1: `LMDB_DEFAULT_LIB_VERSION` would make files that nothing else of us reads."""
    monkeypatch.setenv("LMDB_DEFAULT_LIB_VERSION", "1")
    store = open_store(tmp_path)
    put(store, b"key")
    store.close()
    monkeypatch.delenv("LMDB_DEFAULT_LIB_VERSION")
    version = (tmp_path / "data.mdb").read_bytes()[20:24]
    assert version == (1).to_bytes(4, sys.byteorder)


# --- room (L3, L36) ---------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["write", "submit"])
def test_a_full_map_refuses_and_goes_on(tmp_path: Path, way: str) -> None:
    """L3, L36, E69: without a restart."""
    store = open_store(tmp_path, map_bytes=MIB)

    def too_much(txn: WriteTxn) -> None:
        txn.put_many(Table.TAGS, [(b"%d" % n, bytes(4096)) for n in range(400)])

    put(store, b"key")
    for _ in range(3):
        with pytest.raises(StoreFull):
            run(store, way, too_much)
    assert store.read(lambda txn: [key for key, _ in txn.scan(Table.TAGS)]) == [b"key"]
    put(store, b"key", b"another")
    store.write(lambda txn: txn.delete_many(Table.TAGS, [b"key"]))
    assert get(store, b"key") is None
    store.close()


def test_a_map_filled_bit_by_bit_can_be_emptied_again(tmp_path: Path) -> None:
    """L36, E69: deletes work on a full store, and make room."""
    store = open_store(tmp_path, map_bytes=MIB)
    written = 0
    try:
        for number in range(1000):
            put(store, b"%06d" % number, bytes(3000))
            written += 1
    except StoreFull:
        pass
    assert 50 < written < 1000
    for number in range(written):
        store.write(lambda txn, n=number: txn.delete_many(Table.TAGS, [b"%06d" % n]))
    for number in range(written // 2):
        put(store, b"%06d" % number, bytes(3000))
    store.close()


@pytest.mark.parametrize("way", ["write", "submit"])
def test_a_write_that_is_acknowledged_is_there(tmp_path: Path, way: str) -> None:
    """Contract 1, at the very edge: it may be the commit itself that finds no room."""
    store = open_store(tmp_path, map_bytes=MIB)
    refused = 0
    for number in range(300):
        key = b"%06d" % number
        try:
            run(store, way, lambda txn, k=key: txn.put_many(Table.TAGS, [(k, bytes(3000))]))
        except StoreFull:
            refused += 1
            assert get(store, key) is None
        else:
            assert get(store, key) is not None, number
    assert 0 < refused < 250
    store.close()


@pytest.mark.parametrize("way", ["write", "submit"])
def test_a_map_that_is_full_at_the_commit_is_the_same_refusal(tmp_path: Path, way: str) -> None:
    """What is written last (seals, counters, numbers) may be what does not fit."""

    def write_much(txn: WriteTxn) -> None:
        txn.put_many(Table.SEALS, [(b"%d" % n, bytes(4096)) for n in range(400)])

    store = LmdbMetadataStore(
        tmp_path, FakeClock(), before_commit=write_much, limits=Limits(map_bytes=MIB)
    )
    with pytest.raises(StoreFull):
        run(store, way, lambda txn: txn.put_many(Table.TAGS, [(b"key", b"")]))
    assert get(store, b"key") is None
    store.close()


def too_much(txn: WriteTxn) -> None:
    txn.put_many(Table.EVENTS, [(b"large %d" % n, bytes(4096)) for n in range(400)])


def key_too_long(txn: WriteTxn) -> None:
    txn.put_many(Table.EVENTS, [(b"k" * 512, b"")])


def look(txn: WriteTxn) -> int:
    return len(list(txn.scan(Table.EVENTS)))


def look_away(txn: WriteTxn) -> None:
    with suppress(lmdb.Error):
        look(txn)


def put_small(txn: WriteTxn) -> None:
    txn.put_many(Table.EVENTS, [(b"small", b"")])


@pytest.mark.parametrize("others", [(put_small,), (look, put_small), (look_away, put_small)])
@pytest.mark.parametrize(
    ("wrong", "error"), [(too_much, StoreFull), (key_too_long, lmdb.BadValsizeError)]
)
@pytest.mark.parametrize("order", [1, -1])
def test_what_is_wrong_with_a_row_is_the_error_of_who_put_it(
    tmp_path: Path,
    wrong: Callable[[WriteTxn], None],
    error: type[Exception],
    others: tuple[Callable[[WriteTxn], object], ...],
    order: int,
) -> None:
    """Rows are kept back, so LMDB complains in a neighbour's look, or in the commit of all."""
    store = open_store(tmp_path, map_bytes=MIB, batch_ms_max=60_000)
    running, release = threading.Event(), threading.Event()

    def wait(txn: WriteTxn) -> None:
        running.set()
        assert release.wait(WAIT_SECONDS)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(store.write, wait)
        assert running.wait(WAIT_SECONDS)
        queued = [store.submit(operation) for operation in (wrong, *others)[::order]][::order]
        release.set()
        first.result(WAIT_SECONDS)
        assert isinstance(queued[0].exception(WAIT_SECONDS), error)
        assert [future.exception(WAIT_SECONDS) for future in queued[1:]] == [None] * len(others)
    assert store.read(lambda txn: list(txn.scan(Table.EVENTS))) == [(b"small", b"")]
    store.close()


@pytest.mark.parametrize(
    ("wrong", "error"), [(too_much, StoreFull), (key_too_long, lmdb.BadValsizeError)]
)
def test_who_swallows_an_error_of_lmdbs_gets_it_again_at_the_commit(
    tmp_path: Path, wrong: Callable[[WriteTxn], None], error: type[Exception]
) -> None:
    """Nothing is committed of a transaction that has lost a row."""

    def write_and_look_away(txn: WriteTxn) -> None:
        put_small(txn)
        wrong(txn)
        look_away(txn)

    store = open_store(tmp_path, map_bytes=MIB)
    with pytest.raises((error, lmdb.BadTxnError)):
        store.write(write_and_look_away)
    assert store.read(look) == 0
    store.write(put_small)
    assert store.read(look) == 1
    store.close()


def test_a_row_that_a_batch_rewrites_is_given_to_lmdb_once(
    store: LmdbMetadataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Table, int]] = []
    original = lmdb_module.LmdbWriteTxn._give

    def watched(txn: lmdb_module.LmdbWriteTxn, table: Table, rows: list[Row]) -> None:
        given.append((table, len(rows)))
        original(txn, table, rows)

    monkeypatch.setattr(lmdb_module.LmdbWriteTxn, "_give", watched)

    def rewrite(txn: WriteTxn) -> None:
        for number in range(64):
            txn.put_many(Table.REPOSITORIES, [(b"target", b"%d" % number)])
            txn.put_many(Table.EVENTS, [(b"%d" % number, b"")])
            assert txn.get(Table.REPOSITORIES, b"target") == b"%d" % number

    store.write(rewrite)
    assert dict(given) == {Table.REPOSITORIES: 1, Table.EVENTS: 64, Table.META: 1}
    assert len(given) == 3


def test_an_engine_on_a_full_map_still_reads_and_deletes(tmp_path: Path) -> None:
    """E69."""
    limits = Limits(map_bytes=MIB)
    with liftlock.open(tmp_path / "store", create=True, limits=limits) as engine:
        engine.create_registry("dev", by="me")
        name = RepositoryName("dev", "app")
        app = image(engine, name, "1")
        with pytest.raises(StoreFull):
            push_for_ever(engine, name)
        assert engine.get_manifest(app.reference).body == app.body
        engine.delete_tag(name, "1", by="me")
        assert list(engine.check(content=True)) == []


def push_for_ever(engine: Engine, name: RepositoryName) -> None:
    for number in range(5000):
        image(engine, name, f"t{number}", annotations={"noise": os.urandom(1500).hex()})


# --- readers (L5, L7) -------------------------------------------------------------------------


READING = "store.read(lambda txn: (txn.get(Table.TAGS, b'key'), wait()))\n"


def slots(store: LmdbMetadataStore) -> int:
    """Readers that LMDB knows of, in whatever process."""
    return sum(line.strip()[:1].isdigit() for line in store._env.readers().splitlines())


def test_slots_of_killed_readers_are_cleared_by_writing(
    tmp_path: Path, store: LmdbMetadataStore, spawn: Spawn
) -> None:
    """L5, E77: they pin old pages, and the file would grow without end."""
    put(store, b"key", bytes(50_000))
    before = slots(store)
    spawn(tmp_path, READING).kill()
    assert slots(store) == before + 1
    for number in range(1500):
        put(store, b"key", b"%d" % number)
    assert slots(store) <= before
    size = (tmp_path / "data.mdb").stat().st_size
    for number in range(100):
        put(store, b"key", bytes((number,)) * 50_000)
    assert (tmp_path / "data.mdb").stat().st_size <= size  # freed pages are used again


def test_opening_clears_slots_of_killed_readers(tmp_path: Path, spawn: Spawn) -> None:
    """L5."""
    first = spawn(tmp_path, READING)
    second = spawn(tmp_path, "wait()\n")  # keeps the reader table from being made anew
    first.kill()
    store = open_store(tmp_path)
    assert store._env.reader_check() == 0
    second.end()
    store.close()


def test_more_readers_than_lmdbs_default_fit(store: LmdbMetadataStore) -> None:
    """L7: 126 is what LMDB gives."""
    put(store, b"key")
    assert read_at_once(store, 200) == [b"value"] * 200


def test_what_is_remembered_of_names_is_of_one_snapshot(tmp_path: Path, spawn: Spawn) -> None:
    """And two processes number the same snapshots."""
    store = open_store(tmp_path)
    put(store, b"a")
    memo = store.read(lambda txn: txn.memo)
    memo["dev"] = 1
    assert store.read(lambda txn: txn.memo) is memo
    spawn(tmp_path, "wait(); store.write(lambda t: t.put_many(Table.TAGS, [(b'b', b'')]))").end()
    assert store.read(lambda txn: txn.memo) == {}
    memo["dev"] = 1
    assert store.write(lambda txn: txn.memo.copy()) == {}
    store.close()


def test_what_a_writer_remembers_is_remembered_of_its_commit(store: LmdbMetadataStore) -> None:
    put(store, b"a")
    store.read(lambda txn: txn.memo.setdefault("dev", 1))

    def write(txn: WriteTxn, *, fails: bool) -> dict[Hashable, object]:
        before = txn.memo.copy()
        txn.put_many(Table.TAGS, [(b"b", b"")])
        txn.memo["prod"] = 2
        if fails:
            raise KeyError
        return before

    with pytest.raises(KeyError):
        store.write(lambda txn: write(txn, fails=True))
    assert store.read(lambda txn: txn.memo) == {"dev": 1}
    assert store.write(lambda txn: write(txn, fails=False)) == {"dev": 1}
    assert store.read(lambda txn: txn.memo) == {"dev": 1, "prod": 2}
    store.write(lambda txn: txn.put_many(Table.NAMES, [(b"a", b"")]))
    assert store.read(lambda txn: txn.memo) == {}


def test_what_was_refused_half_drafted_is_not_remembered(store: LmdbMetadataStore) -> None:
    """Nothing of it is written, so what shares its commit goes on, memo and all."""

    def make(txn: WriteTxn) -> None:
        draft = Draft()
        for number in (1, 2):
            names.draft_repository(draft, 9, f"app{number}", number, event=1)
        draft.write(txn)

    def refused(txn: WriteTxn) -> None:
        draft = Draft()
        for number, tags in ((1, 1), (2, 2**63)):
            found = names.find_in(txn, 9, f"app{number}")
            assert found is not None
            draft.touch(number, found.record, Counts(tags=tags))
        draft.write(txn)

    def versions(txn: ReadTxn) -> tuple[int, int]:
        found = names.find_in(txn, 9, "app1")
        assert found is not None
        return found.record.version, names.repository_record(txn, 1).version

    store.write(make)
    failure, _ = store.write_all(
        [refused, lambda txn: txn.put_many(Table.TAGS, [(b"key", b"value")])]
    )
    assert type(failure) is struct.error
    assert store.read(versions) == (1, 1)


def test_ever_new_names_are_not_remembered_for_ever(store: LmdbMetadataStore) -> None:
    put(store, b"a")
    for number in range(5000):
        store.read(lambda txn: txn.memo).setdefault(f"no-registry-{number}")
    assert len(store.read(lambda txn: txn.memo)) <= 1000


def test_who_is_interrupted_as_its_turn_to_write_comes_leaves_it_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = open_store(tmp_path), WriterTurn(tmp_path / "writer.lock", wait_ms_max=20)
    flock = fcntl.flock

    def interrupted(file: int, operation: int) -> None:
        monkeypatch.setattr("fcntl.flock", flock)
        flock(file, operation)
        raise KeyboardInterrupt

    monkeypatch.setattr("fcntl.flock", interrupted)
    with pytest.raises(KeyboardInterrupt):
        put(store, b"key")
    with other:
        assert get(store, b"key") is None
    other.close()
    store.close()


def test_too_many_readers_are_refused_and_leave_the_store_working(tmp_path: Path) -> None:
    """L7."""
    store = open_store(tmp_path, readers_max=4)
    put(store, b"key")
    with pytest.raises(Unavailable):
        nested_reads(store, 6)
    assert get(store, b"key") == b"value"
    store.close()


def nested_reads(store: LmdbMetadataStore, depth: int) -> bytes | None:
    """Hold `depth` read transactions at once."""

    def look(txn: ReadTxn) -> bytes | None:
        return nested_reads(store, depth - 1) if depth > 1 else txn.get(Table.TAGS, b"key")

    return store.read(look)


def read_at_once(store: LmdbMetadataStore, count: int) -> list[bytes | None]:
    together = threading.Barrier(count)

    def look(txn: ReadTxn) -> bytes | None:
        together.wait(WAIT_SECONDS)
        return txn.get(Table.TAGS, b"key")

    with ThreadPoolExecutor(count) as pool:
        return [f.result() for f in [pool.submit(store.read, look) for _ in range(count)]]


# --- processes (L8, L9, L30, L33) -------------------------------------------------------------


def test_use_after_a_fork_is_refused(store: LmdbMetadataStore) -> None:
    """L8: LMDB itself would let a read succeed, and be corrupted by a write."""
    put(store, b"key")
    uses: tuple[Callable[[], object], ...] = (
        lambda: get(store, b"key"),
        lambda: put(store, b"child"),
        lambda: store.submit(lambda txn: txn.put_many(Table.TAGS, [(b"child", b"")])),
    )
    child = os.fork()
    if child == 0:
        refused = 0
        for use in uses:
            try:
                use()
            except RuntimeError:
                refused += 1
        os._exit(refused)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == len(uses)
    assert get(store, b"child") is None


def test_a_second_open_in_one_process_is_refused(tmp_path: Path, store: LmdbMetadataStore) -> None:
    """L9: closing either would drop the locks of both."""
    put(store, b"key")
    for path in (tmp_path, tmp_path / ".", Path(os.path.relpath(tmp_path))):
        with pytest.raises(StoreBusy):
            open_store(path)
    put(store, b"key", b"still")
    assert get(store, b"key") == b"still"


def test_after_closing_it_can_be_opened_again(tmp_path: Path) -> None:
    """L9."""
    for _ in range(3):
        store = open_store(tmp_path)
        put(store, b"key")
        store.close()


def test_a_writer_killed_in_a_transaction_leaves_nothing(
    tmp_path: Path, store: LmdbMetadataStore, spawn: Spawn
) -> None:
    """L33: the next writer gets the lock, and goes on."""
    put(store, b"before")
    child = spawn(
        tmp_path,
        "store.write(lambda txn: (\n"
        "  txn.put_many(Table.TAGS, [(b'half %d' % n, b'') for n in range(100)]),\n"
        "  txn.delete_many(Table.TAGS, [b'before']),\n"
        "  wait(),\n"
        "))\n",
    )
    child.process.send_signal(signal.SIGKILL)
    child.process.communicate()
    started = time.monotonic()
    put(store, b"after")
    assert time.monotonic() - started < WAIT_SECONDS / 2
    rows = store.read(lambda txn: [key for key, _ in txn.scan(Table.TAGS)])
    assert rows == [b"after", b"before"]


def test_two_processes_write_at_once(
    tmp_path: Path, store: LmdbMetadataStore, spawn: Spawn
) -> None:
    """Numbers, counters and rows of both are there, each once."""
    count = 100
    script = (
        "from liftlock.metadata.contract import Numbered\n"
        "from liftlock.metadata.counts import Counts\n"
        "def step(txn):\n"
        "    n = int(txn.get(Table.TAGS, b'n') or b'0') + 1\n"
        "    txn.put_many(Table.TAGS, [(b'n', b'%d' % n)])\n"
        "    txn.add(b'c', Counts(repositories=1, blobs=1))\n"
        "    return txn.next_id(Numbered.EVENT)\n"
        "wait()\n"
        f"say(' '.join(str(store.write(step)) for _ in range({count})))\n"
    )
    children = [spawn(tmp_path, script) for _ in range(2)]
    for child in children:
        child.go_on()

    def step(txn: WriteTxn) -> int:
        number = int(txn.get(Table.TAGS, b"n") or b"0") + 1
        txn.put_many(Table.TAGS, [(b"n", b"%d" % number)])
        txn.add(b"c", Counts(repositories=1, blobs=1))
        return txn.next_id(Numbered.EVENT)

    own = [store.write(step) for _ in range(count)]
    theirs = [int(word) for child in children for word in child.line().split()]
    for child in children:
        child.end()
    assert sorted(own + theirs) == list(range(1, 3 * count + 1))
    assert get(store, b"n") == b"%d" % (3 * count)
    assert store.read(lambda txn: txn.count(b"c")) == (3 * count, 0, 0, 3 * count, 0)


def test_opening_and_closing_at_one_instant_succeeds(tmp_path: Path, spawn: Spawn) -> None:
    """L30."""
    open_store(tmp_path).close()
    script = (
        "wait()\n"
        "for _ in range(30):\n"
        "    store.close()\n"
        "    store = LmdbMetadataStore(Path(sys.argv[1]), lambda: 1)\n"
    )
    children = [spawn(tmp_path, script) for _ in range(3)]
    for child in children:
        child.go_on()
    for child in children:
        child.end()


# --- bytes (L26, L27) -------------------------------------------------------------------------


def test_tables_are_there_after_a_first_write_that_was_rolled_back(tmp_path: Path) -> None:
    """L27: a handle opened in an aborted transaction would be void."""
    store = open_store(tmp_path)

    def refuse(txn: WriteTxn) -> None:
        txn.put_many(Table.TAGS, [(b"half", b"")])
        raise KeyError

    with pytest.raises(KeyError):
        store.write(refuse)
    for table in Table:
        assert store.read(lambda txn, t=table: list(txn.scan(t))) == []
    store.close()


def test_no_memory_of_the_store_leaves_a_transaction(store: LmdbMetadataStore) -> None:
    """L26."""
    put(store, b"key", bytes(range(256)))

    def look(txn: ReadTxn) -> list[object]:
        (row,) = txn.scan(Table.TAGS)
        (first,) = txn.first_many(Table.TAGS, [b""])
        ((many,),) = txn.scan_many(Table.TAGS, [b""], limit=1)
        assert first is not None
        return [*row, *first, *many, txn.get(Table.TAGS, b"key")]

    assert {type(found) for found in store.read(look)} == {bytes}


# --- keys (L14) -------------------------------------------------------------------------------

LONG = 2**64 - 1
DIGEST = Digest.of(b"", SHA512).key
HELD = keys.held_blob(keys.id_key(LONG), DIGEST)
NAME, TAG = "n" * 253, "t" * 128
LONGEST = {
    "id_key": keys.id_key(LONG),
    "name_key": keys.name_key(LONG, NAME),
    "tag_key": keys.tag_key(LONG, TAG),
    "tag_keys": max(keys.tag_keys(LONG, [TAG])),
    "link_key": keys.link_key(LONG, DIGEST),
    "link_keys": max(keys.link_keys(LONG, [DIGEST])),
    "held_manifest": keys.held_manifest(DIGEST),
    "held_blob": keys.held_blob(keys.id_key(LONG), DIGEST),
    "held_blobs": keys.held_blobs({DIGEST: bytes(20)}, slice(1, 9))[DIGEST],
    "held_kind": keys.held_kind(HELD),
    "held_digest": keys.held_digest(HELD),
    "granting_prefix": keys.granting_prefix(LONG, HELD),
    "granting_prefixes": max(keys.granting_prefixes(LONG, [HELD])),
    "naming_prefix": keys.naming_prefix(LONG, keys.BLOB, DIGEST),
    "named_blobs_prefix": keys.named_blobs_prefix(LONG),
    "by_parent": keys.by_parent(LONG, DIGEST),
    "holder_keys": max(keys.holder_keys(LONG, [HELD], keys.by_parent(LONG, DIGEST))),
    "holder_key": keys.holder_key(LONG, keys.held_manifest(DIGEST), keys.BY_TAG + TAG.encode()),
    "naming_key": keys.naming_key(LONG, keys.BLOB, DIGEST, keys.by_parent(LONG, DIGEST)),
    "referrer_key": keys.referrer_key(LONG, DIGEST, bytes(16), DIGEST),
    "small_key": keys.small_key(LONG, DIGEST),
    "sparse_key": keys.sparse_key(LONG, keys.BLOB, DIGEST, DIGEST),
    "sparse_prefix": keys.sparse_prefix(LONG, keys.BLOB, DIGEST),
    "referrers_prefixes": max(keys.referrers_prefixes(LONG, [DIGEST])),
    "referrers_prefix": keys.referrers_prefix(LONG, DIGEST, bytes(16)),
    "item_key": max(keys.item_key(LONG, LONG, TAG, DIGEST), keys.item_key(LONG, LONG, "", DIGEST)),
    "tag_history_key": keys.tag_history_key(LONG, TAG, LONG),
    "tag_history_prefix": keys.tag_history_prefix(LONG, TAG),
    "taken_history_key": keys.taken_history_key(LONG, TAG, LONG),
    "taken_history_prefix": keys.taken_history_prefix(LONG, TAG),
    "repository_log_key": keys.repository_log_key(LONG, LONG),
    "idempotency_key": keys.idempotency_key(NAME, NAME),
    "repository_history_key": keys.repository_history_key(LONG, LONG),
    "names_log_key": keys.names_log_key(LONG, NAME, LONG),
    "names_log_prefix": keys.names_log_prefix(LONG, NAME),
}


def test_every_key_builder_is_among_those_that_are_measured() -> None:
    builders = {
        name
        for name, function in vars(keys).items()
        if isinstance(function, FunctionType)
        and getattr(function, "__module__", "").startswith(keys.__name__)
        and not name.startswith(("split_", "last_", "first_", "behind_", "_"))
    }
    assert builders == set(LONGEST)


@pytest.mark.parametrize("key", LONGEST.values(), ids=list(LONGEST))
def test_the_longest_key_fits(store: LmdbMetadataStore, key: bytes) -> None:
    """L14: 511 bytes, whatever the names and digests."""
    assert len(key) <= 511
    put(store, key)
    assert get(store, key) == b"value"


# --- damage (L35) -----------------------------------------------------------------------------


@pytest.fixture
def damaged(tmp_path: Path) -> Iterator[Callable[[bytes], Engine]]:
    """Closes a store with one image, flips a bit behind a marker in its file, and opens it."""
    root = tmp_path / "store"
    with liftlock.open(root, create=True) as engine:
        engine.create_registry("dev", by="somebody-in-particular")
        image(engine, "dev/app", "a-tag-that-can-be-found")
    opened: list[Engine] = []

    def damage(marker: bytes) -> Engine:
        path = root / "metadata" / "data.mdb"
        content = bytearray(path.read_bytes())
        assert marker in content
        at = -1
        while (at := content.find(marker, at + 1)) >= 0:
            content[at + len(marker)] ^= 1
        path.write_bytes(content)
        opened.append(liftlock.open(root))
        return opened[0]

    yield damage
    for engine in opened:
        engine.close()


def test_a_flipped_bit_in_a_row_is_noticed(damaged: Callable[[bytes], Engine]) -> None:
    """L35: LMDB returns it as good."""
    # Behind the key of the tag's row comes its value.
    engine = damaged(keys.tag_key(0, "a-tag-that-can-be-found")[8:])
    with pytest.raises(RecordCorrupt):
        engine.get_manifest(Reference.parse("dev/app:a-tag-that-can-be-found"))
    assert "row-readable" in {finding.rule for finding in engine.check()}


def spoil_pages(file: Path) -> None:
    """Take from the tables' pages what kind they are; the list of tables stays."""
    content = bytearray(file.read_bytes())
    spared = {int.from_bytes(content[at + 128 : at + 136], sys.byteorder) for at in (0, 4096)}
    for page in set(range(2, len(content) // 4096)) - spared:
        content[page * 4096 + 10 : page * 4096 + 12] = b"\0\0"
    file.write_bytes(content)


def test_a_damaged_page_is_damage_and_no_surprise(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    put(store, b"key")
    spoil_pages(tmp_path / "data.mdb")
    with pytest.raises(StoreDamaged, match=r"a part of its metadata \(mdb_"):
        store.read(lambda txn: txn.get(Table.META, b"state"))
    with pytest.raises(StoreDamaged):
        put(store, b"other")
    store.close()


def test_a_flipped_bit_in_the_numbers_is_noticed_by_the_next_write(tmp_path: Path) -> None:
    """L35. It must not be taken for a number, nor keep the next writer waiting for ever."""
    store = open_store(tmp_path)
    put(store, b"key")
    state = store.read(lambda txn: txn.get(Table.META, b"state"))
    assert state is not None
    store.close()
    path = tmp_path / "data.mdb"
    content = path.read_bytes()
    assert state in content
    path.write_bytes(content.replace(state, bytes((state[0], state[1] ^ 1)) + state[2:]))
    store = open_store(tmp_path)
    errors: list[BaseException] = []

    def write() -> None:
        try:
            put(store, b"key")
        except BaseException as error:  # noqa: BLE001 - kept with its traceback, as a caller may
            errors.append(error)

    for number in range(3):
        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive(), "the writer's lock was never given back"
        assert isinstance(errors[number], RecordCorrupt)
    store.close()
