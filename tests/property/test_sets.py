"""Any set: a dry run predicts it, parts do what all at once does, and an undo takes it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftlock import Limits, Mode, seals
from liftlock import Side as Attached
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine, PromotionRequest
from liftlock.errors import LiftlockError, UndoRefused
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Promotion, PromotionItem, RegistrySettings
from liftlock.testing.clock import FakeClock
from liftlock.testing.counting import CountingStore
from liftlock.testing.images import Built, attachment, image, index, platforms, referrer, upload
from liftlock.testing.states import Content, contents, item, rows

REPOSITORIES = ("dev/a", "dev/b", "dev/t/c", "prod/a")
TAGS = "12345"


class Pushed(NamedTuple):
    """One image, and what comes with it."""

    kind: str
    name: str
    tag: str
    seed: str
    signatures: tuple[str, ...]
    referrers: int
    is_far: bool
    """Whether its referrer is pushed elsewhere, too."""


pushes = st.builds(
    Pushed,
    st.sampled_from(
        [
            *("image", "index", "shared", "foreign", "that layer", "sparse"),
            *("holes", "holes filled", "untagged", "loose"),
        ]
    ),
    st.sampled_from(REPOSITORIES),
    st.sampled_from(TAGS),
    st.sampled_from("abcd"),
    st.sampled_from([(), (), ("x",), ("x", "y"), ("x", "y", "z"), ("other",)]),
    st.sampled_from([0, 0, 0, 1, 2]),
    st.booleans(),
)
targets = st.sampled_from([r + t for r in ("prod", "test", "dev") for t in ("", "/a", "/b", "/x")])
sources = st.sampled_from(REPOSITORIES)
items = st.one_of(
    st.builds(
        lambda name, tag, target, to: item(f"{name}:{tag}", target + to),
        sources,
        st.sampled_from(TAGS),
        targets,
        st.sampled_from(["", ":1", ":9"]),
    ),
    st.builds(
        partial(item),
        sources,
        targets,
        st.sampled_from(["*", "[1-3]", ("1", "2"), ("2", "4")]),
        retag=st.sampled_from([None, "v{tag}"]),
    ),
    st.builds(item, sources, targets),
    st.builds(
        item,
        st.sampled_from(["dev", "dev/**", "dev/t/**"]),
        st.sampled_from(["prod", "test", "prod/y"]),
        st.sampled_from([None, "*"]),
    ),
)
requests = st.builds(
    lambda asked, mode, side, purge, sparse: PromotionRequest(
        tuple(asked), mode, side, purge and mode is Mode.MOVE, sparse
    ),
    st.lists(items, min_size=1, max_size=3),
    st.sampled_from(Mode),
    st.sampled_from([None, Attached.SOURCE, Attached.TARGET]),
    st.booleans(),
    st.sampled_from([True, True, False]),
)


def push(engine: Engine, pushed: Pushed) -> None:
    kind, name, tag, seed, signatures, referrers, is_far = pushed
    own = [b"base", seed.encode()]
    builders: dict[str, Callable[[], object]] = {
        "image": lambda: image(engine, name, tag, seed=seed, contents=own),
        "index": lambda: platforms(engine, name, tag, seed=seed),
        "shared": lambda: index(
            engine,
            name,
            tag,
            [image(engine, name, seed="child"), image(engine, name, seed=seed, contents=own)],
        ),
        "foreign": lambda: image(engine, name, tag, seed=seed, foreign=[b"windows"]),
        "that layer": lambda: image(engine, name, tag, seed=seed, contents=[b"windows"]),
        "sparse": lambda: index(
            engine,
            name,
            tag,
            [image(engine, "far/x", seed=s, contents=[b"base", s.encode()]) for s in seed + "d"],
        ),
        "holes": lambda: image(
            engine, name, tag, seed=seed, contents=[b"base"], absent=[b"windows", seed.encode()]
        ),
        "holes filled": lambda: _filled(engine, name, tag, seed),
        "untagged": lambda: image(engine, name, None, seed=seed),
        "loose": lambda: upload(engine, name, seed.encode() * 3),
    }
    built = builders[kind]()
    if kind == "loose":
        return
    assert isinstance(built, Built)
    if signatures:
        attachment(engine, built, *signatures)
    for number in range(referrers):
        referring = referrer(engine, built, seed=str(number))
        attachment(engine, referring, "of the referrer")
        if is_far:
            referrer(engine, built, seed=str(number), name="dev/b", tag="far")


def _filled(engine: Engine, name: str, tag: str, seed: str) -> Built:
    """The very same manifest as one with holes, which prod/a has, from where nothing is lacked."""
    image(engine, "prod/a", None, seed=seed, contents=[b"base"], absent=[b"windows", seed.encode()])
    return image(engine, name, tag, seed=seed, contents=[b"base", b"windows", seed.encode()])


class Done(NamedTuple):
    """What came of it."""

    refused: list[str]
    items: set[PromotionItem]
    linked: int
    after: dict[str, Content]
    undone: dict[str, object]


@contextmanager
def engine(part_pairs_max: int) -> Iterator[tuple[Engine, CountingStore]]:
    clock = FakeClock()
    store = CountingStore(MemoryMetadataStore(clock, seals.seal))
    limits = Limits(part_pairs_max=part_pairs_max)
    with Engine(store, MemoryBlobStore(clock=clock), limits=limits, clock=clock) as made:
        for registry in ("dev", "test", "prod", "far"):
            wanted = RegistrySettings(allow_sparse=registry != "test")
            made.create_registry(registry, wanted, by="tests")
        yield made, store
        assert list(made.check(content=True)) == []


def attempted(act: Callable[[], Promotion]) -> Promotion | list[str]:
    try:
        return act()
    except LiftlockError as error:
        return sorted(map(str, error.violations))


def done(before: list[Pushed], request: PromotionRequest, part_pairs_max: int) -> Done:
    """Promote in a dry run, then really; undo; return all that can be told of it."""
    with engine(part_pairs_max) as (made, store):
        for pushed in before:
            push(made, pushed)
        was, were = contents(store), rows(store)
        said = attempted(lambda: made.promote_all(request, by="me", dry_run=True))
        assert rows(store) == were
        store.reset()
        if isinstance(said, list):
            assert attempted(lambda: made.promote_all(request, by="me")) == said
            assert rows(store) == were
            return Done(said, set(), 0, was, {})
        promoted = made.promote_all(request, by="me", plan=said.plan)
        assert (set(said.items), said.linked) == (set(promoted.items), promoted.linked)
        assert (said.referrers, said.changed) == (promoted.referrers, promoted.changed)
        assert said.absent == promoted.absent
        after = contents(store)
        if not promoted.changed:
            return Done([], set(promoted.items), 0, after, {})
        assert said.records == promoted.records == store.written
        assert list(made.check()) == []
        assert promoted.id is not None
        made.get_promotion(promoted.id)
        if places(was) == places(after):
            with pytest.raises(UndoRefused, match="fills a gap stays"):
                made.undo(promoted.id, by="me")
            assert contents(store) == after
            return Done([], set(promoted.items), promoted.linked, after, {})
        undone = undo(made, store, promoted.id)
        for name, content in was.items():
            assert undone[name].tags == content.tags
            assert undone[name].manifests >= content.manifests
            assert undone[name].blobs >= content.blobs
        return Done(
            [],
            set(promoted.items),
            promoted.linked,
            after,
            {name: (c.tags, c.manifests, c.blobs) for name, c in undone.items()},
        )


def places(found: dict[str, Content]) -> dict[str, object]:
    """Return what an undo puts back: all but blobs, by which a promotion fills a gap for good."""
    return {name: (content.tags, content.manifests) for name, content in found.items()}


def undo(made: Engine, store: CountingStore, number: int) -> dict[str, Content]:
    said = made.undo(number, by="me", dry_run=True)
    store.reset()
    taken = made.undo(number, by="me")
    assert said.records == taken.records == store.written
    assert said.items == taken.items
    return contents(store)


@given(st.lists(pushes, min_size=2, max_size=10), requests)
def test_big_and_small_do_the_same(before: list[Pushed], request: PromotionRequest) -> None:
    """E54, contract 2 and 10."""
    at_once = done(before, request, 1000)
    assert at_once == done(before, request, 2) == done(before, request, 1)


class Wanted(NamedTuple):
    """What is promoted of that which was pushed."""

    which: int
    form: str
    target: str


holed = st.builds(
    Pushed,
    st.sampled_from(["holes", "holes", "holes filled", "foreign", "that layer", "sparse", "loose"]),
    st.sampled_from(["dev/a", "dev/b", "prod/a"]),
    st.sampled_from("12"),
    st.sampled_from("ab"),
    st.just(()),
    st.just(0),
    st.just(value=False),
)
wanted = st.builds(
    Wanted,
    st.integers(0, 5),
    st.sampled_from(["tag", "glob", "whole"]),
    st.sampled_from(["prod", "prod/a", "dev/b", "prod/x"]),
)


@given(
    st.lists(holed, min_size=2, max_size=6),
    st.lists(wanted, min_size=1, max_size=3),
    st.sampled_from([(Mode.COPY, False), (Mode.MOVE, False), (Mode.MOVE, True)]),
)
def test_what_names_what_is_absent_goes_alike(
    before: list[Pushed], asked: list[Wanted], how: tuple[Mode, bool]
) -> None:
    """Of sources that are there, so that most of it happens."""
    items = []
    for which, form, target in asked:
        pushed = before[which % len(before)]
        source = f"{pushed.name}:{pushed.tag}" if form == "tag" else pushed.name
        items.append(item(source, target, "*" if form == "glob" else None))
    mode, purge = how
    request = PromotionRequest(tuple(items), mode, None, purge, allow_sparse=True)
    at_once = done(before, request, 1000)
    assert at_once == done(before, request, 2) == done(before, request, 1)
