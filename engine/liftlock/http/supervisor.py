"""The parent of the workers: it starts them, replaces who is lost, and stops them all.

Beside them it has one promoter (`liftlock.http.promoter`). It keeps the mailbox in which workers
leave lines for that: if the promoter is lost, the next one finds there what came up meanwhile.

It opens the sockets at which they listen, one for each place, and keeps them: who connects while a
worker is lost or replaced waits there for the next one. One thread waits for everything at once:
for a pipe that the signal handlers write to, and for the ends of its processes.

"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import Final

from liftlock.http.forking import end_of, started
from liftlock.http.limits import HttpLimits
from liftlock.http.line import Mailbox
from liftlock.http.losses import Losses

log = logging.getLogger("liftlock.http")

_NEVER: Final = float("inf")
_PROMOTER: Final = -1
"""Its place among those whose losses are counted."""
_GRACE_SECONDS: Final = 1.0
"""What the promoter gets to leave after workers that had to be killed."""


class Supervisor:
    """Keeps a worker at each of some sockets, until a signal ends it."""

    def __init__(
        self,
        work: Callable[[socket.socket, socket.socket], None],
        promote: Callable[[socket.socket], None],
        listening: Sequence[socket.socket],
        limits: HttpLimits,
    ) -> None:
        """Prepare; nothing is started.

        Args:
            work: what a worker does, in a process of its own: gets its socket and the workers' end
                of the mailbox.
            promote: what the promoter does, likewise: gets the promoter's end.
            listening: a socket for each worker.
            limits: how long is waited, and how many losses are borne.
        """
        self._work = work
        self._promote = promote
        self._listening = listening
        self._limits = limits
        self._losses = Losses(limits.worker_losses_max, limits.worker_losses_seconds)
        self._mailbox = Mailbox.made()
        self._running: list[BaseProcess] = []
        self._leaving: list[tuple[BaseProcess, float]] = []
        self._shall_stop = False
        self._shall_replace = False
        self._has_given_up = False

    def serve(self, on_started: Callable[[], None]) -> None:
        """Start the workers, and return when they are stopped after a signal.

        `on_started` is called in a thread of its own once the first workers are started.

        Raises:
            SystemExit: a worker or a promoter was lost too often.
        """
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._replace)
        self._promoter = self._start_promoter()
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
        return started(self._be_worker, place, name=f"lift-worker-{place + 1}")

    def _be_worker(self, place: int) -> None:
        # What is kept open would go on to exist without those whom it belongs to.
        self._mailbox.promoter.close()
        for other, listening in enumerate(self._listening):
            if other != place:
                listening.close()
        self._work(self._listening[place], self._mailbox.workers)

    def _start_promoter(self) -> BaseProcess:
        return started(self._be_promoter, name="lift-promoter")

    def _be_promoter(self) -> None:
        for other in (self._mailbox.workers, *self._listening):
            other.close()
        self._promote(self._mailbox.promoter)

    def _watch(self) -> None:
        while not self._shall_stop:
            self._wait_for_something((*self._running, self._promoter))
            self._see_off()
            for place, worker in enumerate(self._running):
                if not self._shall_stop and not worker.is_alive():
                    self._replace_lost(place, worker)
            self._look_after_promoter()
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
        # It leaves when the last worker has.
        self._mailbox.close()
        self._leave(self._promoter, self._limits.stop_seconds + _GRACE_SECONDS)
        while self._leaving:
            self._wait_for_something()
            self._see_off()

    def _replace_lost(self, place: int, worker: BaseProcess) -> None:
        """Start another worker in the place of one that ended by itself; or give up."""
        self._note_loss(place, f"worker {place + 1}", worker)
        if not self._has_given_up:
            self._running[place] = self._start(place)

    def _look_after_promoter(self) -> None:
        """Start another promoter if this one has ended by itself; or give up."""
        if self._shall_stop or self._promoter.is_alive():
            return
        self._note_loss(_PROMOTER, "the promoter", self._promoter)
        if not self._has_given_up:
            self._promoter = self._start_promoter()

    def _note_loss(self, place: int, name: str, process: BaseProcess) -> None:
        log.error("%s (process %s) %s", name, process.pid, end_of(process))
        losses = self._losses
        if losses.are_too_many(place, monotonic()):
            log.error(
                "%s was lost more than %d times within %g s: the server gives up",
                name,
                losses.most,
                losses.seconds,
            )
            self._has_given_up = True

    def _replace_all(self) -> None:
        """Replace each worker by a new one, which gets some time to start before the old stops.

        Meanwhile both take connections from the same socket. The promoter stays.
        """
        self._shall_replace = False
        for place, old in enumerate(self._running):
            self._running[place] = self._start(place)
            started_at = monotonic() + self._limits.handover_seconds
            while not (self._shall_stop or self._has_given_up) and monotonic() < started_at:
                self._wait_for([self._promoter.sentinel], started_at)
                self._look_after_promoter()
            self._dismiss(old)
            if self._shall_stop or self._has_given_up:
                return

    def _dismiss(self, worker: BaseProcess) -> None:
        worker.terminate()
        self._leave(worker, self._limits.stop_seconds)

    def _leave(self, process: BaseProcess, seconds: float) -> None:
        self._leaving.append((process, monotonic() + seconds))

    def _see_off(self) -> None:
        """Forget who has left, and kill who had the time to."""
        for process, deadline in self._leaving:
            if process.is_alive() and monotonic() >= deadline:
                log.warning(
                    "%s (process %s) did not stop in time, and is killed", process.name, process.pid
                )
                process.kill()
                process.join()
        self._leaving = [each for each in self._leaving if each[0].is_alive()]

    def _wait_for_something(self, running: Iterable[BaseProcess] = ()) -> None:
        """Return when a signal has come, a process has ended, or a deadline is over."""
        leaving = [process for process, _ in self._leaving]
        deadline = min((deadline for _, deadline in self._leaving), default=_NEVER)
        self._wait_for([process.sentinel for process in chain(running, leaving)], deadline)

    def _wait_for(self, ends: list[int], deadline: float) -> None:
        seconds = None if deadline == _NEVER else max(0.0, deadline - monotonic())
        if self._woken in wait([self._woken, *ends], seconds):
            os.read(self._woken, 4096)

    def _wake_up(self) -> None:
        with suppress(BlockingIOError):  # it is full of wake-ups
            os.write(self._wake, b"\0")
