"""Content of one repository: holders, holds, foreign layers, isolation, deleting."""

from __future__ import annotations

import pytest

from liftlock import Digest, Reference, RepositoryName, Target
from liftlock.engine import Engine
from liftlock.errors import (
    BlobUnknown,
    ManifestBlobUnknown,
    ManifestUnknown,
    PageInvalid,
    RegistryUnknown,
    RepositoryUnknown,
    Unsupported,
)
from liftlock.metadata import keys
from liftlock.metadata.contract import Table
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.metadata.records import HoldRecord, decoded
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import (
    FOREIGN_LAYER,
    LAYER,
    Built,
    attachment,
    fallback_index,
    image,
    index,
    layer_of,
    platforms,
    push,
    read,
    referrer,
    upload,
)

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")


def holders(store: MemoryMetadataStore, digest: Digest) -> set[tuple[bool, bytes]]:
    """Whether each row of a digest grants, and its holder (of a parent without the event of its
    link), in whatever repository."""
    found = set()
    for key, _ in store.read(lambda txn: list(txn.scan(Table.HOLDERS))):
        row = keys.split_holder(key)
        grant, holder = row.grant, row.holder
        if row.digest == digest.key:
            if holder[:1] == keys.BY_PARENT:
                holder = keys.BY_PARENT + keys.split_parent(holder)[1]
            found.add((grant == keys.GRANTS, holder))
    return found


def hold(store: MemoryMetadataStore, digest: Digest) -> int | None:
    """When a digest was put on hold, in the only repository that has it."""
    rows = store.read(lambda txn: list(txn.scan(Table.HOLDERS)))
    times = [
        decoded(HoldRecord.decode, Table.HOLDERS, key, value).at
        for key, value in rows
        if keys.split_holder(key).digest == digest.key and key.endswith(keys.GRANTS + keys.BY_HOLD)
    ]
    assert len(times) <= 1
    return times[0] if times else None


def get(engine: Engine, name: RepositoryName, digest: Digest) -> bytes:
    return engine.get_manifest(Reference(name, None, digest)).body


# --- why a repository has something -----------------------------------------------------------


def test_a_tag_and_a_parent_hold_what_they_name(engine: Engine, store: MemoryMetadataStore) -> None:
    multi = platforms(engine, DEV, "1", count=1)
    (child,) = multi.children
    assert holders(store, multi.digest) == {(True, keys.BY_TAG + b"1")}
    assert (True, keys.BY_PARENT + multi.digest.key) in holders(store, child.digest)
    for blob in child.blobs:
        assert (True, keys.BY_PARENT + child.digest.key) in holders(store, blob)


def test_an_upload_is_held_from_its_commit_on(
    engine: Engine, store: MemoryMetadataStore, clock: FakeClock
) -> None:
    digest = upload(engine, DEV, b"content")
    assert hold(store, digest) == clock.now
    clock.advance(1000)
    upload(engine, DEV, b"content")
    assert hold(store, digest) == clock.now


def test_an_untagged_push_is_held_and_again_renews_it(
    engine: Engine, store: MemoryMetadataStore, clock: FakeClock
) -> None:
    app = image(engine, DEV)
    assert holders(store, app.digest) == {(True, keys.BY_HOLD)}
    clock.advance(1000)
    image(engine, DEV)
    assert hold(store, app.digest) == clock.now


@pytest.mark.parametrize("subject_first", [True, False])
def test_subject_and_referrer_are_joined_whichever_comes_second(
    engine: Engine,
    store: MemoryMetadataStore,
    subject_first: bool,  # noqa: FBT001
) -> None:
    """E13."""
    app = image(engine, PROD, "1")
    if subject_first:
        image(engine, DEV, "1")
    sbom = referrer(engine, app, name=DEV, tag="sbom")
    joined = (True, keys.BY_SUBJECT + app.digest.key)
    assert (joined in holders(store, sbom.digest)) is subject_first
    assert [entry.digest for entry in engine.list_referrers(DEV, app.digest).entries] == [
        sbom.digest
    ]
    image(engine, DEV, "1")
    assert joined in holders(store, sbom.digest)


@pytest.mark.parametrize("first", ["subject", "referrer"])
def test_a_promotion_joins_what_it_brings_with_what_is_there(
    engine: Engine, store: MemoryMetadataStore, first: str
) -> None:
    elsewhere = image(engine, "test/app", "1")
    app = image(engine, PROD, "1") if first == "subject" else image(engine, DEV, "1")
    sbom = referrer(engine, elsewhere, name=DEV if first == "subject" else PROD, tag="sbom")
    joined = (True, keys.BY_SUBJECT + app.digest.key)
    assert joined not in holders(store, sbom.digest)
    arriving = sbom if first == "subject" else app
    engine.promote(arriving.by_digest, Target.parse("prod"), by="me")
    assert joined in holders(store, sbom.digest)


# --- what loses a holder is held --------------------------------------------------------------


def test_the_digest_that_a_tag_leaves_is_held(
    engine: Engine, store: MemoryMetadataStore, clock: FakeClock
) -> None:
    """E67, decision 1."""
    old = image(engine, DEV, "1", seed="old")
    clock.advance(1000)
    image(engine, DEV, "1", seed="new")
    assert holders(store, old.digest) == {(True, keys.BY_HOLD)}
    assert hold(store, old.digest) == clock.now
    assert get(engine, DEV, old.digest) == old.body


def test_the_digest_of_a_deleted_tag_is_held(
    engine: Engine, store: MemoryMetadataStore, clock: FakeClock
) -> None:
    """E21."""
    app = image(engine, DEV, "1")
    image(engine, DEV, "2")
    clock.advance(1000)
    assert engine.delete_tag(DEV, "1", by="me") == app.digest
    assert [tag.name for tag in engine.list_tags(DEV).entries] == ["2"]
    assert holders(store, app.digest) == {(True, keys.BY_HOLD), (True, keys.BY_TAG + b"2")}
    assert hold(store, app.digest) == clock.now
    with pytest.raises(ManifestUnknown):
        engine.delete_tag(DEV, "1", by="me")


def test_children_and_blobs_of_a_deleted_manifest_are_held(
    engine: Engine, store: MemoryMetadataStore, clock: FakeClock
) -> None:
    multi = platforms(engine, DEV, "1", count=2)
    clock.advance(1000)
    engine.delete_manifest(DEV, multi.digest, by="me")
    for child in multi.children:
        assert hold(store, child.digest) == clock.now
        assert get(engine, DEV, child.digest) == child.body
        engine.delete_manifest(DEV, child.digest, by="me")
        for blob in child.blobs:
            assert holders(store, blob) == {(True, keys.BY_HOLD)}
            assert hold(store, blob) == clock.now
            assert read(engine, DEV, blob)


def test_referrers_of_a_deleted_subject_are_held(
    engine: Engine, store: MemoryMetadataStore, clock: FakeClock
) -> None:
    app = image(engine, DEV, "1")
    sbom = referrer(engine, app, tag="sbom")
    clock.advance(1000)
    engine.delete_manifest(DEV, app.digest, by="me")
    assert hold(store, sbom.digest) == clock.now
    assert (True, keys.BY_SUBJECT + app.digest.key) not in holders(store, sbom.digest)
    assert engine.list_referrers(DEV, app.digest).entries[0].digest == sbom.digest


# --- deleting ---------------------------------------------------------------------------------


def test_a_deleted_digest_is_gone_with_every_tag_of_it(engine: Engine) -> None:
    """E22."""
    app = image(engine, DEV, "1")
    image(engine, DEV, "latest")
    other = image(engine, DEV, "other", seed="other")
    engine.delete_manifest(DEV, app.digest, by="me")
    assert [tag.name for tag in engine.list_tags(DEV).entries] == ["other"]
    for reference in (app.by_digest, app.reference):
        with pytest.raises(ManifestUnknown):
            engine.get_manifest(reference)
    with pytest.raises(ManifestUnknown):
        engine.delete_manifest(DEV, app.digest, by="me")
    assert get(engine, DEV, other.digest) == other.body


def test_what_was_deleted_can_be_pushed_again_at_once(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    engine.delete_manifest(DEV, app.digest, by="me")
    engine.put_manifest(app.reference, app.body, media_type=app.media_type, by="me")
    assert engine.get_manifest(app.reference).body == app.body


@pytest.mark.parametrize("tagged", [True, False])
def test_a_digest_that_an_index_needs_is_not_deleted(
    engine: Engine,
    tagged: bool,  # noqa: FBT001
) -> None:
    """E22: 405, with the parent named."""
    child = image(engine, DEV, "child" if tagged else None)
    multi = index(engine, DEV, "1", [child])
    with pytest.raises(Unsupported, match=str(multi.digest)):
        engine.delete_manifest(DEV, child.digest, by="me")
    assert get(engine, DEV, child.digest) == child.body
    engine.delete_manifest(DEV, multi.digest, by="me")
    engine.delete_manifest(DEV, child.digest, by="me")


def test_a_refusal_names_the_parents_that_were_linked_first(engine: Engine) -> None:
    """E22: three of them, in that order."""
    images = [image(engine, DEV, n, seed=n, contents=[b"base"]) for n in "12345"]
    shown = ", ".join(str(each.digest) for each in images[:3])
    with pytest.raises(Unsupported, match=f"needed by manifest {shown}. "):
        engine.delete_blob(DEV, Digest.of(b"base"), by="me")


def test_a_hold_alone_does_not_hinder_a_delete(engine: Engine) -> None:
    app = image(engine, DEV)
    engine.delete_manifest(DEV, app.digest, by="me")
    digest = upload(engine, DEV, b"lonely")
    engine.delete_blob(DEV, digest, by="me")
    with pytest.raises(BlobUnknown):
        engine.get_blob(DEV, digest)


def test_a_blob_that_a_manifest_needs_is_not_deleted(engine: Engine) -> None:
    """Decision 11."""
    app = image(engine, DEV, "1")
    with pytest.raises(Unsupported, match=str(app.digest)):
        engine.delete_blob(DEV, app.blobs[1], by="me")
    engine.delete_manifest(DEV, app.digest, by="me")
    engine.delete_blob(DEV, app.blobs[1], by="me")


def test_a_referrer_is_deleted_out_of_the_list(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    sbom = referrer(engine, app)
    engine.delete_manifest(DEV, sbom.digest, by="me")
    assert engine.list_referrers(DEV, app.digest).entries == ()
    engine.delete_manifest(DEV, app.digest, by="me")


def test_deleting_in_one_repository_leaves_the_others(engine: Engine) -> None:
    """E35."""
    app = image(engine, DEV, "1")
    engine.promote(app.reference, Target.parse("prod"), by="me")
    mounted = engine.mount_blob(RepositoryName("test", "x"), app.blobs[1], source=DEV, by="me")
    assert mounted is not None
    engine.delete_manifest(DEV, app.digest, by="me")
    for blob in app.blobs:
        engine.delete_blob(DEV, blob, by="me")
    assert get(engine, PROD, app.digest) == app.body
    assert read(engine, PROD, app.blobs[1]) == read(engine, "test/x", app.blobs[1])


# --- absent content ---------------------------------------------------------------------------


def test_a_manifest_that_names_what_is_absent_is_refused_with_all_of_it(engine: Engine) -> None:
    """E9, decision 2."""
    app = image(engine, PROD, "1", layers=2)
    before = engine.get_registry("dev").usage
    with pytest.raises(ManifestBlobUnknown) as caught:
        push(engine, DEV, "1", app.body)
    assert set(caught.value.missing) == {str(blob) for blob in app.blobs}
    assert engine.get_registry("dev").usage == before
    upload(engine, DEV, layer_of("", 0))
    with pytest.raises(ManifestBlobUnknown) as caught:
        push(engine, DEV, "1", app.body)
    assert len(caught.value.missing) == 2
    with pytest.raises(ManifestBlobUnknown):
        index(engine, DEV, "2", [app])
    with pytest.raises(ManifestUnknown):
        engine.get_manifest(Reference(DEV, "1"))


def test_a_refused_push_leaves_the_tag(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    other = image(engine, PROD, "1", seed="other")
    with pytest.raises(ManifestBlobUnknown):
        push(engine, DEV, "1", other.body)
    assert engine.get_manifest(Reference(DEV, "1")).digest == app.digest


def foreign(engine: Engine, name: RepositoryName, tag: str = "1", seed: str = "") -> Built:
    return image(engine, name, tag, seed=seed, foreign=[b"windows"])


WINDOWS = Digest.of(b"windows")


def test_a_foreign_layer_is_only_named(engine: Engine, store: MemoryMetadataStore) -> None:
    """E12."""
    app = foreign(engine, DEV)
    assert holders(store, WINDOWS) == {(False, keys.BY_PARENT + app.digest.key)}
    assert engine.get_repository(DEV).usage.blobs == 3
    with pytest.raises(BlobUnknown):
        engine.get_blob(DEV, WINDOWS)


def test_a_foreign_layer_elsewhere_in_the_store_grants_nothing(engine: Engine) -> None:
    """Contract 5: knowing or naming a digest gives nothing."""
    foreign(engine, DEV)
    upload(engine, PROD, b"windows")
    with pytest.raises(BlobUnknown):
        engine.get_blob(DEV, WINDOWS)
    assert engine.mount_blob(DEV, WINDOWS, source=None, by="me") is None
    assert engine.mount_blob(RepositoryName("test", "x"), WINDOWS, source=DEV, by="me") is None
    with pytest.raises(BlobUnknown):
        engine.delete_blob(DEV, WINDOWS, by="me")


@pytest.mark.parametrize("way", ["upload", "mount", "push", "promotion"])
def test_whatever_brings_a_foreign_layer_in_makes_all_its_rows_grant(
    engine: Engine, store: MemoryMetadataStore, way: str
) -> None:
    """Design 3: in the same transaction, for every manifest that names it."""
    one, two = foreign(engine, DEV, "1"), foreign(engine, DEV, "2", seed="two")
    before = engine.get_repository(DEV).usage.blobs
    if way == "upload":
        upload(engine, DEV, b"windows")
    elif way == "mount":
        upload(engine, PROD, b"windows")
        assert engine.mount_blob(DEV, WINDOWS, source=PROD, by="me") is not None
    elif way == "push":
        upload(engine, DEV, b"windows")
        image(engine, DEV, "3", seed="three", contents=[b"windows"])
    else:
        image(engine, PROD, "3", seed="three", contents=[b"windows"])
        engine.promote(Reference(PROD, "3"), Target.parse("dev"), by="me")
    assert read(engine, DEV, WINDOWS) == b"windows"
    naming = {keys.BY_PARENT + one.digest.key, keys.BY_PARENT + two.digest.key}
    rows = {(grant, holder) for grant, holder in holders(store, WINDOWS) if holder in naming}
    assert rows == {(True, holder) for holder in naming}
    extra = {"push": 2, "promotion": 2}.get(way, 1)
    assert engine.get_repository(DEV).usage.blobs == before + extra


def test_a_foreign_layer_that_the_repository_has_is_granted_from_the_start(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    upload(engine, DEV, b"windows")
    app = foreign(engine, DEV)
    assert (True, keys.BY_PARENT + app.digest.key) in holders(store, WINDOWS)


def test_a_layer_named_both_ways_is_needed(engine: Engine) -> None:
    config = upload(engine, DEV, b"{}")
    layer = {"digest": str(WINDOWS), "size": 7}
    document = {
        "schemaVersion": 2,
        "config": {"mediaType": "application/json", "digest": str(config), "size": 2},
        "layers": [layer | {"mediaType": FOREIGN_LAYER}, layer | {"mediaType": LAYER}],
    }
    with pytest.raises(ManifestBlobUnknown):
        push(engine, DEV, "1", document)


def test_a_promotion_to_a_repository_that_has_the_foreign_layer_grants_it_there(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    app = foreign(engine, DEV)
    upload(engine, PROD, b"windows")
    engine.promote(app.reference, Target.parse("prod"), by="me")
    assert (True, keys.BY_PARENT + app.digest.key) in holders(store, WINDOWS)
    assert (False, keys.BY_PARENT + app.digest.key) in holders(store, WINDOWS)
    with pytest.raises(BlobUnknown):
        engine.get_blob(DEV, WINDOWS)


def test_naming_rows_go_with_their_manifest(engine: Engine, store: MemoryMetadataStore) -> None:
    app = foreign(engine, DEV)
    engine.delete_manifest(DEV, app.digest, by="me")
    assert holders(store, WINDOWS) == set()


# --- isolation --------------------------------------------------------------------------------


def test_a_known_digest_gives_nothing_elsewhere(engine: Engine) -> None:
    """Contract 5, E34, E39."""
    app = image(engine, DEV, "1")
    image(engine, PROD, "1", seed="other")
    with pytest.raises(ManifestUnknown):
        get(engine, PROD, app.digest)
    with pytest.raises(ManifestUnknown):
        engine.promote(Reference(PROD, None, app.digest), Target.parse("test"), by="me")
    for blob in app.blobs:
        with pytest.raises(BlobUnknown):
            engine.get_blob(PROD, blob)
        assert engine.mount_blob(PROD, blob, source=None, by="me") is None
        with pytest.raises(BlobUnknown):
            engine.delete_blob(PROD, blob, by="me")
    with pytest.raises(ManifestUnknown):
        engine.delete_manifest(PROD, app.digest, by="me")
    with pytest.raises(ManifestBlobUnknown):
        push(engine, PROD, "stolen", app.body)
    with pytest.raises(ManifestBlobUnknown):
        index(engine, PROD, "stolen", [app])


def test_naming_it_as_a_subject_gives_nothing(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    sbom = referrer(engine, app, name=PROD)
    with pytest.raises(ManifestUnknown):
        get(engine, PROD, app.digest)
    assert engine.list_referrers(DEV, app.digest).entries == ()
    engine.promote(sbom.by_digest, Target.parse("test"), by="me")
    with pytest.raises(ManifestUnknown):
        get(engine, RepositoryName("test", "app"), app.digest)


def test_a_blob_is_no_manifest_and_a_manifest_no_blob(engine: Engine) -> None:
    """E39."""
    app = image(engine, DEV, "1")
    with pytest.raises(BlobUnknown):
        engine.get_blob(DEV, app.digest)
    upload(engine, PROD, app.body)
    with pytest.raises(ManifestUnknown):
        get(engine, PROD, app.digest)


@pytest.mark.parametrize(
    ("name", "error"),
    [("dev/none", RepositoryUnknown), ("none/app", RegistryUnknown)],
)
def test_what_is_not_there_has_no_content(
    engine: Engine, name: str, error: type[Exception]
) -> None:
    missing = RepositoryName.parse(name)
    with pytest.raises(error):
        get(engine, missing, WINDOWS)
    with pytest.raises(error):
        engine.get_blob(missing, WINDOWS)
    with pytest.raises(error):
        engine.list_tags(missing)
    with pytest.raises(error):
        engine.list_referrers(missing, WINDOWS)
    with pytest.raises(error):
        engine.delete_tag(missing, "1", by="me")


def test_a_mount_from_where_it_is_not_is_no_mount(engine: Engine) -> None:
    """E34: absent, foreign and unreadable look alike."""
    app = image(engine, DEV, "1")
    for source in (PROD, RepositoryName("none", "x"), RepositoryName("dev", "none")):
        assert engine.mount_blob(PROD, app.blobs[1], source=source, by="me") is None
    with pytest.raises(RepositoryUnknown):
        engine.get_repository(PROD)
    with pytest.raises(RegistryUnknown):
        engine.mount_blob(RepositoryName("none", "x"), app.blobs[1], source=DEV, by="me")


# --- pushing again ----------------------------------------------------------------------------


def test_pushing_what_is_there_is_no_event(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    before = engine.history(DEV)
    version = engine.get_repository(DEV).version
    engine.put_manifest(app.reference, app.body, media_type=app.media_type, by="me")
    engine.put_manifest(app.by_digest, app.body, media_type=app.media_type, by="me")
    assert engine.history(DEV) == before
    assert engine.get_repository(DEV).version == version


def test_referrers_come_in_pages_and_by_type(engine: Engine) -> None:
    """E15, E16."""
    app = image(engine, DEV, "1")
    pushed = {
        referrer(engine, app, seed=f"{kind}{number}", artifact_type=f"application/{kind}").digest
        for kind in ("a", "b")
        for number in range(5)
    }
    found: list[Digest] = []
    after = ""
    while True:
        page = engine.list_referrers(DEV, app.digest, after=after, limit=3)
        found += [entry.digest for entry in page.entries]
        if not page.more:
            break
        after = page.entries[-1].position
    assert len(found) == len(set(found)) == 10
    assert set(found) == pushed
    filtered = engine.list_referrers(DEV, app.digest, artifact_type="application/a").entries
    assert {entry.artifact_type for entry in filtered} == {"application/a"}
    assert len(filtered) == 5
    assert engine.list_referrers(DEV, app.digest, artifact_type="application/").entries == ()


def test_a_page_of_referrers_goes_on_behind_one_that_was_deleted(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    for number in range(4):
        referrer(engine, app, seed=str(number))
    everyone = engine.list_referrers(DEV, app.digest).entries
    engine.delete_manifest(DEV, everyone[1].digest, by="me")
    rest = engine.list_referrers(DEV, app.digest, after=everyone[1].position).entries
    assert rest == everyone[2:]


@pytest.mark.parametrize("after", ["x", "abc", "sha256:00", "00" * 200])
def test_a_position_that_is_none_is_refused(engine: Engine, after: str) -> None:
    app = image(engine, DEV, "1")
    with pytest.raises(PageInvalid):
        engine.list_referrers(DEV, app.digest, after=after)


def test_attachments_and_fallbacks_are_tags_like_others(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    signature = attachment(engine, app, "first")
    fallback = fallback_index(engine, app, [image(engine, DEV, seed="entry")])
    assert {tag.name for tag in engine.list_tags(DEV).entries} == {
        "1",
        signature.tag,
        fallback.tag,
    }
