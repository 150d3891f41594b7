"""The promoter, in a thread of the test: who asks, who comes and goes, what is answered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import liftlock
from liftlock import Engine, PromotionRequest, Reference, RequestItem, Selection, Target
from liftlock.engine import PromotionCall
from liftlock.errors import RegistryUnknown
from liftlock.http import promoter
from liftlock.http.bridge import Bridge
from liftlock.http.frames import Frames, frame_of_calls
from liftlock.http.limits import HttpLimits
from liftlock.http.line import Line, LineLost, connected_with
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


@contextmanager
def serving(engine: Engine) -> Iterator[tuple[socket.socket, Future[None]]]:
    """Run a promoter; yield the supervisor's end, and what is done when it has left."""
    near, far = socket.socketpair()
    with ThreadPoolExecutor(1) as thread, near:
        done = thread.submit(Promoter(engine, far).serve)
        yield near, done
        near.close()
        done.result(WAIT_SECONDS)


@asynccontextmanager
async def line_through(end: socket.socket) -> AsyncIterator[Line]:
    async with asyncio.timeout(WAIT_SECONDS):
        with closing(await Line.over(connected_with(end))) as line:
            yield line


def call(target: str, source: str = "dev/app:1") -> PromotionCall:
    selection = Selection.of(Reference.parse(source))
    return PromotionCall(PromotionRequest((RequestItem(selection, Target.parse(target)),)), "me")


def targets(promotions: list[Promotion]) -> list[str]:
    return [promotion.items[0].target for promotion in promotions]


def test_every_line_gets_its_own_outcomes_in_their_order(engine: Engine) -> None:
    async def ask() -> None:
        async with line_through(end) as one, line_through(end) as other:
            asked = [[f"prod/{name}:{tag}" for tag in range(5)] for name in ("one", "other")]
            calls = [
                line.promote(call(target))
                for line, some in zip((one, other), asked, strict=True)
                for target in some
            ]
            answered = await asyncio.gather(*calls)
            assert targets(answered) == [*asked[0], *asked[1]]

    with serving(engine) as (end, _):
        asyncio.run(ask())


def test_a_refusal_is_the_one_that_it_was(engine: Engine) -> None:
    async def ask() -> None:
        async with line_through(end) as line:
            fine, refused = await asyncio.gather(
                line.promote(call("prod/app:1")),
                line.promote(call("none/app:1")),
                return_exceptions=True,
            )
            assert isinstance(fine, Promotion)
            assert isinstance(refused, RegistryUnknown)

    with serving(engine) as (end, _):
        asyncio.run(ask())


def test_who_stops_waiting_takes_nobodys_outcome_along(engine: Engine) -> None:
    async def ask() -> None:
        async with line_through(end) as line:
            impatient = asyncio.ensure_future(line.promote(call("prod/app:1")))
            patient = asyncio.ensure_future(line.promote(call("prod/app:2")))
            await turn()
            impatient.cancel()
            assert targets([await patient]) == ["prod/app:2"]
        assert len(engine.list_tags(images.repository("prod/app")).entries) == 2, "nor is it undone"

    with serving(engine) as (end, _):
        asyncio.run(ask())


def test_a_promoter_stays_for_who_has_a_line(engine: Engine) -> None:
    async def ask() -> None:
        async with line_through(end) as line:
            assert targets([await line.promote(call("prod/app:1"))]) == ["prod/app:1"]
            end.close()
            assert targets([await line.promote(call("prod/app:2"))]) == ["prod/app:2"]
            assert not done.done()

    with serving(engine) as (end, done):
        asyncio.run(ask())


def test_what_goes_wrong_unforeseen_is_said_and_logged(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    broken: Any = PromotionCall(None, "me")  # type: ignore[arg-type]

    async def ask() -> None:
        async with line_through(end) as line:
            with pytest.raises(RuntimeError, match="AttributeError"):
                await line.promote(broken)
            assert targets([await line.promote(call("prod/app:1"))]) == ["prod/app:1"]

    with serving(engine) as (end, _):
        asyncio.run(ask())
    assert "Traceback" in caplog.text


def test_who_waits_for_a_promoter_that_is_lost_hears_of_it_at_once(engine: Engine) -> None:
    async def ask() -> None:
        near, far = socket.socketpair()
        with near:
            async with line_through(near) as line:
                waiting = asyncio.ensure_future(line.promote(call("prod/app:1")))
                await turn()
                far.close()  # and the far end of the line, which waits there, with it
                with pytest.raises(LineLost):
                    await waiting
                assert not line.is_open
                with pytest.raises(LineLost):
                    await line.promote(call("prod/app:1"))

    asyncio.run(ask())


def test_a_worker_without_a_promoter_promotes_by_itself(
    tmp_path: Path, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask() -> None:
        near, far = socket.socketpair()
        with near:
            line = await Line.over(connected_with(near))
            bridge = Bridge(engine, HttpLimits(), line)
            waiting = [
                asyncio.ensure_future(bridge.promote(call(f"prod/app:{tag}"))) for tag in "123"
            ]
            await turn()
            far.close()
            async with asyncio.timeout(WAIT_SECONDS):
                assert targets(await asyncio.gather(*waiting)) == [f"prod/app:{n}" for n in "123"]
                assert targets([await bridge.promote(call("prod/app:4"))]) == ["prod/app:4"]
            bridge.close()

    asyncio.run(ask())
    assert caplog.text.count("does without") == 1


def test_who_takes_no_outcomes_holds_nobody_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promoter, "_STALLED_SECONDS", 0.5)

    async def ask(end: socket.socket) -> None:
        async with line_through(end) as line:
            assert targets([await line.promote(call("prod/other:1"))]) == ["prod/other:1"]

    with serving(engine) as (end, _), connected_with(end) as stalled:
        stalled.sendall(frame_of_calls([call(f"prod/app:{number}") for number in range(MANY)]))
        asyncio.run(ask(end))
        stalled.settimeout(WAIT_SECONDS)
        frames, received = Frames(), b"x"
        while received:
            received = stalled.recv(1 << 20)
            assert not list(frames.fed(received)), "hung up on before all was said"


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
