"""Whole repositories: another name, a copy of the rows, or a merge; and the same again."""

from __future__ import annotations

import pytest

from liftlock import Digest, Limits, Mode, Reference, RepositoryName
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.errors import (
    ManifestUnknown,
    NothingSelected,
    PromotionInvalid,
    RegistryUnknown,
    RepositoryUnknown,
    TargetsCollide,
    UploadUnknown,
)
from liftlock.metadata.contract import MetadataStore, Table
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Outcome
from liftlock.testing.clock import FakeClock
from liftlock.testing.counting import CountingStore
from liftlock.testing.images import Built, attachment, image, platforms, read, referrer, upload
from liftlock.testing.states import contents, item, move, promote, rows, tags_of

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")


def filled(engine: Engine, name: str = "dev/app") -> dict[str, Built]:
    """Tags, a signature, an untagged index, a loose blob."""
    multi = platforms(engine, name, "1", count=2, seed=name)
    built = {"1": multi, "2": image(engine, name, "2", seed=f"{name} 2")}
    built["3"] = image(engine, name, "3", seed=f"{name} 3")
    attachment(engine, multi, "first")
    referrer(engine, multi, seed=f"{name} sbom")
    built["untagged"] = platforms(engine, name, None, count=1, seed=f"{name} untagged")
    built["foreign"] = image(engine, name, "4", seed=f"{name} 4", foreign=[b"windows"])
    upload(engine, name, f"loose {name}".encode())
    return built


# --- another name -----------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["dev/other", "prod/app", "prod/deep/er/app"])
def test_a_move_to_a_free_name_is_another_name(
    sets: Engine, sets_store: MetadataStore, target: str
) -> None:
    """Everything goes along, and the old name is gone: decisions 9 and 12."""
    filled(sets)
    before = contents(sets_store)["dev/app"]
    usage = sets.get_repository(DEV).usage
    (told,) = move(sets, item("dev/app", target)).items
    assert contents(sets_store) == {target: before}
    assert (told.source, told.target, told.action) == ("dev/app", target, Outcome.CREATE)
    assert told.tally is not None
    assert (told.tally.tags, told.tally.manifests) == (usage.tags, usage.manifests)
    with pytest.raises(RepositoryUnknown):
        sets.list_tags(DEV)
    assert sets.get_registry(target.partition("/")[0]).usage == usage


@pytest.mark.parametrize("size", [1, 40])
def test_a_rename_takes_the_same_few_rows_whatever_the_size(
    engine: Engine,
    store: MemoryMetadataStore,
    blobs: MemoryBlobStore,
    clock: FakeClock,
    size: int,
) -> None:
    for number in range(size):
        image(engine, DEV, f"t{number}", seed=str(number))
    counting = CountingStore(store)
    done = move(Engine(counting, blobs, clock=clock), item("dev/app", "prod"))
    assert done.records == counting.written == 12
    assert counting.calls.total() < 40


def test_an_upload_ends_when_its_repository_gets_another_name(sets: Engine) -> None:
    image(sets, DEV, "1")
    session = sets.start_upload(DEV, by="ci")
    with sets.hold_upload(DEV, session) as received:
        received.append(b"begun")
        move(sets, item("dev/app", "prod"))
        with pytest.raises(UploadUnknown):
            received.commit(Digest.of(b"begun"), by="ci")
    for name in (DEV, PROD):
        with pytest.raises(UploadUnknown):
            sets.upload_size(name, session)
    with pytest.raises(UploadUnknown), sets.hold_upload(DEV, session):
        pass


def test_an_upload_ends_when_its_repository_is_merged_away(sets: Engine) -> None:
    image(sets, DEV, "1")
    image(sets, PROD, "2", seed="2")
    session = sets.start_upload(DEV, by="ci")
    other = sets.start_upload(PROD, by="ci")
    move(sets, item("dev/app", "prod"))
    with pytest.raises(UploadUnknown):
        sets.upload_size(DEV, session)
    assert sets.upload_size(PROD, other) == 0


def test_a_name_that_became_free_is_a_new_repositorys(sets: Engine) -> None:
    filled(sets)
    move(sets, item("dev/app", "prod"))
    image(sets, DEV, "new", seed="new")
    assert set(tags_of(sets, "dev/app")) == {"new"}
    move(sets, item("dev/app", "prod"))
    assert "new" in tags_of(sets, "prod/app")
    with pytest.raises(RepositoryUnknown):
        sets.list_tags(DEV)


def test_a_name_whose_bearer_leaves_is_free(sets: Engine, sets_store: MetadataStore) -> None:
    """E54: also if the other one goes into a repository that is there."""
    for name in ("dev/a", "dev/b", "dev/c"):
        filled(sets, name)
    before = contents(sets_store)
    move(sets, item("dev/a", "dev/b"), item("dev/b", "dev/c"))
    after = contents(sets_store)
    assert set(after) == {"dev/b", "dev/c"}
    assert after["dev/b"] == before["dev/a"]
    assert after["dev/c"].tags == before["dev/c"].tags | before["dev/b"].tags


# --- a copy of the rows -----------------------------------------------------------------------


def test_a_copy_to_a_free_name_has_everything_and_is_its_own(
    sets: Engine, sets_store: MetadataStore
) -> None:
    """Contract 5 too: what a foreign layer names is absent there as here."""
    built = filled(sets)
    (told,) = promote(sets, item("dev/app", "prod")).items
    assert contents(sets_store)["prod/app"] == contents(sets_store)["dev/app"]
    assert sets.get_repository(PROD).usage == sets.get_registry("prod").usage
    assert told.action is Outcome.CREATE
    image(sets, "dev/app", "5", seed="since")
    sets.delete_manifest(DEV, built["1"].digest, by="me")
    sets.delete_repository(DEV, by="me")
    assert "1" in tags_of(sets, "prod/app")
    assert "5" not in tags_of(sets, "prod/app")
    assert read(sets, PROD, built["1"].children[0].blobs[0])


def test_a_copy_counts_every_row(
    engine: Engine, store: MemoryMetadataStore, blobs: MemoryBlobStore, clock: FakeClock
) -> None:
    filled(engine)
    counting = CountingStore(store)
    counted = Engine(counting, blobs, clock=clock)
    said = promote(counted, item("dev/app", "prod"), dry_run=True)
    counting.reset()
    done = promote(counted, item("dev/app", "prod"))
    assert said.records == done.records == counting.written


def test_a_copy_that_takes_too_many_records_is_refused_before_it_is_written(
    engine: Engine, store: MemoryMetadataStore, blobs: MemoryBlobStore, clock: FakeClock
) -> None:
    filled(engine)
    done = promote(engine, item("dev/app", "test"), dry_run=True)
    limits = Limits(transaction_records_max=done.records - 1)
    counting = CountingStore(store)
    strict = Engine(counting, blobs, limits=limits, clock=clock)
    before = rows(store)
    for dry_run in (True, False):
        with pytest.raises(PromotionInvalid, match="transaction_records_max"):
            promote(strict, item("dev/app", "prod"), dry_run=dry_run)
    assert rows(store) == before
    limits = Limits(transaction_records_max=done.records)
    promote(Engine(store, blobs, limits=limits, clock=clock), item("dev/app", "prod"))


def test_a_copy_again_is_answered_by_the_first(sets: Engine, sets_store: MetadataStore) -> None:
    filled(sets)
    first = promote(sets, item("dev/app", "prod"), comment="release")
    before = rows(sets_store)
    again = promote(sets, item("dev/app", "prod"), by="you")
    assert (again.changed, again.id, again.by, again.comment) == (False, first.id, "me", "release")
    assert [each.action for each in again.items] == [Outcome.UNCHANGED]
    assert rows(sets_store) == before


def test_a_copy_again_is_answered_by_the_first_beside_what_stays(sets: Engine) -> None:
    filled(sets)
    image(sets, "dev/web", "1", seed="web")
    first = promote(sets, item("dev", "dev"), item("dev/app", "prod"))
    again = promote(sets, item("dev", "dev"), item("dev/app", "prod"))
    assert (again.changed, again.id) == (False, first.id)
    alone = promote(sets, item("dev", "dev"))
    assert (alone.changed, alone.id) == (False, None)


def test_a_copy_again_merges_only_the_news(sets: Engine, sets_store: MetadataStore) -> None:
    """E55: a tag, a signature and an untagged manifest came between."""
    built = filled(sets)
    promote(sets, item("dev/app", "prod"))
    image(sets, DEV, "5", seed="5")
    attachment(sets, built["2"], "late")
    image(sets, DEV, None, seed="late")
    (told,) = promote(sets, item("dev/app", "prod")).items
    assert told.tally is not None
    assert (told.action, told.tally.created, told.tally.overwritten) == (Outcome.EXTEND, 2, 0)
    assert told.tally.manifests == 3
    source, target = contents(sets_store)["dev/app"], contents(sets_store)["prod/app"]
    assert (source.tags, source.manifests, source.blobs) == (
        target.tags,
        target.manifests,
        target.blobs,
    )
    assert not promote(sets, item("dev/app", "prod")).changed


# --- a merge ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
def test_a_merge_brings_everything_and_leaves_what_else_is_there(
    sets: Engine, sets_store: MetadataStore, mode: Mode
) -> None:
    """Tags, untagged content and loose blobs; the target's other tags stay."""
    filled(sets)
    old = image(sets, PROD, "2", seed="old")
    same = image(sets, PROD, "3", seed="dev/app 3")
    own = image(sets, PROD, "own", seed="own")
    source = contents(sets_store)["dev/app"]
    (told,) = promote(sets, item("dev/app", "prod"), mode=mode).items
    after = contents(sets_store)
    target = after["prod/app"]
    assert target.tags == source.tags | {"own": own.digest}
    assert target.manifests == source.manifests | {own.digest, old.digest}
    assert target.blobs >= source.blobs
    assert target.tags["3"] == same.digest
    assert ("dev/app" in after) is (mode is Mode.COPY)
    assert told.tally is not None
    assert told.tally[:5] == (5, 3, 1, 0, 1)
    assert told.tally.manifests == len(source.manifests - {same.digest})


@pytest.mark.parametrize("mode", Mode)
def test_a_merge_again_is_answered_by_the_first(
    sets: Engine, sets_store: MetadataStore, mode: Mode
) -> None:
    filled(sets)
    image(sets, PROD, "own", seed="own")
    first = promote(sets, item("dev/app", "prod"), mode=mode)
    before = rows(sets_store)
    again = promote(sets, item("dev/app", "prod"), mode=mode)
    assert (again.changed, again.id) == (False, first.id)
    assert rows(sets_store) == before


def test_a_move_again_is_unchanged_though_the_target_lives_on(sets: Engine) -> None:
    """The retry of a pipeline: the name is free, and the last of the target's name was this."""
    filled(sets)
    first = move(sets, item("dev/app", "prod"))
    image(sets, PROD, "later", seed="later")
    again = move(sets, item("dev/app", "prod"))
    assert (again.changed, again.id) == (False, first.id)


@pytest.mark.parametrize("is_taken", [False, True])
def test_a_move_again_is_refused_once_the_target_is_another(
    sets: Engine, *, is_taken: bool
) -> None:
    filled(sets)
    if is_taken:
        image(sets, PROD, "own", seed="own")
    move(sets, item("dev/app", "prod"))
    sets.delete_repository(PROD, by="me")
    with pytest.raises(RepositoryUnknown):
        move(sets, item("dev/app", "prod"))
    image(sets, PROD, "other", seed="other")
    with pytest.raises(RepositoryUnknown):
        move(sets, item("dev/app", "prod"))


def test_a_move_again_is_not_the_deletion_of_the_source(sets: Engine) -> None:
    filled(sets)
    promote(sets, item("dev/app", "prod"))
    sets.delete_repository(DEV, by="me")
    with pytest.raises(RepositoryUnknown):
        move(sets, item("dev/app", "prod"))


def test_a_repository_with_nothing_but_a_blob_is_merged(
    sets: Engine, sets_store: MetadataStore
) -> None:
    blob = upload(sets, DEV, b"loose")
    image(sets, PROD, "1")
    promote(sets, item("dev/app", "prod"))
    assert read(sets, PROD, blob) == b"loose"
    assert not promote(sets, item("dev/app", "prod")).changed
    move(sets, item("dev/app", "prod"))
    assert set(contents(sets_store)) == {"prod/app"}


@pytest.mark.parametrize("mode", Mode)
def test_two_repositories_become_one(sets: Engine, sets_store: MetadataStore, mode: Mode) -> None:
    """E64: into a name that is free, the same shared content once."""
    for name, tag in (("dev/a", "a"), ("dev/b", "b")):
        shared = platforms(sets, name, tag, count=2, seed="shared")
        attachment(sets, shared, "first")
        image(sets, name, f"{tag}2", seed=name)
        upload(sets, name, b"loose")
    done = promote(sets, item("dev/a", "prod/x"), item("dev/b", "prod/x"), mode=mode)
    assert len(done.items) == 2
    after = contents(sets_store)
    assert {"a", "b", "a2", "b2"} < set(after["prod/x"].tags)
    assert set(after) == ({"prod/x"} if mode is Mode.MOVE else {"dev/a", "dev/b", "prod/x"})
    assert done.id is not None
    assert set(sets.get_promotion(done.id).items) == set(done.items)
    again = promote(sets, item("dev/a", "prod/x"), item("dev/b", "prod/x"), mode=mode)
    assert (again.changed, again.id) == (False, done.id)


def test_a_purged_merge_is_swept_at_once(sets: Engine, sets_store: MetadataStore) -> None:
    filled(sets)
    image(sets, PROD, "own", seed="own")
    move(sets, item("dev/app", "prod"), purge=True)
    assert sets.sweep().rows > 10
    assert sets_store.read(lambda txn: list(txn.scan(Table.DEAD))) == []


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "items",
    [
        (item("dev/app", "prod"), item("dev/app", "test")),
        (item("dev/app", "prod"), item("dev/app:1", "test")),
        (item("dev/app", "prod"), item("dev/web", "dev/app", "*")),
        (item("dev/app", "prod"), item("dev", "test")),
        (item("dev/app", "dev/web"), item("dev/b", "dev/web"), item("dev/web", "prod")),
    ],
)
def test_what_moves_as_a_whole_is_said_once(
    sets: Engine, sets_store: MetadataStore, items: tuple[object, ...]
) -> None:
    for name in ("dev/app", "dev/web", "dev/b"):
        image(sets, name, "1", seed=name)
    before = rows(sets_store)
    with pytest.raises(PromotionInvalid, match="moves as a whole"):
        move(sets, *items)  # type: ignore[arg-type] # items, as parametrised
    assert rows(sets_store) == before


def test_what_was_copied_still_moves_as_a_whole_once(
    sets: Engine, sets_store: MetadataStore
) -> None:
    """A rule is judged, and named beside others, though a copy made the target what it is."""
    image(sets, DEV, "1")
    asked = item("dev/app", "dev"), item("dev/app", "prod/new")
    promote(sets, asked[1])
    before = rows(sets_store)
    with pytest.raises(PromotionInvalid, match="several targets"):
        move(sets, *asked)
    with pytest.raises(PromotionInvalid) as refused:
        move(sets, item("dev/app", "dev", "[2-9]"), *asked)
    assert {*map(type, refused.value.violations)} == {PromotionInvalid, NothingSelected}
    assert rows(sets_store) == before


def test_a_copy_can_go_several_ways(sets: Engine, sets_store: MetadataStore) -> None:
    filled(sets)
    promote(sets, item("dev/app", "prod"), item("dev/app", "test"), item("dev/app:2", "test/x:9"))
    after = contents(sets_store)
    assert after["prod/app"] == after["test/app"] == after["dev/app"]
    assert set(after["test/x"].tags) == {"9"}


def test_wholes_with_the_same_tag_collide(sets: Engine, sets_store: MetadataStore) -> None:
    """E65, E46: all of them are named; of one digest too, since it has two histories."""
    for name in ("dev/a", "dev/b"):
        for tag in ("1", "2", "3"):
            image(sets, name, tag, seed=name + tag)
    before = rows(sets_store)
    with pytest.raises(TargetsCollide) as refused:
        promote(sets, item("dev/a", "prod/x"), item("dev/b", "prod/x"))
    assert len(refused.value.violations) == 3
    assert rows(sets_store) == before


def test_a_deleted_registry_is_no_target_and_no_source(sets: Engine) -> None:
    filled(sets)
    sets.delete_registry("prod", by="me")
    with pytest.raises(RegistryUnknown):
        promote(sets, item("dev/app", "prod"))
    sets.delete_registry("dev", by="me", force=True)
    with pytest.raises(RegistryUnknown):
        promote(sets, item("dev/app", "test"))


def test_what_was_renamed_is_found_by_its_new_name_alone(sets: Engine) -> None:
    built = filled(sets)
    move(sets, item("dev/app", "prod"))
    found = sets.get_manifest(Reference(PROD, "1"))
    assert found.body == built["1"].body
    with pytest.raises((RepositoryUnknown, ManifestUnknown)):
        sets.get_manifest(Reference(DEV, "1"))
