"""Promotion by move: the source's tag goes, nothing else is lost, and again is harmless."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from liftlock import Digest, Mode, Reference, RepositoryName, Target, seals
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.errors import ManifestUnknown
from liftlock.metadata.contract import Table
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Outcome, Promotion, Side
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import Built, attachment, image, index, platforms, read, referrer
from liftlock.testing.states import item, promote

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")


def move(engine: Engine, source: str, target: str, **options: object) -> Promotion:
    parsed = Reference.parse(source), Target.parse(target)
    return engine.promote(*parsed, by="me", mode=Mode.MOVE, **options)


def copy(engine: Engine, source: str, target: str) -> Promotion:
    return engine.promote(Reference.parse(source), Target.parse(target), by="me")


def tags(engine: Engine, name: RepositoryName) -> dict[str, Digest]:
    return {tag.name: tag.digest for tag in engine.list_tags(name).entries}


def body(engine: Engine, name: RepositoryName, built: Built) -> bytes:
    return engine.get_manifest(Reference(name, None, built.digest)).body


def everything(store: MemoryMetadataStore) -> dict[Table, list[tuple[bytes, bytes]]]:
    return store.read(lambda txn: {table: list(txn.scan(table)) for table in Table})


def test_a_move_takes_the_sources_tag_and_keeps_its_manifests(engine: Engine) -> None:
    """Decision 1: pulls under way and pinned digests go on."""
    app = platforms(engine, DEV, "1")
    done = move(engine, "dev/app:1", "prod")
    assert tags(engine, DEV) == {}
    assert tags(engine, PROD) == {"1": app.digest}
    for built in (app, *app.children):
        assert body(engine, DEV, built) == body(engine, PROD, built) == built.body
    assert engine.get_repository(DEV).usage.manifests == 3
    assert done.mode is Mode.MOVE
    assert [(item.target, item.action) for item in done.items] == [("prod/app:1", Outcome.CREATE)]


def test_a_repository_without_tags_stays(engine: Engine) -> None:
    """Decision 12."""
    image(engine, DEV, "1")
    move(engine, "dev/app:1", "prod")
    assert [r.name for r in engine.list_repositories("dev").entries] == [DEV]


def test_other_tags_of_the_digest_stay(engine: Engine) -> None:
    """E52."""
    app = image(engine, DEV, "1")
    image(engine, DEV, "latest")
    move(engine, "dev/app:1", "prod")
    assert tags(engine, DEV) == {"latest": app.digest}
    assert read(engine, DEV, app.blobs[1]) == read(engine, PROD, app.blobs[1])


def test_in_each_snapshot_exactly_one_side_has_the_tag(clock: FakeClock) -> None:
    """E51: what readers see between any two steps of the writing transaction."""
    seen: list[tuple[bool, bool]] = []

    class Watched(MemoryMetadataStore):
        def _begin(self) -> object:
            txn = super()._begin()
            for name in ("put_many", "delete_many", "add", "next_id", "commit"):
                setattr(txn, name, _after(getattr(txn, name), look))
            return txn

    def look() -> None:
        if is_moving:
            seen.append(("1" in tags(engine, DEV), "1" in tags(engine, PROD)))

    is_moving = False
    with Engine(Watched(clock, seals.seal), MemoryBlobStore(clock=clock), clock=clock) as engine:
        for registry in ("dev", "prod"):
            engine.create_registry(registry, by="tests")
        image(engine, DEV, "1")
        image(engine, PROD, "0", seed="old")
        is_moving = True
        move(engine, "dev/app:1", "prod")
    assert len(seen) > 5
    assert set(seen[:-1]) == {(True, False)}
    assert seen[-1] == (False, True)


def _after(step: Callable[..., object], then: Callable[[], None]) -> Callable[..., object]:
    def run(*arguments: object) -> object:
        result = step(*arguments)
        then()
        return result

    return run


def test_a_move_within_a_repository_renames_the_tag(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    signature = attachment(engine, app, "first")
    move(engine, "dev/app:1", "dev:2")
    assert tags(engine, DEV) == {"2": app.digest, str(signature.tag): signature.digest}
    again = move(engine, "dev/app:1", "dev:2")
    assert (again.changed, again.id) == (False, 1)


def test_a_move_onto_itself_never_loses_the_tag(engine: Engine) -> None:
    """E53."""
    app = image(engine, DEV, "1")
    assert not move(engine, "dev/app:1", "dev").changed
    assert not move(engine, "dev/app:1", "dev/app:1").changed
    assert tags(engine, DEV) == {"1": app.digest}


def test_a_move_to_a_right_target_still_takes_the_sources_tag(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    copy(engine, "dev/app:1", "prod")
    done = move(engine, "dev/app:1", "prod")
    assert done.changed
    assert [item.action for item in done.items] == [Outcome.UNCHANGED]
    assert (tags(engine, DEV), tags(engine, PROD)) == ({}, {"1": app.digest})


# --- again ------------------------------------------------------------------------------------


def test_a_move_again_is_unchanged_and_answers_like_the_first(
    engine: Engine, store: MemoryMetadataStore, clock: FakeClock
) -> None:
    """Its source is gone, which is as it was asked."""
    app = image(engine, DEV, "1")
    first = move(engine, "dev/app:1", "prod:2", comment="release")
    before = everything(store)
    clock.advance(1000)
    for source in ("dev/app:1", f"dev/app:1@{app.digest}"):
        again = move(engine, source, "prod:2")
        assert (again.changed, again.id, again.at, again.comment) == (
            False,
            first.id,
            first.at,
            "release",
        )
        assert [(i.source, i.target, i.digest, i.action) for i in again.items] == [
            ("dev/app:1", "prod/app:2", app.digest, Outcome.UNCHANGED)
        ]
    assert everything(store) == before


def test_a_move_to_a_right_target_can_be_repeated_too(engine: Engine) -> None:
    """Contract 9: the retry of a pipeline whose connection broke."""
    image(engine, DEV, "1")
    copy(engine, "dev/app:1", "prod")
    first = move(engine, "dev/app:1", "prod")
    again = move(engine, "dev/app:1", "prod")
    assert (again.changed, again.id) == (False, first.id)


def test_a_move_that_only_added_what_came_since_can_be_repeated(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    copy(engine, "dev/app:1", "prod")
    referrer(engine, app)
    first = move(engine, "dev/app:1", "prod")
    assert [item.action for item in first.items] == [Outcome.EXTEND]
    again = move(engine, "dev/app:1", "prod")
    assert (again.changed, again.id) == (False, first.id)


def test_a_gone_source_is_unknown_if_no_move_took_it(engine: Engine) -> None:
    image(engine, DEV, "1")
    copy(engine, "dev/app:1", "prod")
    engine.delete_tag(DEV, "1", by="me")
    with pytest.raises(ManifestUnknown):
        move(engine, "dev/app:1", "prod")


def test_a_gone_source_is_unknown_if_the_target_changed_since(engine: Engine) -> None:
    image(engine, DEV, "1")
    move(engine, "dev/app:1", "prod")
    image(engine, PROD, "1", seed="other")
    with pytest.raises(ManifestUnknown):
        move(engine, "dev/app:1", "prod")


def test_a_gone_source_is_unknown_if_another_tag_was_moved(engine: Engine) -> None:
    image(engine, DEV, "1")
    image(engine, DEV, "2")
    move(engine, "dev/app:1", "prod:live")
    engine.delete_tag(DEV, "2", by="me")
    with pytest.raises(ManifestUnknown):
        move(engine, "dev/app:2", "prod:live")


def test_a_gone_source_of_another_digest_is_not_that_move(engine: Engine) -> None:
    image(engine, DEV, "1")
    move(engine, "dev/app:1", "prod")
    with pytest.raises(ManifestUnknown):
        move(engine, f"dev/app:1@{Digest.of(b'other')}", "prod")


def test_a_tag_that_came_again_is_moved_again(engine: Engine) -> None:
    image(engine, DEV, "1")
    move(engine, "dev/app:1", "prod")
    new = image(engine, DEV, "1", seed="new")
    assert move(engine, "dev/app:1", "prod").id == 2
    assert (tags(engine, DEV), tags(engine, PROD)) == ({}, {"1": new.digest})


# --- attachment tags --------------------------------------------------------------------------


def test_attachment_tags_leave_with_the_last_tag(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    image(engine, DEV, "2")
    signature = attachment(engine, app, "first")
    move(engine, "dev/app:1", "prod")
    assert set(tags(engine, DEV)) == {"2", str(signature.tag)}
    done = move(engine, "dev/app:2", "prod")
    assert tags(engine, DEV) == {}
    assert set(tags(engine, PROD)) == {"1", "2", str(signature.tag)}
    changed = {e.name: e.action for e in engine.history(DEV, limit=1).entries}
    assert changed[f"dev/app:{signature.tag}"] == "moved_out"
    assert done.changed


def test_attachment_tags_of_children_stay_while_another_index_has_the_child(
    engine: Engine,
) -> None:
    shared, own = image(engine, DEV, seed="shared"), image(engine, DEV, seed="own")
    index(engine, DEV, "1", [shared, own])
    index(engine, DEV, "2", [shared])
    stays, goes = attachment(engine, shared, "first"), attachment(engine, own, "first")
    move(engine, "dev/app:1", "prod")
    assert set(tags(engine, DEV)) == {"2", str(stays.tag)}
    assert set(tags(engine, PROD)) == {"1", str(stays.tag), str(goes.tag)}


def test_attachment_tags_of_a_referrer_stay_with_its_subject(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    image(engine, DEV, "2")
    sbom = referrer(engine, app)
    signature = attachment(engine, sbom, "first")
    move(engine, "dev/app:1", "prod")
    assert set(tags(engine, DEV)) == {"2", str(signature.tag)}


def test_attachment_tags_of_an_attachment_stay_while_that_one_stays(engine: Engine) -> None:
    """An attachment tag that stays is a tag that reaches its manifest."""
    app = image(engine, DEV, "1")
    image(engine, DEV, "2")
    signature = attachment(engine, app, "first")
    attested = attachment(engine, signature, "second", suffix=".att")
    move(engine, "dev/app:1", "prod")
    assert set(tags(engine, DEV)) == {"2", str(signature.tag), str(attested.tag)}


def test_an_attachment_that_the_target_keeps_differently_leaves_too(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    attachment(engine, app, "theirs")
    ours = attachment(engine, app, "ours", name=PROD)
    (warning,) = move(engine, "dev/app:1", "prod", attachments=Side.TARGET).warnings
    assert f"dev/app:{ours.tag}" in warning
    assert "it stays by its digest" in warning
    assert tags(engine, DEV) == {}
    assert tags(engine, PROD) == {"1": app.digest, str(ours.tag): ours.digest}


def test_an_attachment_tag_can_be_moved_itself(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    signature = attachment(engine, app, "first")
    move(engine, f"dev/app:{signature.tag}", "prod")
    assert tags(engine, DEV) == {"1": app.digest}
    assert tags(engine, PROD) == {str(signature.tag): signature.digest}


# --- chains -----------------------------------------------------------------------------------


def test_a_chain_of_moves_ends_where_the_last_one_leads(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    move(engine, "dev/app:1", "test")
    move(engine, "test/app:1", "prod")
    assert tags(engine, RepositoryName("test", "app")) == tags(engine, DEV) == {}
    assert tags(engine, PROD) == {"1": app.digest}


def test_a_move_there_and_back_comes_home(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    move(engine, "dev/app:1", "prod")
    move(engine, "prod/app:1", "dev")
    assert (tags(engine, DEV), tags(engine, PROD)) == ({"1": app.digest}, {})
    assert move(engine, "dev/app:1", "prod").id == 3


def test_the_answer_says_what_was_taken(engine: Engine) -> None:
    image(engine, DEV, "1")
    assert [item.taken for item in copy(engine, "dev/app:1", "test").items] == [False]
    done = move(engine, "dev/app:1", "prod")
    assert [item.taken for item in done.items] == [True]
    assert [item.taken for item in engine.get_promotion(done.id or 0).items] == [True]
    assert [item.taken for item in move(engine, "dev/app:1", "prod").items] == [False]
    undone = engine.undo(done.id or 0, by="me")
    assert not any(item.taken for item in undone.items)


def test_the_answer_says_how_many_manifests_a_purge_unlinked(engine: Engine) -> None:
    platforms(engine, DEV, "1", count=2)
    assert move(engine, "dev/app:1", "prod", purge=True, dry_run=True).purged == 3
    assert move(engine, "dev/app:1", "prod", purge=True).purged == 3
    assert engine.get_repository(DEV).usage.manifests == 0


def test_items_that_overlap_tell_of_a_repeated_move_once(engine: Engine) -> None:
    image(engine, DEV, "1")
    image(engine, DEV, "2", seed="b")
    move(engine, "dev/app:1", "prod")
    again = item("dev/app:1", "prod"), item("dev/app", "prod", ("1", "2"))
    done = promote(engine, *again, mode=Mode.MOVE)
    assert sorted(one.target for one in done.items) == ["prod/app:1", "prod/app:2"]


def test_one_platform_under_a_tag_is_warned_of(engine: Engine) -> None:
    """E62."""
    app = platforms(engine, DEV, "1", count=2)
    child = app.children[0]
    (warning,) = copy(engine, f"dev/app@{child.digest}", "prod/app:1").warnings
    assert f"dev/app@{child.digest} is one of the images of index {app.digest}" in warning
    (again,) = copy(engine, f"dev/app@{child.digest}", "prod/app:1").warnings
    assert again == warning
    assert copy(engine, f"dev/app@{app.digest}", "prod/app:1").warnings == ()
    assert copy(engine, f"dev/app@{child.digest}", "prod").warnings == ()
