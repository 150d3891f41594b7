"""The parent of the workers: it starts them, replaces who is lost, and stops them all.

Granian's own loop has a thread wait for each worker, and can miss a loss or a signal that comes
while it deals with another one. Here one thread waits for everything at once: for a pipe that the
signal handlers write to, and for the workers' ends.

A worker is forked with these signals blocked and lets them in when it has handlers of its own
(`worker.take_signals`). Until then it has its parent's, which would swallow a SIGTERM.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import Any, Final

from granian.server import MPServer

from liftlock.http.worker import STOP_SIGNALS

log = logging.getLogger("liftlock.http")

_NEVER: Final = float("inf")


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


class Supervisor(MPServer):
    """Granian's server with a loop of ours; granian itself never sees a worker.

    `serve` returns after a signal, and raises SystemExit if it gives up. Who makes one sets
    `losses` and `on_started` first.
    """

    losses: Losses
    on_started: Callable[[], None]
    """Called in a thread of its own once the first workers are started."""

    def startup(self, spawn_target: object, target_loader: object) -> None:
        """Set signal handlers and start the workers."""
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._running: list[BaseProcess] = []
        self._leaving: list[tuple[BaseProcess, float]] = []
        self._has_given_up = False
        super().startup(spawn_target, target_loader)  # type: ignore[no-untyped-call]  # granian's
        # After the workers are forked: a fork beside a running thread may deadlock.
        threading.Thread(target=self.on_started, name="liftlock-announce", daemon=True).start()

    def signal_handler_interrupt(self, *_: object) -> None:
        """Stop: after SIGTERM or SIGINT."""
        self.interrupt_signal = True
        self._wake_up()

    def signal_handler_reload(self, *_: object) -> None:
        """Replace the workers: after SIGHUP."""
        self.reload_signal = True
        self._wake_up()

    def shutdown(self, exit_code: int = 0) -> None:
        """Stop the workers; whoever has not ended `workers_kill_timeout` later is killed."""
        for worker in self._running:
            self._dismiss(worker)
        self._running.clear()
        while self._leaving:
            self._wait_for_something()
            self._see_off()
        code = 1 if self._has_given_up else exit_code
        super().shutdown(code)  # type: ignore[no-untyped-call]  # granian's

    def _spawn_workers(self, spawn_target: object, target_loader: object) -> None:
        self._recipe = (spawn_target, target_loader)
        self._running += map(self._start, range(self.workers))

    def _start(self, place: int) -> BaseProcess:
        made: Any = self._spawn_worker(place, *self._recipe)  # Any: granian's
        process: BaseProcess = made.inner
        with _signals_blocked():
            process.start()
        return process

    def _serve_loop(self, *_: object) -> None:
        while not self.interrupt_signal:
            self._wait_for_something()
            self._see_off()
            for place, worker in enumerate(self._running):
                if not self.interrupt_signal and not worker.is_alive():
                    self._replace_lost(place, worker)
            if self._has_given_up:
                return
            if self.reload_signal:
                self._replace_all()

    def _replace_lost(self, place: int, worker: BaseProcess) -> None:
        """Start another worker in the place of one that ended by itself; or give up."""
        log.error("worker %d (process %s) %s", place + 1, worker.pid, _end_of(worker))
        losses = self.losses
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
        """Replace each worker by a new one, which gets some time to listen before the old stops."""
        self.reload_signal = False
        for place, old in enumerate(self._running):
            self._running[place] = self._start(place)
            listens_at = monotonic() + self.respawn_interval
            while not self.interrupt_signal and monotonic() < listens_at:
                self._wait_for([], listens_at)
            self._dismiss(old)
            if self.interrupt_signal:
                return

    def _dismiss(self, worker: BaseProcess) -> None:
        worker.terminate()
        self._leaving.append((worker, monotonic() + (self.workers_kill_timeout or 0)))

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
