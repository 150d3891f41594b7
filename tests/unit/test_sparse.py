"""Sparse indexes: children that are named and absent, what brings them in, and who may see them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from liftlock import Digest, Limits, PromotionRequest, Reference, RepositoryName, names
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.errors import ManifestBlobUnknown, ManifestUnknown, PromotionInvalid, Unsupported
from liftlock.metadata import keys
from liftlock.metadata.contract import MetadataStore, ReadTxn, Table
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Outcome, Promotion, SettingsChange
from liftlock.promotion.graph.closure import Closure, closure
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import Built, attachment, image, index, referrer, upload
from liftlock.testing.states import item, move, promote, rows, submit_all

pytestmark = pytest.mark.usefixtures("allow_sparse")

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")
ELSEWHERE = RepositoryName("test", "elsewhere")
ALLOW = SettingsChange(allow_sparse=True)


def child(engine: Engine, number: int, name: RepositoryName = ELSEWHERE) -> Built:
    return image(engine, name, seed=f"child {number}")


def sparse(engine: Engine, name: RepositoryName = DEV, tag: str | None = "1") -> Built:
    """An index of three, of which the repository has the first."""
    child(engine, 0, name)
    return index(engine, name, tag, [child(engine, number) for number in range(3)])


def has(engine: Engine, name: RepositoryName, digest: Digest) -> bool:
    try:
        return engine.get_manifest(Reference(name, None, digest)).digest == digest
    except ManifestUnknown:
        return False


def parents(store: MetadataStore, digest: Digest) -> list[bytes]:
    """What the rows say by which indexes name a manifest anywhere but in `ELSEWHERE`."""
    found = [keys.split_holder(key) for key, _ in rows(store)[Table.HOLDERS]]
    return [
        each.grant
        for each in found
        if (each.kind, each.digest, each.holder[:1]) == (keys.MANIFEST, digest.key, keys.BY_PARENT)
    ]


# --- pushing --------------------------------------------------------------------------------------


def test_an_index_may_name_what_is_absent_where_that_is_allowed(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    """Decision 2. Naming grants nothing, though another repository has it all (contract 5)."""
    multi = sparse(engine)
    assert engine.get_manifest(Reference(DEV, "1")).body == multi.body
    assert [has(engine, DEV, each.digest) for each in multi.children] == [True, False, False]
    assert engine.get_repository(DEV).usage.manifests == 2
    for each in multi.children[1:]:
        assert parents(store, each.digest) == [keys.NAMES_ONLY]
        with pytest.raises(ManifestUnknown):
            engine.delete_manifest(DEV, each.digest, by="me")


def test_elsewhere_it_is_refused_with_all_that_is_missing(engine: Engine) -> None:
    """E9."""
    with pytest.raises(ManifestBlobUnknown) as refused:
        sparse(engine, RepositoryName("test", "app"))
    absent = [str(child(engine, number).digest) for number in (1, 2)]
    assert list(refused.value.missing) == absent


def test_what_was_allowed_stays_when_it_is_allowed_no_more(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    multi = sparse(engine)
    engine.update_registry("dev", SettingsChange(allow_sparse=False), by="me")
    assert list(engine.check(content=True)) == []
    assert engine.get_manifest(Reference(DEV, "1")).digest == multi.digest
    again = index(engine, DEV, "again", multi.children)  # it is there: nothing is named anew
    assert again.digest == multi.digest
    for number in (1, 2):
        child(engine, number, DEV)
    assert rows(store)[Table.SPARSE] == []


def test_deleting_a_sparse_index_leaves_nothing_of_it(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    multi = sparse(engine)
    engine.delete_manifest(DEV, multi.digest, by="me")
    assert rows(store)[Table.SPARSE] == []
    late = child(engine, 1, DEV)
    assert parents(store, late.digest) == []
    engine.delete_manifest(DEV, late.digest, by="me")


def test_two_indexes_name_the_same_and_one_goes(engine: Engine, store: MemoryMetadataStore) -> None:
    multi = sparse(engine)
    other = index(engine, DEV, "2", multi.children[1:])
    engine.delete_manifest(DEV, multi.digest, by="me")
    assert len(rows(store)[Table.SPARSE]) == 2
    late = child(engine, 1, DEV)
    with pytest.raises(Unsupported, match=str(other.digest)):
        engine.delete_manifest(DEV, late.digest, by="me")


def test_an_absent_child_has_referrers_before_it_comes(engine: Engine) -> None:
    """E13, of a child: they are listed, and held by it once both are there."""
    multi = sparse(engine)
    sbom = referrer(engine, multi.children[1], name=DEV)
    listed = engine.list_referrers(DEV, multi.children[1].digest).entries
    assert [each.digest for each in listed] == [sbom.digest]
    child(engine, 1, DEV)


# --- what brings a child in -----------------------------------------------------------------------


def by_push(engine: Engine) -> None:
    for number in (1, 2):
        child(engine, number, DEV)


def staged(engine: Engine) -> None:
    for number in (1, 2):
        image(engine, "prod/stage", str(number), seed=f"child {number}")


def by_copy(engine: Engine) -> None:
    staged(engine)
    promote(engine, item("prod/stage", "dev/app", "*", retag="c{tag}"))


def by_digest(engine: Engine) -> None:
    staged(engine)
    digests = [child(engine, number).digest for number in (1, 2)]
    promote(engine, *(item(f"prod/stage@{digest}", "dev/app") for digest in digests))


def by_move(engine: Engine) -> None:
    staged(engine)
    move(engine, item("prod/stage", "dev/app", "*", retag="c{tag}"))


def by_merge(engine: Engine) -> None:
    staged(engine)
    engine.delete_tag(RepositoryName("prod", "stage"), "1", by="me")  # so it is loose
    promote(engine, item("prod/stage", "dev/app"))


def by_merging_move(engine: Engine) -> None:
    staged(engine)
    move(engine, item("prod/stage", "dev/app"))


def by_a_complete_index(engine: Engine) -> None:
    children = [child(engine, number, RepositoryName("prod", "stage")) for number in range(3)]
    index(engine, "prod/stage", "all", children)
    promote(engine, item("prod/stage:all", "dev/app"))


BRINGERS: list[Callable[[Engine], None]] = [
    by_push,
    by_copy,
    by_digest,
    by_move,
    by_merge,
    by_merging_move,
    by_a_complete_index,
]


@pytest.mark.parametrize("bring", BRINGERS, ids=lambda bring: bring.__name__)
def test_whatever_brings_a_child_in_makes_all_its_rows_grant(
    sets: Engine, sets_store: MetadataStore, bring: Callable[[Engine], None]
) -> None:
    multi = sparse(sets)
    other = index(sets, DEV, "other", multi.children[1:])
    bring(sets)
    there = rows(sets_store)
    assert there[Table.SPARSE] == []
    for each in multi.children[1:]:
        assert has(sets, DEV, each.digest)
        assert set(parents(sets_store, each.digest)) == {keys.GRANTS}
        with pytest.raises(Unsupported):  # E22: only now is it there to be needed
            sets.delete_manifest(DEV, each.digest, by="me")
    sets.delete_manifest(DEV, other.digest, by="me")


def test_an_undo_brings_a_child_in(sets: Engine, sets_store: MetadataStore) -> None:
    """What was moved away and purged comes back, and an index that was pushed since wants it."""
    children = [image(sets, DEV, f"c{number}", seed=f"child {number}") for number in range(3)]
    number = move(sets, item("dev/app", "prod/away", "c*"), purge=True).id
    assert number is not None
    index(sets, DEV, "1", children)
    assert not any(has(sets, DEV, each.digest) for each in children)
    sets.undo(number, by="me")
    assert rows(sets_store)[Table.SPARSE] == []
    for each in children:
        assert has(sets, DEV, each.digest)
        assert parents(sets_store, each.digest) == [keys.GRANTS]


@pytest.mark.parametrize("number", [1, 2])
def test_only_what_came_is_granted(sets: Engine, sets_store: MetadataStore, number: int) -> None:
    multi = sparse(sets)
    image(sets, "prod/stage", "x", seed=f"child {number}")
    promote(sets, item("prod/stage:x", "dev/app"))
    absent = multi.children[3 - number]
    assert not has(sets, DEV, absent.digest)
    assert parents(sets_store, absent.digest) == [keys.NAMES_ONLY]


def test_what_comes_into_another_repository_grants_nothing_here(engine: Engine) -> None:
    multi = sparse(engine)
    for name in ("dev/other", "prod/app"):
        image(engine, name, "1", seed="child 1")
    upload(engine, DEV, child(engine, 1).body)  # E39: as a blob it is no manifest
    assert not has(engine, DEV, multi.children[1].digest)


def test_rows_that_are_made_to_grant_count_as_records(
    store: MemoryMetadataStore, blobs: MemoryBlobStore, clock: FakeClock
) -> None:
    with Engine(store, blobs, clock=clock, limits=Limits(transaction_records_max=60)) as engine:
        for registry in ("dev", "prod", "test"):
            engine.create_registry(registry, by="me")
        engine.update_registry("dev", ALLOW, by="me")
        wanted = child(engine, 1)
        for number in range(20):
            index(engine, DEV, str(number), [wanted], annotations={"n": str(number)})
        image(engine, PROD, "1", seed="child 1")
        before = rows(store)
        with pytest.raises(PromotionInvalid, match="transaction_records_max"):
            promote(engine, item("prod/app:1", "dev/app:new"))
        assert rows(store) == before


# --- a sparse index's way -------------------------------------------------------------------------


@pytest.fixture
def both(sets: Engine) -> tuple[Engine, Built]:
    return sets, sparse(sets)


def test_a_promotion_names_what_is_absent(
    both: tuple[Engine, Built], sets_store: MetadataStore
) -> None:
    engine, multi = both
    absent = tuple(sorted(each.digest for each in multi.children[1:]))
    said = promote(engine, item("dev/app:1", "prod"), allow_sparse=True, dry_run=True)
    done = promote(engine, item("dev/app:1", "prod"), allow_sparse=True, plan=said.plan)
    assert said.absent == done.absent == absent
    assert (done.absent_more, done.linked, said.records) == (False, 2, done.records)
    assert [has(engine, PROD, each.digest) for each in multi.children] == [True, False, False]
    assert parents(sets_store, absent[0]) == [keys.NAMES_ONLY, keys.NAMES_ONLY]
    assert done.id is not None
    engine.undo(done.id, by="me")
    assert engine.get_repository(PROD).usage.manifests == 0
    assert len(rows(sets_store)[Table.SPARSE]) == 2


def test_a_child_that_came_since_comes_with_the_same_again(
    both: tuple[Engine, Built], sets_store: MetadataStore
) -> None:
    """Converging: also if its registry allows no such index any more."""
    engine, multi = both
    promote(engine, item("dev/app:1", "prod"), allow_sparse=True)
    for registry in ("dev", "prod"):
        engine.update_registry(registry, SettingsChange(allow_sparse=False), by="me")
    assert not promote(engine, item("dev/app:1", "prod")).changed
    late = child(engine, 1, DEV)
    signature = attachment(engine, late, "late")
    done = promote(engine, item("dev/app:1", "prod"))
    assert (done.changed, done.absent) == (True, ())
    assert has(engine, PROD, late.digest)
    assert has(engine, PROD, signature.digest)
    assert not has(engine, PROD, multi.children[2].digest)
    assert not promote(engine, item("dev/app:1", "prod")).changed
    assert parents(sets_store, late.digest) == [keys.GRANTS, keys.GRANTS]


def test_what_is_attached_to_an_absent_child_stays(both: tuple[Engine, Built]) -> None:
    engine, multi = both
    signature = attachment(engine, multi.children[1], "first", name=DEV)
    sbom = referrer(engine, multi.children[1], name=DEV)
    promote(engine, item("dev/app:1", "prod"), allow_sparse=True)
    assert not has(engine, PROD, signature.digest)
    assert not has(engine, PROD, sbom.digest)


def test_an_index_of_a_sparse_index_is_followed(sets: Engine) -> None:
    multi = sparse(sets)
    outer = index(sets, DEV, "outer", [multi, child(sets, 7)])
    done = promote(sets, item("dev/app:outer", "prod"), allow_sparse=True)
    assert len(done.absent) == 3
    assert has(sets, PROD, outer.digest)
    assert has(sets, PROD, multi.digest)


def test_a_move_takes_a_sparse_index_away_and_an_undo_brings_it_back(
    both: tuple[Engine, Built], sets_store: MetadataStore
) -> None:
    """An undo asks for nothing to be allowed: it puts back what was."""
    engine, multi = both
    number = move(engine, item("dev/app:1", "prod"), allow_sparse=True, purge=True).id
    assert number is not None
    assert not has(engine, DEV, multi.digest)
    engine.update_registry("dev", SettingsChange(allow_sparse=False), by="me")
    engine.undo(number, by="me")
    assert [has(engine, DEV, each.digest) for each in multi.children] == [True, False, False]
    assert not has(engine, PROD, multi.digest)
    assert len(rows(sets_store)[Table.SPARSE]) == 2


def test_an_undo_grants_what_came_meanwhile(both: tuple[Engine, Built]) -> None:
    engine, multi = both
    number = move(engine, item("dev/app:1", "prod"), allow_sparse=True, purge=True).id
    assert number is not None
    child(engine, 1, DEV)
    engine.undo(number, by="me")
    assert [has(engine, DEV, each.digest) for each in multi.children] == [True, True, False]


def test_an_undo_leaves_a_child_that_an_index_needs_by_now(both: tuple[Engine, Built]) -> None:
    """As with foreign layers (docs/decisions/0006): the index that named it grants it since."""
    engine, multi = both
    image(engine, "prod/stage", "x", seed="child 1")
    number = promote(engine, item("prod/stage:x", "dev/app:x")).id
    assert number is not None
    engine.undo(number, by="me")
    assert has(engine, DEV, multi.children[1].digest)


def test_an_undo_gives_back_and_takes_back_around_the_same_child(
    sets: Engine, sets_store: MetadataStore
) -> None:
    """What it brings in, an index has named that the same undo takes away."""
    here, there = RepositoryName("dev", "r"), RepositoryName("prod", "t")
    late = child(sets, 1)
    moved = index(sets, here, "x", [child(sets, 0, here), late])
    other = index(sets, "prod/u", "i", [late])
    items = (item("dev/r:x", "prod/t"), item("prod/u:i", "dev/r:i"))
    number = move(sets, *items, allow_sparse=True).id
    assert number is not None
    sets.delete_manifest(here, moved.digest, by="me")
    child(sets, 1, there)
    sets.undo(number, by="me")
    assert has(sets, here, late.digest)
    assert not has(sets, here, other.digest)
    sets.delete_manifest(here, moved.digest, by="me")
    sets.delete_manifest(here, late.digest, by="me")


def test_an_undo_gives_back_and_takes_back_around_the_same_layer(sets: Engine) -> None:
    """As with children, of a foreign layer that came to the target since."""
    here = RepositoryName("dev", "r")
    moved = image(sets, here, "x", seed="x", foreign=[b"windows"])
    image(sets, "prod/u", "i", seed="i", foreign=[b"windows"])
    number = move(sets, item("dev/r:x", "prod/t"), item("prod/u:i", "dev/r:i")).id
    assert number is not None
    sets.delete_manifest(here, moved.digest, by="me")
    layer = upload(sets, "prod/t", b"windows")
    sets.undo(number, by="me")
    assert sets.get_blob(here, layer).size == len(b"windows")
    sets.delete_manifest(here, moved.digest, by="me")
    sets.delete_blob(here, layer, by="me")


def test_many_at_once_are_as_one_after_the_other(engine: Engine) -> None:
    """Also beside plain ones in the same commit."""
    multi = sparse(engine)
    image(engine, DEV, "plain", seed="plain")
    image(engine, "prod/other", "1", seed="other")
    image(engine, "prod/app", "1", seed="app")
    wanted = [
        ("dev/app:1", "prod/other:1"),
        ("dev/app:plain", "prod/other:plain"),
        ("dev/app:1", "prod/app:1"),
        ("dev/app:plain", "prod/app:plain"),
    ]
    asked = [
        PromotionRequest((item(*names),), allow_sparse=allow)
        for names in wanted
        for allow in (False, True)
    ]
    is_done = [isinstance(each, Promotion) for each in submit_all(engine, asked)]
    assert (
        is_done
        == [
            False,
            True,
            True,
            True,
        ]
        * 2
    )
    for name in (PROD, RepositoryName("prod", "other")):
        assert has(engine, name, multi.digest)
        assert not has(engine, name, multi.children[1].digest)


def test_what_another_item_fills_is_told_of_the_index_that_was_there(sets: Engine) -> None:
    multi = sparse(sets)
    promote(sets, item("dev/app:1", "prod"), allow_sparse=True)
    image(sets, "test/x", "1", seed="child 1")
    done = promote(sets, item("test/x:1", "prod/app:c1"), item("dev/app:1", "prod"))
    told = {each.target: each.action for each in done.items}
    assert told == {"prod/app:c1": Outcome.CREATE, "prod/app:1": Outcome.EXTEND}
    newest = sets.history(Reference(PROD, "1")).entries[0]
    assert (newest.promotion, newest.action) == (done.id, "extended")
    assert done.id is not None
    sets.undo(done.id, by="me")
    assert has(sets, PROD, multi.children[1].digest)


@pytest.mark.parametrize("order", [1, -1])
def test_one_item_fills_what_another_leaves_open(
    sets: Engine, sets_store: MetadataStore, order: int
) -> None:
    """In one promotion, and in either order: of rows that nobody has written yet."""
    multi = sparse(sets)
    image(sets, "test/x", "1", seed="child 1")
    items = (item("dev/app:1", "prod"), item("test/x:1", "prod/app:c1"))[::order]
    promote(sets, *items, allow_sparse=True)
    assert [has(sets, PROD, each.digest) for each in multi.children] == [True, True, False]
    granting = [grant == keys.GRANTS for grant in parents(sets_store, multi.children[1].digest)]
    assert sorted(granting) == [False, True], "in dev it is named still"


def test_a_sparse_index_moves_away_though_the_target_has_more_signatures(
    both: tuple[Engine, Built],
) -> None:
    """What stays behind is told from what comes along, and what is absent is neither."""
    engine, multi = both
    attachment(engine, multi, "p")
    attachment(engine, multi, "p", "q", name=PROD)
    done = move(engine, item("dev/app:1", "prod"), allow_sparse=True, purge=True)
    assert (len(done.absent), done.purged) == (2, 2)
    assert has(engine, PROD, multi.digest)


def test_a_deleted_repository_is_swept_with_what_it_lacked(
    engine: Engine, store: MemoryMetadataStore, clock: FakeClock
) -> None:
    sparse(engine)
    engine.delete_repository(DEV, by="me")
    clock.advance(Limits().hold_ms + 1)
    engine.sweep()
    assert rows(store)[Table.SPARSE] == []


def test_what_is_absent_is_nothing_to_begin_with(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    """Only a child may be absent: a tag or a digest that is asked for may not."""
    absent = sparse(engine).children[1].digest
    with pytest.raises(ManifestUnknown):
        promote(engine, item(f"dev/app@{absent}", "prod"), allow_sparse=True)

    def follow(txn: ReadTxn) -> Closure:
        return closure(txn, names.get_id(txn, DEV), "dev/app", [absent.key], Limits())

    with pytest.raises(ManifestUnknown):
        store.read(follow)
