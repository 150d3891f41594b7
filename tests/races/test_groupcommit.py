"""Many threads share commits: each gets its own answer, nobody loses or gains by a neighbour."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from rivals import WAIT_SECONDS, Gate, errors

import liftlock
from liftlock.config import Limits
from liftlock.errors import NameTaken, StoreFull
from liftlock.metadata import groupcommit
from liftlock.metadata.contract import Numbered, Table, WriteTxn
from liftlock.metadata.counts import Counts
from liftlock.metadata.lmdb import LmdbMetadataStore

THREADS = 32
EACH = 25


class RefusedError(Exception):
    """An operation refuses."""


@pytest.fixture
def metadata(quick: Path) -> Iterator[LmdbMetadataStore]:
    (quick / "metadata").mkdir()
    store = LmdbMetadataStore(quick / "metadata", lambda: 1)
    yield store
    store.close()


def in_threads(operation) -> list[object]:
    """Run it in all threads, which begin at the same time."""
    start = threading.Barrier(THREADS, timeout=WAIT_SECONDS)

    def begin(number: int) -> object:
        start.wait()
        return operation(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def rows(store: LmdbMetadataStore) -> dict[bytes, bytes]:
    return store.read(lambda txn: dict(txn.scan(Table.NAMES)))


@pytest.mark.parametrize("way", ["write", "write_all", "submit"])
def test_what_succeeds_is_there_and_what_refuses_is_not_whoever_shared_its_commit(
    metadata: LmdbMetadataStore, way: str
) -> None:
    """A refusal that wrote before it raised must not be committed, nor take others with it."""

    def work(thread: int) -> Counter[str]:
        outcomes: Counter[str] = Counter()
        for number in range(EACH):
            key = f"{thread} {number}".encode()
            kind = ("puts", "refuses", "puts and refuses")[(thread + number) % 3]

            def operation(txn: WriteTxn, key: bytes = key, kind: str = kind) -> bytes:
                if "puts" in kind:
                    txn.put_many(Table.NAMES, [(key, b"value")])
                    txn.add(b"counter", Counts(repositories=1))
                if "refuses" in kind:
                    raise RefusedError(key)
                return key

            try:
                if way == "write":
                    answer = metadata.write(operation)
                elif way == "write_all":
                    (answer,) = metadata.write_all([operation])
                    if isinstance(answer, Exception):
                        raise answer
                else:
                    answer = metadata.submit(operation).result(WAIT_SECONDS)
                assert answer == key
                outcomes[kind] += 1
            except RefusedError as error:
                assert error.args == (key,)  # noqa: PT017 - whether it comes is a matter of kind
                outcomes[kind] += 1
            assert (key in rows(metadata)) == (kind == "puts"), "it was answered after the commit"
        return outcomes

    outcomes = sum(in_threads(work), Counter())
    assert sum(outcomes.values()) == THREADS * EACH
    assert len(rows(metadata)) == outcomes["puts"]
    assert metadata.read(lambda txn: txn.count(b"counter"))[0] == outcomes["puts"]


def test_of_operations_written_at_once_each_has_its_own_answer(
    metadata: LmdbMetadataStore,
) -> None:
    """Whoever else writes meanwhile; and what one refuses, having written, keeps no other."""

    def put(key: bytes, txn: WriteTxn) -> bytes:
        txn.put_many(Table.NAMES, [(key, b"value")])
        if key.endswith(b"3"):
            raise RefusedError(key)
        return key

    def work(thread: int) -> list[object]:
        keys = [f"{thread} {number}".encode() for number in range(EACH)]
        answers = metadata.write_all([partial(put, key) for key in keys])
        return list(zip(keys, answers, strict=True))

    answered = [each for some in in_threads(work) for each in some]
    assert len(answered) == THREADS * EACH
    there = rows(metadata)
    for key, answer in answered:
        if key.endswith(b"3"):
            assert isinstance(answer, RefusedError)
            assert answer.args == (key,)
            assert key not in there
        else:
            assert answer == key
            assert key in there


def test_numbers_are_never_given_twice(metadata: LmdbMetadataStore) -> None:
    def work(_: int) -> list[int]:
        return [metadata.write(lambda txn: txn.next_id(Numbered.PROMOTION)) for _ in range(EACH)]

    numbers = [number for some in in_threads(work) for number in some]
    assert sorted(numbers) == list(range(1, THREADS * EACH + 1))


def test_each_reads_what_those_before_it_wrote(metadata: LmdbMetadataStore) -> None:
    """Also within one commit: they add up, so no update is lost."""

    def increment(txn: WriteTxn) -> int:
        value = int(txn.get(Table.NAMES, b"n") or b"0") + 1
        txn.put_many(Table.NAMES, [(b"n", str(value).encode())])
        return value

    seen = in_threads(lambda _: [metadata.write(increment) for _ in range(EACH)])
    assert sorted(n for some in seen for n in some) == list(range(1, THREADS * EACH + 1))


def test_operations_that_wait_share_a_commit(quick: Path) -> None:
    """Or there would be nothing to test here."""
    (quick / "metadata").mkdir()
    gate, commits = Gate("commit: sealed"), []

    def reach(point: str) -> None:
        commits.append(point)
        gate(point)

    store = LmdbMetadataStore(quick / "metadata", lambda: 1, reach=reach)
    gate.is_armed = True
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(store.write, put(b"first"))
        gate.wait()
        futures = [store.submit(put(f"{number}".encode())) for number in range(40)]
        gate.open()
        first.result(WAIT_SECONDS)
        for future in futures:
            future.result(WAIT_SECONDS)
    assert commits.count("commit: durable") == 2
    assert len(rows(store)) == 41
    store.close()


@pytest.mark.parametrize(
    "write",
    [LmdbMetadataStore.write, lambda store, operation: store.write_all([operation])],
    ids=["write", "write_all"],
)
def test_an_interrupted_write_in_anothers_batch_is_decided_before_its_caller_goes_on(
    metadata: LmdbMetadataStore, write: Callable[..., object]
) -> None:
    """Else the caller takes back what the record, which comes a moment later, rests on."""
    is_computing, is_interrupted, has_raised = (threading.Event() for _ in range(3))

    def interrupt(*_: object) -> None:
        is_interrupted.set()
        raise KeyboardInterrupt

    def neighbour(txn: WriteTxn) -> None:
        is_computing.set()
        while not metadata._group._queue:  # until the main thread waits behind it
            is_interrupted.wait(0.001)

    def interrupted(txn: WriteTxn) -> None:
        txn.put_many(Table.NAMES, [(b"interrupted", b"value")])
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        assert is_interrupted.wait(WAIT_SECONDS)
        has_raised.wait(0.2)  # which it must not: to be waited for in vain

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with ThreadPoolExecutor(1) as pool:
            batch = pool.submit(metadata.write, neighbour)
            assert is_computing.wait(WAIT_SECONDS)
            with pytest.raises(KeyboardInterrupt):
                write(metadata, interrupted)
            found = rows(metadata)
            has_raised.set()
            batch.result(WAIT_SECONDS)
    finally:
        signal.signal(signal.SIGINT, before)
    assert rows(metadata) == found


def put(key: bytes):
    return lambda txn: txn.put_many(Table.NAMES, [(key, b"value")])


def test_when_the_shared_commit_fails_each_gets_an_answer_of_its_own(quick: Path) -> None:
    """The map has room for each small row and not for the large one between them."""
    (quick / "metadata").mkdir()
    gate = Gate("commit: sealed")
    limits = Limits(map_bytes=1024 * 1024)
    store = LmdbMetadataStore(quick / "metadata", lambda: 1, limits=limits, reach=gate)
    gate.is_armed = True

    def put_too_much(txn: WriteTxn) -> None:
        txn.put_many(Table.NAMES, [(b"large", bytes(2 * 1024 * 1024))])

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(store.write, put(b"first"))
        gate.wait()
        before = [store.submit(put(f"before{number}".encode())) for number in range(5)]
        large = store.submit(put_too_much)
        after = [store.submit(put(f"after{number}".encode())) for number in range(5)]
        gate.open()
        first.result(WAIT_SECONDS)
        assert isinstance(large.exception(WAIT_SECONDS), StoreFull)
        for future in (*before, *after):
            assert future.exception(WAIT_SECONDS) is None
    assert len(rows(store)) == 11
    store.close()


def test_what_is_queued_when_the_store_closes_is_committed(quick: Path) -> None:
    (quick / "metadata").mkdir()
    gate = Gate("commit: sealed")
    store = LmdbMetadataStore(quick / "metadata", lambda: 1, reach=gate)
    gate.is_armed = True
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(store.write, put(b"first"))
        gate.wait()
        queued = [store.submit(put(f"{number}".encode())) for number in range(10)]
        closing = pool.submit(store.close)
        gate.open()
        first.result(WAIT_SECONDS)
        closing.result(WAIT_SECONDS)
        for future in queued:
            assert future.exception(WAIT_SECONDS) is None
    store = LmdbMetadataStore(quick / "metadata", lambda: 1)
    assert len(rows(store)) == 11
    store.close()


class Closing:
    """A close that begins when the test says so, in a thread of its own."""

    def __init__(self, store: LmdbMetadataStore) -> None:
        self.store = store
        self._pool = ThreadPoolExecutor(1)
        self._done: Future[None] | None = None

    def begin(self) -> None:
        """Begin; return when it has ended, or waits for its caller and would never end."""
        self._done = self._pool.submit(self.store.close)
        wait([self._done], timeout=0.3)

    def end(self) -> None:
        """Wait for its end; raise what it raised."""
        self._pool.shutdown()
        self._done.result(WAIT_SECONDS)


def test_what_is_submitted_while_the_store_closes_is_committed_or_refused(quick: Path) -> None:
    """Never forgotten: somebody waits for the answer. The close begins just before the queuing."""
    (quick / "metadata").mkdir()
    store = LmdbMetadataStore(quick / "metadata", lambda: 1)
    group, closing = store._group, Closing(store)

    class ClosingFirst(type(group._queue)):
        def extend(self, waiting: Iterable[object]) -> None:
            group._queue = queue
            closing.begin()
            queue.extend(waiting)

    queue, group._queue = group._queue, ClosingFirst()
    assert_answered(store, closing)


def test_a_store_may_close_while_its_thread_is_about_to_start(
    quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (quick / "metadata").mkdir()
    store = LmdbMetadataStore(quick / "metadata", lambda: 1)
    closing = Closing(store)

    class ClosingFirst(threading.Thread):
        def start(self) -> None:
            closing.begin()
            super().start()

    ours = SimpleNamespace(**(vars(threading) | {"Thread": ClosingFirst}))
    monkeypatch.setattr(groupcommit, "threading", ours)
    assert_answered(store, closing)


def assert_answered(store: LmdbMetadataStore, closing: Closing) -> None:
    """Submit, during which the store closes: it closes, and what is answered is true."""
    try:
        answer = store.submit(put(b"late"))
    except RuntimeError:
        answer = None
    closing.end()
    assert answer is None or answer.done()
    is_committed = answer is not None and answer.exception() is None
    store = LmdbMetadataStore(store._folder, lambda: 1)
    assert (b"late" in rows(store)) == is_committed
    store.close()


def test_of_many_that_want_one_name_one_gets_it(store: Path) -> None:
    names = [f"registry{number}" for number in range(EACH)]
    with liftlock.open(store) as engine:

        def work(_: int) -> Counter[str]:
            won: Counter[str] = Counter()
            for name in names:
                try:
                    engine.create_registry(name, by="me")
                    won[name] += 1
                except NameTaken:
                    assert engine.get_registry(name), "who was refused can see for what"
            return won

        assert sum(in_threads(work), Counter()) == Counter(names)
        assert errors(engine) == []
        for name in names:
            assert len(engine.history(name).entries) == 1


def test_who_gives_way_waits_for_what_is_being_computed(metadata: LmdbMetadataStore) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(txn: WriteTxn) -> None:
        begun.set()
        assert go.wait(WAIT_SECONDS)
        txn.put_many(Table.NAMES, [(b"key", b"value")])

    future = metadata.submit(slow)
    assert begun.wait(WAIT_SECONDS)
    order: list[str] = []

    def wait_for_it() -> None:
        metadata.give_way(WAIT_SECONDS)
        order.append("went on")

    waiting = threading.Thread(target=wait_for_it)
    waiting.start()
    order.append("computed")
    go.set()
    waiting.join(WAIT_SECONDS)
    future.result(WAIT_SECONDS)
    assert order == ["computed", "went on"]


def test_for_what_takes_long_nobody_gives_way_twice(metadata: LmdbMetadataStore) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(txn: WriteTxn) -> None:
        begun.set()
        assert go.wait(WAIT_SECONDS)

    writing = threading.Thread(target=metadata.write, args=(slow,))
    writing.start()
    assert begun.wait(WAIT_SECONDS)
    metadata.give_way(0.01)
    metadata.give_way(WAIT_SECONDS * 2)  # would run into the time limit
    assert not go.is_set()
    go.set()
    writing.join(WAIT_SECONDS)


def test_who_gives_way_to_nobody_goes_on(metadata: LmdbMetadataStore) -> None:
    metadata.submit(lambda txn: txn.put_many(Table.NAMES, [(b"key", b"value")])).result()
    gone_on = threading.Thread(target=metadata.give_way, args=(WAIT_SECONDS,))
    gone_on.start()
    gone_on.join(WAIT_SECONDS / 2)
    assert not gone_on.is_alive()
