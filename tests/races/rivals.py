"""Threads and processes that meet at a point of the test's choice.

Run as a script, this is another process with an engine of its own: it does what it reads from its
input, one order a line, and answers each with a line.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import liftlock
from liftlock import Digest, Mode, Reference, RepositoryName, Target
from liftlock.errors import LiftlockError, NotFound
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.model import HistoryEntry, Severity
from liftlock.names import find_repository
from liftlock.oci.reference import Selection
from liftlock.testing import images

WAIT_SECONDS: Final = 30
"""Longer than anything takes; only a deadlock waits so long."""
LAYER: Final = b"one layer, " * 3000
"""More than a row holds: a file."""

Answer = Any  # Any: JSON


# --- threads --------------------------------------------------------------------------------


class Gate:
    """A `reach` that stops the first who comes to a point, until the test opens."""

    def __init__(self, point: str) -> None:
        self.point = point
        self.is_armed = False
        self._stopped = threading.Event()
        self._opened = threading.Event()

    def __call__(self, point: str) -> None:
        if self.is_armed and point == self.point:
            self.is_armed = False
            self._stopped.set()
            assert self._opened.wait(WAIT_SECONDS)

    def wait(self) -> None:
        """Return when somebody stands before the gate."""
        assert self._stopped.wait(WAIT_SECONDS)

    def open(self) -> None:
        self._opened.set()


class Meeting:
    """A `reach` where as many as are expected wait for each other at a point."""

    def __init__(self, point: str, parties: int) -> None:
        self.point = point
        self._barrier = threading.Barrier(parties, timeout=WAIT_SECONDS)
        self._left = parties
        self._lock = threading.Lock()

    def __call__(self, point: str) -> None:
        if point == self.point:
            with self._lock:
                self._left -= 1
                is_expected = self._left >= 0
            if is_expected:
                self._barrier.wait()


def in_order(
    store: Path, operations: Sequence[Callable[[liftlock.Engine], object]], *, together: bool
) -> list[Future[Any]]:
    """Queue operations behind a commit under way, in this order; return when all are done.

    Args:
        store: where.
        operations: each makes one write.
        together: in one transaction; otherwise each in its own.
    """
    gate = Gate("commit: sealed")
    limits = liftlock.Limits(batch_operations_max=len(operations) if together else 1)
    with (
        liftlock.open(store, reach=gate, limits=limits) as engine,
        ThreadPoolExecutor(len(operations) + 1) as pool,
    ):
        queued = _note_the_queue(engine)
        gate.is_armed = True
        first = pool.submit(engine.create_registry, "first", by="me")
        gate.wait()
        assert queued.acquire(timeout=WAIT_SECONDS)
        futures = []
        for operation in operations:
            futures.append(pool.submit(operation, engine))
            assert queued.acquire(timeout=WAIT_SECONDS)
        gate.open()
        first.result(WAIT_SECONDS)
        for future in futures:
            future.exception(WAIT_SECONDS)
    return futures


def _note_the_queue(engine: liftlock.Engine) -> threading.Semaphore:
    group, queued = engine._store._group, threading.Semaphore(0)
    enqueue = group._enqueue

    def noted(operations: Sequence[object]) -> None:
        enqueue(operations)
        queued.release(len(operations))

    group._enqueue = noted
    return queued


# --- what must be true afterwards -----------------------------------------------------------


def errors(engine: liftlock.Engine) -> list[object]:
    return [found for found in engine.check(content=True) if found.severity is Severity.ERROR]


def changes(engine: liftlock.Engine, image: str) -> list[HistoryEntry]:
    """Return what happened to a tag, oldest first, and see that each follows from the last."""
    reference, entries, more = Reference.parse(image), [], True
    while more:
        page = engine.history(reference, before=entries[-1].event if entries else None)
        entries += page.entries
        more = page.more
    kept = [entry for entry in reversed(entries) if entry.action != "taken"]
    at = None
    for entry in kept:
        assert entry.old_digest == at, entry
        at = entry.new_digest
    assert at == tag(engine, image)
    return kept


def tag(engine: liftlock.Engine, image: str) -> Digest | None:
    try:
        return engine.get_manifest(Reference.parse(image)).digest
    except NotFound:
        return None


def has_both(engine: liftlock.Engine, source: str, target: str) -> tuple[bool, bool]:
    """Look for two tags in one read transaction."""
    sides = [Reference.parse(source), Reference.parse(target)]

    def look(txn: ReadTxn) -> tuple[bool, bool]:
        return _is_there(txn, sides[0]), _is_there(txn, sides[1])

    return engine._store.read(look)


def _is_there(txn: ReadTxn, image: Reference) -> bool:
    found = find_repository(txn, image.name)
    return found is not None and txn.get(Table.TAGS, keys.tag_key(found.id, image.tag)) is not None


# --- processes ------------------------------------------------------------------------------


class Rival:
    """Another process; it does one order after another."""

    def __init__(self, store: Path, *, within: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [*within, sys.executable, "-W", "error", __file__, str(store)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join([str(Path(liftlock.__file__).parents[1]), *sys.path])},
        )

    def tell(self, order: str, **named: object) -> None:
        """Give an order, without waiting for the answer."""
        self.process.stdin.write(json.dumps({"do": order, **named}) + "\n")
        self.process.stdin.flush()

    def go_on(self) -> None:
        """Let it pass the point where it stands."""
        self.tell("go on")

    def answer(self) -> Answer:
        """Wait for the next line; a process that never gives it is killed, and the test fails."""
        timer = threading.Timer(WAIT_SECONDS, self.process.kill)
        timer.start()
        try:
            return json.loads(self.process.stdout.readline())
        finally:
            timer.cancel()

    def ask(self, order: str, **named: object) -> Answer:
        """Give an order and wait for its answer."""
        self.tell(order, **named)
        return self.answer()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=WAIT_SECONDS)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.communicate(timeout=WAIT_SECONDS)
            assert self.process.returncode == 0


class Worker:
    """What such a process does."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.stop_at = ""
        self.engine: liftlock.Engine | None = None

    def open(self, *, create: bool = False) -> Answer:
        try:
            self.engine = liftlock.open(self.store, create=create, reach=self.reach)
        except LiftlockError as error:
            return {"error": type(error).__name__, "text": str(error)}
        return "opened"

    def close(self) -> Answer:
        self.engine.close()
        self.engine = None
        return "closed"

    def open_often(self, *, times: int, create: bool = False) -> Answer:
        """Open, look and close again and again; return what went wrong."""
        found = []
        for _ in range(times):
            try:
                with liftlock.open(self.store, create=create) as engine:
                    engine.list_registries()
            except LiftlockError as error:
                found.append(f"{type(error).__name__}: {error}")
        return found

    def stop(self, *, at: str) -> Answer:
        """From now on, stop once at a point, say so, and wait."""
        self.stop_at = at
        return "will stop"

    def reach(self, point: str) -> None:
        if point == self.stop_at:
            self.stop_at = ""
            say({"at": point})
            sys.stdin.readline()

    def upload(self, *, name: str, content: str = LAYER.decode()) -> Answer:
        return str(images.upload(self.engine, name, content.encode()))

    def append(self, *, name: str, session: str, content: str) -> Answer:
        """Append to an upload session; return its size, or the error."""
        try:
            with self.engine.hold_upload(RepositoryName.parse(name), session) as upload:
                upload.append(content.encode())
                return upload.size
        except LiftlockError as error:
            return type(error).__name__

    def promote(self, *, source: str, target: str, mode: str = Mode.COPY) -> Answer:
        done = self.engine.promote(
            Reference.parse(source), Target.parse(target), mode=Mode(mode), by="rival"
        )
        return done.id

    def promote_all(self, *, sources: list[str], target: str) -> Answer:
        return [self.promote(source=source, target=target) for source in sources]

    def select(
        self,
        *,
        source: str,
        target: str,
        tags: str | None = None,
        mode: str = Mode.COPY,
        key: str | None = None,
    ) -> Answer:
        """Promote what a glob selects, or whole repositories; return the number, or the error."""
        selection, to = Selection.parse(source), Target.parse(target)
        try:
            return self.engine.promote(
                selection, to, tags=tags, mode=Mode(mode), key=key, by="rival"
            ).id
        except LiftlockError as error:
            return type(error).__name__

    def select_often(self, *, times: int, **how: str) -> Answer:
        return [self.select(**how) for _ in range(times)]

    def push_all(self, *, name: str, tags: list[str]) -> Answer:
        """Push an image of its own under each tag, and again if its repository went meanwhile."""
        done = {}
        while left := [tag for tag in tags if tag not in done]:
            with suppress(NotFound):
                built = images.image(self.engine, name, left[0], seed=left[0], layers=1)
                done[left[0]] = str(built.digest)
        return done

    def tags(self, *, name: str) -> Answer:
        page = self.engine.list_tags(RepositoryName.parse(name))
        return {entry.name: str(entry.digest) for entry in page.entries}

    def watch(self, *, source: str, target: str) -> Answer:
        """Look at both sides in one transaction, until told to end; count what was seen."""
        say("watching")
        seen = {str(found): 0 for found in ((0, 0), (0, 1), (1, 0), (1, 1))}
        while not _is_told():
            source_has, target_has = has_both(self.engine, source, target)
            seen[str((int(source_has), int(target_has)))] += 1
        sys.stdin.readline()
        return seen

    def follow(self, *, source: str, target: str, tags: list[str]) -> Answer:
        """Read each tag on both sides, one after the other, until it has moved.

        Return those for which reading source then target found neither, or target then source
        found both.
        """
        say("following")
        wrong = []
        for name in tags:
            here, there = f"{source}:{name}", f"{target}:{name}"
            while True:
                source_first = (tag(self.engine, here), tag(self.engine, there))
                if source_first == (None, None):
                    wrong.append(f"neither {name}")
                target_first = (tag(self.engine, there), tag(self.engine, here))
                if None not in target_first:
                    wrong.append(f"both {name}")
                if target_first[0]:
                    break
        return wrong

    def read_and_wait(self) -> Answer:
        """Stay in a read transaction until told otherwise; mostly, one is killed in it."""

        def look(txn: ReadTxn) -> Answer:
            rows = len(list(txn.scan(Table.TAGS)))
            say("reading")
            sys.stdin.readline()
            return rows == len(list(txn.scan(Table.TAGS)))

        return self.engine._store.read(look)


def _is_told() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def say(answer: Answer) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201 - it is how we answer


def main() -> None:
    worker = Worker(Path(sys.argv[1]))
    # Line by line, and nothing beyond it: an order may read its own next line.
    while line := sys.stdin.readline():
        order = json.loads(line)
        say(getattr(worker, order.pop("do"))(**order))
    if worker.engine is not None:
        worker.close()


if __name__ == "__main__":
    main()
