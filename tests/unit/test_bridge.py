"""What a commit thread has done reaches the event loop: all of it, once, and at little cost."""

import asyncio
import threading
from concurrent.futures import Future

import pytest

from liftlock.http.bridge import Bridge
from liftlock.http.limits import HttpLimits


class NoEngine:
    def __init__(self):
        self.gave_way = 0

    def finish_uploads(self, chunks):
        raise NotImplementedError

    def give_way(self, seconds):
        self.gave_way += 1

    def close(self):
        pass


async def turn():
    """Let every task run that can run now."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_soon(passed.set_result, None)
    await passed


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


def test_what_one_commit_did_wakes_the_loop_once(in_a_loop):
    async def body(bridge):
        loop, wakes = asyncio.get_running_loop(), []
        wake = loop.call_soon_threadsafe

        def counted(*args, **kwargs):
            wakes.append(args)
            return wake(*args, **kwargs)

        futures = [Future() for _ in range(64)]
        tasks = [asyncio.ensure_future(bridge.submit(lambda f=future: f)) for future in futures]
        await turn()
        loop.call_soon_threadsafe = counted
        thread = threading.Thread(
            target=lambda: [future.set_result(n) for n, future in enumerate(futures)]
        )
        thread.start()
        thread.join()  # the loop stands still meanwhile, as if it were busy
        assert await asyncio.gather(*tasks) == list(range(64))
        return wakes

    assert len(in_a_loop(body)) == 1


def test_whoever_comes_while_others_are_delivered_is_heard(in_a_loop):
    """Many rounds from several threads; a lost wake-up would run into the time limit."""

    async def body(bridge):
        def later(number):
            future = Future()
            threading.Thread(target=future.set_result, args=(number,)).start()
            return future

        async def caller(number):
            return [await bridge.submit(later, number) for _ in range(50)]

        return await asyncio.gather(*(caller(number) for number in range(8)))

    assert in_a_loop(body) == [[number] * 50 for number in range(8)]


def test_an_error_is_raised_where_it_is_awaited(in_a_loop):
    async def body(bridge):
        future = Future()
        future.set_exception(KeyError("x"))
        with pytest.raises(KeyError):
            await bridge.submit(lambda: future)

    in_a_loop(body)


def test_who_stops_waiting_withdraws_nothing_and_disturbs_nobody(in_a_loop):
    async def body(bridge):
        left, stays = Future(), Future()
        leaving = asyncio.ensure_future(bridge.submit(lambda: left))
        staying = asyncio.ensure_future(bridge.submit(lambda: stays))
        await turn()
        leaving.cancel()
        await asyncio.wait([leaving])
        assert not left.cancelled()
        left.set_result(1)
        stays.set_result(2)
        return await staying

    assert in_a_loop(body) == 2


@pytest.mark.parametrize(("requests", "gave_way"), [(2, 0), (4, 0), (5, 1), (100, 1)])
def test_the_loop_gives_way_if_most_of_its_work_is_another(in_a_loop, requests, gave_way):
    """Two promotions among so many requests."""

    async def body(bridge):
        bridge.requests += requests
        futures = [Future(), Future()]
        for future in futures:
            future.set_result(None)
        await asyncio.gather(*(bridge.submit(lambda f=future: f) for future in futures))
        return bridge.engine.gave_way

    assert in_a_loop(body) == gave_way


def test_what_cannot_be_submitted_is_raised_where_it_is_awaited(in_a_loop):
    async def body(bridge):
        def refused():
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await bridge.submit(refused)

    in_a_loop(body)


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
