"""Sparse images: blobs that are named and absent, what brings them in, and who may see them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from liftlock import Digest, Limits, PromotionRequest, Reference, RepositoryName
from liftlock.engine import Engine
from liftlock.errors import (
    BlobUnknown,
    LiftlockError,
    ManifestBlobUnknown,
    SparseManifest,
    SparseRefused,
    Unsupported,
)
from liftlock.metadata import keys
from liftlock.metadata.contract import MetadataStore, Table
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Outcome, Promotion, SettingsChange
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import Built, image, index, push, upload
from liftlock.testing.states import contents, item, move, promote, rows, submit_all

pytestmark = pytest.mark.usefixtures("allow_sparse")

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")
LAYERS = (b"one", b"two")
ONE, TWO = (Digest.of(layer) for layer in LAYERS)
ALLOW, REFUSE = SettingsChange(allow_sparse=True), SettingsChange(allow_sparse=False)


def sparse(engine: Engine, name: RepositoryName = DEV, tag: str | None = "1") -> Built:
    """An image of three layers, of which the repository has the first."""
    return image(engine, name, tag, seed="a", contents=[b"base"], absent=LAYERS)


def other(engine: Engine, name: RepositoryName = DEV, tag: str | None = "2") -> Built:
    """Another one, which lacks the same."""
    return image(engine, name, tag, seed="b", contents=[b"base"], absent=LAYERS)


def has(engine: Engine, name: RepositoryName, *blobs: Digest) -> list[bool]:
    return [_has(engine, name, blob) for blob in blobs]


def _has(engine: Engine, name: RepositoryName, blob: Digest) -> bool:
    try:
        return engine.get_blob(name, blob).digest == blob
    except BlobUnknown:
        return False


def parents(store: MetadataStore, digest: Digest) -> list[bytes]:
    """What the rows say by which manifests name a blob anywhere."""
    found = [keys.split_holder(key) for key, _ in rows(store)[Table.HOLDERS]]
    return [
        each.grant
        for each in found
        if (each.kind, each.digest, each.holder[:1]) == (keys.BLOB, digest.key, keys.BY_PARENT)
    ]


def listed(store: MetadataStore) -> int:
    return len(rows(store)[Table.SPARSE])


def refusals(engine: Engine, *items: object, **options: object) -> list[type[LiftlockError]]:
    with pytest.raises(LiftlockError) as refused:
        promote(engine, *items, **options)  # type: ignore[arg-type]  # as `promote` has them
    return [type(each) for each in refused.value.violations]


# --- pushing --------------------------------------------------------------------------------------


def test_an_image_may_name_what_is_absent_where_that_is_allowed(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    """Naming grants nothing, though another repository has it all (contract 5)."""
    upload(engine, "test/elsewhere", LAYERS[0])
    app = sparse(engine)
    assert engine.get_manifest(Reference(DEV, "1")).body == app.body
    assert has(engine, DEV, *app.blobs, ONE, TWO) == [True, True, False, False]
    usage = engine.get_repository(DEV).usage
    assert (usage.manifests, usage.blobs) == (1, 2)
    for blob in (ONE, TWO):
        assert parents(store, blob) == [keys.NAMES_ONLY]
        with pytest.raises(BlobUnknown):
            engine.delete_blob(DEV, blob, by="me")
        assert engine.mount_blob(PROD, blob, source=DEV, by="me") is None


def test_also_all_of_it_and_by_its_digest(engine: Engine, store: MemoryMetadataStore) -> None:
    """The config, too; and of an artifact that is no image."""
    whole = image(engine, "test/elsewhere", seed="x")
    push(engine, DEV, None, whole.body, media_type=whole.media_type)
    assert has(engine, DEV, *whole.blobs) == [False] * 3
    assert engine.get_repository(DEV).usage.blobs == 0
    descriptor = {"mediaType": "a/b", "digest": str(ONE), "size": 3}
    artifact = "application/vnd.oci.artifact.manifest.v1+json"
    document = {"schemaVersion": 2, "mediaType": artifact, "blobs": [descriptor]}
    body = json.dumps(document).encode()
    push(engine, DEV, None, body, media_type=artifact)
    assert listed(store) == 4


def test_elsewhere_it_is_refused_with_all_that_is_missing(engine: Engine) -> None:
    """E9."""
    with pytest.raises(ManifestBlobUnknown) as refused:
        sparse(engine, RepositoryName("test", "app"))
    assert list(refused.value.missing) == [str(ONE), str(TWO)]


def test_a_foreign_layer_is_listed_nowhere_and_needs_nothing(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    """Unless another manifest names the same as one of its own: then that is listed."""
    image(engine, "test/app", "f", foreign=LAYERS)
    image(engine, DEV, "f", foreign=LAYERS)
    assert listed(store) == 0
    assert promote(engine, item("test/app:f", "prod")).absent == ()
    app = sparse(engine)
    assert listed(store) == 2
    upload(engine, DEV, LAYERS[0])
    assert listed(store) == 1
    engine.delete_manifest(DEV, app.digest, by="me")
    assert listed(store) == 0
    assert has(engine, DEV, ONE, TWO) == [True, False]


def test_what_was_allowed_stays_when_it_is_allowed_no_more(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    app = sparse(engine)
    engine.update_registry("dev", REFUSE, by="me")
    assert list(engine.check(content=True)) == []
    push(engine, DEV, "again", app.body, media_type=app.media_type)
    with pytest.raises(ManifestBlobUnknown):
        other(engine)
    for layer in LAYERS:
        upload(engine, DEV, layer)
    assert listed(store) == 0
    other(engine)


def test_deleting_a_sparse_image_leaves_nothing_of_it(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    app, second = sparse(engine), other(engine)
    engine.delete_manifest(DEV, app.digest, by="me")
    assert listed(store) == 2
    upload(engine, DEV, LAYERS[0])
    with pytest.raises(Unsupported, match=str(second.digest)):
        engine.delete_blob(DEV, ONE, by="me")
    engine.delete_manifest(DEV, second.digest, by="me")
    assert listed(store) == 0
    engine.delete_blob(DEV, ONE, by="me")
    upload(engine, DEV, LAYERS[1])
    assert parents(store, TWO) == []


def test_a_deleted_repository_is_swept_with_what_it_lacked(
    engine: Engine, store: MemoryMetadataStore, clock: FakeClock
) -> None:
    sparse(engine)
    engine.delete_repository(DEV, by="me")
    clock.advance(Limits().hold_ms + 1)
    engine.sweep()
    assert listed(store) == 0


def test_a_blob_and_a_manifest_of_one_digest_are_two_things(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    """E39: one of them comes in, and the other is absent as before."""
    both = image(engine, "test/elsewhere", seed="both")
    image(engine, DEV, "as a layer", seed="l", absent=[both.body])
    index(engine, DEV, "as a child", [both])
    assert listed(store) == 2
    done = promote(engine, item("dev/app", "prod", "as*"), allow_sparse=True)
    assert done.absent == (both.digest,)
    push(engine, "test/elsewhere", "both", both.body)
    items = item("dev/app", "prod/new", "as*"), item("test/elsewhere:both", "prod/new")
    said = promote(engine, *items, allow_sparse=True, dry_run=True)
    assert said.absent == (both.digest,)  # the blob
    upload(engine, DEV, both.body)
    assert has(engine, DEV, both.digest) == [True]
    assert listed(store) == 3
    image(engine, PROD, seed="both")
    assert has(engine, PROD, both.digest) == [False]
    assert listed(store) == 2


# --- what brings a blob in ------------------------------------------------------------------------


def by_upload(engine: Engine) -> None:
    for layer in LAYERS:
        upload(engine, DEV, layer)


def by_mount(engine: Engine) -> None:
    for layer in LAYERS:
        blob = upload(engine, "prod/stage", layer)
        assert engine.mount_blob(DEV, blob, source=RepositoryName("prod", "stage"), by="me")


def staged(engine: Engine) -> None:
    for number, layer in enumerate(LAYERS):
        image(engine, "prod/stage", f"s{number}", seed=str(number), contents=[layer])


def by_copy(engine: Engine) -> None:
    staged(engine)
    promote(engine, item("prod/stage", "dev/app", "*"))


def by_move(engine: Engine) -> None:
    staged(engine)
    move(engine, item("prod/stage", "dev/app", "*"), purge=True)


def by_merge(engine: Engine) -> None:
    staged(engine)
    promote(engine, item("prod/stage", "dev/app"))


def by_merging_loose_blobs(engine: Engine) -> None:
    for layer in LAYERS:
        upload(engine, "prod/stage", layer)
    promote(engine, item("prod/stage", "dev/app"))


def by_merging_move(engine: Engine) -> None:
    staged(engine)
    move(engine, item("prod/stage", "dev/app"))


def by_the_same_but_complete(engine: Engine) -> None:
    """The target has the very manifest already."""
    stage = RepositoryName("prod", "stage")
    for layer in LAYERS:
        upload(engine, stage, layer)
    sparse(engine, stage)
    assert promote(engine, item("prod/stage:1", "dev/app")).changed


BRINGERS: list[Callable[[Engine], None]] = [
    by_upload,
    by_mount,
    by_copy,
    by_move,
    by_merge,
    by_merging_loose_blobs,
    by_merging_move,
    by_the_same_but_complete,
]


@pytest.mark.parametrize("bring", BRINGERS, ids=lambda bring: bring.__name__)
def test_whatever_brings_a_blob_in_makes_all_its_rows_grant(
    sets: Engine, sets_store: MetadataStore, bring: Callable[[Engine], None]
) -> None:
    app, second = sparse(sets), other(sets)
    image(sets, DEV, "f", seed="f", foreign=LAYERS)
    bring(sets)
    assert listed(sets_store) == 0
    assert has(sets, DEV, ONE, TWO) == [True, True]
    for blob in (ONE, TWO):
        assert set(parents(sets_store, blob)) == {keys.GRANTS}
        with pytest.raises(Unsupported):
            sets.delete_blob(DEV, blob, by="me")
    assert list(sets.check(content=True)) == []
    for built in (app, second):
        sets.delete_manifest(DEV, built.digest, by="me")


def test_an_undo_brings_a_blob_in(sets: Engine, sets_store: MetadataStore) -> None:
    """What was moved away and purged comes back, and an image that was pushed since wants it."""
    image(sets, DEV, "whole", seed="w", contents=LAYERS)
    number = move(sets, item("dev/app:whole", "prod"), purge=True).id
    assert number is not None
    sparse(sets)
    assert has(sets, DEV, ONE) == [False]
    sets.undo(number, by="me")
    assert listed(sets_store) == 0
    assert has(sets, DEV, ONE, TWO) == [True, True]


def test_what_comes_into_another_repository_grants_nothing_here(engine: Engine) -> None:
    sparse(engine)
    for name in ("dev/other", "prod/app"):
        upload(engine, name, LAYERS[0])
    assert has(engine, DEV, ONE) == [False]
    upload(engine, DEV, LAYERS[1])
    assert has(engine, DEV, ONE, TWO) == [False, True]


# --- a sparse image's way -------------------------------------------------------------------------

WAYS = {
    "tag": item("dev/app:1", "prod"),
    "glob": item("dev/app", "prod", "*"),
    "whole": item("dev/app", "prod"),
    "registry": item("dev", "prod"),
    "within the registry": item("dev/app:1", "dev/other"),
}


@pytest.mark.parametrize("merges", [False, True], ids=["to a free name", "into another"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("act", [promote, move])
def test_it_must_be_meant_and_allowed(
    sets: Engine, sets_store: MetadataStore, way: str, act: Callable[..., object], *, merges: bool
) -> None:
    asked = WAYS[way]
    sparse(sets)
    if merges:
        for name in ("prod/app", "dev/other"):
            image(sets, name, "there", seed="there")
    target = asked.target.registry
    sets.update_registry(target, REFUSE, by="me")
    before = rows(sets_store)
    for meant, expected in ((False, [SparseManifest, SparseRefused]), (True, [SparseRefused])):
        with pytest.raises(LiftlockError) as refused:
            act(sets, asked, allow_sparse=meant)
        assert [type(each) for each in refused.value.violations] == expected
        for each in refused.value.violations:
            assert str(ONE) in str(each)
            assert str(TWO) in str(each)
            assert "allow" in str(each)
    assert rows(sets_store) == before
    sets.update_registry(target, ALLOW, by="me")
    act(sets, asked, allow_sparse=True)
    name = "dev/other" if way == "within the registry" else "prod/app"
    assert has(sets, RepositoryName(*name.split("/")), ONE, TWO) == [False, False]
    assert list(sets.check()) == []


def test_a_promotion_names_what_is_absent_and_an_undo_takes_it_back(
    sets: Engine, sets_store: MetadataStore
) -> None:
    sparse(sets)
    upload(sets, "prod/other", LAYERS[0])
    said = promote(sets, item("dev/app:1", "prod"), allow_sparse=True, dry_run=True)
    done = promote(sets, item("dev/app:1", "prod"), allow_sparse=True, plan=said.plan)
    assert said.absent == done.absent == tuple(sorted((ONE, TWO)))
    assert (done.linked, said.records) == (1, done.records)
    assert sets.get_repository(PROD).usage == sets.get_repository(DEV).usage
    assert done.id is not None
    sets.undo(done.id, by="me")
    assert sets.get_repository(PROD).usage.manifests == 0
    assert listed(sets_store) == 2


def test_what_the_target_has_is_not_lacked(sets: Engine, sets_store: MetadataStore) -> None:
    sparse(sets)
    for layer in LAYERS:
        upload(sets, PROD, layer)
    done = promote(sets, item("dev/app:1", "prod"))
    assert done.absent == ()
    assert listed(sets_store) == 2
    assert sorted(parents(sets_store, ONE)) == [keys.GRANTS, keys.NAMES_ONLY]


def test_a_plan_tells_what_is_absent_from_what_came(sets: Engine) -> None:
    sparse(sets)
    image(sets, PROD, "there")
    asked = {"allow_sparse": True, "dry_run": True}
    before = promote(sets, item("dev/app:1", "prod"), **asked).plan
    upload(sets, PROD, LAYERS[0])
    assert promote(sets, item("dev/app:1", "prod"), **asked).plan != before


@pytest.mark.parametrize("order", [1, -1], ids=["sparse first", "whole first"])
@pytest.mark.parametrize("target", ["prod/app", "prod/new"])
@pytest.mark.parametrize("kind", ["foreign", "whole", "same"])
def test_what_another_item_brings_is_not_lacked(
    sets: Engine, sets_store: MetadataStore, order: int, target: str, kind: str
) -> None:
    """In one part, in two, and in the transaction of both; also if it brings the same image."""
    app = sparse(sets)
    image(sets, DEV, "f", seed="f", foreign=LAYERS)
    image(sets, "prod/app", "there")
    for tag, layer in zip("cd", LAYERS, strict=True) if kind != "same" else ():
        image(sets, "test/c", tag, seed=tag, contents=[layer])
    if kind == "same":
        for layer in LAYERS:
            upload(sets, "test/c", layer)
        push(sets, "test/c", "a", _with_base(sets, app), media_type=app.media_type)
    mine = item("dev/app", target, ("1", "f") if kind == "foreign" else ("1",))
    items = [mine, item("test/c", target, "*")]
    said = promote(sets, *items[::order], dry_run=True)
    done = promote(sets, *items[::order], plan=said.plan)
    assert (said.absent, done.absent, said.records) == ((), (), done.records)
    assert contents(sets_store)[target].blobs >= {ONE, TWO}
    assert listed(sets_store) == 2
    assert list(sets.check(content=True)) == []


def _with_base(engine: Engine, app: Built) -> bytes:
    for blob in app.blobs:
        engine.mount_blob(RepositoryName("test", "c"), blob, source=DEV, by="me")
    return app.body


def test_a_layer_that_came_since_comes_with_the_same_again(
    sets: Engine, sets_store: MetadataStore
) -> None:
    """Converging: also if its registry allows no such image any more."""
    sparse(sets)
    promote(sets, item("dev/app:1", "prod"), allow_sparse=True)
    for registry in ("dev", "prod"):
        sets.update_registry(registry, REFUSE, by="me")
    assert not promote(sets, item("dev/app:1", "prod")).changed
    upload(sets, DEV, LAYERS[0])
    size = sets.get_repository(PROD).usage.bytes
    done = promote(sets, item("dev/app:1", "prod"))
    assert (done.changed, done.absent, done.items[0].action) == (True, (), Outcome.EXTEND)
    assert has(sets, PROD, ONE, TWO) == [True, False]
    assert sets.get_repository(PROD).usage.bytes == size + len(LAYERS[0])
    assert not promote(sets, item("dev/app:1", "prod")).changed
    assert listed(sets_store) == 2


def test_what_another_item_fills_is_told_of_the_image_that_was_there(sets: Engine) -> None:
    sparse(sets)
    promote(sets, item("dev/app:1", "prod"), allow_sparse=True)
    image(sets, "test/x", "1", seed="x", contents=LAYERS)
    done = promote(sets, item("test/x:1", "prod/app:x"), item("dev/app:1", "prod"))
    told = {each.target: each.action for each in done.items}
    assert told == {"prod/app:x": Outcome.CREATE, "prod/app:1": Outcome.EXTEND}
    assert done.id is not None
    sets.undo(done.id, by="me")
    assert has(sets, PROD, ONE, TWO) == [True, True]  # as of foreign layers (decision 6)


def test_a_move_takes_a_sparse_image_away_and_an_undo_brings_it_back(
    sets: Engine, sets_store: MetadataStore
) -> None:
    """An undo asks for nothing to be allowed; and it grants what came meanwhile."""
    app = sparse(sets)
    number = move(sets, item("dev/app:1", "prod"), allow_sparse=True, purge=True).id
    assert number is not None
    assert listed(sets_store) == 2
    sets.update_registry("dev", REFUSE, by="me")
    upload(sets, DEV, LAYERS[0])
    sets.undo(number, by="me")
    assert sets.get_manifest(Reference(DEV, "1")).digest == app.digest
    assert has(sets, DEV, ONE, TWO) == [True, False]
    assert listed(sets_store) == 1


def test_an_undo_gives_back_and_takes_back_around_the_same_layer(
    sets: Engine, sets_store: MetadataStore
) -> None:
    """What it brings in, an image has named that the same undo takes away."""
    here, there = RepositoryName("dev", "r"), RepositoryName("prod", "t")
    moved = sparse(sets, here, "x")
    second = other(sets, RepositoryName("prod", "u"), "i")
    items = (item("dev/r:x", "prod/t"), item("prod/u:i", "dev/r:i"))
    number = move(sets, *items, allow_sparse=True).id
    assert number is not None
    sets.delete_manifest(here, moved.digest, by="me")
    for layer in LAYERS:
        upload(sets, there, layer)
    sets.undo(number, by="me")
    assert has(sets, here, ONE, TWO) == [True, True]
    for key, _ in rows(sets_store)[Table.SPARSE]:
        assert keys.split_sparse(key)[2] == second.digest.key
    sets.delete_manifest(here, moved.digest, by="me")
    sets.delete_blob(here, ONE, by="me")


def test_an_index_of_sparse_images_is_followed(sets: Engine) -> None:
    app = sparse(sets)
    outer = index(sets, DEV, "outer", [app, image(sets, "test/x", seed="absent")])
    assert len(promote(sets, item("dev/app:outer", "prod"), allow_sparse=True).absent) == 3
    assert sets.get_manifest(Reference(PROD, "outer")).digest == outer.digest


def test_many_at_once_are_as_one_after_the_other(engine: Engine) -> None:
    """Also beside plain ones in the same commit; one brings what another has named."""
    sparse(engine)
    image(engine, DEV, "plain", seed="plain")
    for name in ("prod/other", "prod/app", "prod/third"):
        image(engine, name, "0", seed=name)
    image(engine, "test/x", "whole", seed="x", contents=LAYERS)
    other(engine, RepositoryName("prod", "third"), "2")
    wanted = [
        ("dev/app:1", "prod/other:1"),
        ("dev/app:plain", "prod/other:plain"),
        ("dev/app:1", "prod/app:1"),
        ("dev/app:plain", "prod/app:plain"),
        ("test/x:whole", "prod/third:whole"),
        ("test/x:whole", "prod/third:whole2"),
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
        + [True] * 4
    )
    for name in ("app", "other"):
        assert has(engine, RepositoryName("prod", name), ONE, TWO) == [False, False]
    assert has(engine, RepositoryName("prod", "third"), ONE, TWO) == [True, True]
    assert list(engine.check(content=True)) == []


@pytest.mark.parametrize("act", [promote, move])
def test_a_whole_repository_goes_with_what_it_lacks(
    sets: Engine, sets_store: MetadataStore, act: Callable[..., object]
) -> None:
    """Within its registry a move needs nobody's leave; a copy does."""
    sparse(sets)
    if act is promote:
        assert refusals(sets, item("dev/app", "dev/other")) == [SparseManifest]
    act(sets, item("dev/app", "dev/other"), allow_sparse=act is promote)
    assert listed(sets_store) == (4 if act is promote else 2)
    upload(sets, "dev/other", LAYERS[0])
    assert has(sets, RepositoryName("dev", "other"), ONE, TWO) == [True, False]
    assert listed(sets_store) == (3 if act is promote else 1)
