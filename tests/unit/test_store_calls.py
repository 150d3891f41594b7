"""What a promotion asks of the store does not grow with layers, children or tags (design, 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from liftlock import Mode, Reference, RepositoryName, Target
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Promotion, SettingsChange
from liftlock.testing.clock import FakeClock
from liftlock.testing.counting import CountingStore
from liftlock.testing.images import (
    Built,
    attachment,
    image,
    index,
    platforms,
    referrer,
    upload,
)

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")
Build = Callable[[Engine, int], None]


@pytest.fixture
def counting(store: MemoryMetadataStore) -> CountingStore:
    return CountingStore(store)


@pytest.fixture
def counted(
    engine: Engine, counting: CountingStore, blobs: MemoryBlobStore, clock: FakeClock
) -> Engine:
    return Engine(counting, blobs, clock=clock)


def layers(engine: Engine, size: int) -> None:
    image(engine, DEV, "1", layers=size)


def children(engine: Engine, size: int) -> None:
    platforms(engine, DEV, "1", count=size)


def tags(engine: Engine, size: int) -> None:
    for number in range(size):
        image(engine, DEV, f"t{number}")
        image(engine, PROD, f"t{number}", seed=str(number))
    image(engine, DEV, "1")


def referrers(engine: Engine, size: int) -> None:
    app = image(engine, DEV, "1")
    for number in range(size):
        referrer(engine, app, seed=str(number))


def attachments(engine: Engine, size: int) -> None:
    multi = platforms(engine, DEV, "1", count=size)
    for child in multi.children:
        attachment(engine, child, "first")


def grown_attachments(engine: Engine, size: int) -> None:
    """Each of them is at the target too, and shorter."""
    multi = platforms(engine, DEV, "1", count=size)
    for child in multi.children:
        attachment(engine, child, "first", name=PROD)
        attachment(engine, child, "first", "second")


def foreign_layers_that_came_in(engine: Engine, size: int) -> None:
    """The target names them, and gets them by the promotion."""
    contents = [f"foreign {number}".encode() for number in range(size)]
    image(engine, PROD, "0", seed="0", foreign=contents)
    image(engine, DEV, "1", contents=contents)


def foreign_layers(engine: Engine, size: int) -> None:
    image(engine, DEV, "1", foreign=[f"foreign {number}".encode() for number in range(size)])


def shared_children(engine: Engine, size: int) -> None:
    """Of a child that many indexes have."""
    child = image(engine, DEV, seed="child")
    for number in range(size):
        index(engine, DEV, f"t{number}", [child, image(engine, DEV, seed=str(number))])
    index(engine, DEV, "1", [child])
    attachment(engine, child, "first")


def uploads(engine: Engine, size: int) -> None:
    for number in range(size):
        upload(engine, DEV, str(number).encode())
        upload(engine, PROD, str(number).encode())
    image(engine, DEV, "1")


def absent_children(engine: Engine, size: int) -> None:
    """Half of them the target has."""
    _allow(engine)
    children = [image(engine, "test/x", seed=str(number)) for number in range(size)]
    index(engine, DEV, "1", children)
    for number in range(0, size, 2):
        image(engine, PROD, seed=str(number))


def absent_children_that_came_in(engine: Engine, size: int) -> None:
    """The target names them, and gets them by the promotion."""
    _allow(engine)
    children = [image(engine, DEV, seed=str(number)) for number in range(size)]
    index(engine, PROD, "0", children, annotations={"of": "the target"})
    index(engine, DEV, "1", children)


def absent_blobs(engine: Engine, size: int) -> None:
    """Half of them the target has."""
    _allow(engine)
    named = [str(number).encode() for number in range(size)]
    image(engine, DEV, "1", absent=named)
    for content in named[::2]:
        upload(engine, PROD, content)


def absent_blobs_that_came_in(engine: Engine, size: int) -> None:
    """The target names them, and gets them by the promotion; it has the same image, too."""
    _allow(engine)
    named = [str(number).encode() for number in range(size)]
    for name in (PROD, DEV):
        image(engine, name, "1", seed="1", absent=named)
        image(engine, name, "0", seed=str(name), absent=named)
    for content in named:
        upload(engine, DEV, content)


def _allow(engine: Engine) -> None:
    for registry in ("dev", "prod"):
        engine.update_registry(registry, SettingsChange(allow_sparse=True), by="me")


BUILDS: list[Build] = [
    absent_blobs,
    absent_blobs_that_came_in,
    absent_children,
    absent_children_that_came_in,
    layers,
    children,
    tags,
    referrers,
    attachments,
    grown_attachments,
    foreign_layers,
    foreign_layers_that_came_in,
    shared_children,
    uploads,
]


def promoted(engine: Engine, *, mode: Mode) -> Promotion:
    return engine.promote(
        Reference(DEV, "1"), Target("prod"), by="me", mode=mode, allow_sparse=True
    )


def calls(counting: CountingStore, act: Callable[[], object]) -> Counter[str]:
    counting.reset()
    act()
    return Counter(counting.calls)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
def test_calls_do_not_grow(
    engine: Engine, counted: Engine, counting: CountingStore, build: Build, mode: Mode
) -> None:
    """The same number for 2 as for 12 of them, once each is more than a few."""
    found = {}
    for size in (2, 12):
        build(engine, size)
        found[size] = calls(counting, lambda: promoted(counted, mode=mode))
        for registry in ("dev", "prod"):
            engine.delete_registry(registry, by="me", force=True)
            engine.create_registry(registry, by="me")
    assert found[2] == found[12]


def test_a_promotion_takes_few_calls(
    engine: Engine, counted: Engine, counting: CountingStore
) -> None:
    """A whole index with its images, signatures and referrers."""
    multi = platforms(engine, DEV, "1", count=5)
    attachment(engine, multi, "first")
    referrer(engine, multi)
    made = calls(counting, lambda: counted.promote(multi.reference, Target("prod"), by="me"))
    assert made.total() <= 70


@pytest.mark.parametrize("mode", Mode)
def test_records_are_the_rows_that_were_written(
    engine: Engine, counted: Engine, counting: CountingStore, mode: Mode
) -> None:
    multi = platforms(engine, DEV, "1", count=3)
    attachment(engine, multi, "first")
    image(engine, PROD, "1", seed="old")
    counting.reset()
    done = counted.promote(multi.reference, Target("prod"), by="me", mode=mode)
    assert done.records == counting.written
    counting.reset()
    undone = counted.undo(1, by="me")
    assert undone.records == counting.written


def test_a_push_of_many_tags_asks_no_more_than_one_of_one(
    engine: Engine, counted: Engine, counting: CountingStore
) -> None:
    """E18: whether they are new, elsewhere or there already."""
    app, other = image(engine, DEV), image(engine, DEV, seed="other")

    def push(built: Built, size: int) -> Counter[str]:
        tags = [f"{size}-{number}" for number in range(size)]
        return calls(
            counting,
            lambda: counted.put_manifest(
                built.by_digest, built.body, media_type=built.media_type, by="me", tags=tags
            ),
        )

    few, many = ([push(app, size), push(other, size), push(other, size)] for size in (1, 40))
    assert few == many


@pytest.mark.parametrize(
    "build",
    [
        absent_blobs,
        absent_blobs_that_came_in,
        absent_children,
        absent_children_that_came_in,
        foreign_layers_that_came_in,
    ],
)
def test_records_of_what_is_only_named_are_counted(
    engine: Engine, counted: Engine, counting: CountingStore, build: Build
) -> None:
    build(engine, 4)
    counting.reset()
    done = promoted(counted, mode=Mode.COPY)
    assert done.records == counting.written


def test_only_of_what_is_sparse_more_is_asked(
    engine: Engine, counted: Engine, counting: CountingStore
) -> None:
    """Nearly everything is not: one look at both sides tells. Else: what is there, and is named?"""
    _allow(engine)
    image(engine, DEV, "plain")
    plain = Reference(DEV, "plain")
    before = calls(counting, lambda: counted.promote(plain, Target("prod", "x"), by="me"))
    image(engine, DEV, "1", seed="sparse", absent=[b"absent"])
    after = calls(counting, lambda: counted.promote(plain, Target("prod", "y"), by="me"))
    assert after - before == {"first_many": 2}
    assert before - after == {}


def test_reading_a_blob_is_a_matter_of_few_rows(
    engine: Engine, counted: Engine, counting: CountingStore
) -> None:
    app = image(engine, DEV, "1")
    for number in range(20):
        image(engine, DEV, f"t{number}", seed=str(number), contents=[b"base"])
    assert calls(counting, lambda: counted.get_blob(DEV, app.blobs[0])) == {
        "get": 4,  # the last is of the bytes themselves
        "first_many": 1,
    }


@pytest.mark.parametrize("size", [1, 50])
def test_a_page_of_tags_costs_what_it_shows(
    engine: Engine, counted: Engine, counting: CountingStore, size: int
) -> None:
    """E72."""
    for number in range(size):
        image(engine, DEV, f"t{number}")
    made = calls(counting, lambda: counted.list_tags(DEV, limit=10))
    assert made == {"get": 2, "scan": 1}


@pytest.mark.parametrize("size", [1, 30])
def test_the_history_of_a_tag_costs_what_it_shows(
    engine: Engine, counted: Engine, counting: CountingStore, size: int
) -> None:
    """Whatever else happened in the repository."""
    image(engine, DEV, "1")
    for number in range(size):
        image(engine, DEV, f"t{number}", seed=str(number))
    made = calls(counting, lambda: counted.history(Reference(DEV, "1"), limit=3))
    assert made.total() <= 12
