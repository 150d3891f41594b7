"""Undo: back to where it was, or a refusal that says what moved."""

from __future__ import annotations

import pytest

from liftlock import Digest, Mode, Reference, RepositoryName, Target
from liftlock.engine import Engine
from liftlock.errors import BlobUnknown, ManifestUnknown, PromotionUnknown, UndoRefused
from liftlock.metadata.contract import Table
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Outcome, Promotion
from liftlock.oci.mediatype import OCI_MANIFEST
from liftlock.testing.images import (
    Built,
    attachment,
    image,
    index,
    platforms,
    push,
    read,
    referrer,
    upload,
)

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")


def promote(
    engine: Engine, source: str = "dev/app:1", target: str = "prod", mode: Mode = Mode.COPY
) -> Promotion:
    return engine.promote(Reference.parse(source), Target.parse(target), by="me", mode=mode)


def tags(engine: Engine, name: RepositoryName) -> dict[str, Digest]:
    return {tag.name: tag.digest for tag in engine.list_tags(name).entries}


def is_linked(engine: Engine, name: RepositoryName, built: Built) -> bool:
    try:
        engine.get_manifest(Reference(name, None, built.digest))
    except ManifestUnknown:
        return False
    return True


def has_blob(engine: Engine, name: RepositoryName, digest: Digest) -> bool:
    try:
        engine.get_blob(name, digest)
    except BlobUnknown:
        return False
    return True


def everything(store: MemoryMetadataStore) -> dict[Table, list[tuple[bytes, bytes]]]:
    return store.read(lambda txn: {table: list(txn.scan(table)) for table in Table})


def test_undoing_a_copy_takes_back_what_it_linked(engine: Engine) -> None:
    app = platforms(engine, DEV, "1")
    signature, sbom = attachment(engine, app, "first"), referrer(engine, app)
    promote(engine)
    undone = engine.undo(1, by="you", comment="wrong")
    assert tags(engine, PROD) == {}
    for built in (app, *app.children, signature, sbom):
        assert not is_linked(engine, PROD, built)
        assert is_linked(engine, DEV, built)
        for blob in built.blobs:
            assert not has_blob(engine, PROD, blob)
            assert read(engine, DEV, blob)
    usage = engine.get_repository(PROD).usage
    assert (usage.tags, usage.manifests, usage.blobs, usage.bytes) == (0, 0, 0, 0)
    assert (undone.id, undone.undoes, undone.by, undone.comment) == (2, 1, "you", "wrong")
    assert {(item.target, item.action) for item in undone.items} == {
        ("prod/app:1", Outcome.REMOVE),
        (f"prod/app:{signature.tag}", Outcome.REMOVE),
    }
    assert undone.items[0].source.startswith("dev/app:")
    assert set(undone.manifests) == {
        built.digest for built in (app, *app.children, signature, sbom)
    }


def test_undoing_leaves_what_was_there_before(engine: Engine) -> None:
    """A layer and a child that the target had already are not the promotion's."""
    image(engine, PROD, "old", seed="old", contents=[b"base"])
    child = image(engine, PROD, seed="child")
    image(engine, DEV, seed="child")
    app = image(engine, DEV, seed="app", contents=[b"base", b"own"])
    multi = index(engine, DEV, "1", [child, app])
    promote(engine)
    engine.undo(1, by="me")
    assert is_linked(engine, PROD, child)
    assert not is_linked(engine, PROD, app)
    assert not is_linked(engine, PROD, multi)
    assert read(engine, PROD, Digest.of(b"base")) == b"base"
    assert not has_blob(engine, PROD, Digest.of(b"own"))


def test_undoing_keeps_what_another_tag_needs(engine: Engine) -> None:
    app = platforms(engine, DEV, "1")
    promote(engine)
    promote(engine, target="prod:2")
    engine.undo(1, by="me")
    assert tags(engine, PROD) == {"2": app.digest}
    for built in (app, *app.children):
        assert is_linked(engine, PROD, built)


def test_undoing_keeps_a_child_that_came_into_another_index(engine: Engine) -> None:
    app = platforms(engine, DEV, "1")
    promote(engine)
    index(engine, PROD, "mine", [app.children[0]])
    engine.undo(1, by="me")
    assert is_linked(engine, PROD, app.children[0])
    assert not is_linked(engine, PROD, app.children[1])
    assert not is_linked(engine, PROD, app)


def test_undoing_an_overwrite_restores_the_old_digest(engine: Engine) -> None:
    """E66."""
    old = image(engine, PROD, "1", seed="old")
    new = image(engine, DEV, "1", seed="new")
    promote(engine)
    (item,) = engine.undo(1, by="me").items
    assert tags(engine, PROD) == {"1": old.digest}
    assert not is_linked(engine, PROD, new)
    assert (item.action, item.digest, item.previous_digest) == (
        Outcome.OVERWRITE,
        old.digest,
        new.digest,
    )


def test_undoing_an_extension_takes_back_the_referrer_alone(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    promote(engine)
    sbom = referrer(engine, app)
    promote(engine)
    engine.undo(2, by="me")
    assert tags(engine, PROD) == {"1": app.digest}
    assert engine.list_referrers(PROD, app.digest).entries == ()
    assert not is_linked(engine, PROD, sbom)
    assert is_linked(engine, PROD, app)
    promote(engine)
    assert is_linked(engine, PROD, sbom)


def test_undoing_a_longer_attachment_restores_the_shorter(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    shorter = attachment(engine, app, "first")
    promote(engine)
    longer = attachment(engine, app, "first", "second")
    promote(engine)
    engine.undo(2, by="me")
    assert tags(engine, PROD) == {"1": app.digest, str(longer.tag): shorter.digest}


def test_undoing_a_move_gives_the_tag_back(engine: Engine) -> None:
    app = platforms(engine, DEV, "1")
    signature = attachment(engine, app, "first")
    promote(engine, mode=Mode.MOVE)
    done = engine.undo(1, by="me")
    assert tags(engine, DEV) == {"1": app.digest, str(signature.tag): signature.digest}
    assert tags(engine, PROD) == {}
    assert done.mode is Mode.MOVE
    assert {(item.target, item.action) for item in done.items} == {
        ("dev/app:1", Outcome.CREATE),
        (f"dev/app:{signature.tag}", Outcome.CREATE),
        ("prod/app:1", Outcome.REMOVE),
        (f"prod/app:{signature.tag}", Outcome.REMOVE),
    }


def test_undoing_a_rename_restores_the_name(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    promote(engine, target="dev:2", mode=Mode.MOVE)
    engine.undo(1, by="me")
    assert tags(engine, DEV) == {"1": app.digest}


def test_undoing_a_retag_keeps_the_manifest(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    promote(engine, target="dev:2")
    engine.undo(1, by="me")
    assert tags(engine, DEV) == {"1": app.digest}
    assert is_linked(engine, DEV, app)


def test_undoing_a_move_to_a_right_target_gives_only_the_tag_back(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    promote(engine)
    promote(engine, mode=Mode.MOVE)
    engine.undo(2, by="me")
    assert tags(engine, DEV) == tags(engine, PROD) == {"1": app.digest}


def test_undoing_an_untagged_promotion_unlinks_it(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    promote(engine, f"dev/app@{app.digest}")
    done = engine.undo(1, by="me")
    assert done.manifests == (app.digest,)
    assert not is_linked(engine, PROD, app)


# --- a source that lost it --------------------------------------------------------------------


def test_undoing_a_move_brings_back_what_the_source_lost(engine: Engine) -> None:
    app = platforms(engine, DEV, "1")
    sbom = referrer(engine, app)
    promote(engine, mode=Mode.MOVE)
    for built in (sbom, app, *app.children):
        engine.delete_manifest(DEV, built.digest, by="me")
    engine.undo(1, by="me")
    assert tags(engine, DEV) == {"1": app.digest}
    for built in (app, *app.children, sbom):
        assert engine.get_manifest(Reference(DEV, None, built.digest)).body == built.body
        assert not is_linked(engine, PROD, built)
    for child in app.children:
        for blob in child.blobs:
            assert read(engine, DEV, blob)


def test_undoing_a_move_brings_back_lost_attachments_once(engine: Engine) -> None:
    """The main tag's closure and its attachment tag's both lead to the signature."""
    app = image(engine, DEV, "1")
    signature = attachment(engine, app, "first")
    promote(engine, mode=Mode.MOVE)
    for built in (app, signature):
        engine.delete_manifest(DEV, built.digest, by="me")
    engine.undo(1, by="me")
    assert tags(engine, DEV) == {"1": app.digest, str(signature.tag): signature.digest}
    assert engine.get_repository(DEV).usage.manifests == 2


def test_a_move_whose_content_is_nowhere_any_more_stays(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    app = image(engine, DEV, "1")
    image(engine, PROD, "1")
    promote(engine, mode=Mode.MOVE)
    engine.delete_manifest(DEV, app.digest, by="me")
    engine.delete_manifest(PROD, app.digest, by="me")
    before = everything(store)
    with pytest.raises(UndoRefused, match="neither side"):
        engine.undo(1, by="me")
    assert everything(store) == before


def test_an_overwritten_digest_that_is_gone_cannot_come_back(engine: Engine) -> None:
    old = image(engine, PROD, "1", seed="old")
    image(engine, DEV, "1", seed="new")
    promote(engine)
    engine.delete_manifest(PROD, old.digest, by="me")
    with pytest.raises(UndoRefused, match=str(old.digest)):
        engine.undo(1, by="me")


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["overwrite", "delete", "again", "promote"])
def test_a_target_that_changed_is_left_alone(
    engine: Engine, store: MemoryMetadataStore, change: str
) -> None:
    app = image(engine, DEV, "1")
    promote(engine)
    if change == "overwrite":
        image(engine, PROD, "1", seed="newer")
    elif change == "delete":
        engine.delete_tag(PROD, "1", by="me")
    elif change == "again":
        engine.delete_tag(PROD, "1", by="me")
        image(engine, PROD, "1")
    else:
        image(engine, DEV, "2", seed="newer")
        promote(engine, "dev/app:2", "prod:1")
    latest = engine.history(Reference.parse("prod/app:1")).entries[0].event
    before = everything(store)
    with pytest.raises(UndoRefused) as caught:
        engine.undo(1, by="me")
    assert everything(store) == before
    assert caught.value.number == 1
    for part in ("prod/app:1", f"event {latest}"):
        assert part in caught.value.reason
    assert is_linked(engine, DEV, app)


def test_a_source_tag_that_came_again_stops_the_undo_of_a_move(engine: Engine) -> None:
    image(engine, DEV, "1")
    promote(engine, mode=Mode.MOVE)
    newer = image(engine, DEV, "1", seed="newer")
    with pytest.raises(UndoRefused, match="dev/app:1"):
        engine.undo(1, by="me")
    assert tags(engine, DEV) == {"1": newer.digest}


def test_an_attachment_that_grew_since_stops_the_undo(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    attachment(engine, app, "first")
    promote(engine)
    grown = attachment(engine, app, "first", "second", name=PROD)
    with pytest.raises(UndoRefused, match=str(grown.tag)):
        engine.undo(1, by="me")


@pytest.mark.parametrize("registry", ["dev", "prod"])
def test_a_deleted_repository_stops_the_undo_of_a_move(engine: Engine, registry: str) -> None:
    image(engine, DEV, "1")
    promote(engine, mode=Mode.MOVE)
    engine.delete_registry(registry, by="me", force=True)
    with pytest.raises(UndoRefused, match=f"{registry}/app was deleted"):
        engine.undo(1, by="me")


def test_a_copy_can_be_undone_when_its_source_is_deleted(engine: Engine) -> None:
    image(engine, DEV, "1")
    promote(engine)
    engine.delete_registry("dev", by="me", force=True)
    engine.undo(1, by="me")
    assert tags(engine, PROD) == {}


@pytest.mark.parametrize("number", [0, 2, 10**15, -1])
def test_a_number_that_no_promotion_bears_is_unknown(engine: Engine, number: int) -> None:
    image(engine, DEV, "1")
    promote(engine)
    with pytest.raises(PromotionUnknown):
        engine.undo(number, by="me")


# --- again ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
def test_undoing_twice_changes_nothing_more(
    engine: Engine, store: MemoryMetadataStore, mode: Mode
) -> None:
    image(engine, DEV, "1")
    promote(engine, mode=mode)
    first = engine.undo(1, by="me", comment="wrong")
    before = everything(store)
    again = engine.undo(1, by="you", comment="retry")
    assert everything(store) == before
    assert not again.changed
    assert (again.id, again.undoes, again.by, again.comment) == (first.id, 1, "me", "wrong")


def test_undoing_an_extension_twice_changes_nothing_more(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    promote(engine)
    referrer(engine, app)
    promote(engine)
    first = engine.undo(2, by="me")
    again = engine.undo(2, by="me")
    assert (again.changed, again.id) == (False, first.id)


def test_undoing_an_untagged_promotion_twice_changes_nothing_more(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    app = image(engine, DEV, "1")
    promote(engine, f"dev/app@{app.digest}")
    first = engine.undo(1, by="me")
    before = everything(store)
    again = engine.undo(1, by="me")
    assert (again.changed, again.id) == (False, first.id)
    assert everything(store) == before


def test_an_undo_cannot_be_undone(engine: Engine) -> None:
    image(engine, DEV, "1")
    promote(engine)
    engine.undo(1, by="me")
    with pytest.raises(UndoRefused, match="it undid promotion 1"):
        engine.undo(2, by="me")


def test_what_was_undone_can_be_promoted_again_and_undone_again(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    promote(engine)
    engine.undo(1, by="me")
    assert promote(engine).id == 3
    assert tags(engine, PROD) == {"1": app.digest}
    with pytest.raises(UndoRefused):
        engine.undo(1, by="me")
    engine.undo(3, by="me")
    assert tags(engine, PROD) == {}


def test_promotions_are_undone_one_after_the_other(engine: Engine) -> None:
    first = image(engine, DEV, "1", seed="1")
    image(engine, DEV, "2", seed="2")
    promote(engine, "dev/app:1", "prod:live")
    promote(engine, "dev/app:2", "prod:live")
    engine.undo(2, by="me")
    assert tags(engine, PROD) == {"live": first.digest}
    engine.undo(1, by="me")
    assert tags(engine, PROD) == {}
    assert not engine.undo(1, by="me").changed
    with pytest.raises(UndoRefused):
        engine.undo(2, by="me")


def test_moves_are_undone_one_after_the_other(engine: Engine) -> None:
    first = image(engine, DEV, "1")
    promote(engine, "dev/app:1", "test", mode=Mode.MOVE)
    promote(engine, "test/app:1", "prod", mode=Mode.MOVE)
    with pytest.raises(UndoRefused):
        engine.undo(1, by="me")
    engine.undo(2, by="me")
    engine.undo(1, by="me")
    assert tags(engine, DEV) == {"1": first.digest}
    assert tags(engine, RepositoryName("test", "app")) == tags(engine, PROD) == {}


def test_what_was_made_again_is_not_undone_as_the_first(engine: Engine) -> None:
    """The tag is where the first one put it, but the third put it there."""
    image(engine, DEV, "1", seed="1")
    image(engine, DEV, "2", seed="2")
    promote(engine, "dev/app:1", "prod:live")
    promote(engine, "dev/app:2", "prod:live")
    promote(engine, "dev/app:1", "prod:live")
    with pytest.raises(UndoRefused):
        engine.undo(1, by="me")


# --- dry run ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("state", ["new", "overwrite", "undone"])
def test_a_dry_undo_writes_nothing_and_predicts_exactly(
    engine: Engine, store: MemoryMetadataStore, mode: Mode, state: str
) -> None:
    app = platforms(engine, DEV, "1")
    attachment(engine, app, "first")
    if state == "overwrite":
        image(engine, PROD, "1", seed="old")
    promote(engine, mode=mode)
    if state == "undone":
        engine.undo(1, by="me")
    before = everything(store)
    said = engine.undo(1, by="me", dry_run=True)
    assert everything(store) == before
    done = engine.undo(1, by="me")
    assert (said.items, said.manifests, said.mode, said.undoes, said.changed) == (
        done.items,
        done.manifests,
        done.mode,
        done.undoes,
        done.changed,
    )
    assert said.records == done.records


# --- history ----------------------------------------------------------------------------------


def test_an_undo_is_an_entry_of_its_own(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    promote(engine)
    engine.undo(1, by="you", comment="wrong")
    undone, promoted = engine.history(Reference.parse("prod/app:1")).entries
    assert (undone.kind, undone.action, undone.by, undone.comment, undone.promotion) == (
        "undo",
        "deleted",
        "you",
        "wrong",
        2,
    )
    assert (undone.old_digest, undone.new_digest) == (app.digest, None)
    assert promoted.kind == "promote"


def test_undoing_keeps_a_blob_that_was_uploaded_since(engine: Engine) -> None:
    """Its hold is a holder of its own: a push may be under way."""
    app = image(engine, DEV, "1")
    promote(engine)
    upload(engine, PROD, b"layer 0 of ")
    engine.undo(1, by="me")
    assert not has_blob(engine, PROD, app.blobs[2])
    assert read(engine, PROD, app.blobs[1]) == b"layer 0 of "


# --- what came to rely on it ------------------------------------------------------------------


def test_undoing_leaves_later_tags_their_signatures(engine: Engine) -> None:
    """Whoever tagged it later, or promoted it again, saw them there."""
    app = image(engine, DEV, "1")
    signature, sbom = attachment(engine, app, "first"), referrer(engine, app)
    promote(engine)
    promote(engine, "prod/app:1", "prod:latest")
    promote(engine, "dev/app:1", "prod:stable")
    engine.undo(1, by="me")
    assert tags(engine, PROD) == {
        "latest": app.digest,
        "stable": app.digest,
        str(signature.tag): signature.digest,
    }
    assert all(is_linked(engine, PROD, built) for built in (app, signature, sbom))


def test_undoing_leaves_what_was_pushed_by_its_digest_since(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    promote(engine)
    reference = Reference(PROD, None, app.digest)
    engine.put_manifest(reference, app.body, media_type=app.media_type, by="ci")
    engine.undo(1, by="me")
    assert tags(engine, PROD) == {}
    assert is_linked(engine, PROD, app)


@pytest.mark.parametrize("tag", [None, "1"])
def test_undoing_leaves_what_was_pushed_as_another_media_type_since(
    engine: Engine, tag: str | None
) -> None:
    """Its link bears the promotion's event still, since the rows that hold its blobs do."""
    body = image(engine, DEV).body.replace(b'"mediaType": "%s", ' % OCI_MANIFEST.encode(), b"", 1)
    app = push(engine, DEV, "1", body)
    promote(engine)
    push(engine, PROD, tag, body, media_type="application/vnd.custom+json")
    engine.undo(1, by="me")
    assert tags(engine, PROD) == {}
    assert is_linked(engine, PROD, app)
    assert list(engine.check()) == []
    engine.delete_manifest(PROD, app.digest, by="me")
    assert list(engine.check()) == []


def test_an_extension_that_was_promoted_anew_is_not_undone_by_its_old_number(
    engine: Engine,
) -> None:
    app = image(engine, DEV, "1")
    promote(engine)
    sbom = referrer(engine, app)
    extended = promote(engine)
    assert extended.id is not None
    engine.undo(extended.id, by="me")
    again = promote(engine)
    assert again.changed
    with pytest.raises(UndoRefused, match="nothing is left"):
        engine.undo(extended.id, by="me")
    assert is_linked(engine, PROD, sbom)


def test_an_untagged_promotion_that_was_tagged_since_is_not_undone(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    app = image(engine, DEV, "1")
    promote(engine, f"dev/app@{app.digest}")
    promote(engine, f"prod/app@{app.digest}", "prod:kept")
    before = everything(store)
    with pytest.raises(UndoRefused, match="nothing is left"):
        engine.undo(1, by="me")
    assert everything(store) == before


def test_all_that_stands_against_an_undo_is_named(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    signature = attachment(engine, app, "first")
    promote(engine)
    engine.delete_tag(PROD, "1", by="me")
    engine.delete_tag(PROD, str(signature.tag), by="me")
    with pytest.raises(UndoRefused) as refused:
        engine.undo(1, by="me")
    assert len(refused.value.violations) == 2


@pytest.mark.parametrize("purge", [False, True])
def test_what_a_later_move_found_right_is_not_undone_before_that_move(
    engine: Engine, *, purge: bool
) -> None:
    """The move took the source's tag since the target had it: else the image would be nowhere."""
    app = image(engine, "dev/app", "1")
    source, target = Reference.parse("dev/app:1"), Target.parse("prod")
    copied = engine.promote(source, target, by="me")
    moved = engine.promote(source, target, by="me", mode=Mode.MOVE, purge=purge)
    with pytest.raises(UndoRefused, match=f"promotion {moved.id}"):
        engine.undo(copied.id or 0, by="me")
    assert engine.get_manifest(Reference.parse("prod/app:1")).digest == app.digest
    engine.undo(moved.id or 0, by="me")
    assert engine.get_manifest(app.reference).digest == app.digest
    engine.undo(copied.id or 0, by="me")
    assert list(engine.check(content=True)) == []
