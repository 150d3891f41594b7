"""What threads have done reaches the event loop: all of it, once, and at little cost."""

import asyncio
import threading
from concurrent.futures import Future

import pytest

from liftlock.http.bridge import Bridge
from liftlock.http.limits import HttpLimits
from liftlock.testing.turns import turn


class NoEngine:
    def __init__(self):
        self.waited = []

    def finish_uploads(self, chunks):
        raise NotImplementedError

    def promote_each(self, calls):
        raise NotImplementedError

    def give_way(self, seconds):
        self.waited.append(seconds)

    def close(self):
        pass


@pytest.fixture
def in_a_loop():
    """Run a coroutine function with a bridge."""

    def run(body):
        async def main():
            bridge = Bridge(NoEngine(), HttpLimits())
            try:
                async with asyncio.timeout(10):
                    return await body(bridge)
            finally:
                bridge.close()

        return asyncio.run(main())

    return run


def test_what_is_done_while_the_loop_is_busy_wakes_it_once(in_a_loop):
    async def body(bridge):
        loop, wakes = asyncio.get_running_loop(), []
        wake = loop.call_soon_threadsafe

        def counted(*args, **kwargs):
            wakes.append(args)
            return wake(*args, **kwargs)

        futures = [Future() for _ in range(32)]
        tasks = [asyncio.ensure_future(bridge.write(future.result)) for future in futures]
        await turn()
        loop.call_soon_threadsafe = counted
        for number, future in enumerate(futures):
            future.set_result(number)
        while len(bridge._settled) < len(futures):  # the loop stands still meanwhile
            pass
        assert await asyncio.gather(*tasks) == list(range(32))
        return wakes

    assert len(in_a_loop(body)) == 1


def test_whoever_comes_while_others_are_delivered_is_heard(in_a_loop):
    """Many rounds from several threads; a lost wake-up would run into the time limit."""

    async def body(bridge):
        async def caller(number):
            return [await bridge.write(lambda: number) for _ in range(50)]

        return await asyncio.gather(*(caller(number) for number in range(8)))

    assert in_a_loop(body) == [[number] * 50 for number in range(8)]


def test_an_error_is_raised_where_it_is_awaited(in_a_loop):
    async def body(bridge):
        with pytest.raises(KeyError):
            await bridge.write({}.__getitem__, "x")

    in_a_loop(body)


def test_the_loop_gives_way_for_as_long_as_it_may(in_a_loop):
    async def body(bridge):
        bridge.give_way()
        return bridge.engine.waited

    assert in_a_loop(body) == [HttpLimits().give_way_seconds]


# --- who stops waiting ----------------------------------------------------------------------


class Held:
    """A context that notes what is done with it, and stops where it is told to."""

    def __init__(self):
        self.done = []
        self.entered, self.go_on = threading.Event(), threading.Event()

    def __enter__(self):
        self.entered.set()
        assert self.go_on.wait(10)
        self.done.append("entered")
        return self

    def __exit__(self, *_):
        self.done.append("left")

    def write(self):
        self.entered.set()
        assert self.go_on.wait(10)
        self.done.append("written")


async def cancel_within(task, held):
    """Cancel `task` while its thread is within `held`; let the thread go on, then wait."""
    await asyncio.to_thread(held.entered.wait)
    for _ in range(3):
        task.cancel()
        await turn()
    held.go_on.set()
    await asyncio.wait([task])
    assert task.cancelled()


def test_what_was_being_entered_is_left_though_nobody_waits_for_it(in_a_loop):
    async def body(bridge):
        held = Held()

        async def hold():
            async with bridge.holding(held):
                held.done.append("not reached")

        await cancel_within(asyncio.ensure_future(hold()), held)
        return held.done

    assert in_a_loop(body) == ["entered", "left"]


@pytest.mark.parametrize("way", ["write", "start_write"])
def test_nothing_is_left_while_a_thread_works_on_it(in_a_loop, way):
    """Else the file of an upload would be closed under the thread that writes to it."""

    async def body(bridge):
        held = Held()
        held.go_on.set()

        async def hold():
            async with bridge.holding(held):
                held.entered.clear()
                held.go_on.clear()
                await getattr(bridge, way)(held.write)

        task = asyncio.ensure_future(hold())
        while held.done != ["entered"] or held.go_on.is_set():
            await turn()
        await cancel_within(task, held)
        return held.done

    assert in_a_loop(body) == ["entered", "written", "left"]
