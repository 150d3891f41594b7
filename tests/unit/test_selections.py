"""What a promotion selects: tags by glob and by name, paths, registries; and what it refuses."""

from __future__ import annotations

import pytest

from liftlock import ABSENT, Digest, Limits, Mode, Reference
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.documents import read_request
from liftlock.engine import Engine, RequestItem
from liftlock.errors import (
    Conflict,
    DigestInvalid,
    Invalid,
    LiftlockError,
    ManifestUnknown,
    NameInvalid,
    NotFound,
    NothingSelected,
    PromotionInvalid,
    RegistryUnknown,
    RepositoryUnknown,
    TagMoved,
    TargetsCollide,
)
from liftlock.metadata.contract import MetadataStore
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Outcome
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import Built, attachment, image, platforms, upload
from liftlock.testing.states import contents, item, move, promote, rows, tags_of

NOWHERE = Digest.of(b"nowhere")


def tagged(engine: Engine, name: str, *tags: str) -> dict[str, Built]:
    return {tag: image(engine, name, tag, seed=f"{name} {tag}") for tag in tags}


def sentences(error: LiftlockError) -> list[str]:
    return [str(violation) for violation in error.violations]


# --- globs and lists --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("glob", "chosen"),
    [
        ("*", ["1.0", "1.1", "2.0", "latest"]),
        ("1.*", ["1.0", "1.1"]),
        ("*.0", ["1.0", "2.0"]),
        ("?.0", ["1.0", "2.0"]),
        ("[13].?", ["1.0", "1.1"]),
        ("[!1].?", ["2.0"]),
        ("latest", ["latest"]),
    ],
)
def test_a_glob_selects_tags(sets: Engine, glob: str, chosen: list[str]) -> None:
    built = tagged(sets, "dev/app", "1.0", "1.1", "2.0", "latest")
    done = promote(sets, item("dev/app", "prod", glob))
    assert tags_of(sets, "prod/app") == {tag: built[tag].digest for tag in chosen}
    assert [each.target for each in done.items] == [f"prod/app:{tag}" for tag in chosen]


def test_a_glob_is_about_case_and_whole_names(engine: Engine) -> None:
    tagged(engine, "dev/app", "RC1", "rc1", "rc1-old")
    promote(engine, item("dev/app", "prod", "rc?"))
    assert set(tags_of(engine, "prod/app")) == {"rc1"}


def test_a_glob_takes_attachments_by_their_own_names(sets: Engine) -> None:
    """Also of what is not there itself, and whatever the template says."""
    built = tagged(sets, "dev/app", "1", "2", "3")
    signature = attachment(sets, built["1"], "first")
    orphan = attachment(sets, image(sets, "dev/other", "1", seed="o"), "its", name="dev/app")
    done = promote(sets, item("dev/app", "prod", "*", retag="v{tag}"))
    assert set(tags_of(sets, "prod/app")) == {"v1", "v2", "v3", signature.tag, orphan.tag}
    assert {each.target.partition(":")[2] for each in done.items if each.attachment} == {
        signature.tag,
        orphan.tag,
    }


def test_tags_by_name_are_taken_once_each(sets: Engine) -> None:
    built = tagged(sets, "dev/app", "1", "2", "3", "4")
    promote(sets, item("dev/app", "prod", ("3", "1", "3", "4")))
    assert tags_of(sets, "prod/app") == {tag: built[tag].digest for tag in ("1", "3", "4")}


def test_every_tag_that_is_not_there_is_named(engine: Engine, store: MemoryMetadataStore) -> None:
    tagged(engine, "dev/app", "1")
    before = rows(store)
    with pytest.raises(ManifestUnknown) as refused:
        promote(engine, item("dev/app", "prod", ("1", "2", "3")))
    assert len(refused.value.violations) == 2
    assert rows(store) == before


def test_a_template_renames_every_tag(sets: Engine) -> None:
    built = tagged(sets, "dev/app", "1", "2", "3")
    promote(sets, item("dev/app", "prod/web", "*", retag="{tag}-{tag}.rc"))
    assert tags_of(sets, "prod/web") == {f"{tag}-{tag}.rc": b.digest for tag, b in built.items()}


def test_a_template_works_for_one_image_too(engine: Engine) -> None:
    app = image(engine, "dev/app", "1")
    promote(engine, item("dev/app:1", "prod", retag="v{tag}"))
    assert tags_of(engine, "prod/app") == {"v1": app.digest}


def test_a_tag_that_would_be_too_long_is_refused(engine: Engine) -> None:
    tagged(engine, "dev/app", "1", "x" * 121)
    with pytest.raises(NameInvalid, match="128"):
        promote(engine, item("dev/app", "prod", "*", retag="release-{tag}"))
    with pytest.raises(RepositoryUnknown):
        tags_of(engine, "prod/app")


# --- several repositories ---------------------------------------------------------------------


def test_below_a_path_names_stay_as_they_are_beyond_it(sets: Engine) -> None:
    """What only begins alike, and the repository at the path itself, stay behind."""
    for name in ("dev/team/a", "dev/team/b/c", "dev/team", "dev/teams/d"):
        tagged(sets, name, "1")
    promote(sets, item("dev/team/**", "prod/squad"))
    assert [str(r.name) for r in sets.list_repositories("prod").entries] == [
        "prod/squad/a",
        "prod/squad/b/c",
    ]
    promote(sets, item("dev/team/**", "test"))
    assert [str(r.name) for r in sets.list_repositories("test").entries] == [
        "test/team/a",
        "test/team/b/c",
    ]


def test_of_many_repositories_each_gives_the_tags_that_it_has(sets: Engine) -> None:
    tagged(sets, "dev/a", "1", "2")
    tagged(sets, "dev/b", "2", "3")
    tagged(sets, "dev/c", "3")
    promote(sets, item("dev", "prod", ("1", "2")))
    assert set(tags_of(sets, "prod/a")) == {"1", "2"}
    assert set(tags_of(sets, "prod/b")) == {"2"}
    assert [r.name.repository for r in sets.list_repositories("prod").entries] == ["a", "b"]


@pytest.mark.parametrize("source", ["dev", "dev/**", "dev/none/**"])
@pytest.mark.parametrize("tags", [None, "*"])
@pytest.mark.parametrize("mode", Mode)
def test_a_path_without_repositories_selects_nothing(
    engine: Engine, source: str, tags: str | None, mode: Mode
) -> None:
    with pytest.raises(NothingSelected, match="no repository"):
        promote(engine, item(source, "prod", tags), mode=mode)


@pytest.mark.parametrize("source", ["dev/app", "dev", "dev/**"])
@pytest.mark.parametrize("mode", Mode)
def test_a_glob_that_matches_nothing_says_so(engine: Engine, source: str, mode: Mode) -> None:
    tagged(engine, "dev/app", "1")
    with pytest.raises(NothingSelected, match=r"'v\*'"):
        promote(engine, item(source, "prod", "v*"), mode=mode)


def test_one_item_that_selects_nothing_refuses_all(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    """Also beside a move that was done before."""
    tagged(engine, "dev/app", "1")
    move(engine, item("dev/app:1", "prod"))
    before = rows(store)
    with pytest.raises(NothingSelected):
        move(engine, item("dev/app:1", "prod"), item("test/**", "prod", "*"))
    assert rows(store) == before


@pytest.mark.parametrize(
    ("source", "target"),
    [("dev", "dev/below"), ("dev/team/**", "dev/team/old"), ("dev/team/**", "dev/team/old/er")],
)
@pytest.mark.parametrize("tags", [None, "*"])
def test_a_path_cannot_be_promoted_below_itself(
    engine: Engine, source: str, target: str, tags: str | None
) -> None:
    """The same again would take what the first time made."""
    tagged(engine, "dev/team/a", "1")
    with pytest.raises(PromotionInvalid, match="below"):
        promote(engine, item(source, target, tags))
    promote(engine, item("dev/team/**", "dev/teams"))
    promote(engine, item("dev/team/**", "test/team/old"))


def test_a_name_that_gets_too_long_below_is_refused(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    tagged(engine, "dev/team/a", "1")
    tagged(engine, "dev/team/" + "b" * 200, "1")
    before = rows(store)
    for tags in (None, "*"):
        with pytest.raises(NameInvalid, match="255"):
            promote(engine, item("dev/team/**", "prod/" + "x" * 60, tags))
    assert rows(store) == before


# --- onto itself ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    "asked",
    [
        item("dev/app:1", "dev"),
        item("dev/app:1", "dev/app:1"),
        item("dev/app", "dev", "*"),
        item("dev/app", "dev", ("1", "2")),
        item("dev/app", "dev"),
        item("dev/app", "dev/app"),
        item("dev", "dev"),
        item("dev/team/**", "dev/team"),
        item("dev", "dev", "*"),
    ],
    ids=lambda asked: f"{asked.source} to {asked.target}, {asked.tags}",
)
def test_promoting_onto_itself_changes_nothing(
    sets: Engine, sets_store: MetadataStore, asked: RequestItem, mode: Mode
) -> None:
    """E53: no tag is lost."""
    built = tagged(sets, "dev/app", "1", "2", "3")
    attachment(sets, built["1"], "first")
    tagged(sets, "dev/team/a", "1")
    before = rows(sets_store)
    done = promote(sets, asked, mode=mode)
    assert not done.changed
    assert {each.action for each in done.items} == {Outcome.UNCHANGED}
    assert rows(sets_store) == before


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (item("dev/app:1", "prod", "*"), "names an image"),
        (item(f"dev/app@{NOWHERE}", "prod", retag="v{tag}"), "has no tag"),
        (item("dev/app", "prod:1"), "names one tag"),
        (item("dev/app", "prod:1", "*"), "names one tag"),
        (item("dev/app:1", "prod:1", retag="v{tag}"), "give one of them"),
        (item("dev/app", "prod", retag="v{tag}"), "select them"),
        (item("dev/app", "prod", "*", expect_target=ABSENT), "expectation"),
        (item("dev/app", "prod", expect_source=NOWHERE), "expectation"),
        (item("dev/app", "prod", ""), "1 to 128"),
        (item("dev/app", "prod", "x" * 129), "1 to 128"),
        (item("dev/app", "prod", ()), "empty list"),
        (item("dev/app", "prod", "*", retag="{digest}"), r"only \{tag\}"),
        (item("dev/app", "prod", "*", retag="{tag"), r"only \{tag\}"),
        (item("dev/app", "prod", "*", retag=""), r"only \{tag\}"),
        (item("dev/app", "prod", "*", retag="-{tag}"), "begins with neither"),
        (item("dev/app", "prod", "*", retag="a b{tag}"), "makes no tag"),
        (item("dev/app", "prod", ("1", "a/b")), "not a valid name"),
    ],
)
@pytest.mark.parametrize("mode", Mode)
def test_what_does_not_fit_together_is_refused(
    engine: Engine, asked: RequestItem, why: str, mode: Mode
) -> None:
    tagged(engine, "dev/app", "1")
    with pytest.raises(Invalid) as refused:
        promote(engine, asked, mode=mode)
    with pytest.raises(Invalid, match=why):
        raise next(v for v in refused.value.violations if not str(v).startswith("purge"))


def test_everything_wrong_with_the_form_is_said(engine: Engine) -> None:
    with pytest.raises(Invalid) as refused:
        promote(
            engine,
            item("dev/app:1", "prod", "*"),
            item("dev/app", "prod:1"),
            item("dev/app", "prod", "*", retag="{x}"),
            purge=True,
        )
    assert len(refused.value.violations) == 4


def test_what_cannot_be_read_is_said_with_what_is_wrong_with_the_others(engine: Engine) -> None:
    tagged(engine, "dev/app", "1")
    asked = read_request(
        {
            "items": [
                {"source": "dev/app:1", "target": "prod/app:1"},
                {"source": "dev/APP:1", "target": "prod"},
                {"source": "dev/app:1", "target": "prod", "expect_source": "sha256:1"},
                {"source": "dev/app:1", "target": "prod", "tags": "*"},
                {"source": "dev/none:1", "target": "prod"},
                {"source": "dev/app:1", "target": "nowhere"},
            ]
        }
    )
    with pytest.raises(Invalid) as refused:
        engine.promote_all(asked.request, by="me", key="a key")
    assert [type(violation) for violation in refused.value.violations] == [
        NameInvalid,
        DigestInvalid,
        PromotionInvalid,
        RepositoryUnknown,
        RegistryUnknown,
    ]
    assert list(engine.list_promotions().entries) == []


def test_no_items_and_too_many_are_refused(
    engine: Engine, store: MemoryMetadataStore, blobs: MemoryBlobStore, clock: FakeClock
) -> None:
    with pytest.raises(PromotionInvalid, match="no items"):
        promote(engine)
    tagged(engine, "dev/app", "1")
    strict = Engine(store, blobs, limits=Limits(promotion_items_max=2), clock=clock)
    with pytest.raises(PromotionInvalid, match="promotion_items_max"):
        promote(strict, *(item("dev/app:1", f"prod:{number}") for number in range(3)))
    promote(strict, *(item("dev/app:1", f"prod:{number}") for number in range(2)))


def test_all_that_is_wrong_is_said_and_the_gravest_speaks(
    sets: Engine, sets_store: MetadataStore
) -> None:
    """E46, E47, contract 10: names before tags, tags before conflicts."""
    built = tagged(sets, "dev/app", "1", "2", "3")
    attachment(sets, built["1"], "ours")
    tagged(sets, "prod/app", "9")
    attachment(sets, built["1"], "theirs", name="prod/app")
    tagged(sets, "dev/web", "1", "2")
    conflicts = (
        item("dev/app", "prod", "*"),
        item("dev/app:2", "test/x:1"),
        item("dev/app:3", "test/x:1"),
    )
    moved = item("dev/web:1", "prod", expect_target=NOWHERE)
    absent = (item("none/app:1", "prod"), item("dev/web", "prod", ("1", "5")))
    wrong = item("dev/**", "prod/" + "x" * 250, "*")
    before = rows(sets_store)
    asked: list[RequestItem] = []
    expected: list[tuple[type[LiftlockError], int]] = [
        (Conflict, 2),
        (TagMoved, 3),
        (NotFound, 5),
        (NameInvalid, 7),
    ]
    for more, (error, count) in zip((conflicts, (moved,), absent, (wrong,)), expected, strict=True):
        asked += more
        with pytest.raises(error) as refused:
            promote(sets, *asked)
        assert len(refused.value.violations) == count, sentences(refused.value)
        assert len(set(sentences(refused.value))) == count
    assert rows(sets_store) == before


def test_an_expectation_in_a_set_refuses_all_of_it(sets: Engine, sets_store: MetadataStore) -> None:
    """E47."""
    built = tagged(sets, "dev/app", "1", "2", "3")
    live = image(sets, "prod/app", "2", seed="live")
    before = rows(sets_store)
    with pytest.raises(TagMoved) as refused:
        promote(
            sets,
            item("dev/app:1", "prod", expect_source=built["1"].digest, expect_target=ABSENT),
            item("dev/app:2", "prod", expect_target=ABSENT),
            item("dev/app:3", "prod", expect_source=built["1"].digest),
        )
    assert len(refused.value.violations) == 2
    assert rows(sets_store) == before
    promote(
        sets,
        item("dev/app:1", "prod", expect_target=ABSENT),
        item("dev/app:2", "prod", expect_target=live.digest),
        item("dev/app:3", "prod", expect_source=built["3"].digest),
    )
    assert tags_of(sets, "prod/app") == {tag: b.digest for tag, b in built.items()}


@pytest.mark.parametrize("mode", Mode)
def test_several_sources_of_one_target_collide(
    sets: Engine, sets_store: MetadataStore, mode: Mode
) -> None:
    """E65: every target is named, with all its sources, and nothing is written."""
    tagged(sets, "dev/a", "1", "2", "3")
    tagged(sets, "dev/b", "1", "2", "9")
    before = rows(sets_store)
    with pytest.raises(TargetsCollide) as refused:
        promote(sets, item("dev/a", "prod/x", "*"), item("dev/b", "prod/x", "*"), mode=mode)
    found = {e.target: e.sources for e in refused.value.violations if isinstance(e, TargetsCollide)}
    assert found == {f"prod/x:{tag}": (f"dev/a:{tag}", f"dev/b:{tag}") for tag in ("1", "2")}
    with pytest.raises(TargetsCollide):
        promote(sets, item("dev/a", "prod", "*", retag="same"), mode=mode)
    with pytest.raises(TargetsCollide):
        promote(sets, item("dev/a", "prod/x"), item("dev/b", "prod/x"), mode=mode)
    assert rows(sets_store) == before


def test_the_same_asked_twice_is_one(sets: Engine) -> None:
    app = image(sets, "dev/app", "1")
    asked = item("dev/app:1", "prod"), item("dev/app", "prod", "*"), item("dev/app:1", "prod")
    done = promote(sets, *asked)
    assert [each.target for each in done.items] == ["prod/app:1"]
    assert tags_of(sets, "prod/app") == {"1": app.digest}


def test_one_digest_untagged_from_two_is_one(sets: Engine) -> None:
    app = image(sets, "dev/a", "1", seed="same")
    image(sets, "dev/b", "1", seed="same")
    asked = [item(f"dev/{name}@{app.digest}", "prod/x") for name in "ab"]
    done = promote(sets, *asked)
    assert done.linked == 1
    assert len(done.items) == 1
    assert not promote(sets, *asked).changed


def test_a_refused_set_makes_no_repository(sets: Engine) -> None:
    """E64."""
    tagged(sets, "dev/app", "1", "2", "3")
    with pytest.raises(ManifestUnknown):
        promote(sets, item("dev/app", "prod", "*"), item("dev/app:none", "prod"))
    assert sets.list_repositories("prod").entries == ()


def test_two_items_make_one_repository(sets: Engine) -> None:
    """E64: it comes to be once."""
    tagged(sets, "dev/a", "1", "2")
    tagged(sets, "dev/b", "3", "4")
    promote(sets, item("dev/a", "prod/x", "*"), item("dev/b", "prod/x", "*"))
    assert set(tags_of(sets, "prod/x")) == {"1", "2", "3", "4"}
    usage = sets.get_repository(sets.list_repositories("prod").entries[0].name).usage
    assert (usage.tags, usage.manifests) == (4, 4)
    assert sets.get_registry("prod").usage == usage


def test_a_child_can_go_by_its_digest_in_a_set(sets: Engine) -> None:
    """E62: without its index."""
    multi = platforms(sets, "dev/app", "1", count=3)
    asked = [item(f"dev/app@{child.digest}", f"prod:{n}") for n, child in enumerate(multi.children)]
    promote(sets, *asked)
    assert tags_of(sets, "prod/app") == {str(n): c.digest for n, c in enumerate(multi.children)}
    with pytest.raises(ManifestUnknown):
        sets.get_manifest(Reference.parse(f"prod/app@{multi.digest}"))


def test_unknown_registries_are_each_named_once(engine: Engine) -> None:
    tagged(engine, "dev/app", "1", "2")
    with pytest.raises(RegistryUnknown) as refused:
        promote(
            engine,
            item("dev/app", "none", "*"),
            item("dev", "none"),
            item("nil/app", "prod"),
            item("nil/app:1", "prod"),
        )
    assert len(refused.value.violations) == 2


def test_a_repository_without_tags_goes_as_a_whole_only(engine: Engine) -> None:
    upload(engine, "dev/app", b"loose")
    with pytest.raises(NothingSelected):
        promote(engine, item("dev/app", "prod", "*"))
    promote(engine, item("dev/app", "prod"))
    assert tags_of(engine, "prod/app") == {}


def test_globs_of_a_move_leave_what_they_do_not_match(
    sets: Engine, sets_store: MetadataStore
) -> None:
    """E52: layers and other tags of the same digest remain."""
    built = tagged(sets, "dev/app", "1", "2", "3")
    image(sets, "dev/app", "latest", seed="dev/app 1")
    signature = attachment(sets, built["1"], "first")
    gone = attachment(sets, built["2"], "second")
    before = contents(sets_store)["dev/app"]
    move(sets, item("dev/app", "prod", "[0-9]"))
    assert tags_of(sets, "dev/app") == {
        "latest": built["1"].digest,
        str(signature.tag): signature.digest,
    }
    assert set(tags_of(sets, "prod/app")) == {"1", "2", "3", signature.tag, gone.tag}
    after = contents(sets_store)["dev/app"]
    assert (after.manifests, after.blobs) == (before.manifests, before.blobs)
