"""What comes up while others are done is done together, and each asker hears of its own."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from liftlock.http.together import Together


class Calls:
    """Notes what each call was asked, and waits to be let go."""

    def __init__(self, *, waits):
        self.asked = []
        self.was_asked = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0 if waits else 1000)

    def __call__(self, questions):
        self.asked.append(list(questions))
        self.was_asked.release()
        assert self.go_on.acquire(timeout=10)
        if "all fail" in questions:
            raise RuntimeError("all failed")
        return [ValueError(each) if each == "fails" else f"{each}!" for each in questions]


def run(body, *, waits=False, calls=1, most=4):
    """Run a coroutine function with a Together and its Calls."""

    async def main():
        calling = Calls(waits=waits)
        with ThreadPoolExecutor(4) as pool:
            async with asyncio.timeout(10):
                return await body(Together(calling, pool, calls=calls, most=most), calling)

    return asyncio.run(main())


async def asking(together, *questions):
    tasks = [asyncio.ensure_future(together.ask(question)) for question in questions]
    await turn()
    return tasks


async def turn():
    """Let every task run that can run now."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_soon(passed.set_result, None)
    await passed


async def called(calling, times):
    for _ in range(times):
        assert await asyncio.to_thread(calling.was_asked.acquire, timeout=10)


def test_what_comes_up_in_one_turn_is_one_call():
    async def body(together, calling):
        answers = await asyncio.gather(*map(together.ask, "abc"))
        assert answers == ["a!", "b!", "c!"]
        assert calling.asked == [["a", "b", "c"]]

    run(body)


def test_what_comes_up_during_a_call_waits_for_the_next():
    async def body(together, calling):
        tasks = await asking(together, "a")
        await called(calling, 1)
        tasks += await asking(together, "b")
        tasks += await asking(together, "c")
        calling.go_on.release(10)
        assert await asyncio.gather(*tasks) == ["a!", "b!", "c!"]
        assert calling.asked == [["a"], ["b", "c"]]

    run(body, waits=True)


def test_a_call_has_so_many_at_most():
    async def body(together, calling):
        await asyncio.gather(*map(together.ask, "abcdefghij"))
        assert calling.asked == [list("abcd"), list("efgh"), list("ij")]

    run(body)


def test_calls_share_what_there_is():
    async def body(together, calling):
        tasks = await asking(together, *"abcde")
        await called(calling, 2)
        assert sorted(calling.asked) == [list("abc"), list("de")]
        calling.go_on.release(10)
        await asyncio.gather(*tasks)

    run(body, waits=True, calls=2)


def test_an_error_is_its_askers_own():
    async def body(together, calling):
        answers = await asyncio.gather(
            *map(together.ask, ["a", "fails", "c"]), return_exceptions=True
        )
        assert answers[::2] == ["a!", "c!"]
        assert isinstance(answers[1], ValueError)

    run(body)


def test_a_call_that_fails_fails_for_all_and_the_next_goes_on():
    async def body(together, calling):
        answers = await asyncio.gather(
            *map(together.ask, ["a", "all fail"]), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [RuntimeError] * 2
        assert await together.ask("b") == "b!"

    run(body)


def test_who_stops_waiting_disturbs_nobody():
    async def body(together, calling):
        tasks = await asking(together, "a", "b")
        await called(calling, 1)
        tasks[0].cancel()
        calling.go_on.release(10)
        assert await tasks[1] == "b!"
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]

    run(body, waits=True)
