"""The promoter, in a thread of the test: who asks, who comes and goes, what is answered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

import liftlock
from liftlock import Engine, PromotionRequest, Reference, RequestItem, Selection, Target
from liftlock.config import Limits
from liftlock.engine import PromotionCall
from liftlock.errors import OutcomeUnknown, RegistryUnknown, StoreBusy
from liftlock.http.frames import Frames, frame_of_calls, outcomes_in
from liftlock.http.line import Line, Mailbox, found_line, put_line
from liftlock.http.promoter import Promoter
from liftlock.model import Promotion
from liftlock.testing import images
from liftlock.testing.turns import turn

WAIT_SECONDS = 10
MANY = 3000
"""The outcomes of so many are more than a socket holds."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with liftlock.open(tmp_path / "store", create=True) as engine:
        for registry in ("dev", "prod"):
            engine.create_registry(registry, by="tests")
        images.image(engine, "dev/app", "1")
        yield engine


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with closing(Mailbox.made()) as made:
        yield made


@contextmanager
def serving(engine: Engine, mailbox: Mailbox) -> Iterator[Future[None]]:
    """Run a promoter; yield what is done when it has left."""
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(Promoter(engine, mailbox.promoter.dup()).serve)
        try:
            yield done
        finally:
            mailbox.close()
            done.result(WAIT_SECONDS)


@asynccontextmanager
async def line_to(mailbox: Mailbox) -> AsyncIterator[Line]:
    async with asyncio.timeout(WAIT_SECONDS):
        with closing(Line(mailbox.workers.dup())) as line:
            yield line


def call(target: str, source: str = "dev/app:1") -> PromotionCall:
    selection = Selection.of(Reference.parse(source))
    return PromotionCall(PromotionRequest((RequestItem(selection, Target.parse(target)),)), "me")


def targets(promotions: list[Promotion]) -> list[str]:
    return [promotion.items[0].target for promotion in promotions]


def test_every_line_gets_its_own_outcomes_in_their_order(engine: Engine, mailbox: Mailbox) -> None:
    async def ask() -> None:
        async with line_to(mailbox) as one, line_to(mailbox) as other:
            asked = [[f"prod/{name}:{tag}" for tag in range(5)] for name in ("one", "other")]
            calls = [
                line.ask(call(target))
                for line, some in zip((one, other), asked, strict=True)
                for target in some
            ]
            answered = await asyncio.gather(*calls)
            assert targets(answered) == [*asked[0], *asked[1]]

    with serving(engine, mailbox):
        asyncio.run(ask())


def test_a_refusal_is_the_one_that_it_was(engine: Engine, mailbox: Mailbox) -> None:
    async def ask() -> None:
        async with line_to(mailbox) as line:
            fine, refused = await asyncio.gather(
                line.ask(call("prod/app:1")),
                line.ask(call("none/app:1")),
                return_exceptions=True,
            )
            assert isinstance(fine, Promotion)
            assert isinstance(refused, RegistryUnknown)

    with serving(engine, mailbox):
        asyncio.run(ask())


def test_who_stops_waiting_takes_nobodys_outcome_along(engine: Engine, mailbox: Mailbox) -> None:
    async def ask() -> None:
        async with line_to(mailbox) as line:
            await line.ask(call("prod/app:0"))
            impatient = asyncio.ensure_future(line.ask(call("prod/app:1")))
            patient = asyncio.ensure_future(line.ask(call("prod/app:2")))
            await turn()
            impatient.cancel()
            assert targets([await patient]) == ["prod/app:2"]
        assert len(engine.list_tags(images.repository("prod/app")).entries) == 3, "nor is it undone"

    with serving(engine, mailbox):
        asyncio.run(ask())


def test_a_promoter_stays_for_who_has_a_line(engine: Engine, mailbox: Mailbox) -> None:
    async def ask() -> None:
        async with line_to(mailbox) as line:
            assert targets([await line.ask(call("prod/app:1"))]) == ["prod/app:1"]
            mailbox.close()
            assert targets([await line.ask(call("prod/app:2"))]) == ["prod/app:2"]
            assert not done.done()

    with serving(engine, mailbox) as done:
        asyncio.run(ask())


def test_what_goes_wrong_unforeseen_is_said_and_logged(
    engine: Engine, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    broken: Any = PromotionCall(None, "me")  # type: ignore[arg-type]

    async def ask() -> None:
        async with line_to(mailbox) as line:
            with pytest.raises(RuntimeError, match="AttributeError"):
                await line.ask(broken)
            assert targets([await line.ask(call("prod/app:1"))]) == ["prod/app:1"]

    with serving(engine, mailbox):
        asyncio.run(ask())
    assert "Traceback" in caplog.text


class Failing:
    """An engine that cannot do anything."""

    limits = Limits()

    def promote_each(self, calls: object) -> list[Promotion | Exception]:
        raise OSError("nothing can be done")


def test_a_batch_that_fails_as_a_whole_is_said_to_all_of_it(mailbox: Mailbox) -> None:
    async def ask() -> None:
        async with line_to(mailbox) as line:
            asked = [line.ask(call("prod/app:1")) for _ in range(2)]
            said = await asyncio.gather(*asked, return_exceptions=True)
            assert list(map(str, said)) == ["OSError: nothing can be done"] * 2

    with serving(Failing(), mailbox):  # type: ignore[arg-type]
        asyncio.run(ask())


class Counting(Failing):
    """An engine that counts what it is asked for at once."""

    limits = Limits(batch_operations_max=4)

    def __init__(self) -> None:
        self.asked: list[int] = []

    def promote_each(self, calls: object) -> list[Promotion | Exception]:
        assert isinstance(calls, list)
        self.asked.append(len(calls))
        return [RegistryUnknown("none")] * len(calls)


def test_a_batch_has_no_more_than_a_commit_takes(mailbox: Mailbox) -> None:
    async def ask() -> None:
        async with line_to(mailbox) as line:
            asked = [line.ask(call("prod/app:1")) for _ in range(9)]
            await asyncio.gather(*asked, return_exceptions=True)

    engine = Counting()
    with serving(engine, mailbox):  # type: ignore[arg-type]
        asyncio.run(ask())
    assert sum(engine.asked) == 9
    assert max(engine.asked) == 4


def test_who_leaves_before_its_outcomes_takes_nobody_along(
    engine: Engine, mailbox: Mailbox
) -> None:
    async def ask() -> None:
        async with line_to(mailbox) as line:
            assert targets([await line.ask(call("prod/app:2"))]) == ["prod/app:2"]

    with put_line(mailbox.workers) as leaving:
        leaving.sendall(frame_of_calls([call("prod/app:1")] * 5))
    with serving(engine, mailbox):
        asyncio.run(ask())
    assert len(engine.list_tags(images.repository("prod/app")).entries) == 2, "it is done"


def test_who_leaves_before_there_is_a_line_takes_nobody_along(
    engine: Engine, mailbox: Mailbox
) -> None:
    async def ask() -> None:
        async with line_to(mailbox) as line:
            leaving, staying = (
                asyncio.ensure_future(line.ask(call(f"prod/app:{tag}"))) for tag in "12"
            )
            await turn()
            leaving.cancel()
            assert targets([await staying]) == ["prod/app:2"]

    with serving(engine, mailbox):
        asyncio.run(ask())


def test_what_cannot_be_handed_over_is_said_at_once(engine: Engine, mailbox: Mailbox) -> None:
    async def ask() -> None:
        async with line_to(mailbox) as line:
            with pytest.raises(TypeError, match="pickle"):
                await line.ask(PromotionCall((_ for _ in ()), "me"))  # type: ignore[arg-type]
            assert targets([await line.ask(call("prod/app:1"))]) == ["prod/app:1"]

    with serving(engine, mailbox):
        asyncio.run(ask())


async def handed_over(promoter: socket.socket, *calls: Coroutine[Any, Any, Promotion]) -> Handed:
    """Let calls go over a new line to a promoter that does nothing."""
    asked = [asyncio.ensure_future(each) for each in calls]
    far = await asyncio.to_thread(found_line, promoter)
    assert far is not None
    far.settimeout(WAIT_SECONDS)
    assert await asyncio.to_thread(far.recv, 1)
    return Handed(asked, far)


class Handed(NamedTuple):
    asked: list[asyncio.Future[Promotion]]
    far: socket.socket


def test_who_waits_for_a_promoter_that_is_lost_is_told_that_nobody_knows(
    engine: Engine, mailbox: Mailbox
) -> None:
    """Done again by itself, it might undo what somebody else has done since."""

    async def ask() -> None:
        async with line_to(mailbox) as line:
            impatient, *asked = [call(f"prod/app:{tag}") for tag in "123"]
            handed = await handed_over(mailbox.promoter, *map(line.ask, (impatient, *asked)))
            handed.asked[0].cancel()
            handed.far.close()
            for waiting in handed.asked[1:]:
                with pytest.raises(OutcomeUnknown):
                    await waiting
            stack.enter_context(serving(engine, mailbox))
            assert targets([await line.ask(call("prod/app:4"))]) == ["prod/app:4"]

    with ExitStack() as stack:
        asyncio.run(ask())


def test_who_has_a_key_is_answered_by_the_next_promoter(engine: Engine, mailbox: Mailbox) -> None:
    async def ask() -> None:
        async with line_to(mailbox) as line:
            keyed = call("prod/app:1")._replace(key="k")
            handed = await handed_over(mailbox.promoter, line.ask(keyed))
            (done,) = engine.promote_each([keyed])
            handed.far.close()
            stack.enter_context(serving(engine, mailbox))
            assert await handed.asked[0] == done

    with ExitStack() as stack:
        asyncio.run(ask())


def test_a_key_is_not_tried_for_ever(mailbox: Mailbox) -> None:
    """It may be what the promoter is lost by."""

    async def ask() -> None:
        async with line_to(mailbox) as line:
            keyed = call("prod/app:1")._replace(key="k")
            handed = await handed_over(mailbox.promoter, line.ask(keyed))
            handed.far.close()
            again = await handed_over(mailbox.promoter)
            again.far.close()
            with pytest.raises(OutcomeUnknown):
                await handed.asked[0]

    asyncio.run(ask())


def test_a_worker_for_whom_no_promoter_will_come_says_so(mailbox: Mailbox) -> None:
    async def ask() -> None:
        async with line_to(mailbox) as line:
            mailbox.close()
            with pytest.raises(StoreBusy, match="about to end"):
                await line.ask(call("prod/app:1"))

    asyncio.run(ask())


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_line_that_is_lost_as_it_is_made_is_made_anew(
    engine: Engine,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
    factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """A promoter may take a line out of the mailbox and be lost before the worker has begun."""
    made = []

    def put_once_lost(workers: socket.socket) -> socket.socket:
        near = put_line(workers)
        if len(made) < 3:
            near.shutdown(socket.SHUT_RDWR)
        made.append(near)
        return near

    monkeypatch.setattr("liftlock.http.line.put_line", put_once_lost)

    async def ask() -> None:
        async with line_to(mailbox) as line:
            assert targets([await line.ask(call("prod/app:1"))]) == ["prod/app:1"]

    with serving(engine, mailbox), asyncio.Runner(loop_factory=factory) as runner:
        runner.run(ask())
    assert len(made) == 4


def test_who_takes_no_outcomes_holds_nobody_up(engine: Engine, mailbox: Mailbox) -> None:
    async def ask() -> None:
        async with line_to(mailbox) as line:
            assert targets([await line.ask(call("prod/other:1"))]) == ["prod/other:1"]

    with serving(engine, mailbox), put_line(mailbox.workers) as stalled:
        stalled.sendall(frame_of_calls([call(f"prod/app:{number}") for number in range(MANY)]))
        asyncio.run(ask())
        # It is not forgotten either.
        stalled.settimeout(WAIT_SECONDS)
        frames, told = Frames(), 0
        while told < MANY:
            for frame in frames.fed(stalled.recv(1 << 20)):
                told += len(outcomes_in(frame))
        assert told == MANY


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=3)), st.data())
def test_frames_are_whole_however_they_arrive(
    contents: list[list[str]], data: st.DataObject
) -> None:
    sent = b"".join(frame_of_calls(content) for content in contents)  # type: ignore[arg-type]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)))))
    frames = Frames()
    received = [
        frame
        for begin, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)
        for frame in frames.fed(sent[begin:end])
    ]
    assert received == [frame_of_calls(content)[8:] for content in contents]  # type: ignore[arg-type]
