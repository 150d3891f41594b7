"""Attachments in sets: signatures and referrers across parts, routes and repositories."""

from __future__ import annotations

import pytest

from liftlock import Mode, RepositoryName, Side
from liftlock.engine import Engine
from liftlock.errors import AttachmentsDiffer, BlobUnknown
from liftlock.metadata.contract import MetadataStore
from liftlock.testing.images import (
    Built,
    attachment,
    attachment_tag,
    image,
    index,
    platforms,
    read,
    referrer,
    upload,
)
from liftlock.testing.states import contents, item, move, promote, rows, tags_of

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")


def signed(engine: Engine, name: str, tag: str, *entries: str) -> Built:
    """Push the same image wherever it is asked for, with a signature of these entries."""
    app = image(engine, name, tag, seed="same")
    return attachment(engine, app, *entries)


def test_a_shared_signature_leaves_with_the_last_tag_of_the_set(sets: Engine) -> None:
    """Whichever part that one is in; and it stays as long as a tag stays."""
    for tag in ("1", "2", "3", "4"):
        signature = signed(sets, "dev/app", tag, "first")
    move(sets, item("dev/app", "prod", ("1", "2", "3")))
    assert set(tags_of(sets, "dev/app")) == {"4", signature.tag}
    move(sets, item("dev/app", "prod", ("4",)))
    assert tags_of(sets, "dev/app") == {}
    assert set(tags_of(sets, "prod/app")) == {"1", "2", "3", "4", signature.tag}


def test_a_signature_goes_every_way_that_its_image_goes(sets: Engine) -> None:
    """A move of two tags of one image into two repositories."""
    for tag in ("1", "2"):
        signature = signed(sets, "dev/app", tag, "first")
    image(sets, DEV, "3", seed="other")
    move(sets, item("dev/app:1", "prod"), item("dev/app:2", "test"), item("dev/app:3", "test"))
    assert tags_of(sets, "dev/app") == {}
    assert signature.tag in tags_of(sets, "prod/app")
    assert signature.tag in tags_of(sets, "test/app")


def test_the_signature_with_more_entries_wins_whichever_comes_first(
    sets: Engine, sets_store: MetadataStore
) -> None:
    """And an undo knows where it was before the set, not in the midst of it."""
    short = signed(sets, "prod/x", "own", "first")
    middle = signed(sets, "dev/a", "1", "first", "second")
    long = signed(sets, "dev/b", "2", "first", "second", "third")
    image(sets, "dev/b", "3", seed="other")
    before = contents(sets_store)
    for order in (("dev/a", "dev/b"), ("dev/b", "dev/a")):
        done = promote(sets, *(item(name, "prod/x", "[123]") for name in order))
        assert tags_of(sets, "prod/x")[str(long.tag)] == long.digest
        (told,) = (i for i in done.items if i.attachment)
        assert (told.previous_digest, told.digest) == (short.digest, long.digest)
        assert done.id is not None
        sets.undo(done.id, by="me")
        assert contents(sets_store) == before, "what was set on the way, and gave way, goes, too"
    assert middle.tag == long.tag


def test_signatures_of_two_sources_that_differ_need_a_decision(
    sets: Engine, sets_store: MetadataStore
) -> None:
    signed(sets, "dev/a", "1", "by a")
    last = signed(sets, "dev/b", "2", "by b")
    image(sets, "dev/b", "3", seed="other")
    asked = item("dev/a:1", "prod/x"), item("dev/b", "prod/x", ("2", "3"))
    before = rows(sets_store)
    with pytest.raises(AttachmentsDiffer):
        promote(sets, *asked)
    assert rows(sets_store) == before
    promote(sets, *asked, attachments=Side.SOURCE)
    assert tags_of(sets, "prod/x")[str(last.tag)] == last.digest


@pytest.mark.parametrize("mode", Mode)
def test_referrers_of_referrers_come_along_across_parts(
    sets: Engine, sets_store: MetadataStore, mode: Mode
) -> None:
    """E45: each tag's own, and one that two tags share."""
    shared = image(sets, DEV, seed="shared")
    sbom = referrer(sets, shared)
    deep = referrer(sets, sbom, seed="of the sbom")
    signature = attachment(sets, deep, "of the deepest")
    for tag in ("1", "2", "3", "4", "5"):
        index(sets, DEV, tag, [shared, image(sets, DEV, seed=tag)])
    before = contents(sets_store)["dev/app"]
    done = promote(sets, item("dev/app", "prod", "?"), mode=mode)
    after = contents(sets_store)
    assert after["prod/app"].tags == before.tags
    assert after["prod/app"].manifests == before.manifests
    assert len(set(done.referrers)) == len(done.referrers) == 3
    assert (signature.tag in after["dev/app"].tags) is (mode is Mode.COPY)
    for subject, referring in ((shared, sbom), (sbom, deep)):
        listed = sets.list_referrers(PROD, subject.digest).entries
        assert [entry.digest for entry in listed] == [referring.digest]


@pytest.mark.parametrize("order", [("dev/a", "dev/b"), ("dev/b", "dev/a")])
@pytest.mark.parametrize("tags", [None, "*"])
def test_subject_and_referrer_meet_at_the_target(
    sets: Engine, order: tuple[str, str], tags: str | None
) -> None:
    """They come from two repositories, in either order, and hold each other from then on."""
    app = image(sets, "dev/a", "1", seed="app")
    image(sets, "dev/a", "2", seed="beside")
    sbom = referrer(sets, app, name="dev/b", tag="sbom")
    image(sets, "dev/b", "3", seed="beside too")
    promote(sets, *(item(name, "prod/x", tags) for name in order))
    target = RepositoryName("prod", "x")
    assert [r.digest for r in sets.list_referrers(target, app.digest).entries] == [sbom.digest]
    sets.delete_tag(target, "sbom", by="me")
    move(sets, item("prod/x:1", "test"))
    listed = sets.list_referrers(RepositoryName("test", "x"), app.digest).entries
    assert [r.digest for r in listed] == [sbom.digest]


@pytest.mark.parametrize("order", [("dev/a", "dev/b"), ("dev/b", "dev/a")])
@pytest.mark.parametrize("tags", [None, "*"])
def test_a_foreign_layer_that_one_source_has_is_there_for_all(
    sets: Engine, order: tuple[str, str], tags: str | None
) -> None:
    """Contract 5: either all rows of a digest in a repository grant, or none does."""
    for tag in ("1", "2", "3"):
        without = image(sets, "dev/a", tag, seed=tag, foreign=[b"windows"])
    for tag in ("4", "5", "6"):
        image(sets, "dev/b", tag, seed=tag, contents=[b"windows", tag.encode()])
    target = RepositoryName("prod", "x")
    promote(sets, item("dev/a", "prod/x", "*"))
    with pytest.raises(BlobUnknown):
        sets.get_blob(target, without.foreign[0])
    sets.delete_repository(target, by="me")
    promote(sets, *(item(name, "prod/x", tags) for name in order))
    assert read(sets, target, without.foreign[0]) == b"windows"
    with pytest.raises(BlobUnknown):
        sets.get_blob(RepositoryName("dev", "a"), without.foreign[0])


def test_a_foreign_layer_that_the_source_got_since_comes_along(sets: Engine) -> None:
    """E55: nothing else is new."""
    for tag in ("1", "2", "3"):
        app = image(sets, DEV, tag, seed=tag, foreign=[b"windows"])
    promote(sets, item("dev/app", "prod", "*"))
    upload(sets, DEV, b"windows")
    done = promote(sets, item("dev/app", "prod", "*"))
    assert [i.action for i in done.items] == ["extend"] * 3
    assert read(sets, PROD, app.foreign[0]) == b"windows"


def test_an_attachment_tag_that_is_named_goes_where_it_is_told(sets: Engine) -> None:
    """A set that names it, and an image that brings another of the same name."""
    app = image(sets, "dev/app", "1", seed="same")
    attachment(sets, app, "ours")
    theirs = attachment(sets, image(sets, "dev/b", "1", seed="same"), "theirs")
    image(sets, DEV, "2", seed="other")
    tag = attachment_tag(app.digest, ".sig")
    promote(sets, item("dev/app", "prod", ("1", "2")), item(f"dev/b:{tag}", "prod/app"))
    assert tags_of(sets, "prod/app")[tag] == theirs.digest


@pytest.mark.parametrize("mode", Mode)
def test_an_attachment_whose_tag_was_named_is_taken_back(
    sets: Engine, sets_store: MetadataStore, mode: Mode
) -> None:
    """It came with its image; at the target, no tag leads to it."""
    ours, theirs = signed(sets, "dev/a", "1", "ours"), signed(sets, "dev/b", "1", "theirs")
    attachment(sets, ours, "of ours")
    image(sets, "prod/x", "own", seed="own")
    before = contents(sets_store)
    named = item(f"dev/b:{theirs.tag}", "prod/x")
    done = promote(sets, item("dev/a:1", "prod/x"), named, mode=mode)
    assert tags_of(sets, "prod/x")[str(ours.tag)] == theirs.digest
    assert done.id is not None
    sets.undo(done.id, by="me")
    assert contents(sets_store) == before


@pytest.mark.parametrize("purge", [False, True])
def test_an_attachment_whose_tag_was_named_stays_behind(
    sets: Engine, sets_store: MetadataStore, *, purge: bool
) -> None:
    """As one that the target has better; a purge leaves it, for there is no other."""
    app = image(sets, "dev/a", "1", seed="same")
    ours, theirs = attachment(sets, app, "ours"), signed(sets, "dev/b", "1", "theirs")
    named = item(f"dev/b:{theirs.tag}", "prod/x")
    done = move(sets, item("dev/a:1", "prod/x"), named, purge=purge)
    assert tags_of(sets, "dev/a") == {}
    assert tags_of(sets, "prod/x") == {"1": app.digest, str(ours.tag): theirs.digest}
    assert ours.digest in contents(sets_store)["dev/a"].manifests
    assert ours.digest not in contents(sets_store)["prod/x"].manifests
    (warning,) = done.warnings
    assert str(ours.digest) in warning


@pytest.mark.parametrize("mode", Mode)
def test_a_swap_of_attachments_is_taken_back(
    sets: Engine, sets_store: MetadataStore, mode: Mode
) -> None:
    """One becomes attached to itself; what is attached to it elsewhere comes along."""
    signature = signed(sets, "dev/a", "1", "first")
    other = attachment(sets, signature, "of dev/a")
    attachment(sets, signed(sets, "dev/b", "1", "first"), "of dev/b")
    before = contents(sets_store)
    ends = f"dev/a:{other.tag}", f"dev/b:{signature.tag}"
    done = promote(sets, item(*ends), item(*reversed(ends)), mode=mode)
    assert tags_of(sets, "dev/a")[str(other.tag)] == signature.digest
    assert done.id is not None
    sets.undo(done.id, by="me")
    assert contents(sets_store) == before


def test_a_set_adds_what_came_since_to_all_it_touches(sets: Engine) -> None:
    """E55: some have news, others do not."""
    built = {tag: platforms(sets, DEV, tag, count=1, seed=tag) for tag in ("1", "2", "3")}
    first = promote(sets, item("dev/app", "prod", "*"))
    attachment(sets, built["2"], "late")
    referrer(sets, built["3"].children[0], seed="late")
    done = promote(sets, item("dev/app", "prod", "[123]"))
    assert {i.target: str(i.action) for i in done.items if not i.attachment} == {
        "prod/app:1": "unchanged",
        "prod/app:2": "extend",
        "prod/app:3": "extend",
    }
    assert done.id != first.id
    sets.undo(2, by="me")
    assert set(tags_of(sets, "prod/app")) == {"1", "2", "3"}
    assert sets.list_referrers(PROD, built["3"].children[0].digest).entries == ()
