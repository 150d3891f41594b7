"""The promoter: a process that does the small promotions of all workers of a server.

A worker that computes them itself has its event loop and that thread take the interpreter from
each other; and workers that each commit by themselves take the writer's turn from each other. Here
promotions of all workers share commits, while the workers speak HTTP (docs/decisions/0026).

A worker has a line to it (`http/line.py`). The promoter lives as long as anybody might ask: until
the supervisor has let go of it and every worker that has a line is gone.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Final

import liftlock
from liftlock.config import Limits
from liftlock.engine import Engine, PromotionCall
from liftlock.errors import LiftlockError
from liftlock.http.forking import STOP_SIGNALS
from liftlock.http.frames import Frames, calls_in, frame_of_outcomes
from liftlock.model import Promotion

log = logging.getLogger("liftlock.http")

_RECEIVED_BYTES: Final = 256 * 1024
_STALLED_SECONDS: Final = 10
"""A worker that does not take its outcomes for so long is hung up on."""


class _Worker:
    """Whoever has the far end of a line."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.line.settimeout(_STALLED_SECONDS)
        self._frames = Frames()

    def calls(self) -> list[PromotionCall] | None:
        """Return what has come up; None if nobody is there any more."""
        try:
            received = self.line.recv(_RECEIVED_BYTES)
        except OSError:
            return None
        if not received:
            return None
        return [call for frame in self._frames.fed(received) for call in calls_in(frame)]

    def tell(self, outcomes: Sequence[Promotion | Exception]) -> bool:
        """Say what became of calls, in their order; False if nobody takes it."""
        try:
            self.line.sendall(frame_of_outcomes(outcomes))
        except OSError:
            return False
        return True


class Promoter:
    """Answers whoever has a line: all that has come up, in one call."""

    def __init__(self, engine: Engine, supervisor: socket.socket) -> None:
        """Prepare to answer; `supervisor` is where new lines come from."""
        self._engine = engine
        self._supervisor = supervisor
        self._selector = DefaultSelector()
        self._selector.register(supervisor, EVENT_READ)

    def serve(self) -> None:
        """Answer until nobody is left who could ask."""
        while self._selector.get_map():
            asking = self._asking()
            outcomes = iter(self._outcomes([call for _, calls in asking for call in calls]))
            for worker, calls in asking:
                if not worker.tell([next(outcomes) for _ in calls]):
                    self._forget(worker.line)

    def _asking(self) -> list[tuple[_Worker, list[PromotionCall]]]:
        """Wait until somebody asks or comes; return who asks, and for what."""
        asking = []
        for key, _ in self._selector.select():
            worker: _Worker | None = key.data
            if worker is None:
                self._let_in()
            elif (calls := worker.calls()) is None:
                self._forget(worker.line)
            elif calls:
                asking.append((worker, calls))
        return asking

    def _let_in(self) -> None:
        _, descriptors, _, _ = socket.recv_fds(self._supervisor, 1, 1)
        if not descriptors:
            self._forget(self._supervisor)
            return
        line = socket.socket(fileno=descriptors[0])
        self._selector.register(line, EVENT_READ, _Worker(line))

    def _outcomes(self, calls: Sequence[PromotionCall]) -> Sequence[Promotion | Exception]:
        try:
            return self._engine.promote_each(calls)
        except Exception as error:  # noqa: BLE001 - theirs; the next ones may fare better
            return [error] * len(calls)

    def _forget(self, end: socket.socket) -> None:
        self._selector.unregister(end)
        end.close()


def promote(root: Path, limits: Limits, end: socket.socket) -> None:
    """Be the promoter of a server, until nobody is left who could ask; in a process of its own.

    Args:
        root: the store.
        limits: the engine's.
        end: where new lines come from.

    Raises:
        SystemExit: the store cannot be opened. The log says why.
    """
    for number in STOP_SIGNALS:
        # To stop is up to the workers: the promoter leaves when they have left.
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    try:
        engine = liftlock.open(root, limits=limits)
    except (LiftlockError, OSError) as error:
        log.error("%s", error)  # noqa: TRY400 - a sentence says it
        raise SystemExit(1) from error
    with engine:
        Promoter(engine, end).serve()
