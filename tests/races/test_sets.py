"""Promotions of many images and of whole repositories, beside whatever else happens to these."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rivals import LAYER, Gate, Meeting, changes, errors, has_both, in_order, tag

import liftlock
from liftlock import Digest, Limits, Mode, Reference, RepositoryName, Target
from liftlock.config import DAY_MS
from liftlock.engine import system_clock
from liftlock.errors import KeyReused, LiftlockError, UndoRefused, UploadUnknown
from liftlock.model import Promotion
from liftlock.oci.reference import Selection
from liftlock.testing import images
from liftlock.testing.clock import FakeClock

APP = RepositoryName("dev", "app")
PARTS = Limits(part_pairs_max=5)
TAGS = [f"t{number}" for number in range(30)]


def promote(
    engine: liftlock.Engine, source: str, target: str, tags: str | None = None, **how: object
) -> Promotion:
    return engine.promote(Selection.parse(source), Target.parse(target), tags=tags, by="me", **how)


def fill(engine: liftlock.Engine, name: str = "dev/app", seed: str = "old") -> dict[str, Digest]:
    """Have an image of its own under each tag."""
    return {one: pushed(engine, name, one, f"{seed} {one}") for one in TAGS}


def pushed(engine: liftlock.Engine, name: str, tag: str, seed: str) -> Digest:
    return images.image(engine, name, tag, seed=seed, layers=1).digest


class Interruption:
    """A `reach` that does something, each time when somebody comes to a point, so many times."""

    def __init__(self, point: str, times: int = 1) -> None:
        self.point = point
        self.left = times
        self.act: Callable[[], object] = lambda: None

    def __call__(self, point: str) -> None:
        if point == self.point and self.left:
            self.left -= 1
            self.act()


# --- promotions beside promotions (E63) -----------------------------------------------------


def test_two_processes_that_promote_many_tags_to_the_same_take_turns(store: Path, rival) -> None:
    with liftlock.open(store) as engine:
        ours, theirs = fill(engine, "dev/ours", "ours"), fill(engine, "dev/theirs", "theirs")
        processes = [rival(), rival()]
        for process, source in zip(processes, ("dev/ours", "dev/theirs"), strict=True):
            process.tell("select_often", times=20, source=source, target="prod/app", tags="*")
        numbers = {number for process in processes for number in process.answer()}
        assert numbers <= set(range(1, len(numbers) + 1)) | {None}
        last = {one: tag(engine, f"prod/app:{one}") for one in TAGS}
        assert last in (ours, theirs), "all tags are of the same promotion"
        for one in TAGS:
            told = changes(engine, f"prod/app:{one}")
            assert {entry.new_digest for entry in told} == {ours[one], theirs[one]}
        assert errors(engine) == []


# --- pushes over the source's tags (E49) ----------------------------------------------------


def test_a_plan_that_a_push_overtakes_is_made_again(store: Path) -> None:
    reach = Interruption("promotion: planned")
    with liftlock.open(store, reach=reach, limits=PARTS) as engine:
        old = fill(engine)
        new = {}
        reach.act = lambda: new.setdefault("t7", pushed(engine, "dev/app", "t7", "new"))
        done = promote(engine, "dev/app", "prod", "*")
        assert new
        expected = old | new
        assert {item.target.rpartition(":")[2]: item.digest for item in done.items} == expected
        assert {one: tag(engine, f"prod/app:{one}") for one in TAGS} == expected
        assert [c.new_digest for c in changes(engine, "prod/app:t7")] == [new["t7"]]
        assert errors(engine) == []


def test_a_plan_that_is_overtaken_again_and_again_is_made_inside_the_writer(store: Path) -> None:
    reach = Interruption("promotion: planned", times=100)
    with liftlock.open(store, reach=reach, limits=PARTS) as engine:
        fill(engine)
        latest: list[Digest] = []
        reach.act = lambda: latest.append(pushed(engine, "dev/app", "t7", f"new {len(latest)}"))
        promote(engine, "dev/app", "prod", "*")
        assert len(latest) == PARTS.plan_tries_max
        assert tag(engine, "prod/app:t7") == latest[-1]
        assert len(changes(engine, "prod/app:t7")) == 1
        assert errors(engine) == []


def test_a_plan_holds_if_what_changed_is_not_what_it_rests_on(store: Path) -> None:
    reach = Interruption("promotion: planned", times=100)
    with liftlock.open(store, reach=reach, limits=PARTS) as engine:
        fill(engine)
        plans: list[Digest] = []
        reach.act = lambda: plans.append(pushed(engine, "dev/other", "1", "other"))
        promote(engine, "dev/app", "prod", "*")
        assert len(plans) == 1


@pytest.mark.parametrize("mode", Mode)
def test_every_tag_of_a_set_beside_pushes_is_wholly_old_or_new(
    store: Path, rival, mode: Mode
) -> None:
    """By chance: another process pushes over the tags while they are promoted, part by part."""
    with liftlock.open(store, limits=PARTS) as engine:
        old = fill(engine)
        other = rival()
        other.tell("push_all", name="dev/app", tags=TAGS)
        promoted: set[int | None] = set()
        for _ in range(10):
            try:
                promoted.add(promote(engine, "dev/app", "prod", "*", mode=mode).id)
            except LiftlockError:  # moved away, and not pushed again yet
                assert mode is Mode.MOVE
        new = {one: Digest.parse(at) for one, at in other.answer().items()}
        for one in TAGS:
            told = [c for c in changes(engine, f"prod/app:{one}") if c.new_digest]
            assert {c.new_digest for c in told} <= {old[one], new[one]}
            assert {c.promotion for c in told} <= promoted
            changes(engine, f"dev/app:{one}")
        assert errors(engine) == []


# --- whole repositories (E51) ---------------------------------------------------------------


def test_in_one_transaction_exactly_one_name_is_there_while_a_repository_moves(
    store: Path, rival
) -> None:
    with liftlock.open(store) as engine:
        images.image(engine, "dev/app", "1")
        reader = rival()
        assert reader.ask("watch", source="dev/app:1", target="prod/app:1") == "watching"
        for number in range(300):
            there = ("dev/app", "prod/app") if number % 2 == 0 else ("prod/app", "dev/app")
            assert promote(engine, *there, mode=Mode.MOVE).changed
        seen = reader.ask("end")
        assert seen.pop("(0, 0)") == seen.pop("(1, 1)") == 0
        assert all(seen.values())
        assert has_both(engine, "dev/app:1", "prod/app:1") == (True, False)
        assert errors(engine) == []


def test_a_push_between_the_plan_of_a_move_and_its_writing_moves_along(store: Path) -> None:
    reach = Interruption("promotion: planned")
    with liftlock.open(store, reach=reach) as engine:
        one = pushed(engine, "dev/app", "1", "one")
        reach.act = lambda: pushed(engine, "dev/app", "2", "two")
        promote(engine, "dev/app", "prod", mode=Mode.MOVE)
        assert (tag(engine, "prod/app:1"), tag(engine, "dev/app:1")) == (one, None)
        assert tag(engine, "prod/app:2")
        assert errors(engine) == []


def test_a_name_taken_between_the_plan_of_a_move_and_its_writing_is_merged_into(
    store: Path,
) -> None:
    reach = Interruption("promotion: planned")
    with liftlock.open(store, reach=reach) as engine:
        one = pushed(engine, "dev/app", "1", "one")
        theirs = []
        reach.act = lambda: theirs.append(pushed(engine, "prod/app", "2", "two"))
        promote(engine, "dev/app", "prod", mode=Mode.MOVE)
        assert (tag(engine, "prod/app:1"), tag(engine, "prod/app:2")) == (one, theirs[0])
        assert errors(engine) == []


def test_what_is_pushed_while_its_repository_moves_is_in_the_old_or_in_the_new(
    store: Path, rival
) -> None:
    """By chance: every push that was acknowledged is found under one name, and only one."""
    with liftlock.open(store) as engine:
        other, names = rival(), []
        tags = [f"p{number}" for number in range(150)]
        other.tell("push_all", name="dev/app", tags=tags)
        for number in range(40):
            try:
                promote(engine, "dev/app", f"prod/app{number}", mode=Mode.MOVE)
                names.append(f"prod/app{number}")
            except LiftlockError:  # nothing was pushed since
                continue
        acknowledged = other.answer()
        found: list[tuple[str, str]] = []
        for name in (*names, "dev/app"):
            try:
                page = engine.list_tags(RepositoryName.parse(name))
            except LiftlockError:
                continue
            found += [(entry.name, str(entry.digest)) for entry in page.entries]
        assert sorted(found) == sorted(acknowledged.items())
        assert errors(engine) == []


# --- upload sessions ------------------------------------------------------------------------


@pytest.mark.parametrize("is_name_taken_again", [False, True])
def test_an_upload_session_ends_with_the_name_it_was_started_for(
    store: Path, *, is_name_taken_again: bool
) -> None:
    with liftlock.open(store) as engine:
        pushed(engine, "dev/app", "1", "one")
        session = engine.start_upload(APP, by="me")
        with engine.hold_upload(APP, session) as upload:
            upload.append(b"some bytes")
        promote(engine, "dev/app", "prod", mode=Mode.MOVE)
        if is_name_taken_again:
            pushed(engine, "dev/app", "1", "another")
        for name in (APP, RepositoryName("prod", "app")):
            with pytest.raises(UploadUnknown), engine.hold_upload(name, session):
                pass
        with pytest.raises(UploadUnknown):
            engine.upload_size(APP, session)
        assert errors(engine) == []


def test_an_upload_whose_repository_is_renamed_before_its_commit_is_refused(store: Path) -> None:
    gate = Gate("upload: published")
    with liftlock.open(store, reach=gate) as engine, ThreadPoolExecutor(1) as pool:
        pushed(engine, "dev/app", "1", "one")
        gate.is_armed = True
        uploading = pool.submit(images.upload, engine, APP, LAYER)
        gate.wait()
        promote(engine, "dev/app", "prod", mode=Mode.MOVE)
        gate.open()
        assert isinstance(uploading.exception(), UploadUnknown)
        with pytest.raises(LiftlockError):
            engine.get_repository(APP)
        assert errors(engine) == []


# --- the sweep of the dead ------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 1000])
def test_an_undo_that_comes_after_the_first_swept_row_is_refused(store: Path, rows: int) -> None:
    clock, reach = FakeClock(system_clock()), Interruption("commit: durable")
    reach.left = 0
    limits = Limits(sweep_rows_max=rows)
    with liftlock.open(store, reach=reach, limits=limits, clock=clock) as engine:
        number = dissolve(engine)
        clock.advance(8 * DAY_MS)
        refused = []

        def undo() -> None:
            try:
                engine.undo(number, by="me")
            except UndoRefused as error:
                refused.append(error)

        # The point is within the writer's turn: whoever comes there waits for it, so it is left
        # to a thread that is done with only when the sweep goes on.
        with ThreadPoolExecutor(1) as pool:
            waiting = []
            reach.act = lambda: waiting.append(pool.submit(undo))
            reach.left = 1
            engine.sweep()
            waiting[0].result()
        assert refused
        assert tag(engine, "dev/app:t1") is None
        assert errors(engine) == []


def test_an_undo_before_the_sweep_leaves_it_nothing_to_do(store: Path) -> None:
    clock = FakeClock(system_clock())
    with liftlock.open(store, clock=clock) as engine:
        number = dissolve(engine)
        clock.advance(8 * DAY_MS)
        engine.undo(number, by="me")
        assert engine.sweep().rows == 0
        assert tag(engine, "dev/app:t1")
        assert errors(engine) == []


def test_a_sweep_beside_an_undo_leaves_all_of_a_repository_or_nothing(store: Path) -> None:
    """By chance: nobody says who is first."""
    clock = FakeClock(system_clock())
    limits = Limits(sweep_rows_max=3)
    with liftlock.open(store, clock=clock, limits=limits) as engine, ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            number = dissolve(engine)
            clock.advance(8 * DAY_MS)
            sweeping = pool.submit(engine.sweep)
            undoing = pool.submit(engine.undo, number, by="me")
            error = undoing.exception()
            sweeping.result()
            assert error is None or isinstance(error, UndoRefused)
            found = [tag(engine, f"dev/app:{one}") for one in TAGS]
            assert all(found) if error is None else not any(found)
            assert errors(engine) == []


def dissolve(engine: liftlock.Engine) -> int:
    """Have a repository merged away; return by which promotion."""
    fill(engine)
    pushed(engine, "prod/app", "theirs", "theirs")
    number = promote(engine, "dev/app", "prod", mode=Mode.MOVE).id
    assert number is not None
    return number


# --- idempotency keys -----------------------------------------------------------------------


@pytest.mark.parametrize("together", [True, False])
def test_of_two_at_once_with_one_key_the_second_is_answered_like_the_first(
    store: Path, *, together: bool
) -> None:
    with liftlock.open(store) as engine:
        pushed(engine, "dev/app", "1", "one")

    def once(engine: liftlock.Engine) -> Promotion:
        source, target = Reference.parse("dev/app:1"), Target.parse("prod/app")
        return engine.promote(source, target, by="me", key="once")

    def otherwise(engine: liftlock.Engine) -> Promotion:
        source, target = Reference.parse("dev/app:1"), Target.parse("prod/other")
        return engine.promote(source, target, by="me", key="once")

    first, second, third = in_order(store, [once, once, otherwise], together=together)
    assert first.result() == second.result()
    assert first.result().changed
    assert isinstance(third.exception(), KeyReused)
    with liftlock.open(store) as engine:
        assert len(engine.list_promotions().entries) == 1


def test_two_big_ones_that_are_planned_at_once_under_one_key_are_one(store: Path) -> None:
    reach = Meeting("promotion: planned", 2)
    with (
        liftlock.open(store, reach=reach, limits=PARTS) as engine,
        ThreadPoolExecutor(2) as pool,
    ):
        fill(engine)
        both = [
            pool.submit(promote, engine, "dev/app", "prod", "*", mode=Mode.MOVE, key="once")
            for _ in range(2)
        ]
        first, second = (future.result() for future in both)
        assert first == second
        assert first.changed
        assert len(engine.list_promotions().entries) == 1
        assert errors(engine) == []


def test_two_processes_with_one_key_promote_once(store: Path, rival) -> None:
    with liftlock.open(store) as engine:
        fill(engine)
        processes = [rival(), rival()]
        order = {"source": "dev/app", "target": "prod/app", "tags": "*", "mode": "move"}
        for process in processes:
            process.tell("select", key="once", **order)
        assert [process.answer() for process in processes] == [1, 1]
        assert len(engine.list_promotions().entries) == 1
