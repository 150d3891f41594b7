"""Promotions beside promotions, and beside pushes: one after the other, and the history says so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rivals import changes, errors, in_order, tag

import liftlock
from liftlock import Digest, Mode, Reference, Target
from liftlock.errors import NotFound, TagMoved
from liftlock.testing import images

IMAGES = 60


def promote(source: str, target: str, **how: object):
    return lambda engine: engine.promote(
        Reference.parse(source), Target.parse(target), by="me", **how
    )


def pushed(engine: liftlock.Engine, tag_: str, seed: str) -> Digest:
    return images.image(engine, "dev/app", tag_, seed=seed).digest


# --- two promotions to one tag (E63) --------------------------------------------------------


@pytest.mark.parametrize("together", [True, False])
def test_of_two_promotions_to_one_tag_the_second_starts_where_the_first_ended(
    store: Path, *, together: bool
) -> None:
    with liftlock.open(store) as engine:
        one, two = pushed(engine, "1", "one"), pushed(engine, "2", "two")
    operations = [promote("dev/app:1", "prod/app:now"), promote("dev/app:2", "prod/app:now")]
    first, second = in_order(store, operations, together=together)
    assert first.result().items[0].previous_digest is None
    assert second.result().items[0].previous_digest == one
    with liftlock.open(store) as engine:
        assert [entry.new_digest for entry in changes(engine, "prod/app:now")] == [one, two]
        assert errors(engine) == []


@pytest.mark.parametrize("together", [True, False])
def test_of_two_promotions_that_expect_no_tag_one_is_refused(
    store: Path, *, together: bool
) -> None:
    with liftlock.open(store) as engine:
        one = pushed(engine, "1", "one")
        pushed(engine, "2", "two")
    operations = [
        promote(source, "prod/app:now", expect_target=liftlock.ABSENT)
        for source in ("dev/app:1", "dev/app:2")
    ]
    first, second = in_order(store, operations, together=together)
    assert first.exception() is None
    assert isinstance(second.exception(), TagMoved)
    with liftlock.open(store) as engine:
        assert [entry.new_digest for entry in changes(engine, "prod/app:now")] == [one]


def test_two_processes_that_promote_to_one_tag_take_turns(store: Path, rival) -> None:
    with liftlock.open(store) as engine:
        for number in range(IMAGES):
            pushed(engine, f"a{number}", f"a{number}")
            pushed(engine, f"b{number}", f"b{number}")
        ones, others = rival(), rival()
        for process, name in ((ones, "a"), (others, "b")):
            sources = [f"dev/app:{name}{number}" for number in range(IMAGES)]
            process.tell("promote_all", sources=sources, target="prod/app:now")
        numbers = ones.answer() + others.answer()
        assert sorted(numbers) == list(range(1, 2 * IMAGES + 1))
        assert [c.promotion for c in changes(engine, "prod/app:now")] == sorted(numbers)
        assert errors(engine) == []


def test_a_process_that_comes_during_anothers_commit_waits_for_its_end(store: Path, rival) -> None:
    """The other one holds LMDB's lock, in the middle of what it writes."""
    with liftlock.open(store) as engine:
        one, two = pushed(engine, "1", "one"), pushed(engine, "2", "two")
        first, second = rival(), rival()
        first.ask("stop", at="commit: sealed")
        stopped = first.ask("promote", source="dev/app:1", target="prod/app:now")
        assert stopped == {"at": "commit: sealed"}
        second.tell("promote", source="dev/app:2", target="prod/app:now")
        assert tag(engine, "prod/app:now") is None
        first.go_on()
        assert (first.answer(), second.answer()) == (1, 2)
        assert [entry.new_digest for entry in changes(engine, "prod/app:now")] == [one, two]
        assert errors(engine) == []


def test_the_commit_of_a_killed_process_leaves_the_turn_to_the_next(store: Path, rival) -> None:
    """It died with LMDB's lock (L33)."""
    with liftlock.open(store) as engine:
        pushed(engine, "1", "one")
        two = pushed(engine, "2", "two")
        first, second = rival(), rival()
        first.ask("stop", at="commit: sealed")
        first.ask("promote", source="dev/app:1", target="prod/app:now")
        second.tell("promote", source="dev/app:2", target="prod/app:now")
        first.kill()
        assert second.answer() == 1
        assert [entry.new_digest for entry in changes(engine, "prod/app:now")] == [two]
        assert errors(engine) == []


# --- a push to the source's tag (E49) -------------------------------------------------------


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("is_push_first", [True, False])
def test_a_push_over_the_source_tag_is_promoted_wholly_or_not_at_all(
    store: Path, mode: Mode, *, is_push_first: bool, together: bool
) -> None:
    with liftlock.open(store) as engine:
        new_image = images.platforms(engine, "dev/app", "new", seed="new")
        images.referrer(engine, new_image)
        old_image = images.platforms(engine, "dev/app", "1", seed="old")
        images.referrer(engine, old_image)

    def push(engine: liftlock.Engine) -> object:
        return images.push(engine, "dev/app", "1", new_image.body, media_type=new_image.media_type)

    operations = [push, promote("dev/app:1", "prod/app:1", mode=mode)]
    order = operations if is_push_first else operations[::-1]
    done = in_order(store, order, together=together)
    promotion = done[is_push_first].result()
    expected, other = (new_image, old_image) if is_push_first else (old_image, new_image)
    assert promotion.items[0].digest == expected.digest
    with liftlock.open(store) as engine:
        assert [entry.new_digest for entry in changes(engine, "prod/app:1")] == [expected.digest]
        assert_whole(engine, "prod/app", expected)
        for child in other.children:
            with pytest.raises(NotFound):
                engine.get_manifest(Reference.parse(f"prod/app@{child.digest}"))
        source = {  # a move takes what was promoted, never what came after it
            (Mode.COPY, True): new_image.digest,
            (Mode.COPY, False): new_image.digest,
            (Mode.MOVE, True): None,
            (Mode.MOVE, False): new_image.digest,
        }[mode, is_push_first]
        assert tag(engine, "dev/app:1") == source
        changes(engine, "dev/app:1")
        assert errors(engine) == []


def assert_whole(engine: liftlock.Engine, name: str, image: images.Built) -> None:
    """All that came along can be read there."""
    where = images.repository(name)
    assert len(engine.list_referrers(where, image.digest).entries) == 1
    for child in image.children:
        assert engine.get_manifest(Reference(where, None, child.digest)).body == child.body
        for blob in child.blobs:
            assert images.read(engine, where, blob)


def test_promotions_beside_pushes_over_their_source_are_of_what_was_pushed(store: Path) -> None:
    """By chance: nobody says who comes when."""
    with liftlock.open(store) as engine, ThreadPoolExecutor(3) as pool:
        pushed(engine, "1", "first")

        def push_all() -> set[Digest]:
            return {pushed(engine, "1", f"{number}") for number in range(IMAGES)}

        def promote_all(mode: Mode) -> list[Digest | None]:
            results = []
            for _ in range(IMAGES):
                try:
                    done = promote("dev/app:1", "prod/app:1", mode=mode)(engine)
                except NotFound:  # moved away, and not pushed again yet
                    continue
                results.append(done.items[0].digest)
            return results

        pushing = pool.submit(push_all)
        copying = pool.submit(promote_all, Mode.COPY)
        moving = pool.submit(promote_all, Mode.MOVE)
        known = pushing.result() | {images.image(engine, "dev/b", "1", seed="first").digest}
        promoted = set(copying.result() + moving.result())
        assert promoted <= known
        told = {entry.new_digest for entry in changes(engine, "prod/app:1")}
        assert told <= promoted
        changes(engine, "dev/app:1")
        assert errors(engine) == []
