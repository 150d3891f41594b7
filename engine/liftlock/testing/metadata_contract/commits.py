"""What callers share: commits and their order, also when interrupted, to the end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from liftlock.metadata.contract import MetadataStore, Numbered, Table, WriteTxn
from liftlock.metadata.counts import Counts
from liftlock.points import nowhere
from liftlock.testing.clock import FakeClock
from liftlock.testing.metadata_contract.acting import (
    WAIT_SECONDS,
    Refused,
    blocked,
    get,
    increment,
    interrupted_at_run,
    map_each,
    put,
    putting,
    run_with_a_write_of_the_main_thread,
    scan,
    settled,
    within_time,
)
from liftlock.testing.metadata_contract.opening import ONE_BATCH, BeforeCommit, OpenedStore


class CommitsContract(OpenedStore):
    """What callers share: commits and their order, also when interrupted, to the end."""

    # --- group commit -----------------------------------------------------------------------

    def test_what_waits_together_is_committed_together(
        self, store: MetadataStore, commits: list[int]
    ) -> None:
        with blocked(store) as release:
            futures = [store.submit(putting(bytes((number,)))) for number in range(64)]
            release.set()
            settled(futures)
        assert len(scan(store)) == 64
        assert len(commits) <= 2
        assert sum(commits) == 64

    def test_a_batch_has_an_end(self, store: MetadataStore, commits: list[int]) -> None:
        with blocked(store) as release:
            futures = [store.submit(putting(number.to_bytes(2, "big"))) for number in range(300)]
            release.set()
            settled(futures)
        assert max(commits) <= ONE_BATCH.batch_operations_max
        assert len(scan(store)) == 300

    def test_operations_run_in_the_order_in_which_they_came(self, store: MetadataStore) -> None:
        ran: list[int] = []
        with blocked(store) as release:
            futures: list[Future[None]] = []
            for number in range(150):

                def note(txn: WriteTxn, number: int = number) -> None:
                    ran.append(number)
                    txn.put_many(Table.TAGS, [(b"last", b"%d" % number)])

                futures.append(store.submit(note))
            release.set()
            settled(futures)
        assert ran == list(range(150))
        assert get(store, b"last") == b"149"

    def test_an_operation_sees_what_its_neighbours_wrote_before_it(
        self, store: MetadataStore
    ) -> None:
        with blocked(store) as release:
            futures = [store.submit(increment) for _ in range(20)]
            release.set()
            assert settled(futures) == list(range(1, 21))

    def test_one_that_raises_after_writing_takes_nobody_with_it(self, store: MetadataStore) -> None:
        def write_and_refuse(txn: WriteTxn) -> None:
            txn.put_many(Table.TAGS, [(b"half", b"")])
            txn.next_id(Numbered.OBJECT)
            txn.add(b"c", Counts(1, 0, 0, 0, 0))
            raise Refused

        with blocked(store) as release:
            futures: list[Future[Any]] = [
                store.submit(increment),
                store.submit(write_and_refuse),
                store.submit(increment),
                store.submit(write_and_refuse),
                store.submit(increment),
            ]
            release.set()
            settled(futures)
        kinds = [type(future.exception()) for future in futures]
        assert kinds == [type(None), Refused, type(None), Refused, type(None)]
        assert [future.result() for future in futures[::2]] == [1, 2, 3]
        assert scan(store) == [(b"number", b"3")]
        assert store.read(lambda txn: txn.count(b"c")) == (0, 0, 0, 0, 0)

    def test_one_that_refuses_before_writing_costs_its_neighbours_no_commit(
        self, store: MetadataStore, commits: list[int]
    ) -> None:
        def refuse(txn: WriteTxn) -> None:
            raise Refused

        with blocked(store) as release:
            futures: list[Future[Any]] = [
                store.submit(increment),
                store.submit(refuse),
                store.submit(increment),
            ]
            release.set()
            settled(futures)
        assert len(commits) == 1
        assert get(store, b"number") == b"2"

    def test_nothing_is_answered_before_the_commit(
        self, store: MetadataStore, points: dict[str, Callable[[], None]]
    ) -> None:
        """Refusals and mere looks too: they may rest on a neighbour's uncommitted write."""
        futures: list[Future[None]] = []
        answered: list[bool] = []

        def refuse(txn: WriteTxn) -> None:
            assert txn.get(Table.TAGS, b"a") == b""
            raise Refused

        def look(txn: WriteTxn) -> None:
            assert txn.get(Table.TAGS, b"a") == b""

        points["commit: sealed"] = lambda: answered.extend(future.done() for future in futures)
        with blocked(store) as release:
            futures += [store.submit(putting(b"a")), store.submit(refuse), store.submit(look)]
            release.set()
            settled(futures)
        assert answered == [False, False, False]
        assert isinstance(futures[1].exception(), Refused)

    def test_a_write_returns_only_when_others_see_it(
        self, store: MetadataStore, points: dict[str, Callable[[], None]]
    ) -> None:
        seen: list[bytes | None] = []
        points["commit: sealed"] = lambda: seen.append(get(store, b"a"))
        points["commit: durable"] = lambda: seen.append(get(store, b"a"))
        put(store, (b"a", b"new"))
        assert seen == [None, b"new"]

    def test_a_commit_that_fails_is_tried_for_each_alone(
        self, store: MetadataStore, points: dict[str, Callable[[], None]]
    ) -> None:
        def fail_once() -> None:
            del points["commit: operations have written"]
            raise Refused

        with blocked(store) as release:
            points["commit: operations have written"] = fail_once
            futures = [store.submit(increment) for _ in range(3)]
            release.set()
            assert settled(futures) == [1, 2, 3]
        assert get(store, b"number") == b"3"

    def test_a_commit_that_fails_again_is_the_operations_error(
        self, store: MetadataStore, points: dict[str, Callable[[], None]]
    ) -> None:
        def fail() -> None:
            raise Refused

        points["commit: sealed"] = fail
        with pytest.raises(Refused):
            store.write(increment)
        assert isinstance(store.submit(increment).exception(WAIT_SECONDS), Refused)
        del points["commit: sealed"]
        assert get(store, b"number") is None
        assert store.write(increment) == 1

    def test_an_operation_that_writes_nothing_makes_no_commit(
        self, store: MetadataStore, commits: list[int]
    ) -> None:
        assert store.write(lambda txn: txn.get(Table.TAGS, b"a")) is None
        assert commits == []

    def test_writes_and_submits_from_many_threads_are_all_done_once(
        self, store: MetadataStore
    ) -> None:
        threads, each = 8, 40
        together = Barrier(threads)

        def work(number: int) -> list[int]:
            together.wait(WAIT_SECONDS)
            futures = []
            results = []
            for turn in range(each):
                if (turn + number) % 2:
                    futures.append(store.submit(increment))
                else:
                    results.append(store.write(increment))
            return results + [future.result(WAIT_SECONDS) for future in futures]

        with ThreadPoolExecutor(threads) as pool:
            done = [future.result(6 * WAIT_SECONDS) for future in map_each(pool, work, threads)]
        numbers = sorted(number for results in done for number in results)
        assert numbers == list(range(1, threads * each + 1))

    def test_a_submitted_operation_is_answered_whoever_runs_it(
        self, store: MetadataStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another thread may take its turn, and run it, before `submit` has returned."""
        original = Future.__init__

        def slow(future: Future[object]) -> None:
            original(future)
            if not nested:
                nested.append(True)
                store.write(putting(b"another's"))

        nested: list[bool] = []
        monkeypatch.setattr(Future, "__init__", slow)
        future = store.submit(increment)
        monkeypatch.undo()
        assert future.result(WAIT_SECONDS) == 1

    def test_a_submitted_operation_cannot_be_withdrawn(self, store: MetadataStore) -> None:
        with blocked(store) as release:
            future = store.submit(increment)
            assert not future.cancel()
            release.set()
            assert future.result(WAIT_SECONDS) == 1

    def test_who_writes_nothing_waits_for_nobody(self, store: MetadataStore) -> None:
        answers: list[list[Exception]] = []
        with blocked(store) as release:
            try:
                within_time(lambda: answers.append(store.write_all([])))
            finally:
                release.set()
        assert answers == [[]]

    # --- interrupts -------------------------------------------------------------------------

    def test_an_interrupt_in_a_batch_loses_no_neighbour(self, store: MetadataStore) -> None:
        futures = run_with_a_write_of_the_main_thread(
            store, increment, interrupted_at_run(1), increment
        )
        assert settled(futures[::2]) == [1, 2]
        within_time(lambda: put(store, (b"later", b"")))
        assert get(store, b"number") == b"2"

    def test_an_interrupt_while_each_runs_alone_loses_no_neighbour(
        self, store: MetadataStore
    ) -> None:
        def write_and_refuse(txn: WriteTxn) -> None:
            txn.put_many(Table.TAGS, [(b"half", b"")])
            raise Refused

        futures = run_with_a_write_of_the_main_thread(
            store,
            increment,
            interrupted_at_run(2),
            increment,
            write_and_refuse,
            increment,
        )
        assert settled([futures[0], futures[2], futures[4]]) == [1, 2, 3]
        assert isinstance(futures[3].exception(WAIT_SECONDS), Refused)
        within_time(lambda: put(store, (b"later", b"")))
        assert get(store, b"number") == b"3"
        assert get(store, b"half") is None

    def test_an_interrupted_write_is_not_done_later(self, store: MetadataStore) -> None:
        """Nobody would hear of it: another write of the same caller may rest on its absence."""
        with pytest.raises(KeyboardInterrupt):
            store.write(interrupted_at_run(1))
        within_time(lambda: put(store, (b"later", b"")))
        assert scan(store, b"pair") == []

    def test_an_interrupt_after_the_commit_does_not_run_anything_again(
        self, store: MetadataStore, points: dict[str, Callable[[], None]]
    ) -> None:
        def interrupt() -> None:
            del points["commit: durable"]
            raise KeyboardInterrupt

        points["commit: durable"] = interrupt
        with pytest.raises(KeyboardInterrupt):
            store.write(increment)
        put(store, (b"later", b""))
        assert get(store, b"number") == b"1"

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_an_interrupt_in_what_was_submitted_leaves_the_store_working(
        self, store: MetadataStore
    ) -> None:
        store.submit(interrupted_at_run(1))
        assert store.submit(increment).result(WAIT_SECONDS) == 1
        assert store.write(increment) == 2

    # --- closing ----------------------------------------------------------------------------

    def test_close_finishes_what_is_queued(
        self, folder: Path, clock: FakeClock, before_commit: BeforeCommit
    ) -> None:
        store = self.open_store(folder, clock, before_commit, ONE_BATCH, nowhere)
        with blocked(store) as release:
            futures = [store.submit(increment) for _ in range(200)]
            closing = Thread(target=store.close)
            closing.start()
            release.set()
            assert settled(futures) == list(range(1, 201))
            closing.join(WAIT_SECONDS)
            assert not closing.is_alive()

    def test_a_closed_store_refuses_and_may_be_closed_again(
        self, folder: Path, clock: FakeClock, before_commit: BeforeCommit
    ) -> None:
        store = self.open_store(folder, clock, before_commit, ONE_BATCH, nowhere)
        assert store.submit(increment).result(WAIT_SECONDS) == 1
        store.close()
        for run in (store.write, store.submit):
            with pytest.raises(RuntimeError):
                run(increment)
        store.close()
