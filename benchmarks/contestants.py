"""Contestants take turns, each in a process of its own, so that a slow spell hits all of them.

A run begins in a fresh interpreter, with nothing of the others' in its memory, and is ended if it
takes too long. Its anonymous memory is sampled from outside.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

from anonymous_memory import Sampler

RUN_SECONDS_MAX: Final = 600
_FRESH: Final = multiprocessing.get_context("spawn")


class Run(NamedTuple):
    """What a run returned, and the most anonymous memory that it had."""

    value: Any
    anonymous_bytes: int


class RunFailed(Exception):
    """A run raised, died or took too long."""


def run(contestant: Callable[..., Any], *args: Any, seconds: float = RUN_SECONDS_MAX) -> Run:
    """Call a module's function in a fresh process; return what it returned.

    Raises:
        RunFailed: with the traceback from there.
    """
    os.sync()  # what copying or building left to be written is nobody's to wait for
    here, there = _FRESH.Pipe(duplex=False)
    process = _FRESH.Process(target=_answer, args=(there, contestant, args))
    process.start()
    there.close()
    assert process.pid is not None
    try:
        with Sampler(process.pid) as memory:
            if not here.poll(seconds):
                raise RunFailed(f"{contestant} took more than {seconds} s")
            try:
                value, failure = here.recv()
            except EOFError:
                raise RunFailed(f"{contestant} died ({process.exitcode})") from None
    finally:
        process.kill()
        process.join()
    if failure:
        raise RunFailed(failure)
    return Run(value, memory.most_bytes)


def in_turn(
    rounds: int, contestants: Mapping[str, Callable[[int], float]]
) -> dict[str, list[float]]:
    """Let each contestant run once a round; return what each measured, round by round."""
    results: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name, contestant in contestants.items():
            results[name].append(contestant(number))
    return results


def _answer(there: Connection, contestant: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        there.send((contestant(*args), ""))
    except BaseException:  # noqa: BLE001 - told to the other side, whatever it is
        there.send((None, traceback.format_exc()))
