"""The parent of the workers: it starts them, replaces who is lost, and stops them all.

It opens the sockets at which they listen, one for each place, and keeps them: who connects while a
worker is lost or replaced waits there for the next one. One thread waits for everything at once:
for a pipe that the signal handlers write to, and for the workers' ends.

A worker is forked with these signals blocked and lets them in when it has handlers of its own
(`worker.work`). Until then it has its parent's, which would swallow a SIGTERM.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import Final

from liftlock.http.limits import HttpLimits
from liftlock.http.worker import STOP_SIGNALS

log = logging.getLogger("liftlock.http")

_NEVER: Final = float("inf")
_FORK: Final = get_context("fork")


class Losses:
    """When each worker was lost lately, and whether that is too often."""

    def __init__(self, most: int, seconds: float) -> None:
        """Take up to `most` losses of one worker within `seconds` for bad luck."""
        self.most = most
        self.seconds = seconds
        self._when: dict[int, deque[float]] = {}

    def are_too_many(self, worker: int, now: float) -> bool:
        """Note that `worker` was lost at `now` (in seconds); tell whether to give up."""
        when = self._when.setdefault(worker, deque())
        when.append(now)
        while when[0] <= now - self.seconds:
            when.popleft()
        return len(when) > self.most


class Supervisor:
    """Keeps a worker at each of some sockets, until a signal ends it."""

    def __init__(
        self,
        work: Callable[[socket.socket], None],
        listening: Sequence[socket.socket],
        limits: HttpLimits,
    ) -> None:
        """Prepare; nothing is started.

        Args:
            work: what a worker does, in a process of its own.
            listening: a socket for each worker.
            limits: how long is waited, and how many losses are borne.
        """
        self._work = work
        self._listening = listening
        self._limits = limits
        self._losses = Losses(limits.worker_losses_max, limits.worker_losses_seconds)
        self._running: list[BaseProcess] = []
        self._leaving: list[tuple[BaseProcess, float]] = []
        self._shall_stop = False
        self._shall_replace = False
        self._has_given_up = False

    def serve(self, on_started: Callable[[], None]) -> None:
        """Start the workers, and return when they are stopped after a signal.

        `on_started` is called in a thread of its own once the first workers are started.

        Raises:
            SystemExit: a worker was lost too often.
        """
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._replace)
        self._running += map(self._start, range(len(self._listening)))
        # After the workers are forked: a fork beside a running thread may deadlock.
        threading.Thread(target=on_started, name="liftlock-announce", daemon=True).start()
        self._watch()
        self._end()
        if self._has_given_up:
            raise SystemExit(1)

    def _stop(self, *_: object) -> None:
        self._shall_stop = True
        self._wake_up()

    def _replace(self, *_: object) -> None:
        self._shall_replace = True
        self._wake_up()

    def _start(self, place: int) -> BaseProcess:
        process = _FORK.Process(target=self._be_worker, args=(place,), name=f"worker-{place + 1}")
        with _signals_blocked():
            process.start()
        return process

    def _be_worker(self, place: int) -> None:
        for other, listening in enumerate(self._listening):
            if other != place:  # else it would go on to exist without its own worker
                listening.close()
        self._work(self._listening[place])

    def _watch(self) -> None:
        while not self._shall_stop:
            self._wait_for_something()
            self._see_off()
            for place, worker in enumerate(self._running):
                if not self._shall_stop and not worker.is_alive():
                    self._replace_lost(place, worker)
            if self._has_given_up:
                return
            if self._shall_replace:
                self._replace_all()

    def _end(self) -> None:
        """Stop the workers; whoever has not ended `stop_seconds` later is killed."""
        for listening in self._listening:
            listening.close()
        for worker in self._running:
            self._dismiss(worker)
        self._running.clear()
        while self._leaving:
            self._wait_for_something()
            self._see_off()

    def _replace_lost(self, place: int, worker: BaseProcess) -> None:
        """Start another worker in the place of one that ended by itself; or give up."""
        log.error("worker %d (process %s) %s", place + 1, worker.pid, _end_of(worker))
        losses = self._losses
        if losses.are_too_many(place, monotonic()):
            log.error(
                "worker %d was lost more than %d times within %g s: the server gives up",
                place + 1,
                losses.most,
                losses.seconds,
            )
            self._has_given_up = True
        else:
            self._running[place] = self._start(place)

    def _replace_all(self) -> None:
        """Replace each worker by a new one, which gets some time to start before the old stops.

        Meanwhile both take connections from the same socket.
        """
        self._shall_replace = False
        for place, old in enumerate(self._running):
            self._running[place] = self._start(place)
            started_at = monotonic() + self._limits.handover_seconds
            while not self._shall_stop and monotonic() < started_at:
                self._wait_for([], started_at)
            self._dismiss(old)
            if self._shall_stop:
                return

    def _dismiss(self, worker: BaseProcess) -> None:
        worker.terminate()
        self._leaving.append((worker, monotonic() + self._limits.stop_seconds))

    def _see_off(self) -> None:
        """Forget who has left, and kill who had the time to."""
        for worker, deadline in self._leaving:
            if worker.is_alive() and monotonic() >= deadline:
                log.warning("process %s did not stop in time, and is killed", worker.pid)
                worker.kill()
                worker.join()
        self._leaving = [each for each in self._leaving if each[0].is_alive()]

    def _wait_for_something(self) -> None:
        """Return when a signal has come, a worker has ended, or a deadline is over."""
        leaving = [worker for worker, _ in self._leaving]
        deadline = min((deadline for _, deadline in self._leaving), default=_NEVER)
        self._wait_for([worker.sentinel for worker in chain(self._running, leaving)], deadline)

    def _wait_for(self, ends: list[int], deadline: float) -> None:
        seconds = None if deadline == _NEVER else max(0.0, deadline - monotonic())
        if self._woken in wait([self._woken, *ends], seconds):
            os.read(self._woken, 4096)

    def _wake_up(self) -> None:
        with suppress(BlockingIOError):  # it is full of wake-ups
            os.write(self._wake, b"\0")


@contextmanager
def _signals_blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_of(worker: BaseProcess) -> str:
    code = worker.exitcode or 0
    if code < 0:
        return f"was ended by signal {-code} ({signal.strsignal(-code)})"
    return f"ended with exit code {code}"
