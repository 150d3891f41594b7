"""The promoter, in a thread of the test: who asks, who comes and goes, what is answered."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import liftlock
from liftlock import Engine, PromotionRequest, Reference, RequestItem, Selection, Target
from liftlock.engine import PromotionCall
from liftlock.errors import RegistryUnknown
from liftlock.http import promoter
from liftlock.http.promoter import Line, Promoter
from liftlock.model import Promotion
from liftlock.testing import images

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


def call(target: str, source: str = "dev/app:1") -> PromotionCall:
    selection = Selection.of(Reference.parse(source))
    return PromotionCall(PromotionRequest((RequestItem(selection, Target.parse(target)),)), "me")


def test_every_line_gets_its_own_outcomes(engine: Engine) -> None:
    with serving(engine) as (end, _), closing(Line.through(end)) as one:
        with closing(Line.through(end)) as other:
            (first,) = one.promote_each(engine, [call("prod/app:1")])
            second, third = other.promote_each(engine, [call("prod/app:2"), call("none/app:1")])
        (fourth,) = one.promote_each(engine, [call("prod/app:3")])
    for promotion, target in ((first, "1"), (second, "2"), (fourth, "3")):
        assert isinstance(promotion, Promotion)
        assert promotion.items[0].target == f"prod/app:{target}"
    assert isinstance(third, RegistryUnknown)


def test_a_promoter_stays_for_who_has_a_line(engine: Engine) -> None:
    with serving(engine) as (end, done), closing(Line.through(end)) as line:
        end.close()
        (promotion,) = line.promote_each(engine, [call("prod/app:1")])
        assert isinstance(promotion, Promotion)
        assert not done.done()


def test_what_goes_wrong_unforeseen_is_said_and_logged(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    broken = PromotionCall(None, "me")  # type: ignore[arg-type]
    with serving(engine) as (end, _), closing(Line.through(end)) as line:
        outcomes = line.promote_each(engine, [broken])
        (promotion,) = line.promote_each(engine, [call("prod/app:1")])
    assert "AttributeError" in str(outcomes[0])
    assert "Traceback" in caplog.text
    assert isinstance(promotion, Promotion)


def test_without_a_promoter_the_worker_promotes_by_itself(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    near, far = socket.socketpair()
    far.close()
    with near, closing(Line.through(near)) as line:
        for tag in "12":
            (promotion,) = line.promote_each(engine, [call(f"prod/app:{tag}")])
            assert isinstance(promotion, Promotion)
    assert caplog.text.count("does without") == 1


def test_who_takes_no_outcomes_holds_nobody_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promoter, "_STALLED_SECONDS", 1)
    asked = pickle.dumps([call(f"prod/app:{number}") for number in range(MANY)])
    with (
        serving(engine) as (end, _),
        closing(Line.through(end)) as line,
        closing(Line.through(end)) as stalled,
    ):
        connection_of(stalled).send_bytes(asked)
        (promotion,) = line.promote_each(engine, [call("prod/other:1")])
        assert isinstance(promotion, Promotion)
        with pytest.raises(OSError, match="during message"):
            connection_of(stalled).recv_bytes()


def connection_of(line: Line) -> promoter.Connection:
    assert line._connection is not None
    return line._connection
