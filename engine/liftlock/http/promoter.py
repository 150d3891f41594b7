"""The promoter: a process that does the small promotions of all workers of a server.

A worker that computes them itself has its event loop and that thread take the interpreter from
each other; and workers that each commit by themselves take the writer's turn from each other. Here
promotions of all workers share commits, while the workers speak HTTP (docs/decisions/0026).

It finds their lines (`http/line.py`) in a mailbox, and stays until no worker is left that has a
line or could put one in.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import Final

import liftlock
from liftlock.config import Limits
from liftlock.engine import Engine, PromotionCall
from liftlock.errors import LiftlockError
from liftlock.http.forking import SUPERVISORS_SIGNALS
from liftlock.http.frames import Frames, calls_in, frame_of_outcomes
from liftlock.http.line import found_line
from liftlock.model import Promotion

log = logging.getLogger("liftlock.http")

_PIECE_BYTES: Final = 256 * 1024
"""Received from a line at a time."""


class _Asker:
    """Whoever has the near end of a line."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.line.setblocking(False)  # noqa: FBT003
        self._frames = Frames()
        self._unsent = bytearray()

    @property
    def is_there(self) -> bool:
        """Whether nobody has hung up yet."""
        return self.line.fileno() >= 0

    def take_calls(self) -> list[PromotionCall]:
        """Return what has come up.

        Raises:
            OSError: nobody is there any more.
        """
        received = self.line.recv(_PIECE_BYTES)
        if not received:
            raise ConnectionResetError
        return [call for frame in self._frames.fed(received) for call in calls_in(frame)]

    def tell(self, outcomes: Sequence[Promotion | Exception]) -> None:
        """Say what became of calls, in their order, as soon as the line takes it."""
        self._unsent += frame_of_outcomes(outcomes)

    def send(self) -> bool:
        """Send what the line takes; return whether that was all.

        Raises:
            OSError: nobody is there any more.
        """
        try:
            del self._unsent[: self.line.send(self._unsent)]
        except BlockingIOError:
            return False
        return not self._unsent


class Promoter:
    """Answers whoever has a line, and waits for nobody in particular."""

    def __init__(self, engine: Engine, mailbox: socket.socket) -> None:
        """Prepare to answer; `mailbox` is the promoter's end of one."""
        self._engine = engine
        self._mailbox = mailbox
        self._selector = DefaultSelector()
        self._selector.register(mailbox, EVENT_READ)

    def serve(self) -> None:
        """Answer until nobody is left who could ask."""
        while self._selector.get_map():
            asked = iter(self._asked())
            while some := list(islice(asked, self._engine.limits.batch_operations_max)):
                self._answer(some)

    def _asked(self) -> list[tuple[_Asker, PromotionCall]]:
        """Wait until something comes up; return it."""
        asked = []
        for key, events in self._selector.select():
            asker: _Asker | None = key.data
            if asker is None:
                self._let_in()
                continue
            if events & EVENT_WRITE:
                self._send(asker)
            if events & EVENT_READ and asker.is_there:
                try:
                    asked += [(asker, call) for call in asker.take_calls()]
                except OSError:
                    self._forget(asker.line)
        return asked

    def _let_in(self) -> None:
        line = found_line(self._mailbox)
        if line is None:
            self._forget(self._mailbox)
        else:
            self._selector.register(line, EVENT_READ, _Asker(line))

    def _answer(self, asked: Sequence[tuple[_Asker, PromotionCall]]) -> None:
        outcomes = self._outcomes([call for _, call in asked])
        theirs: defaultdict[_Asker, list[Promotion | Exception]] = defaultdict(list)
        for (asker, _), outcome in zip(asked, outcomes, strict=True):
            theirs[asker].append(outcome)
        for asker, own in theirs.items():
            asker.tell(own)
            self._send(asker)

    def _outcomes(self, calls: Sequence[PromotionCall]) -> Sequence[Promotion | Exception]:
        try:
            return self._engine.promote_each(calls)
        except Exception as error:  # noqa: BLE001 - theirs; the next ones may fare better
            return [error] * len(calls)

    def _send(self, asker: _Asker) -> None:
        if not asker.is_there:  # it has gone since it asked
            return
        try:
            is_all = asker.send()
        except OSError:
            self._forget(asker.line)
            return
        events = EVENT_READ if is_all else EVENT_READ | EVENT_WRITE
        if self._selector.get_key(asker.line).events != events:
            self._selector.modify(asker.line, events, asker)

    def _forget(self, end: socket.socket) -> None:
        self._selector.unregister(end)
        end.close()


def run(root: Path, limits: Limits, mailbox: socket.socket) -> None:
    """Be the promoter of a server, until nobody is left who could ask; in a process of its own.

    Args:
        root: the store.
        limits: the engine's.
        mailbox: the promoter's end of the workers' mailbox.

    Raises:
        SystemExit: the store cannot be opened. The log says why.
    """
    for number in SUPERVISORS_SIGNALS:
        # To stop is up to the workers: the promoter leaves when they have left.
        signal.signal(number, signal.SIG_IGN)
    try:
        engine = liftlock.open(root, limits=limits)
    except (LiftlockError, OSError) as error:
        log.error("%s", error)  # noqa: TRY400 - a sentence says it
        raise SystemExit(1) from error
    with engine:
        Promoter(engine, mailbox).serve()
