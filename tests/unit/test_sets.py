"""Sets: whatever a request selects, big or small, it is one plan, one transaction, one result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import pytest

from liftlock import Digest, Limits, Mode, seals
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine, PromotionRequest, RequestItem
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Promotion, PromotionItem
from liftlock.testing.clock import FakeClock
from liftlock.testing.counting import CountingStore
from liftlock.testing.images import attachment, image, index, platforms, referrer, upload
from liftlock.testing.states import Content, contents, item, rows


class Case(NamedTuple):
    """What is there, and what is asked."""

    build: Callable[[Engine], None]
    items: tuple[RequestItem, ...]
    modes: tuple[Mode, ...] = (Mode.COPY, Mode.MOVE)


class Side(NamedTuple):
    """An engine, and what it stands on."""

    engine: Engine
    store: CountingStore


@contextmanager
def side(part_pairs_max: int) -> Iterator[Side]:
    clock = FakeClock()
    store = CountingStore(MemoryMetadataStore(clock, seals.seal))
    limits = Limits(part_pairs_max=part_pairs_max)
    with Engine(store, MemoryBlobStore(clock=clock), limits=limits, clock=clock) as engine:
        for registry in ("dev", "test", "prod"):
            engine.create_registry(registry, by="tests")
        yield Side(engine, store)
        assert list(engine.check(content=True)) == []


def five(engine: Engine) -> None:
    """Five tags: two of one image, an index, a signature, a referrer with one of its own."""
    app = image(engine, "dev/app", "1", seed="a")
    image(engine, "dev/app", "2", seed="b")
    image(engine, "dev/app", "3", seed="a")
    multi = platforms(engine, "dev/app", "4", count=2)
    image(engine, "dev/app", "5", seed="c")
    attachment(engine, app, "first")
    attachment(engine, multi.children[0], "child")
    sbom = referrer(engine, app)
    referrer(engine, sbom, seed="of a referrer")
    attachment(engine, sbom, "of a referrer")


def five_over_some(engine: Engine) -> None:
    five(engine)
    image(engine, "prod/app", "2", seed="old")
    image(engine, "prod/app", "5", seed="c")
    image(engine, "prod/app", "other", seed="other")


def five_and_loose(engine: Engine) -> None:
    five_over_some(engine)
    image(engine, "dev/app", None, seed="untagged")
    platforms(engine, "dev/app", None, count=1, seed="untagged")
    upload(engine, "dev/app", b"loose")


def shared(engine: Engine) -> None:
    """What tags of different parts share: children, an attached image, layers."""
    child = image(engine, "dev/app", seed="child")
    for number in range(5):
        own = image(engine, "dev/app", seed=str(number), contents=[b"base", b"%d" % number])
        index(engine, "dev/app", f"t{number}", [child, own])
    attachment(engine, child, "first")


def foreign(engine: Engine) -> None:
    """A layer that some name and one has."""
    for number in range(4):
        image(engine, "dev/app", f"t{number}", seed=str(number), foreign=[b"windows"])
    image(engine, "dev/web", "1", seed="web", contents=[b"windows"])
    image(engine, "dev/web", "2", seed="web 2", foreign=[b"windows"])
    image(engine, "dev/web", "3", seed="web 3")


def teams(engine: Engine) -> None:
    for name in ("dev/team/a", "dev/team/b", "dev/team/deep/c", "dev/other"):
        for tag in ("1", "2", "3"):
            image(engine, name, tag, seed=name + tag)
    image(engine, "prod/team/b", "1", seed="old")
    image(engine, "prod/team/b", "0", seed="older")


def three(engine: Engine) -> None:
    for name in ("dev/a", "dev/b", "dev/c"):
        for tag in ("1", "2", "3"):
            app = image(engine, name, tag, seed=name + tag)
        attachment(engine, app, "first")
        referrer(engine, app)


def one_image(engine: Engine) -> None:
    """The same digest, signed, in two repositories; and under many tags."""
    for name in ("dev/a", "dev/b"):
        for tag in ("1", "2", "3"):
            app = image(engine, name, tag, seed="same")
        attachment(engine, app, "first")
        referrer(engine, app)


def grown(engine: Engine) -> None:
    """The second repository's signature tag has more than the first's."""
    app = image(engine, "dev/a", "1", seed="same")
    attachment(engine, app, "first")
    app = image(engine, "dev/b", "2", seed="same")
    attachment(engine, app, "first", "second")
    image(engine, "dev/b", "3", seed="other")


def attached_apart(engine: Engine) -> None:
    """Subjects and referrers in different repositories."""
    app = image(engine, "dev/a", "1", seed="same")
    image(engine, "dev/a", "2", seed="2")
    image(engine, "dev/b", "x", seed="x")
    referrer(engine, app, name="dev/b", tag="sbom")


def few(engine: Engine) -> None:
    """Less than a part, so that many items are one."""
    image(engine, "dev/a", "1", seed="1")
    image(engine, "dev/b", "1", seed="2")


ALL: tuple[Mode, ...] = (Mode.COPY, Mode.MOVE)
CASES = {
    "all tags": Case(five, (item("dev/app", "prod", "*"),)),
    "all tags over some": Case(five_over_some, (item("dev/app", "prod", "*"),)),
    "tags by name": Case(five, (item("dev/app", "prod", ("4", "1", "3")),)),
    "tags one by one": Case(five, tuple(item(f"dev/app:{n}", "prod") for n in (1, 3, 5))),
    "a template": Case(five, (item("dev/app", "prod", "[1-5]", retag="v{tag}-rc"),)),
    "a template at home": Case(five, (item("dev/app", "dev", "[1-5]", retag="v{tag}"),)),
    "two routes": Case(five, (item("dev/app", "prod", "*"), item("dev/app", "test/web", "*"))),
    "two routes, each some": Case(
        five, (item("dev/app", "prod", ("1", "2", "4")), item("dev/app", "test", ("3", "5")))
    ),
    "whole": Case(five_and_loose, (item("dev/app", "test"),)),
    "whole into another": Case(five_and_loose, (item("dev/app", "prod"),)),
    "shared children": Case(shared, (item("dev/app", "prod", "*"),)),
    "shared children, some": Case(shared, (item("dev/app", "prod", "t[0-2]"),)),
    "shared children, two routes": Case(
        shared, (item("dev/app", "prod", "t[0-2]"), item("dev/app", "test", "t[34]"))
    ),
    "foreign layers": Case(foreign, (item("dev/app", "prod", "*"), item("dev/web", "prod", "*"))),
    "foreign layers into one": Case(
        foreign, (item("dev/app", "prod/x", "*"), item("dev/web", "prod/x", "*"))
    ),
    "foreign layers into one, the other way": Case(
        foreign, (item("dev/web", "prod/x", "*"), item("dev/app", "prod/x", "*"))
    ),
    "merging foreign layers": Case(foreign, (item("dev/app", "prod/x"), item("dev/web", "prod/x"))),
    "below a path": Case(teams, (item("dev/team/**", "prod/team"),)),
    "below a path, elsewhere": Case(teams, (item("dev/team/**", "prod/squad/x"),)),
    "below a path, tags": Case(teams, (item("dev/team/**", "prod/team", "[12]"),)),
    "below a path, listed tags": Case(teams, (item("dev/team/**", "prod/squad", ("3", "none")),)),
    "a registry": Case(teams, (item("dev", "prod"),)),
    "a registry, tags": Case(teams, (item("dev", "prod", "*"),)),
    "wholes into one free name": Case(
        three, (item("dev/a", "prod/x"), item("dev/b:1", "prod/x:b1"))
    ),
    "a chain of tags": Case(
        three, (item("dev/a:1", "dev/b:1"), item("dev/b:1", "dev/c:1"), item("dev/c:1", "dev/c:9"))
    ),
    "a swap of tags": Case(three, (item("dev/a:1", "dev/b:1"), item("dev/b:1", "dev/a:1"))),
    "a swap of tags at home": Case(three, (item("dev/a:1", "dev/a:2"), item("dev/a:2", "dev/a:1"))),
    "a swap of globs": Case(three, (item("dev/a", "dev/b", "*"), item("dev/b", "dev/a", "*"))),
    "a chain of wholes": Case(three, (item("dev/a", "dev/b"), item("dev/b", "prod/b"))),
    "a chain of wholes, backwards": Case(three, (item("dev/b", "prod/b"), item("dev/a", "dev/b"))),
    "a swap of wholes": Case(three, (item("dev/a", "dev/b"), item("dev/b", "dev/a")), (Mode.MOVE,)),
    "a ring of wholes": Case(
        three,
        (item("dev/a", "dev/b"), item("dev/b", "dev/c"), item("dev/c", "dev/a")),
        (Mode.MOVE,),
    ),
    "one image from two": Case(one_image, (item("dev/a:1", "prod/x"), item("dev/b:2", "prod/x"))),
    "one image, many tags, from two": Case(
        one_image, (item("dev/a", "prod/x", "*"), item("dev/b", "prod/x", "*", retag="b-{tag}"))
    ),
    "a grown signature from two": Case(
        grown, (item("dev/a:1", "prod/x"), item("dev/b", "prod/x", "*"))
    ),
    "a grown signature from two, the other way": Case(
        grown, (item("dev/b", "prod/x", "*"), item("dev/a:1", "prod/x"))
    ),
    "a subject and its referrer": Case(
        attached_apart, (item("dev/a", "prod/x", "*"), item("dev/b", "prod/x", "*"))
    ),
    "a referrer and its subject": Case(
        attached_apart, (item("dev/b", "prod/x", "*"), item("dev/a", "prod/x", "*"))
    ),
    "merging subject and referrer": Case(
        attached_apart, (item("dev/b", "prod/x"), item("dev/a", "prod/x"))
    ),
    "a few": Case(few, (item("dev/a:1", "prod/a"), item("dev/b:1", "prod/b"))),
    "the same twice": Case(few, (item("dev/a:1", "prod/a"), item("dev/a", "prod/a", "*"))),
}
CHAINS = {"a chain of tags", "a swap of tags", "a swap of globs"}
"""A repository that is source and target cannot be purged."""
PARAMETERS = [
    pytest.param(case, mode, purge, id=f"{name}, {mode}{', purged' if purge else ''}")
    for name, case in CASES.items()
    for mode in case.modes
    for purge in ((False, True) if mode is Mode.MOVE and name not in CHAINS else (False,))
]


def told(promotion: Promotion) -> set[PromotionItem]:
    return set(promotion.items)


def tags(state: dict[str, Content]) -> dict[str, dict[str, Digest]]:
    """Return each repository's tags; one that has none may as well not be there."""
    return {name: content.tags for name, content in state.items() if content.tags}


@pytest.fixture
def sides() -> Iterator[tuple[Side, Side]]:
    """All at once, and in parts of two images."""
    with ExitStack() as stack:
        yield stack.enter_context(side(1000)), stack.enter_context(side(2))


@pytest.mark.parametrize(("case", "mode", "purge"), PARAMETERS)
def test_big_and_small_do_the_same(
    sides: tuple[Side, Side], case: Case, mode: Mode, *, purge: bool
) -> None:
    """E54: planned at once or in parts, in a dry run or not, and undone again."""
    request = PromotionRequest(case.items, mode, purge=purge)
    done: list[Promotion] = []
    states: list[dict[str, Content]] = []
    undone: list[dict[str, Content]] = []
    for engine, store in sides:
        case.build(engine)
        before = contents(store)
        said = engine.promote_all(request, by="me", dry_run=True)
        assert contents(store) == before
        store.reset()
        made = engine.promote_all(request, by="me", plan=said.plan)
        assert made.records == said.records == store.written
        assert told(said) == told(made)
        assert (said.linked, said.referrers, said.plan) == (made.linked, made.referrers, made.plan)
        done.append(made)
        states.append(contents(store))
        assert list(engine.check()) == []
        assert made.id is not None
        assert told(engine.get_promotion(made.id)) >= {
            each for each in told(made) if each.action != "unchanged"
        }
        everything = rows(store)
        again = engine.promote_all(request, by="you")
        assert (again.changed, again.id, again.by) == (False, made.id, "me")
        assert rows(store) == everything
        engine.undo(made.id, by="me")
        assert list(engine.check()) == []
        after = contents(store)
        assert tags(after) == tags(before)
        undone.append(after)
    small, big = done
    assert states[0] == states[1]
    assert undone[0] == undone[1]
    assert told(small) == told(big)
    assert set(small.referrers) == set(big.referrers)
    assert (small.linked, small.changed, small.mode) == (big.linked, big.changed, big.mode)
