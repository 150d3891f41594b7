"""What comes up while others are done is done together, and each asker hears of its own."""

import asyncio
import threading

import pytest

from liftlock.http.together import Together
from liftlock.testing.turns import turn


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


def run(body, *, waits=False, most=4):
    """Run a coroutine function with a Together and its Calls."""

    async def main():
        calling = Calls(waits=waits)
        together = Together(calling, "together", most)
        try:
            async with asyncio.timeout(10):
                return await body(together, calling)
        finally:
            calling.go_on.release(10)
            together.close()

    return asyncio.run(main())


async def asking(together, *questions):
    tasks = [asyncio.ensure_future(together.ask(question)) for question in questions]
    await turn()
    return tasks


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


def test_what_was_asked_is_answered_before_the_end():
    async def body(together, calling):
        tasks = await asking(together, "a")
        await called(calling, 1)
        tasks += await asking(together, "b")
        calling.go_on.release(10)
        together.close()
        assert await asyncio.gather(*tasks) == ["a!", "b!"]

    run(body, waits=True)


def test_the_end_may_be_taken_together_with_what_came_before_it():
    async def body(together, calling):
        tasks = await asking(together, "a")
        await called(calling, 1)
        tasks += await asking(together, "b")
        closing = asyncio.ensure_future(asyncio.to_thread(together.close))
        while together._asked.qsize() < 2:
            await turn()
        calling.go_on.release(10)
        assert await asyncio.gather(*tasks) == ["a!", "b!"]
        await closing

    run(body, waits=True)


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
