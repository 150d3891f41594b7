"""Undo of sets and of whole repositories: back to where all was, or a refusal that says why not."""

from __future__ import annotations

import pytest

from liftlock import Limits, Mode, RepositoryName, Selection, Target
from liftlock.engine import Engine
from liftlock.errors import RepositoryUnknown, UndoRefused
from liftlock.metadata.contract import MetadataStore
from liftlock.model import Outcome
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import attachment, image, index, platforms, read, referrer, upload
from liftlock.testing.states import contents, item, move, promote, rows, tags_of

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")
WHOLE = item("dev/app", "prod")
HOLD = Limits().hold_ms


def filled(engine: Engine, name: str = "dev/app") -> None:
    multi = platforms(engine, name, "1", count=2, seed=name)
    attachment(engine, multi, "first")
    referrer(engine, multi, seed=f"{name} sbom")
    for tag in ("2", "3"):
        image(engine, name, tag, seed=f"{name} {tag}")
    image(engine, name, None, seed=f"{name} untagged")
    upload(engine, name, f"loose {name}".encode())


# --- names ------------------------------------------------------------------------------------


def test_undoing_a_rename_gives_the_name_back(sets: Engine, sets_store: MetadataStore) -> None:
    filled(sets)
    before = contents(sets_store)
    move(sets, WHOLE)
    done = sets.undo(1, by="me")
    assert contents(sets_store) == before
    assert [(i.source, i.target, i.action) for i in done.items] == [
        ("prod/app", "dev/app", Outcome.CREATE)
    ]
    assert sets.get_registry("prod").usage.tags == 0
    assert sets.get_registry("dev").usage == sets.get_repository(DEV).usage
    recorded = sets.get_promotion(2)
    assert (recorded.items, recorded.undoes, recorded.mode) == (done.items, 1, Mode.MOVE)


def test_undoing_a_copy_takes_it_away(
    sets: Engine, sets_store: MetadataStore, clock: FakeClock
) -> None:
    filled(sets)
    before = contents(sets_store)
    promote(sets, WHOLE)
    (told,) = sets.undo(1, by="me").items
    assert (told.target, told.action) == ("prod/app", Outcome.REMOVE)
    assert contents(sets_store) == before
    with pytest.raises(RepositoryUnknown):
        sets.list_tags(PROD)
    clock.advance(HOLD)
    assert sets.sweep().rows > 10
    assert contents(sets_store) == before


@pytest.mark.parametrize("mode", Mode)
def test_undoing_a_merge_takes_back_what_came(
    sets: Engine, sets_store: MetadataStore, mode: Mode
) -> None:
    filled(sets)
    image(sets, PROD, "2", seed="old")
    image(sets, PROD, "own", seed="own")
    before = contents(sets_store)
    promote(sets, WHOLE, mode=mode)
    sets.undo(1, by="me")
    after = contents(sets_store)
    assert after["dev/app"] == before["dev/app"]
    assert after["prod/app"].tags == before["prod/app"].tags
    assert after["prod/app"].manifests == before["prod/app"].manifests


def test_undoing_a_chain_of_wholes_goes_back_all_along(
    sets: Engine, sets_store: MetadataStore
) -> None:
    """E54: each gets its name back, though another bears it."""
    for name in ("dev/a", "dev/b", "dev/c"):
        filled(sets, name)
    before = contents(sets_store)
    ring = item("dev/a", "dev/b"), item("dev/b", "dev/c"), item("dev/c", "dev/a")
    move(sets, *ring)
    after = contents(sets_store)
    assert [after[f"dev/{name}"] for name in "bca"] == [before[f"dev/{name}"] for name in "abc"]
    sets.undo(1, by="me")
    assert contents(sets_store) == before


# --- what stands against it -------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("change", ["push", "delete tag", "upload", "promote", "delete"])
def test_a_whole_that_changed_since_stays(
    sets: Engine, sets_store: MetadataStore, mode: Mode, change: str
) -> None:
    """What came since would go with it."""
    filled(sets)
    promote(sets, WHOLE, mode=mode)
    if change == "push":
        image(sets, PROD, "new", seed="new")
    elif change == "delete tag":
        sets.delete_tag(PROD, "2", by="me")
    elif change == "upload":
        # A blob alone is no event; with the rest it waits for its manifest, and is swept with it.
        upload(sets, PROD, b"new")
        sets.undo(1, by="me")
        return
    elif change == "promote":
        image(sets, "test/app", "new", seed="new")
        promote(sets, item("test/app:new", "prod"))
    else:
        sets.delete_repository(PROD, by="me")
    before = rows(sets_store)
    with pytest.raises(UndoRefused, match=r"prod/app was (changed|deleted) since"):
        sets.undo(1, by="me")
    assert rows(sets_store) == before


@pytest.mark.parametrize("mode", Mode)
def test_a_whole_that_was_only_read_from_can_be_undone(sets: Engine, mode: Mode) -> None:
    filled(sets)
    promote(sets, WHOLE, mode=mode)
    promote(sets, item("prod/app:1", "test"))
    sets.undo(1, by="me")
    assert set(tags_of(sets, "dev/app")) >= {"1", "2", "3"}


@pytest.mark.parametrize("is_merge", [False, True])
def test_a_name_that_was_taken_since_is_not_taken_back(sets: Engine, *, is_merge: bool) -> None:
    """409, as for a re-parented one."""
    filled(sets)
    if is_merge:
        image(sets, PROD, "own", seed="own")
    move(sets, WHOLE)
    image(sets, DEV, "new", seed="new")
    with pytest.raises(UndoRefused, match="dev/app was taken since"):
        sets.undo(1, by="me")
    sets.delete_repository(DEV, by="me")
    sets.undo(1, by="me")
    assert "1" in tags_of(sets, "dev/app")


@pytest.mark.parametrize("is_merge", [False, True])
def test_a_name_in_a_registry_that_went_is_not_taken_back(sets: Engine, *, is_merge: bool) -> None:
    filled(sets)
    if is_merge:
        image(sets, PROD, "own", seed="own")
    move(sets, WHOLE)
    sets.delete_registry("dev", by="me")
    with pytest.raises(UndoRefused, match="deleted since"):
        sets.undo(1, by="me")


def test_what_was_swept_does_not_come_back(
    sets: Engine, sets_store: MetadataStore, clock: FakeClock
) -> None:
    """Within the hold time; and a purge has none."""
    filled(sets)
    image(sets, PROD, "own", seed="own")
    move(sets, WHOLE)
    clock.advance(HOLD)
    sets.sweep()
    before = rows(sets_store)
    with pytest.raises(UndoRefused, match="swept"):
        sets.undo(1, by="me")
    assert rows(sets_store) == before


def test_a_merge_is_undone_around_what_came_since(sets: Engine) -> None:
    """Other tags may have come; what they need stays."""
    filled(sets)
    image(sets, PROD, "own", seed="own")
    promote(sets, WHOLE)
    image(sets, PROD, "later", seed="later")
    kept = image(sets, PROD, "kept", seed="dev/app 2")
    sets.undo(1, by="me")
    assert set(tags_of(sets, "prod/app")) == {"own", "later", "kept"}
    assert read(sets, PROD, kept.blobs[0])


def test_a_merge_with_a_tag_that_moved_on_is_refused_with_its_name(sets: Engine) -> None:
    filled(sets)
    image(sets, PROD, "own", seed="own")
    promote(sets, WHOLE)
    image(sets, PROD, "2", seed="newer")
    sets.delete_tag(PROD, "3", by="me")
    with pytest.raises(UndoRefused) as refused:
        sets.undo(1, by="me")
    assert len(refused.value.violations) == 2
    for tag in ("2", "3"):
        assert any(f"prod/app:{tag} was changed since" in str(v) for v in refused.value.violations)


def test_what_was_renamed_since_is_undone_where_it_is(
    sets: Engine, sets_store: MetadataStore
) -> None:
    """A repository is the same under another name: only wholes are bound to theirs."""
    filled(sets)
    image(sets, PROD, "own", seed="own")
    promote(sets, item("dev/app", "prod", "*"))
    move(sets, item("prod/app", "test/web"))
    done = sets.undo(1, by="me")
    assert set(tags_of(sets, "test/web")) == {"own"}
    assert {i.target.partition(":")[0] for i in done.items} == {"test/web"}
    assert set(contents(sets_store)) == {"dev/app", "test/web"}


# --- again, and dry ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("is_merge", [False, True])
def test_an_undo_again_and_a_dry_one_change_nothing(
    sets: Engine, sets_store: MetadataStore, mode: Mode, *, is_merge: bool
) -> None:
    filled(sets)
    if is_merge:
        image(sets, PROD, "own", seed="own")
    promote(sets, WHOLE, mode=mode)
    before = rows(sets_store)
    said = sets.undo(1, by="me", dry_run=True)
    assert rows(sets_store) == before
    done = sets.undo(1, by="me")
    assert (said.items, said.records, said.manifests) == (done.items, done.records, done.manifests)
    before = rows(sets_store)
    again = sets.undo(1, by="you")
    assert (again.changed, again.id, again.by) == (False, done.id, "me")
    assert rows(sets_store) == before
    with pytest.raises(UndoRefused, match="undid promotion 1"):
        sets.undo(2, by="me")


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("is_merge", [False, True])
def test_what_was_undone_can_be_done_again(
    sets: Engine, sets_store: MetadataStore, mode: Mode, *, is_merge: bool
) -> None:
    filled(sets)
    if is_merge:
        image(sets, PROD, "own", seed="own")
    before = contents(sets_store)
    promote(sets, WHOLE, mode=mode)
    after = contents(sets_store)
    sets.undo(1, by="me")
    done = promote(sets, WHOLE, mode=mode)
    assert done.changed
    assert {n: c.tags for n, c in contents(sets_store).items()} == {
        n: c.tags for n, c in after.items()
    }
    assert done.id is not None
    sets.undo(done.id, by="me")
    assert {n: c.tags for n, c in contents(sets_store).items()} == {
        n: c.tags for n, c in before.items()
    }


# --- purges -----------------------------------------------------------------------------------


def shared(engine: Engine) -> None:
    """What is moved shares a child, layers and a signature with what stays."""
    child = image(engine, DEV, seed="child", contents=[b"base", b"child"])
    for tag in ("1", "2", "3", "stays"):
        own = image(engine, DEV, seed=tag, contents=[b"base", tag.encode()])
        attachment(engine, index(engine, DEV, tag, [child, own]), tag)
    attachment(engine, child, "child")
    referrer(engine, child)


def test_a_purge_takes_what_nothing_else_needs(sets: Engine, sets_store: MetadataStore) -> None:
    shared(sets)
    before = contents(sets_store)["dev/app"]
    move(sets, item("dev/app", "prod", "[123]"), purge=True)
    after = contents(sets_store)["dev/app"]
    # The index that stays, its own image and signature, the child, its signature and referrer.
    assert len(after.manifests) == 6
    assert len(before.manifests) == 6 + 3 * 3
    assert {len(tag) > 10 or tag for tag in after.tags} == {"stays", True}
    assert len(after.tags) == 3
    move(sets, item("dev/app:stays", "prod"), purge=True)
    last = contents(sets_store)["dev/app"]
    assert (last.tags, last.manifests, last.blobs) == ({}, frozenset(), frozenset())
    assert contents(sets_store)["prod/app"].manifests == before.manifests


@pytest.mark.parametrize("asked", ["*", "[123]", "1"])
def test_a_purge_is_undone_with_all_that_it_took(
    sets: Engine, sets_store: MetadataStore, asked: str
) -> None:
    shared(sets)
    before = contents(sets_store)["dev/app"]
    move(sets, item("dev/app", "prod", asked), item("dev/app", "test", asked), purge=True)
    sets.undo(1, by="me")
    after = contents(sets_store)
    assert after["dev/app"] == before
    assert all(not after[name].tags for name in ("prod/app", "test/app"))


def test_a_purge_leaves_what_the_same_set_tags_at_home(sets: Engine) -> None:
    app = image(sets, DEV, "1", seed="same")
    image(sets, DEV, "2", seed="same")
    signature = attachment(sets, app, "first")
    image(sets, DEV, "3", seed="other")
    move(
        sets,
        item("dev/app:1", "dev:kept"),
        item("dev/app:2", "prod"),
        item("dev/app:3", "prod"),
        purge=True,
    )
    assert set(tags_of(sets, "dev/app")) == {"kept", signature.tag}
    assert set(tags_of(sets, "prod/app")) == {"2", "3", signature.tag}
    assert read(sets, DEV, app.blobs[0])


def test_moves_of_a_whole_can_be_undone_one_after_the_other(engine: Engine) -> None:
    """The last one's undo leaves everything as the one before had made it."""
    image(engine, "dev/app", "1")
    first = engine.promote(
        Selection.parse("dev/app"), Target.parse("prod"), by="me", mode=Mode.MOVE
    )
    second = engine.promote(
        Selection.parse("prod/app"), Target.parse("prod/other"), by="me", mode=Mode.MOVE
    )
    for promotion in (second, first):
        assert engine.undo(promotion.id or 0, by="me").changed
    assert engine.get_repository(RepositoryName("dev", "app")).usage.tags == 1
    assert list(engine.check(content=True)) == []
