"""Deleting repositories and registries, and the sweep of what they had."""

from __future__ import annotations

import pytest

from liftlock import Limits, Mode, Reference, RepositoryName
from liftlock.engine import Engine
from liftlock.errors import (
    ManifestUnknown,
    RegistryNotEmpty,
    RegistryUnknown,
    RepositoryUnknown,
    UploadUnknown,
)
from liftlock.metadata import keys
from liftlock.metadata.contract import MetadataStore, Table
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import attachment, image, platforms, referrer, upload
from liftlock.testing.states import contents, item, move, promote, rows, tags_of

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")
HOLD = Limits().hold_ms
HELD = (Table.TAGS, Table.LINKS, Table.HOLDERS, Table.REFERRERS, Table.SPARSE)


def filled(engine: Engine, name: str = "dev/app") -> None:
    multi = platforms(engine, name, "1", count=2, seed=name)
    attachment(engine, multi, "first")
    referrer(engine, multi)
    image(engine, name, "2", seed=name)
    upload(engine, name, b"loose")


def held(store: MetadataStore) -> int:
    return store.read(lambda txn: sum(len(list(txn.scan(table))) for table in HELD))


def test_a_deleted_repository_is_gone_at_once(sets: Engine, sets_store: MetadataStore) -> None:
    filled(sets)
    filled(sets, "dev/other")
    usage = sets.get_repository(RepositoryName("dev", "other")).usage
    sets.delete_repository(DEV, by="you", comment="obsolete")
    assert set(contents(sets_store)) == {"dev/other"}
    assert sets.get_registry("dev").usage == usage
    for act in (
        lambda: sets.list_tags(DEV),
        lambda: sets.get_manifest(Reference(DEV, "1")),
        lambda: promote(sets, item("dev/app:1", "prod")),
        lambda: promote(sets, item("dev/app", "prod")),
        lambda: sets.delete_repository(DEV, by="you"),
    ):
        with pytest.raises(RepositoryUnknown):
            act()
    newest = sets.history(DEV).entries[0]
    assert (newest.kind, newest.action, newest.by, newest.comment) == (
        "delete",
        "deleted",
        "you",
        "obsolete",
    )


def test_an_upload_ends_with_its_repository(sets: Engine) -> None:
    filled(sets)
    session = sets.start_upload(DEV, by="ci")
    sets.delete_repository(DEV, by="me")
    with pytest.raises(UploadUnknown):
        sets.upload_size(DEV, session)
    image(sets, DEV, "new")
    with pytest.raises(UploadUnknown), sets.hold_upload(DEV, session):
        pass


def test_what_is_deleted_is_swept_after_the_hold_time(
    sets: Engine, sets_store: MetadataStore, clock: FakeClock
) -> None:
    """Its history stays, and so does what others have of the same content."""
    filled(sets)
    promote(sets, item("dev/app:1", "prod"))
    kept = contents(sets_store)["prod/app"]
    past = sets.history(DEV)
    sets.delete_repository(DEV, by="me")
    clock.advance(HOLD - 1)
    sets.sweep()  # what tells of ended uploads goes earlier
    before = rows(sets_store)
    assert sets.sweep().rows == 0
    assert rows(sets_store) == before
    clock.advance(1)
    assert sets.sweep().rows > 0
    assert contents(sets_store) == {"prod/app": kept}
    assert sets.history(DEV).entries[1:] == past.entries
    assert sets.sweep().rows == 0
    assert sets_store.read(lambda txn: list(txn.scan(Table.DEAD))) == []
    prefix = keys.id_key(4)
    for table in HELD:
        assert sets_store.read(lambda txn, t=table: list(txn.scan(t, prefix))) == []


def test_a_name_is_free_for_another_before_the_sweep(
    sets: Engine, sets_store: MetadataStore, clock: FakeClock
) -> None:
    """The sweep takes the rows of the one that was deleted, and none of its heir's."""
    filled(sets)
    sets.delete_repository(DEV, by="me")
    new = image(sets, DEV, "new", seed="new")
    assert set(tags_of(sets, "dev/app")) == {"new"}
    with pytest.raises(ManifestUnknown):
        sets.get_manifest(Reference(DEV, "1"))
    before = contents(sets_store)
    clock.advance(HOLD)
    sets.sweep()
    assert contents(sets_store) == before
    assert tags_of(sets, "dev/app") == {"new": new.digest}


@pytest.mark.parametrize("swept", [1, 3, 1000])
def test_a_sweep_goes_in_small_steps(
    unchecked: Engine, store: MetadataStore, clock: FakeClock, blobs: object, swept: int
) -> None:
    """Each a transaction of its own, so that nobody waits; the sum is the same."""
    filled(unchecked)
    unchecked.delete_repository(DEV, by="me")
    clock.advance(HOLD)
    limits = Limits(sweep_rows_max=swept)
    most = held(store)
    engine = Engine(store, blobs, limits=limits, clock=clock)  # type: ignore[arg-type] # a blob store
    assert engine.sweep().rows == most
    assert held(store) == 0
    assert list(engine.check(content=True)) == []


def test_a_registry_with_repositories_is_kept_unless_forced(
    sets: Engine, sets_store: MetadataStore
) -> None:
    filled(sets, "dev/a")
    filled(sets, "dev/b")
    before = rows(sets_store)
    with pytest.raises(RegistryNotEmpty, match="2"):
        sets.delete_registry("dev", by="me")
    assert rows(sets_store) == before
    for name in ("a", "b"):
        sets.delete_repository(RepositoryName("dev", name), by="me")
    sets.delete_registry("dev", by="me")
    with pytest.raises(RegistryUnknown):
        sets.get_registry("dev")


def test_a_deleted_registry_is_swept_with_all_it_had(
    sets: Engine, sets_store: MetadataStore, clock: FakeClock
) -> None:
    filled(sets, "dev/a")
    filled(sets, "dev/b")
    filled(sets, "prod/c")
    kept = contents(sets_store)["prod/c"]
    sets.delete_registry("dev", by="me", force=True)
    assert set(contents(sets_store)) == {"prod/c"}
    sets.create_registry("dev", by="me")
    image(sets, "dev/a", "new", seed="new")
    heir = contents(sets_store)["dev/a"]
    clock.advance(HOLD)
    assert sets.sweep().rows > 20
    assert contents(sets_store) == {"dev/a": heir, "prod/c": kept}
    assert sets_store.read(lambda txn: list(txn.scan(Table.DEAD))) == []


def test_a_copy_outlives_the_sweep_of_its_source(
    sets: Engine, sets_store: MetadataStore, clock: FakeClock
) -> None:
    """Its past is in the history, not in the source's rows."""
    filled(sets)
    promote(sets, item("dev/app", "prod"))
    kept = contents(sets_store)["prod/app"]
    sets.delete_repository(DEV, by="me")
    clock.advance(HOLD)
    sets.sweep()
    assert contents(sets_store) == {"prod/app": kept}
    (copied,) = sets.history(Reference(PROD, "2")).entries
    assert (copied.action, copied.new_digest) == ("copied", kept.tags["2"])


def test_what_was_merged_away_is_swept_too(
    sets: Engine, sets_store: MetadataStore, clock: FakeClock
) -> None:
    filled(sets)
    image(sets, PROD, "own", seed="own")
    move(sets, item("dev/app", "prod"))
    kept = contents(sets_store)
    clock.advance(HOLD)
    assert sets.sweep().rows > 10
    assert contents(sets_store) == kept
    again = move(sets, item("dev/app", "prod"))
    assert (again.changed, again.id) == (False, 1)


def test_what_an_undo_gave_back_is_not_swept(
    sets: Engine, sets_store: MetadataStore, clock: FakeClock
) -> None:
    filled(sets)
    image(sets, PROD, "own", seed="own")
    before = contents(sets_store)["dev/app"]
    move(sets, item("dev/app", "prod"))
    sets.undo(1, by="me")
    clock.advance(HOLD)
    assert sets.sweep().rows == 0
    assert contents(sets_store)["dev/app"] == before


def test_a_repository_renamed_out_of_a_registry_outlives_it(
    sets: Engine, sets_store: MetadataStore, clock: FakeClock
) -> None:
    filled(sets)
    move(sets, item("dev/app", "prod"))
    before = contents(sets_store)
    sets.delete_registry("dev", by="me")
    clock.advance(HOLD)
    sets.sweep()
    assert contents(sets_store) == before
    assert sets.history(DEV).entries[0].name == "prod/app"


@pytest.mark.parametrize("mode", Mode)
def test_a_sweep_leaves_what_was_only_untagged(
    sets: Engine, sets_store: MetadataStore, clock: FakeClock, mode: Mode
) -> None:
    """That is the collection's business, and held besides."""
    filled(sets)
    promote(sets, item("dev/app", "prod", "*"), mode=mode)
    before = contents(sets_store)
    clock.advance(10 * HOLD)
    assert sets.sweep().rows == 0
    assert contents(sets_store) == before
