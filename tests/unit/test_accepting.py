"""What is asked, and what registries accept: sparse promotions, and purges."""

from __future__ import annotations

from typing import Any

import pytest

from liftlock import Limits, Mode, Reference, RepositoryName, RequestItem, names, seals
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.errors import (
    Conflict,
    LiftlockError,
    ManifestUnknown,
    PlanOutdated,
    PurgeRefused,
    SparseManifest,
    SparseRefused,
)
from liftlock.metadata import keys
from liftlock.metadata.contract import MetadataStore, Table
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import RegistrySettings, SettingsChange
from liftlock.testing.clock import FakeClock
from liftlock.testing.counting import CountingStore
from liftlock.testing.images import Built, image, index
from liftlock.testing.states import contents, item, move, promote, rows, tags_of

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")
ALLOW, REFUSE = SettingsChange(allow_sparse=True), SettingsChange(allow_sparse=False)


def child(
    engine: Engine, number: int, name: str = "test/elsewhere", tag: str | None = None
) -> Built:
    return image(engine, name, tag, seed=f"child {number}")


def sparse(engine: Engine, name: str = "dev/app", tag: str = "1", absent: int = 2) -> Built:
    """An index of which the repository has the first."""
    engine.update_registry(name.partition("/")[0], ALLOW, by="tests")
    child(engine, 0, name)
    return index(engine, name, tag, [child(engine, number) for number in range(absent + 1)])


def refusals(engine: Engine, *items: RequestItem, **options: Any) -> list[LiftlockError]:
    """Everything that stands against a promotion, which must have written nothing."""
    with pytest.raises(LiftlockError) as dry:
        promote(engine, *items, **options, dry_run=True)
    with pytest.raises(LiftlockError) as refused:
        promote(engine, *items, **options)
    violations = list(refused.value.violations)
    assert list(map(str, violations)) == list(map(str, dry.value.violations))
    return violations


def kinds(violations: list[LiftlockError]) -> list[type[LiftlockError]]:
    return [type(each) for each in violations]


# --- sparse ---------------------------------------------------------------------------------------

WAYS = {
    "tag": item("dev/app:1", "prod"),
    "another tag": item("dev/app:1", "prod/other:2"),
    "glob": item("dev/app", "prod", "*"),
    "by name": item("dev/app", "prod", ("1",)),
    "whole": item("dev/app", "prod"),
    "registry": item("dev", "prod"),
    "within the registry": item("dev/app:1", "dev/other"),
    "whole, within the registry": item("dev/app", "dev/other"),
}


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("merges", [False, True], ids=["to a free name", "into another"])
def test_it_must_be_meant_and_allowed(sets: Engine, way: str, mode: Mode, *, merges: bool) -> None:
    multi = sparse(sets)
    asked = WAYS[way]
    target = asked.target.registry
    if merges:
        for name in ("prod/app", "prod/other", "dev/other"):
            image(sets, name, "there", seed=name)
    sets.update_registry("dev", REFUSE, by="me")
    absent = tuple(sorted(str(each.digest) for each in multi.children[1:]))
    if way == "whole, within the registry" and mode is Mode.MOVE and not merges:
        promote(sets, asked, mode=mode)  # another name: nothing comes that was not there
        return
    neither = refusals(sets, asked, mode=mode)
    assert kinds(neither) == [SparseManifest, SparseRefused]
    for error in neither:
        assert isinstance(error, SparseManifest | SparseRefused)
        assert error.missing == absent
        assert not error.more
        assert all(digest in str(error) for digest in absent)
        assert error.target.startswith(target)
    assert "--allow-sparse" in str(neither[0])
    assert kinds(refusals(sets, asked, mode=mode, allow_sparse=True)) == [SparseRefused]
    sets.update_registry(target, ALLOW, by="me")
    assert kinds(refusals(sets, asked, mode=mode)) == [SparseManifest]
    done = promote(sets, asked, mode=mode, allow_sparse=True)
    assert tuple(map(str, done.absent)) == absent
    assert not done.absent_more


def test_what_the_target_has_is_not_lacked(sets: Engine, sets_store: MetadataStore) -> None:
    """Design: a row grants if the source's does, or if the target has the digest."""
    multi = sparse(sets)
    for number in (1, 2):
        child(sets, number, "prod/app")
    assert promote(sets, item("dev/app:1", "prod")).absent == ()
    assert rows(sets_store)[Table.SPARSE] != []  # those of the source
    sets.delete_manifest(DEV, multi.digest, by="me")
    assert rows(sets_store)[Table.SPARSE] == []


@pytest.mark.parametrize("order", [1, -1], ids=["index first", "children first"])
@pytest.mark.parametrize("target", ["prod/app", "prod/new"])
def test_what_another_item_brings_is_not_lacked(
    sets: Engine, sets_store: MetadataStore, order: int, target: str
) -> None:
    """In one part, in two, and in the transaction of both."""
    multi = sparse(sets)
    image(sets, "prod/app", "there")
    items = [item("dev/app:1", target)]
    for number in (1, 2):
        child(sets, number, f"test/{number}", f"c{number}")
        items.append(item(f"test/{number}", target, "*"))
    before = rows(sets_store)
    assert kinds(refusals(sets, *items[:2])) == [SparseManifest, SparseRefused]
    assert rows(sets_store) == before
    said = promote(sets, *items[::order], dry_run=True)
    done = promote(sets, *items[::order], plan=said.plan)
    assert (said.absent, done.absent, said.records) == ((), (), done.records)
    there = contents(sets_store)[target].manifests
    assert there >= {multi.digest, *(each.digest for each in multi.children)}
    for key, _ in rows(sets_store)[Table.SPARSE]:
        assert key[:8] == keys.id_key(_id(sets_store, DEV))


def _id(store: MetadataStore, name: RepositoryName) -> int:
    return store.read(lambda txn: names.get_id(txn, name))


@pytest.mark.parametrize("order", [1, -1])
def test_merged_repositories_fill_each_other(
    sets: Engine, sets_store: MetadataStore, order: int
) -> None:
    multi = sparse(sets)
    for number in (1, 2):
        child(sets, number, "test/app", f"c{number}")
    items = (item("dev/app", "prod/app"), item("test/app", "prod/app"))
    promote(sets, *items[::order])
    there = contents(sets_store)["prod/app"].manifests
    assert there >= {multi.digest, *(each.digest for each in multi.children)}


def test_all_targets_that_would_lack_something_are_told(sets: Engine) -> None:
    sparse(sets)
    sparse(sets, "dev/web", absent=3)
    sets.update_registry("prod", ALLOW, by="me")
    told = refusals(sets, item("dev", "prod", "*"), item("dev/app:1", "test/x"))
    assert [(type(each), each.target) for each in told] == [
        (SparseManifest, "prod/app"),
        (SparseManifest, "prod/web"),
        (SparseManifest, "test/x"),
        (SparseRefused, "test/x"),
    ]


@pytest.mark.parametrize("asked", [item("dev/app:1", "prod"), item("dev/app", "prod")])
def test_of_many_the_first_are_named(
    store: MemoryMetadataStore, blobs: MemoryBlobStore, clock: FakeClock, asked: RequestItem
) -> None:
    with Engine(store, blobs, clock=clock, limits=Limits(absent_listed_max=3)) as engine:
        for registry in ("dev", "prod", "test"):
            engine.create_registry(registry, by="me")
        multi = sparse(engine, absent=5)
        absent = sorted(str(each.digest) for each in multi.children[1:])
        for error in refusals(engine, asked):
            assert isinstance(error, SparseManifest | SparseRefused)
            assert (len(error.missing), error.more) == (3, True)
            assert "and more" in str(error)
        engine.update_registry("prod", ALLOW, by="me")
        done = promote(engine, asked, allow_sparse=True)
        assert {*map(str, done.absent)} < {*absent}
        assert (len(done.absent), done.absent_more) == (3, True)


@pytest.mark.parametrize("absent", [0, 3])
def test_another_name_in_another_registry_costs_the_same_whatever_the_size(
    clock: FakeClock, absent: int
) -> None:
    """Whether anything is absent is a look at the beginning of one range, however much is there."""
    costs = []
    for size in (3, 60):
        counting = CountingStore(MemoryMetadataStore(clock, seals.seal))
        with Engine(counting, MemoryBlobStore(clock=clock), clock=clock) as engine:
            for registry in ("dev", "prod", "test"):
                engine.create_registry(registry, by="me")
            sparse(engine, tag="sparse", absent=absent)
            for number in range(size):
                image(engine, "dev/app", str(number), seed=str(number))
            engine.update_registry("prod", ALLOW, by="me")
            counting.reset()
            done = move(engine, item("dev/app", "prod/app"), allow_sparse=True)
            assert len(done.absent) == absent
            costs.append((dict(counting.calls), counting.written))
    assert costs[0] == costs[1]


def test_again_under_a_key_is_answered_as_before(sets: Engine) -> None:
    sparse(sets)
    sets.update_registry("prod", ALLOW, by="me")
    done = promote(sets, item("dev/app:1", "prod"), allow_sparse=True, key="k")
    sets.update_registry("prod", REFUSE, by="me")
    assert promote(sets, item("dev/app:1", "prod"), allow_sparse=True, key="k") == done


def test_a_plan_tells_what_is_absent_from_what_came(sets: Engine) -> None:
    sparse(sets)
    image(sets, "prod/app", "there")
    sets.update_registry("prod", ALLOW, by="me")
    said = promote(sets, item("dev/app:1", "prod"), allow_sparse=True, dry_run=True)
    child(sets, 1, "prod/app")
    with pytest.raises(PlanOutdated):
        promote(sets, item("dev/app:1", "prod"), allow_sparse=True, plan=said.plan)


def test_settings_that_change_while_it_is_planned_are_heeded(
    store: MemoryMetadataStore, blobs: MemoryBlobStore, clock: FakeClock
) -> None:
    """A big promotion is planned beside the writer: what it rests on are settings, too."""
    changes = [REFUSE]

    def reach(point: str) -> None:
        if point == "promotion: planned" and changes:
            engine.update_registry("prod", changes.pop(), by="somebody")

    limits = Limits(part_pairs_max=1)
    with Engine(store, blobs, clock=clock, limits=limits, reach=reach) as engine:
        for registry in ("dev", "prod", "test"):
            engine.create_registry(registry, by="me")
        sparse(engine)
        image(engine, "dev/app", "2", seed="2")
        engine.update_registry("prod", ALLOW, by="me")
        before = contents(store)
        for asked in (item("dev/app", "prod", "*"), item("dev/app", "prod")):
            with pytest.raises(SparseRefused):
                promote(engine, asked, allow_sparse=True)
            assert contents(store) == before
            changes.append(REFUSE)
            engine.update_registry("prod", ALLOW, by="me")
        assert list(engine.check(content=True)) == []


def test_nothing_sparse_needs_no_setting(sets: Engine) -> None:
    multi = sparse(sets, absent=0)
    promote(sets, item("dev/app:1", "prod"))
    assert tags_of(sets, "prod/app") == {"1": multi.digest}


def test_a_retag_in_place_lacks_nothing_new(sets: Engine) -> None:
    sparse(sets)
    sets.update_registry("dev", REFUSE, by="me")
    assert promote(sets, item("dev/app:1", "dev/app:2")).absent == ()


# --- purging --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [item("dev/app:1", "prod"), item("dev/app", "prod", "*"), item("dev/app", "prod")],
    ids=["tag", "tags", "whole"],
)
def test_a_purge_is_a_deletion_and_a_move_is_none(sets: Engine, asked: RequestItem) -> None:
    app = image(sets, "dev/app", "1")
    image(sets, "prod/app", "there", seed="there")
    sets.update_registry("dev", SettingsChange(allow_delete=False), by="me")
    (error,) = refusals(sets, asked, mode=Mode.MOVE, purge=True)
    assert isinstance(error, PurgeRefused)
    assert isinstance(error, Conflict)
    assert "dev" in str(error)
    number = move(sets, asked).id
    assert tags_of(sets, "prod/app")["1"] == app.digest
    assert number is not None
    sets.update_registry("prod", SettingsChange(allow_delete=False), by="me")
    sets.undo(number, by="me")  # neither is an undo, though it unlinks what came
    assert tags_of(sets, "dev/app") == {"1": app.digest}
    with pytest.raises(ManifestUnknown):
        sets.get_manifest(Reference(PROD, None, app.digest))


def test_a_purge_asks_the_sources_alone(sets: Engine) -> None:
    image(sets, "dev/app", "1")
    sets.update_registry("prod", SettingsChange(allow_delete=False), by="me")
    assert move(sets, item("dev/app:1", "prod"), purge=True).purged == 1
    assert move(sets, item("dev/app:1", "prod"), purge=True).changed is False


def test_every_source_that_refuses_a_purge_is_named(sets: Engine) -> None:
    wanted = RegistrySettings(allow_delete=False)
    for registry in ("a", "b"):
        sets.create_registry(registry, wanted, by="me")
        image(sets, f"{registry}/app", "1", seed=registry)
    items = [item(f"{registry}/app:1", f"prod/{registry}") for registry in ("b", "a")]
    found = refusals(sets, *items, mode=Mode.MOVE, purge=True)
    assert [(type(each), each.registry) for each in found] == [
        (PurgeRefused, "a"),
        (PurgeRefused, "b"),
    ]
