"""Plans: what a hash stands for, and what becomes of a big one if the store changes meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from liftlock import Digest, Limits, Mode, RepositoryName, seals
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine, RequestItem
from liftlock.errors import (
    AttachmentsDiffer,
    Conflict,
    ManifestUnknown,
    PlanOutdated,
    PromotionInvalid,
    RegistryUnknown,
    RepositoryUnknown,
)
from liftlock.metadata.contract import MetadataStore, WriteTxn
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Promotion
from liftlock.testing.clock import FakeClock
from liftlock.testing.counting import CountingStore
from liftlock.testing.images import attachment, image, platforms, referrer
from liftlock.testing.states import contents, item, move, promote, rows, tags_of

T = TypeVar("T")
DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")
GLOB = item("dev/app", "prod", "*")
BIG = Limits(part_pairs_max=2)


def five(engine: Engine, name: str = "dev/app") -> dict[str, Digest]:
    return {tag: image(engine, name, tag, seed=f"{name} {tag}").digest for tag in "12345"}


# --- hashes -----------------------------------------------------------------------------------


ASKED = [GLOB, item("dev/app", "prod"), item("dev/app:1", "prod"), item("dev", "prod")]
IDS = ["a glob", "a whole", "an image", "a registry"]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("asked", ASKED, ids=IDS)
def test_the_same_plan_has_the_same_hash(sets: Engine, asked: RequestItem, mode: Mode) -> None:
    """Whoever asks, whenever, and whatever happens elsewhere."""
    five(sets)
    first = promote(sets, asked, mode=mode, dry_run=True)
    image(sets, "test/other", "1", seed="elsewhere")
    second = promote(sets, asked, mode=mode, dry_run=True, by="you", comment="look")
    assert first.plan == second.plan != ""
    done = promote(sets, asked, mode=mode, plan=first.plan)
    assert (done.plan, done.items, done.records) == (first.plan, first.items, first.records)


@pytest.mark.parametrize("asked", ASKED, ids=IDS)
@pytest.mark.parametrize("change", ["overwrite", "referrer", "target"])
def test_what_changes_the_plan_changes_its_hash(
    sets: Engine, sets_store: MetadataStore, asked: RequestItem, change: str
) -> None:
    five(sets)
    said = promote(sets, asked, dry_run=True)
    if change == "overwrite":
        image(sets, DEV, "1", seed="since")
    elif change == "referrer":
        referrer(sets, image(sets, DEV, "1", seed="dev/app 1"))
    else:
        image(sets, PROD, "1", seed="since")
    before = rows(sets_store)
    with pytest.raises(PlanOutdated) as refused:
        promote(sets, asked, plan=said.plan)
    assert rows(sets_store) == before
    assert refused.value.expected == said.plan
    now = refused.value.promotion
    assert isinstance(now, Promotion)
    assert now.plan == refused.value.found != said.plan
    assert now.id is None
    with pytest.raises(PlanOutdated):
        promote(sets, asked, plan=said.plan, dry_run=True)
    done = promote(sets, asked, plan=now.plan)
    assert (done.items, done.records) == (now.items, now.records)


def test_what_does_not_concern_the_plan_leaves_its_hash(sets: Engine) -> None:
    five(sets)
    said = promote(sets, item("dev/app", "prod", "[12]"), dry_run=True)
    image(sets, DEV, "3", seed="since")
    image(sets, PROD, "other", seed="since")
    with pytest.raises(PlanOutdated):  # the target is there by now
        promote(sets, item("dev/app", "prod", "[12]"), plan=said.plan)
    said = promote(sets, item("dev/app", "prod", "[12]"), dry_run=True)
    image(sets, DEV, "3", seed="later")
    image(sets, PROD, "other", seed="later")
    promote(sets, item("dev/app", "prod", "[12]"), plan=said.plan)


def test_mode_purge_and_side_are_part_of_the_hash(sets: Engine) -> None:
    five(sets)
    hashes = {
        promote(sets, GLOB, dry_run=True).plan,
        move(sets, GLOB, dry_run=True).plan,
        move(sets, GLOB, dry_run=True, purge=True).plan,
    }
    assert len(hashes) == 3


def test_a_plan_that_is_done_has_a_hash_too(sets: Engine) -> None:
    five(sets)
    promote(sets, GLOB)
    said = promote(sets, GLOB, dry_run=True)
    assert not said.changed
    assert not promote(sets, GLOB, plan=said.plan).changed


def test_a_refusal_comes_before_the_plan_is_compared(sets: Engine) -> None:
    """Status order: what is not there first, the hash before other conflicts."""
    five(sets)
    with pytest.raises(ManifestUnknown):
        promote(sets, GLOB, item("dev/app:none", "prod"), plan="0" * 32)


# --- between plan and write -------------------------------------------------------------------


class Interleaved(MemoryMetadataStore):
    """A store to which something happens before a write that applies a plan."""

    meanwhile: list[Callable[[], object]]
    plans = 0
    inside = 0

    def read(self, operation: Callable[..., T]) -> T:
        self.plans += "promote_big" in repr(operation)
        return super().read(operation)

    def write(self, operation: Callable[[WriteTxn], T]) -> T:
        if "_write_if_same" in repr(operation) and self.meanwhile:
            self.meanwhile.pop(0)()
        self.inside += "Promoting(" in repr(operation)
        return super().write(operation)


@pytest.fixture
def store(clock: FakeClock) -> Interleaved:
    made = Interleaved(clock, seals.seal)
    made.meanwhile = []
    return made


@pytest.fixture
def big(engine: Engine, store: Interleaved, blobs: MemoryBlobStore, clock: FakeClock) -> Engine:
    """What plans beside the writer, and writes in parts."""
    five(engine)
    return Engine(store, blobs, limits=BIG, clock=clock)


@pytest.mark.parametrize("mode", Mode)
def test_an_overwrite_meanwhile_is_what_is_promoted(
    engine: Engine, big: Engine, store: Interleaved, mode: Mode
) -> None:
    """E49: the old digest or the new one, wholly."""
    pushed = []
    store.meanwhile = [lambda: pushed.append(image(engine, DEV, "3", seed="since").digest)]
    done = promote(big, GLOB, mode=mode)
    assert tags_of(engine, "prod/app")["3"] == pushed[0]
    assert next(i.digest for i in done.items if i.target == "prod/app:3") == pushed[0]
    assert store.inside == 0


def test_a_signature_meanwhile_comes_along(engine: Engine, big: Engine, store: Interleaved) -> None:
    app = image(engine, DEV, "3", seed="dev/app 3")
    signature = []
    store.meanwhile = [lambda: signature.append(attachment(engine, app, "first"))]
    promote(big, GLOB)
    assert str(signature[0].tag) in tags_of(engine, "prod/app")


def test_a_target_that_came_meanwhile_is_overwritten(
    engine: Engine, big: Engine, store: Interleaved
) -> None:
    store.meanwhile = [lambda: image(engine, PROD, "3", seed="since")]
    done = promote(big, GLOB)
    assert {i.target: i.action for i in done.items}["prod/app:3"] == "overwrite"


@pytest.mark.parametrize("asked", [item("dev", "prod"), item("dev", "prod", "*")])
def test_a_repository_that_came_meanwhile_is_selected(
    engine: Engine, big: Engine, store: Interleaved, asked: RequestItem
) -> None:
    store.meanwhile = [lambda: image(engine, "dev/new", "1", seed="since")]
    promote(big, asked)
    assert set(tags_of(engine, "prod/new")) == {"1"}


@pytest.mark.parametrize("mode", Mode)
def test_a_whole_that_changed_meanwhile_goes_as_it_is(
    engine: Engine, big: Engine, store: Interleaved, mode: Mode
) -> None:
    """Its name is taken, too: what was to be a copy or a rename is a merge."""
    store.meanwhile = [
        lambda: image(engine, DEV, "6", seed="since"),
        lambda: image(engine, PROD, "own", seed="since"),
    ]
    promote(big, item("dev/app", "prod"), mode=mode)
    assert set(tags_of(engine, "prod/app")) == {"1", "2", "3", "4", "5", "6", "own"}


def test_a_registry_that_went_meanwhile_refuses(
    engine: Engine, big: Engine, store: Interleaved
) -> None:
    store.meanwhile = [lambda: engine.delete_registry("prod", by="me")]
    with pytest.raises(RegistryUnknown):
        promote(big, GLOB)
    assert engine.list_promotions().entries == ()


def test_a_registry_of_the_same_name_is_another(
    engine: Engine, big: Engine, store: Interleaved
) -> None:
    def again() -> None:
        engine.delete_registry("prod", by="me", force=True)
        engine.create_registry("prod", by="me")

    store.meanwhile = [again]
    promote(big, GLOB)
    assert set(tags_of(engine, "prod/app")) == {"1", "2", "3", "4", "5"}


def test_a_source_that_went_meanwhile_refuses(
    engine: Engine, big: Engine, store: Interleaved
) -> None:
    store.meanwhile = [lambda: engine.delete_repository(DEV, by="me")]
    with pytest.raises(RepositoryUnknown):
        promote(big, GLOB)


def test_a_plan_with_a_hash_is_refused_if_it_changed_meanwhile(
    engine: Engine, big: Engine, store: Interleaved
) -> None:
    said = promote(big, GLOB, dry_run=True)
    store.meanwhile = [lambda: image(engine, DEV, "3", seed="since")]
    with pytest.raises(PlanOutdated):
        promote(big, GLOB, plan=said.plan)
    assert engine.list_promotions().entries == ()


def test_the_same_promotion_meanwhile_is_the_answer(
    engine: Engine, big: Engine, store: Interleaved
) -> None:
    """E63: they run one after the other, and the second finds all as asked."""
    store.meanwhile = [lambda: promote(engine, GLOB, by="you")]
    done = promote(big, GLOB)
    assert (done.changed, done.id, done.by) == (False, 1, "you")


def test_what_changes_all_the_time_is_planned_by_the_writer(
    engine: Engine, big: Engine, store: Interleaved
) -> None:
    """So it ends: nothing can come between any more."""
    pushed = []

    def overwrite() -> None:
        pushed.append(image(engine, DEV, "3", seed=str(len(pushed))).digest)

    store.meanwhile = [overwrite] * 10
    promote(big, GLOB)
    assert len(pushed) == BIG.plan_tries_max
    assert tags_of(engine, "prod/app")["3"] == pushed[-1]
    assert store.inside == 1


def test_a_plan_that_holds_is_made_once(engine: Engine, big: Engine, store: Interleaved) -> None:
    """What happens elsewhere does not matter."""
    store.meanwhile = [lambda: image(engine, "test/other", "1", seed="elsewhere")]
    promote(big, GLOB)
    assert (store.plans, store.inside) == (1, 0)


# --- limits -----------------------------------------------------------------------------------


def test_records_of_a_big_set_are_limited_before_it_is_kept(
    engine: Engine, store: Interleaved, big: Engine, blobs: MemoryBlobStore, clock: FakeClock
) -> None:
    said = promote(big, GLOB, dry_run=True)
    limits = Limits(part_pairs_max=2, transaction_records_max=said.records - 1)
    counting = CountingStore(store)
    strict = Engine(counting, blobs, limits=limits, clock=clock)
    before = rows(store)
    for dry_run in (True, False):
        with pytest.raises(PromotionInvalid, match="transaction_records_max"):
            promote(strict, GLOB, dry_run=dry_run)
    assert rows(store) == before
    limits = Limits(part_pairs_max=2, transaction_records_max=said.records)
    promote(Engine(store, blobs, limits=limits, clock=clock), GLOB)


@pytest.mark.parametrize("part", [2, 1000])
def test_the_limit_of_manifests_is_an_images_not_a_sets(
    engine: Engine, store: Interleaved, blobs: MemoryBlobStore, clock: FakeClock, part: int
) -> None:
    for number in range(5):
        platforms(engine, DEV, f"t{number}", count=2, seed=str(number))
    limits = Limits(part_pairs_max=part, closure_manifests_max=3)
    strict = Engine(store, blobs, limits=limits, clock=clock)
    promote(strict, GLOB)
    assert engine.get_repository(PROD).usage.manifests == 15
    referrer(engine, platforms(engine, DEV, "t4", count=2, seed="4"))
    before = contents(store)
    with pytest.raises(PromotionInvalid, match="closure_manifests_max"):
        promote(strict, item("dev/app", "test", "*"))
    assert contents(store) == before


def test_what_the_last_part_finds_refuses_all(
    engine: Engine, store: Interleaved, big: Engine
) -> None:
    """E46: also a conflict of the last of many tags."""
    app = image(engine, DEV, "9", seed="9")
    attachment(engine, app, "ours")
    image(engine, PROD, "own", seed="own")
    attachment(engine, app, "theirs", name=PROD)
    before = rows(store)
    with pytest.raises(AttachmentsDiffer):
        promote(big, GLOB)
    with pytest.raises(Conflict):
        promote(big, item("dev/app", "prod"))
    assert rows(store) == before
