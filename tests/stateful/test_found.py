"""What the state machine found, in as few steps as it takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from liftlock import Limits, Mode, Reference, RepositoryName, Target, seals
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine, PromotionRequest, RequestItem
from liftlock.errors import UndoRefused
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Promotion
from liftlock.oci.reference import Selection
from liftlock.testing import images
from liftlock.testing.clock import FakeClock

APP = RepositoryName("dev", "app")


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine whose store is whole in the end."""
    clock = FakeClock()
    store, blobs = MemoryMetadataStore(clock, seals.seal), MemoryBlobStore(clock=clock)
    with Engine(store, blobs, clock=clock, limits=Limits(part_pairs_max=2)) as engine:
        for registry in ("dev", "prod"):
            engine.create_registry(registry, by="me")
        yield engine
        assert list(engine.check(content=True)) == []


def item(source: str, target: str, tags: str | None = None) -> RequestItem:
    return RequestItem(Selection.parse(source), Target.parse(target), tags)


def promote(engine: Engine, *items: RequestItem, **how: object) -> Promotion:
    return engine.promote_all(PromotionRequest(items, **how), by="me")


def at(engine: Engine, image: str) -> object:
    return engine.get_manifest(Reference.parse(image)).digest


def test_a_tag_at_an_attachment_that_stays_behind_takes_it_along(engine: Engine) -> None:
    app = images.image(engine, APP)
    signature = images.attachment(engine, app, "p")
    images.push(engine, APP, "1", signature.body)
    images.attachment(engine, images.image(engine, "prod/app"), "p", "q")
    promote(engine, item("dev/app", "prod", "*"))
    assert at(engine, "prod/app:1") == signature.digest


def test_a_swap_that_was_undone_can_be_made_again(engine: Engine) -> None:
    one = images.image(engine, APP, "1", seed="one")
    two = images.image(engine, APP, "2", seed="two")
    swap = (item("dev/app:1", "dev/app:2"), item("dev/app:2", "dev/app:1"))
    number = promote(engine, *swap).id
    assert number is not None
    engine.undo(number, by="me")
    assert promote(engine, *swap).changed
    assert (at(engine, "dev/app:1"), at(engine, "dev/app:2")) == (two.digest, one.digest)


def test_a_chain_of_which_nothing_was_done_is_done(engine: Engine) -> None:
    images.image(engine, APP, "1", seed="one")
    promote(engine, item("dev/app:1", "prod/app:1"))
    new = images.image(engine, APP, "1", seed="new")
    old = at(engine, "prod/app:1")
    chain = (item("prod/app:1", "prod/app:old"), item("dev/app:1", "prod/app:1"))
    assert len(promote(engine, *chain).items) == 2
    assert (at(engine, "prod/app:old"), at(engine, "prod/app:1")) == (old, new.digest)


def test_an_undo_does_not_bring_back_what_was_deleted_after_it(engine: Engine) -> None:
    images.image(engine, APP, "1", seed="one")
    images.image(engine, "prod/app", "2", seed="two")
    number = promote(engine, item("dev/app", "prod"), mode=Mode.MOVE).id
    assert number is not None
    engine.undo(number, by="me")
    engine.delete_repository(APP, by="me")
    with pytest.raises(UndoRefused):
        engine.undo(number, by="me")


def test_a_purging_move_in_parts_moves_every_tag(engine: Engine) -> None:
    child = images.image(engine, APP)
    for number in range(5):
        images.index(engine, APP, f"{number}", [child], annotations={"number": str(number)})
    images.push(engine, APP, "child", child.body)
    done = promote(engine, item("dev/app", "prod", "*"), mode=Mode.MOVE, purge=True)
    assert len(done.items) == 6
    assert engine.get_repository(APP).usage.manifests == 0


def test_a_tag_that_moves_to_two_is_taken_away_once(engine: Engine) -> None:
    images.image(engine, APP, "1")
    items = (item("dev/app:1", "prod/app:1"), item("dev/app:1", "prod/app:2"))
    number = promote(engine, *items, mode=Mode.MOVE).id
    assert number is not None
    engine.undo(number, by="me")
    assert engine.get_repository(APP).usage.tags == 1
