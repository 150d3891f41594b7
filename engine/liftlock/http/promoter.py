"""The promoter: a process that does the small promotions of all workers of a server.

A worker that computes them itself has its event loop and that thread take the interpreter from
each other; and workers that each commit by themselves take the writer's turn from each other. Here
promotions of all workers share commits, while the workers speak HTTP (docs/decisions/0026).

A worker has a line to it, with one question at a time: promotions in, outcomes out. Some of it is
pickled: both ends are one program, and nobody else has either. The promoter lives as long as
anybody might ask: until the supervisor has let go of it and every worker that has a line is gone. A
worker that loses it promotes by itself.
"""

from __future__ import annotations

import logging
import pickle
import signal
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Final, Self

import msgspec

import liftlock
from liftlock.config import Limits
from liftlock.engine import Engine, PromotionCall
from liftlock.errors import LiftlockError
from liftlock.http.forking import STOP_SIGNALS
from liftlock.model import Promotion

log = logging.getLogger("liftlock.http")

Outcomes = list[Promotion | Exception]

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[Promotion | bytes])
_STALLED_SECONDS: Final = 10
"""A worker that does not take its outcomes for so long is hung up on."""


class Promoter:
    """Answers whoever has a line, one batch after the other."""

    def __init__(self, engine: Engine, supervisor: socket.socket) -> None:
        """Prepare to answer; `supervisor` is where new lines come from."""
        self._engine = engine
        self._supervisor: socket.socket | None = supervisor
        self._lines: list[Connection] = []

    def serve(self) -> None:
        """Answer until nobody is left who could ask."""
        while self._supervisor is not None or self._lines:
            asking = self._asking()
            calls = [call for _, some in asking for call in some]
            outcomes = iter(self._outcomes(calls))
            for line, some in asking:
                self._answer(line, [next(outcomes) for _ in some])

    def _asking(self) -> list[tuple[Connection, list[PromotionCall]]]:
        """Wait until somebody asks or comes; return who asks, and for what."""
        everybody: list[Connection | socket.socket] = [*self._lines]
        if self._supervisor is not None:
            everybody.append(self._supervisor)
        asking = []
        for one in wait(everybody):
            if one is self._supervisor:
                self._let_in()
            elif isinstance(one, Connection):
                try:
                    asking.append((one, pickle.loads(one.recv_bytes())))  # noqa: S301 - from a worker
                except (EOFError, OSError):
                    self._hang_up(one)
        return asking

    def _let_in(self) -> None:
        assert self._supervisor is not None
        _, descriptors, _, _ = socket.recv_fds(self._supervisor, 1, 1)
        if descriptors:
            self._lines.append(Connection(descriptors[0]))
        else:
            self._supervisor.close()
            self._supervisor = None

    def _outcomes(self, calls: Sequence[PromotionCall]) -> Outcomes:
        try:
            return self._engine.promote_each(calls)
        except Exception as error:  # noqa: BLE001 - theirs; the next ones may fare better
            return [error] * len(calls)

    def _answer(self, line: Connection, outcomes: Outcomes) -> None:
        try:
            line.send_bytes(_encoder.encode([_packed(outcome) for outcome in outcomes]))
        except OSError:
            self._hang_up(line)

    def _hang_up(self, line: Connection) -> None:
        line.close()
        self._lines.remove(line)


class Line:
    """A worker's end of its line to the promoter."""

    def __init__(self, connection: Connection) -> None:
        """Take over a connection to a promoter."""
        self._connection: Connection | None = connection

    @classmethod
    def through(cls, end: socket.socket) -> Self:
        """Make a line to the promoter that has the far end of `end`.

        If that is gone, nobody will be found at the line's far end.
        """
        near, far = socket.socketpair()
        with far:
            patience = struct.pack("ll", _STALLED_SECONDS, 0)
            far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
            with suppress(OSError):
                socket.send_fds(end, [b"\0"], [far.fileno()])
        return cls(Connection(near.detach()))

    def promote_each(self, engine: Engine, calls: Sequence[PromotionCall]) -> Outcomes:
        """Do many promotions; see `Engine.promote_each`. Not for two threads at once.

        What the promoter was asked for when it was lost may be done or not, so it is done by
        `engine`: done twice, a promotion changes nothing the second time.
        """
        if self._connection is not None:
            try:
                self._connection.send_bytes(pickle.dumps(calls, pickle.HIGHEST_PROTOCOL))
                received = self._connection.recv_bytes()
            except (EOFError, OSError):
                log.warning("the promoter is gone: until it is replaced, this worker does without")
                self.close()
            else:
                return [_unpacked(outcome) for outcome in _decoder.decode(received)]
        return engine.promote_each(calls)

    def close(self) -> None:
        """Hang up; harmless when repeated."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


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


def _packed(outcome: Promotion | Exception) -> Promotion | bytes:
    """Return what goes over a line. An error that nobody foresaw is logged, with its traceback."""
    if isinstance(outcome, Promotion):
        return outcome
    if not isinstance(outcome, LiftlockError):
        log.error("a promotion failed", exc_info=outcome)
        outcome = RuntimeError(f"{type(outcome).__name__}: {outcome}")
    return pickle.dumps(outcome)


def _unpacked(outcome: Promotion | bytes) -> Promotion | Exception:
    if isinstance(outcome, Promotion):
        return outcome
    error: Exception = pickle.loads(outcome)  # noqa: S301 - from the promoter
    return error
