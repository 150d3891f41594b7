"""The history by name, where repositories get other names, are copied, merged and deleted."""

from __future__ import annotations

import pytest

from liftlock import Mode, Reference, RepositoryName
from liftlock.engine import Engine
from liftlock.errors import ManifestUnknown, PromotionUnknown
from liftlock.model import HistoryEntry, Outcome, Page
from liftlock.testing.images import attachment, image, referrer
from liftlock.testing.states import item, move, promote

DEV, PROD, TEST = (RepositoryName(registry, "app") for registry in ("dev", "prod", "test"))


def told(page: Page[HistoryEntry]) -> list[tuple[str, str, str | None]]:
    return [(entry.action, entry.name, entry.other) for entry in page.entries]


def tag(text: str) -> Reference:
    return Reference.parse(text)


def test_a_rename_is_told_under_both_names(sets: Engine) -> None:
    """Contract 8; and the history of the images goes along, under the names that they had."""
    image(sets, DEV, "1")
    move(sets, item("dev/app", "prod"), comment="release")
    image(sets, PROD, "1", seed="later")
    assert told(sets.history(DEV)) == [
        ("renamed", "prod/app", "dev/app"),
        ("created", "dev/app:1", None),
        ("created", "dev/app", None),
    ]
    assert told(sets.history(PROD)) == [
        ("updated", "prod/app:1", None),
        ("renamed", "prod/app", "dev/app"),
    ]
    renamed = sets.history(DEV).entries[0]
    assert (renamed.kind, renamed.by, renamed.comment, renamed.promotion) == (
        "move",
        "me",
        "release",
        1,
    )


def test_a_tag_is_told_over_a_rename(sets: Engine) -> None:
    """Both ways: what it was, and what became of it."""
    first = image(sets, DEV, "1")
    image(sets, DEV, "other", seed="other")
    move(sets, item("dev/app", "prod"))
    second = image(sets, PROD, "1", seed="later")
    assert told(sets.history(tag("dev/app:1"))) == [
        ("renamed", "prod/app:1", "dev/app:1"),
        ("created", "dev/app:1", None),
    ]
    updated, renamed = sets.history(tag("prod/app:1")).entries
    assert (updated.old_digest, updated.new_digest) == (first.digest, second.digest)
    assert (renamed.old_digest, renamed.new_digest) == (first.digest, first.digest)
    with pytest.raises(ManifestUnknown):
        sets.history(tag("prod/app:none"))


def test_a_name_tells_of_all_that_bore_it(sets: Engine) -> None:
    image(sets, DEV, "1", seed="first")
    move(sets, item("dev/app", "prod"))
    image(sets, DEV, "1", seed="second")
    move(sets, item("dev/app", "test"))
    image(sets, DEV, "2", seed="third")
    sets.delete_repository(DEV, by="me", comment="done with")
    assert told(sets.history(DEV)) == [
        ("deleted", "dev/app", None),
        ("created", "dev/app:2", None),
        ("created", "dev/app", None),
        ("renamed", "test/app", "dev/app"),
        ("created", "dev/app:1", None),
        ("created", "dev/app", None),
        ("renamed", "prod/app", "dev/app"),
        ("created", "dev/app:1", None),
        ("created", "dev/app", None),
    ]
    assert sets.history(DEV).entries[0].comment == "done with"
    assert [name for _, name, _ in told(sets.history(tag("dev/app:1")))] == [
        "test/app:1",
        "dev/app:1",
        "prod/app:1",
        "dev/app:1",
    ]


def test_a_swap_is_told_of_each_name(sets: Engine) -> None:
    for name in ("dev/a", "dev/b"):
        image(sets, name, "1", seed=name)
    move(sets, item("dev/a", "dev/b"), item("dev/b", "dev/a"))
    for name, other in (("dev/a", "dev/b"), ("dev/b", "dev/a")):
        entries = told(sets.history(RepositoryName.parse(name)))
        assert ("renamed", name, other) in entries
        assert ("created", f"{name}:1", None) in entries
        assert ("created", f"{other}:1", None) not in entries


def test_a_copy_is_told_on_both_sides(sets: Engine) -> None:
    app = image(sets, DEV, "1")
    promote(sets, item("dev/app", "prod"))
    image(sets, DEV, "1", seed="later")
    later = image(sets, PROD, "1", seed="later at the target")
    assert told(sets.history(PROD)) == [
        ("updated", "prod/app:1", None),
        ("copied", "prod/app", "dev/app"),
    ]
    assert ("taken", "dev/app", "prod/app") in told(sets.history(DEV))
    updated, copied = sets.history(tag("prod/app:1")).entries
    assert (copied.action, copied.name, copied.other) == ("copied", "prod/app:1", "dev/app:1")
    assert copied.new_digest == updated.old_digest == app.digest
    assert updated.new_digest == later.digest
    taken = sets.history(tag("dev/app:1")).entries[1]
    assert (taken.action, taken.other, taken.new_digest) == ("taken", "prod/app:1", app.digest)


def test_a_tag_that_came_after_the_copy_is_not_told_of_it(sets: Engine) -> None:
    image(sets, DEV, "1")
    promote(sets, item("dev/app", "prod"))
    image(sets, DEV, "2", seed="2")
    image(sets, PROD, "3", seed="3")
    assert told(sets.history(tag("dev/app:2"))) == [("created", "dev/app:2", None)]
    assert told(sets.history(tag("prod/app:3"))) == [("created", "prod/app:3", None)]


def test_a_copy_of_a_copy_knows_its_past_when_the_first_is_gone(sets: Engine) -> None:
    app = image(sets, DEV, "1")
    promote(sets, item("dev/app", "test"))
    promote(sets, item("test/app", "prod"))
    sets.delete_repository(DEV, by="me")
    sets.delete_tag(TEST, "1", by="me")
    (copied,) = sets.history(tag("prod/app:1")).entries
    assert (copied.action, copied.new_digest) == ("copied", app.digest)


@pytest.mark.parametrize("mode", Mode)
def test_a_merge_is_told_tag_by_tag_and_as_a_whole(sets: Engine, mode: Mode) -> None:
    image(sets, DEV, "1")
    own = image(sets, PROD, "1", seed="own")
    promote(sets, item("dev/app", "prod"), mode=mode)
    assert ("merged", "prod/app", "dev/app") in told(sets.history(PROD))
    assert ("updated", "prod/app:1", "dev/app:1") in told(sets.history(PROD))
    newest = sets.history(tag("prod/app:1")).entries[0]
    assert (newest.action, newest.other, newest.old_digest) == ("updated", "dev/app:1", own.digest)
    what = "taken" if mode is Mode.COPY else "dissolved"
    assert any(action == what for action, _, _ in told(sets.history(DEV)))


def test_an_undone_rename_is_told_of_both_names(sets: Engine) -> None:
    image(sets, DEV, "1")
    move(sets, item("dev/app", "prod"))
    sets.undo(1, by="you", comment="wrong")
    assert told(sets.history(DEV))[0] == ("renamed", "dev/app", "prod/app")
    assert [action for action, _, _ in told(sets.history(PROD))] == ["renamed", "renamed"]
    assert sets.history(DEV).entries[0].kind == "undo"


def test_a_registry_tells_of_what_came_and_what_went(sets: Engine) -> None:
    """Of a repository only as long as it was there."""
    image(sets, DEV, "1")
    move(sets, item("dev/app", "prod"))
    image(sets, PROD, "2", seed="2")
    assert ("created", "prod/app:2", None) not in told(sets.history("dev"))
    assert told(sets.history("dev"))[0] == ("renamed", "prod/app", "dev/app")
    assert told(sets.history("prod"))[:2] == [
        ("created", "prod/app:2", None),
        ("renamed", "prod/app", "dev/app"),
    ]
    assert ("created", "dev/app:1", None) not in told(sets.history("prod"))


@pytest.mark.parametrize("of", ["dev", DEV, tag("dev/app:1")], ids=str)
def test_pages_over_names_add_up(sets: Engine, of: Reference | RepositoryName | str) -> None:
    for number in range(3):
        image(sets, DEV, "1", seed=str(number))
        promote(sets, item("dev/app", "test", "*"))
        move(sets, item("dev/app", f"prod/app{number}"))
    whole = sets.history(of).entries
    found: list[HistoryEntry] = []
    before = None
    for _ in range(100):
        page = sets.history(of, before=before, limit=1)
        found += page.entries
        if not page.more:
            break
        before = page.entries[-1].event
    assert tuple(found) == whole


# --- promotions by number ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
def test_a_promotion_is_recorded_as_it_was_answered(sets: Engine, mode: Mode) -> None:
    for number in "123":
        app = image(sets, DEV, number, seed=number)
    signature = attachment(sets, app, "first")
    sbom = referrer(sets, app)
    image(sets, PROD, "2", seed="old")
    done = promote(sets, item("dev/app", "prod", ("1", "2", "3")), mode=mode, comment="release")
    found = sets.get_promotion(1)
    assert set(found.items) == set(done.items)
    assert (found.id, found.at, found.by, found.mode) == (1, done.at, "me", mode)
    assert (found.comment, found.linked, found.records) == ("release", done.linked, done.records)
    assert found.changed
    assert found.undoes is None
    assert {i.target for i in found.items if i.attachment} == {f"prod/app:{signature.tag}"}
    assert sbom.digest in found.referrers


def test_a_recorded_promotion_keeps_the_names_of_its_time(sets: Engine) -> None:
    image(sets, DEV, "1")
    promote(sets, item("dev/app:1", "prod"))
    promote(sets, item("dev/app", "test"))
    move(sets, item("dev/app", "dev/old"))
    move(sets, item("prod/app", "prod/new"))
    sets.delete_repository(TEST, by="me")
    assert [(i.source, i.target) for i in sets.get_promotion(1).items] == [
        ("dev/app:1", "prod/app:1")
    ]
    assert [(i.source, i.target) for i in sets.get_promotion(2).items] == [("dev/app", "test/app")]
    assert [(i.source, i.target) for i in sets.get_promotion(3).items] == [("dev/app", "dev/old")]


def test_promotions_are_listed_newest_first_by_pages(sets: Engine) -> None:
    image(sets, DEV, "1")
    for number in range(4):
        promote(sets, item("dev/app:1", f"prod:{number}"), comment=str(number))
    promote(sets, item("dev/app:1", "prod:0"))  # changes nothing
    sets.undo(4, by="you")
    whole = sets.list_promotions()
    assert [entry.id for entry in whole.entries] == [5, 4, 3, 2, 1]
    assert [entry.comment for entry in whole.entries] == ["", "3", "2", "1", "0"]
    assert (whole.entries[0].undoes, whole.entries[0].by, whole.more) == (4, "you", False)
    first = sets.list_promotions(limit=2)
    assert ([entry.id for entry in first.entries], first.more) == ([5, 4], True)
    rest = sets.list_promotions(before=4)
    assert ([entry.id for entry in rest.entries], rest.more) == ([3, 2, 1], False)
    assert sets.list_promotions(before=1).entries == ()
    assert sets.list_promotions(before=-3).entries == ()
    assert len(sets.list_promotions(before=10**30).entries) == 5


@pytest.mark.parametrize("number", [0, 2, -1, 10**30])
def test_a_number_that_no_promotion_has_is_unknown(sets: Engine, number: int) -> None:
    image(sets, DEV, "1")
    promote(sets, item("dev/app:1", "prod"))
    with pytest.raises(PromotionUnknown):
        sets.get_promotion(number)


def test_the_record_of_an_undo_says_what_it_put_back(sets: Engine) -> None:
    image(sets, DEV, "1")
    image(sets, PROD, "2", seed="old")
    image(sets, DEV, "2", seed="new")
    move(sets, item("dev/app", "prod", "*"))
    done = sets.undo(1, by="me")
    found = sets.get_promotion(2)
    assert (found.undoes, found.mode, found.linked) == (1, Mode.MOVE, done.linked)
    assert {(i.target, i.action) for i in found.items} == {
        ("dev/app:1", Outcome.CREATE),
        ("dev/app:2", Outcome.CREATE),
        ("prod/app:1", Outcome.REMOVE),
        ("prod/app:2", Outcome.OVERWRITE),
    }
    assert {(i.target, i.source, i.action) for i in done.items} == {
        (i.target, i.source, i.action) for i in found.items
    }


def test_a_tag_ends_with_its_repository_and_a_repository_with_its_registry(engine: Engine) -> None:
    image(engine, "dev/app", "1")
    engine.delete_repository(RepositoryName("dev", "app"), by="me")
    image(engine, "dev/app", "1", seed="again")
    tag = [e.action for e in engine.history(Reference.parse("dev/app:1")).entries]
    assert tag == ["created", "deleted", "created"]
    engine.delete_registry("dev", by="me", force=True)
    for of in (Reference.parse("dev/app:1"), RepositoryName("dev", "app")):
        entries = engine.history(of).entries
        assert entries[0].action == "deleted"
        assert entries[0].new_digest is None
    assert list(engine.check(content=True)) == []
