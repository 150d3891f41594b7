"""Who is waited for too long is given up, and whoever waits is told: once, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from liftlock.http.stalls import Stalled, Stalls
from liftlock.testing.turns import turn

SHORT = 0.02
LONG = 3600.0


def run(work: Coroutine[Any, Any, None]) -> None:
    async def within_limits() -> None:
        async with asyncio.timeout(10):
            await work

    asyncio.run(within_limits())


def now() -> float:
    return asyncio.get_running_loop().time()


async def value(of: int) -> int:
    return of


async def never() -> None:
    await asyncio.get_running_loop().create_future()


def test_what_is_there_is_returned() -> None:
    async def work() -> None:
        assert await Stalls(SHORT).within(value(1), now() - 1) == 1

    run(work())


def test_what_does_not_come_is_given_up() -> None:
    async def work() -> None:
        coming = asyncio.ensure_future(never())
        with pytest.raises(Stalled):
            await Stalls(SHORT).within(coming, now() + SHORT)
        assert coming.cancelled()
        await turn()  # whoever was told goes on

    run(work())


def test_an_error_of_what_comes_is_its_own() -> None:
    async def fails() -> None:
        raise KeyError("mine")

    async def work() -> None:
        with pytest.raises(KeyError, match="mine"):
            await Stalls(SHORT).within(fails(), now() + LONG)

    run(work())


def test_one_that_is_late_does_not_end_the_others() -> None:
    async def work() -> None:
        stalls = Stalls(SHORT)
        patient = asyncio.ensure_future(stalls.within(never(), now() + LONG))
        with pytest.raises(Stalled):
            await stalls.within(never(), now() + SHORT)
        # And those who come when nobody else is waited for are not forgotten.
        with pytest.raises(Stalled):
            await stalls.within(never(), now() + SHORT)
        assert not patient.done()
        patient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await patient
        with pytest.raises(Stalled):
            await stalls.within(never(), now() + SHORT)

    run(work())


def test_who_is_cancelled_by_others_as_well_is_cancelled() -> None:
    async def work() -> None:
        stalls = Stalls(SHORT)
        waiting = asyncio.ensure_future(stalls.within(never(), now() - 1))
        await turn()
        stalls._look()
        waiting.cancel()  # in the very turn in which it was told
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(work())
