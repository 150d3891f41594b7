"""A move is seen as one: its tag is on one side, for everybody, always (E51)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rivals import Gate, errors, has_both, tag

import liftlock
from liftlock import Mode, Reference, Target
from liftlock.metadata.contract import ReadTxn, Row, Table
from liftlock.testing import images

DEV, PROD = "dev/app:1", "prod/app:1"
MOVES = 1000


def move(engine: liftlock.Engine, source: str, target: str) -> None:
    engine.promote(Reference.parse(source), Target.parse(target), mode=Mode.MOVE, by="me")


def test_in_one_transaction_exactly_one_side_has_the_tag_during_a_thousand_moves(
    store: Path, rival
) -> None:
    with liftlock.open(store) as engine:
        images.image(engine, "dev/app", "1")
        reader = rival()
        assert reader.ask("watch", source=DEV, target=PROD) == "watching"
        for number in range(MOVES):
            move(engine, *((DEV, PROD) if number % 2 == 0 else (PROD, DEV)))
        seen = reader.ask("end")
        assert seen.pop("(0, 0)") == seen.pop("(1, 1)") == 0
        assert all(seen.values()), "it looked while the tag was there, and while it was here"
        assert errors(engine) == []


def test_reading_the_source_first_never_finds_neither_and_the_target_first_never_both(
    store: Path, rival
) -> None:
    """What a client sees who can only ask one after the other; each tag moves once."""
    tags = [f"t{number}" for number in range(200)]
    with liftlock.open(store) as engine:
        built = images.image(engine, "dev/app", "1")
        for name in tags:
            images.push(engine, "dev/app", name, built.body)
        reader = rival()
        assert reader.ask("follow", source="dev/app", target="prod/app", tags=tags) == "following"
        for name in tags:
            move(engine, f"dev/app:{name}", "prod/app")
        assert reader.answer() == []


@pytest.mark.parametrize("point", ["commit: operations have written", "commit: sealed"])
def test_a_move_that_is_written_and_not_committed_is_seen_by_nobody(
    store: Path, rival, point: str
) -> None:
    gate, other = Gate(point), rival()
    with liftlock.open(store, reach=gate) as engine, ThreadPoolExecutor(1) as pool:
        images.image(engine, "dev/app", "1")
        gate.is_armed = True
        moving = pool.submit(move, engine, DEV, PROD)
        gate.wait()
        before = tag(engine, DEV)
        assert before
        assert has_both(engine, DEV, PROD) == (True, False)
        assert "1" in other.ask("tags", name="dev/app")
        gate.open()
        moving.result()
        # Source first, then target: it was found at the source already.
        assert tag(engine, PROD) == before
        assert has_both(engine, DEV, PROD) == (False, True)
        assert other.ask("tags", name="dev/app") == {}


def test_a_move_is_visible_to_all_once_it_is_durable_and_before_it_is_answered(
    store: Path, rival
) -> None:
    gate, other = Gate("commit: durable"), rival()
    with liftlock.open(store, reach=gate) as engine, ThreadPoolExecutor(1) as pool:
        images.image(engine, "dev/app", "1")
        gate.is_armed = True
        moving = pool.submit(move, engine, DEV, PROD)
        gate.wait()
        assert has_both(engine, DEV, PROD) == (False, True)
        assert other.ask("tags", name="dev/app") == {}
        assert not moving.done()
        gate.open()
        moving.result()


def test_a_transaction_that_began_before_a_move_shows_all_as_it_was(store: Path) -> None:
    with liftlock.open(store) as engine, ThreadPoolExecutor(1) as pool:
        images.image(engine, "dev/app", "1")

        def look_twice(txn: ReadTxn) -> tuple[list[Row], list[Row]]:
            first = list(txn.scan(Table.TAGS))
            pool.submit(move, engine, DEV, PROD).result()
            return first, list(txn.scan(Table.TAGS))

        first, second = engine._store.read(look_twice)
        assert first == second
        assert has_both(engine, DEV, PROD) == (False, True)
