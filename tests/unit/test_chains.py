"""Chains and swaps: what is source and target in one set, judged against what was before it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from liftlock import Digest, Mode, Reference, RepositoryName
from liftlock.engine import Engine, RequestItem
from liftlock.errors import PromotionInvalid, TagMoved
from liftlock.metadata.contract import MetadataStore
from liftlock.testing.images import attachment, image, platforms, referrer
from liftlock.testing.states import contents, item, move, promote, rows, tags_of

CHAIN = item("dev/a:1", "dev/b:1"), item("dev/b:1", "dev/c:1")
SWAP = item("dev/a:1", "dev/b:1"), item("dev/b:1", "dev/a:1")
ORDERS = pytest.mark.parametrize("step", [1, -1], ids=["as said", "backwards"])


@pytest.fixture
def was(sets: Engine) -> dict[str, Digest]:
    return {
        name: image(sets, f"dev/{name}", "1", seed=name, contents=[b"base", name.encode()]).digest
        for name in "abc"
    }


def now(engine: Engine) -> dict[str, Digest | None]:
    return {name: tags_of(engine, f"dev/{name}").get("1") for name in "abc"}


def settle(engine: Engine, store: MetadataStore, mode: Mode, *asked: RequestItem) -> None:
    """Promote, and see that the same again changes nothing."""
    first = promote(engine, *asked, mode=mode)
    before = rows(store)
    for order in (asked, asked[::-1]):
        again = promote(engine, *order, mode=mode)
        assert (again.changed, again.id) == (False, first.id)
    assert rows(store) == before


@ORDERS
def test_a_chain_of_copies_shifts_by_one(sets: Engine, was: dict[str, Digest], step: int) -> None:
    """E54: whatever the order in which it is said."""
    promote(sets, *CHAIN[::step])
    assert now(sets) == {"a": was["a"], "b": was["a"], "c": was["b"]}


@ORDERS
def test_a_chain_of_moves_shifts_by_one(sets: Engine, was: dict[str, Digest], step: int) -> None:
    """A tag that is source of one item and target of another is set, not removed."""
    move(sets, *CHAIN[::step])
    assert now(sets) == {"a": None, "b": was["a"], "c": was["b"]}


@ORDERS
@pytest.mark.parametrize("mode", Mode)
def test_a_swap_swaps(sets: Engine, was: dict[str, Digest], mode: Mode, step: int) -> None:
    promote(sets, *SWAP[::step], mode=mode)
    assert now(sets) == {"a": was["b"], "b": was["a"], "c": was["c"]}


@pytest.mark.parametrize("asked", [CHAIN, SWAP], ids=["chain", "swap"])
@pytest.mark.parametrize("mode", Mode)
def test_the_same_set_again_changes_nothing(
    sets: Engine,
    sets_store: MetadataStore,
    was: dict[str, Digest],
    asked: tuple[object, ...],
    mode: Mode,
) -> None:
    """Contract 9: the retry of a pipeline must not shift everything once more."""
    first = promote(sets, *asked, mode=mode)  # type: ignore[arg-type] # items
    before = rows(sets_store)
    for order in (asked, asked[::-1]):
        again = promote(sets, *order, mode=mode)  # type: ignore[arg-type] # items
        assert (again.changed, again.id) == (False, first.id)
    assert rows(sets_store) == before


@pytest.mark.parametrize("mode", Mode)
def test_a_chain_that_found_its_end_right_is_not_shifted_again(
    sets: Engine, sets_store: MetadataStore, mode: Mode
) -> None:
    """Contract 9: what was right before the set was done with it all the same."""
    one = image(sets, "dev/a", "1", seed="one").digest
    two = image(sets, "dev/b", "1", seed="two").digest
    image(sets, "dev/c", "1", seed="two")
    settle(sets, sets_store, mode, *CHAIN)
    assert (now(sets)["b"], now(sets)["c"]) == (one, two)


@pytest.mark.parametrize("mode", Mode)
def test_a_chain_that_found_its_middle_right_is_not_shifted_again(
    sets: Engine, sets_store: MetadataStore, mode: Mode
) -> None:
    one = image(sets, "dev/a", "1", seed="one").digest
    image(sets, "dev/b", "1", seed="one")
    two = image(sets, "dev/c", "1", seed="two").digest
    settle(sets, sets_store, mode, *CHAIN, item("dev/c:1", "prod/d:1"))
    assert (now(sets)["b"], now(sets)["c"]) == (one, one)
    assert tags_of(sets, "prod/d") == {"1": two}


def test_a_swap_beside_what_was_right_is_not_swapped_back(
    sets: Engine, sets_store: MetadataStore, was: dict[str, Digest]
) -> None:
    image(sets, "prod/c", "1", seed="c", contents=[b"base", b"c"])
    settle(sets, sets_store, Mode.COPY, *SWAP, item("dev/c:1", "prod/c:1"))
    assert (now(sets)["a"], now(sets)["b"]) == (was["b"], was["a"])


def test_a_chain_beside_a_move_done_before_is_not_shifted_again(
    sets: Engine, sets_store: MetadataStore, was: dict[str, Digest]
) -> None:
    """Also if it leads to where that one began."""
    move(sets, item("dev/c:1", "prod/d:1"))
    settle(sets, sets_store, Mode.MOVE, item("dev/c:1", "prod/d:1"), *CHAIN)
    assert tags_of(sets, "prod/d") == {"1": was["c"]}
    assert now(sets) == {"a": None, "b": was["a"], "c": was["b"]}


def test_a_chain_after_another_promotion_of_its_beginning_is_done(
    sets: Engine, was: dict[str, Digest]
) -> None:
    """That its end is right for what that one overwrote was not its doing."""
    image(sets, "dev/c", "1", seed="b", contents=[b"base", b"b"])
    promote(sets, CHAIN[0])
    assert promote(sets, *CHAIN).changed
    assert now(sets) == {"a": was["a"], "b": was["a"], "c": was["a"]}


def test_a_chain_of_which_other_tags_were_promoted_is_done(
    sets: Engine, was: dict[str, Digest]
) -> None:
    image(sets, "dev/b", "2", seed="two")
    promote(sets, CHAIN[0], item("dev/b:2", "dev/c:2"))
    assert promote(sets, *CHAIN).changed
    assert now(sets)["c"] == was["a"]


@pytest.mark.parametrize("is_moved", [True, False])
def test_a_chain_beside_what_is_still_to_be_moved_is_another_set(
    sets: Engine, was: dict[str, Digest], *, is_moved: bool
) -> None:
    """So it means what is there now; also if the other went by itself later."""
    beside = item("dev/p:1", "prod/q:1")
    for name in ("dev/p", "prod/q"):
        image(sets, name, "1", seed="same")
    move(sets, *CHAIN)
    image(sets, "dev/a", "1", seed="a", contents=[b"base", b"a"])
    if is_moved:
        move(sets, beside)
    move(sets, beside, *CHAIN)
    assert now(sets) == {"a": None, "b": was["a"], "c": was["a"]}


def test_a_chain_whose_end_was_put_back_by_hand_is_done_again(
    sets: Engine, was: dict[str, Digest]
) -> None:
    """What came later is not what the set has found, whatever it is."""
    image(sets, "dev/c", "1", seed="b", contents=[b"base", b"b"])
    promote(sets, *CHAIN)
    image(sets, "dev/c", "1", seed="other")
    image(sets, "dev/c", "1", seed="b", contents=[b"base", b"b"])
    promote(sets, *CHAIN)
    assert now(sets)["c"] == was["a"]


def test_a_chain_that_was_copied_is_not_moved_yet(sets: Engine, was: dict[str, Digest]) -> None:
    """Contract 9 is about the same again; a move is another, and means what is there now."""
    promote(sets, *CHAIN)
    move(sets, *CHAIN)
    assert now(sets) == {"a": None, "b": was["a"], "c": was["a"]}


@pytest.mark.parametrize(("first", "then"), [(Mode.COPY, Mode.MOVE), (Mode.MOVE, Mode.COPY)])
def test_a_swap_of_the_other_mode_is_another(
    sets: Engine, was: dict[str, Digest], first: Mode, then: Mode
) -> None:
    promote(sets, *SWAP, mode=first)
    promote(sets, *SWAP, mode=then)
    assert now(sets) == was


def test_a_chain_of_whole_copies_is_not_moved_yet(
    sets: Engine, sets_store: MetadataStore, was: dict[str, Digest]
) -> None:
    """Also not by the rules: what may be copied to two names can be moved to one."""
    asked = item("dev/a", "dev/b"), item("dev/b", "prod/b")
    fork = *asked, item("dev/b", "prod/c")
    promote(sets, *fork)
    before = rows(sets_store)
    with pytest.raises(PromotionInvalid, match="several targets"):
        move(sets, *fork)
    assert rows(sets_store) == before
    move(sets, *asked)
    assert tags_of(sets, "prod/b") == {"1": was["a"]}
    assert "dev/a" not in contents(sets_store)


@pytest.mark.parametrize("mode", Mode)
def test_a_chain_with_something_new_shifts_again(
    sets: Engine, was: dict[str, Digest], mode: Mode
) -> None:
    """The nightly rotation: what came in at its beginning goes one step on each time."""
    promote(sets, *CHAIN, mode=mode)
    new = image(sets, "dev/a", "1", seed="new").digest
    promote(sets, *CHAIN, mode=mode)
    found = now(sets)
    assert (found["b"], found["c"]) == (new, was["a"])


@pytest.mark.parametrize("mode", Mode)
def test_an_item_by_itself_is_no_chain(sets: Engine, was: dict[str, Digest], mode: Mode) -> None:
    """Alone it means what is there now."""
    promote(sets, *CHAIN, mode=mode)
    done = promote(sets, CHAIN[1], mode=mode)
    assert done.changed
    assert now(sets)["c"] == was["a"]


@pytest.mark.parametrize("mode", Mode)
def test_a_tag_that_stays_makes_no_chain_of_another_item(
    sets: Engine, was: dict[str, Digest], mode: Mode
) -> None:
    """E53: nothing came to it, so what is asked for beside it means what is there now."""
    promote(sets, *CHAIN, mode=mode)
    promote(sets, item("dev/b:1", "dev/b:1"), CHAIN[1], mode=mode)
    assert now(sets)["c"] == was["a"]


@pytest.mark.parametrize("staying", [item("dev/a", "dev/a"), item("dev", "dev")])
def test_a_repository_that_stays_makes_no_chain_of_another_item(
    sets: Engine, was: dict[str, Digest], staying: RequestItem
) -> None:
    """E53, E55: what came since is added, whatever else the set is about."""
    promote(sets, item("dev/a", "prod/x"))
    new = image(sets, "dev/a", "2", seed="new").digest
    promote(sets, staying, item("dev/a", "prod/x"))
    assert tags_of(sets, "prod/x") == {"1": was["a"], "2": new}


def test_a_swap_is_another_once_something_has_changed(sets: Engine, was: dict[str, Digest]) -> None:
    move(sets, *SWAP)
    new = image(sets, "dev/a", "1", seed="new").digest
    move(sets, *SWAP)
    assert now(sets) == {"a": was["a"], "b": new, "c": was["c"]}


def test_expectations_are_of_what_was_before_the_set(sets: Engine, was: dict[str, Digest]) -> None:
    """E47."""
    with pytest.raises(TagMoved):
        move(sets, CHAIN[0], item("dev/b:1", "dev/c:1", expect_source=was["a"]))
    move(
        sets,
        item("dev/a:1", "dev/b:1", expect_target=was["b"]),
        item("dev/b:1", "dev/c:1", expect_source=was["b"], expect_target=was["c"]),
    )
    assert now(sets) == {"a": None, "b": was["a"], "c": was["b"]}


@pytest.mark.parametrize("asked", [CHAIN, SWAP], ids=["chain", "swap"])
def test_a_chain_is_not_purged(
    sets: Engine, sets_store: MetadataStore, was: dict[str, Digest], asked: tuple[object, ...]
) -> None:
    """What leaves and what comes may share content."""
    before = rows(sets_store)
    with pytest.raises(PromotionInvalid, match="purge"):
        move(sets, *asked, purge=True)  # type: ignore[arg-type] # items
    assert rows(sets_store) == before


@ORDERS
def test_a_chain_of_whole_copies_shifts_by_one(
    sets: Engine, sets_store: MetadataStore, was: dict[str, Digest], step: int
) -> None:
    """A free name gets the rows that were there before, though they are merged into as well."""
    asked = item("dev/a", "dev/b"), item("dev/b", "prod/b")
    first = promote(sets, *asked[::step])
    assert tags_of(sets, "dev/b") == {"1": was["a"]}
    assert tags_of(sets, "prod/b") == {"1": was["b"]}
    again = promote(sets, *asked)
    assert (again.changed, again.id) == (False, first.id)
    image(sets, "dev/a", "1", seed="new")
    promote(sets, *asked)
    assert tags_of(sets, "prod/b") == {"1": was["a"]}


def test_a_chain_of_whole_copies_again_adds_what_came_to_its_middle(
    sets: Engine, was: dict[str, Digest]
) -> None:
    """E55: a fix that was pushed there must not wait for news at the chain's beginning."""
    asked = item("dev/a", "dev/b"), item("dev/b", "prod/b")
    promote(sets, *asked)
    fix = image(sets, "dev/b", "2", seed="fix").digest
    promote(sets, *asked)
    assert tags_of(sets, "prod/b") == {"1": was["a"], "2": fix}


def undo(engine: Engine) -> None:
    engine.undo(1, by="me")


def push_to_the_end(engine: Engine) -> None:
    image(engine, "dev/c", "1", seed="later")


def delete_at_the_end(engine: Engine) -> None:
    engine.delete_tag(RepositoryName("dev", "c"), "1", by="me")


@pytest.mark.parametrize("between", [undo, push_to_the_end, delete_at_the_end])
@pytest.mark.parametrize("is_right", [True, False], ids=["right", "other"])
def test_a_chain_of_whole_copies_is_done_again_once_its_end_is_another(
    sets: Engine, between: Callable[[Engine], None], *, is_right: bool
) -> None:
    """Contract 9: `unchanged` is what is there, also where the middle was right before."""
    first = image(sets, "dev/a", "1", seed="a").digest
    middle = image(sets, "dev/b", "1", seed="a" if is_right else "b").digest
    image(sets, "dev/c", "1", seed="c")
    asked = item("dev/a", "dev/b"), item("dev/b", "dev/c")
    promote(sets, *asked)
    between(sets)
    assert promote(sets, *asked).changed
    expected = middle if between is undo else first
    assert now(sets) == {"a": first, "b": first, "c": expected}


def test_a_referrer_deleted_at_the_end_of_a_chain_is_brought_again(sets: Engine) -> None:
    for name in ("dev/a", "dev/b", "dev/c"):
        built = image(sets, name, "1", seed="same")
    sbom = referrer(sets, built, name="dev/b")
    asked = item("dev/a", "dev/b"), item("dev/b", "dev/c")
    promote(sets, *asked)
    sets.delete_manifest(RepositoryName("dev", "c"), sbom.digest, by="me")
    assert promote(sets, *asked).changed
    found = sets.get_manifest(Reference(RepositoryName("dev", "c"), digest=sbom.digest))
    assert found.body == sbom.body


def test_what_else_comes_to_the_end_of_a_chain_shifts_nothing(
    sets: Engine, was: dict[str, Digest]
) -> None:
    """Other tags of the target are its own, before a retry as after it."""
    asked = item("dev/a", "dev/b"), item("dev/b", "dev/c")
    first = promote(sets, *asked)
    platforms(sets, "dev/c", "own", count=2, seed="own")
    again = promote(sets, *asked)
    assert (again.changed, again.id) == (False, first.id)
    assert now(sets) == {"a": was["a"], "b": was["a"], "c": was["b"]}


def test_a_chain_of_renames_again_moves_nothing_on(
    sets: Engine, sets_store: MetadataStore, was: dict[str, Digest]
) -> None:
    """A retry: what has taken another's place stays there, whatever was pushed to it since."""
    asked = item("dev/a", "dev/b"), item("dev/b", "prod/b")
    first = move(sets, *asked)
    image(sets, "dev/b", "2", seed="fix")
    before = contents(sets_store)
    again = move(sets, *asked)
    assert (again.changed, again.id) == (False, first.id)
    assert contents(sets_store) == before


@ORDERS
def test_a_chain_of_renames_shifts_by_one(
    sets: Engine, sets_store: MetadataStore, was: dict[str, Digest], step: int
) -> None:
    before = contents(sets_store)
    asked = item("dev/a", "dev/b"), item("dev/b", "prod/b")
    first = move(sets, *asked[::step])
    after = contents(sets_store)
    assert set(after) == {"dev/b", "dev/c", "prod/b"}
    assert (after["dev/b"], after["prod/b"]) == (before["dev/a"], before["dev/b"])
    again = move(sets, *asked)
    assert (again.changed, again.id) == (False, first.id)
    image(sets, "dev/a", "1", seed="new")
    move(sets, *asked)
    assert tags_of(sets, "prod/b") == {"1": was["a"]}


def test_a_chain_of_renames_beside_a_move_done_before_is_not_shifted_again(
    sets: Engine, sets_store: MetadataStore, was: dict[str, Digest]
) -> None:
    """Also if it leads to where that one began."""
    move(sets, item("dev/c", "prod/d"))
    asked = item("dev/c", "prod/d"), item("dev/a", "dev/b"), item("dev/b", "dev/c")
    settle(sets, sets_store, Mode.MOVE, *asked)
    assert tags_of(sets, "prod/d") == {"1": was["c"]}
    assert tags_of(sets, "dev/c") == {"1": was["b"]}
    image(sets, "dev/a", "1", seed="new")
    assert move(sets, *asked).changed
    assert tags_of(sets, "prod/d") == {"1": was["b"]}


def test_a_chain_of_renames_takes_along_what_came_after_a_move_done_before(
    sets: Engine, was: dict[str, Digest]
) -> None:
    """That move cannot have been part of what came later."""
    move(sets, item("dev/c", "prod/d"))
    image(sets, "dev/c", "2", seed="later")
    asked = item("dev/a", "dev/b"), item("dev/b", "dev/c")
    move(sets, *asked)
    assert move(sets, item("dev/c", "prod/d"), *asked).changed
    assert set(tags_of(sets, "prod/d")) == {"1", "2"}


def test_a_swap_of_names_again_changes_nothing(
    sets: Engine, sets_store: MetadataStore, was: dict[str, Digest]
) -> None:
    before = contents(sets_store)
    asked = item("dev/a", "dev/b"), item("dev/b", "dev/a")
    first = move(sets, *asked)
    swapped = contents(sets_store)
    assert (swapped["dev/a"], swapped["dev/b"]) == (before["dev/b"], before["dev/a"])
    again = move(sets, *asked)
    assert (again.changed, again.id) == (False, first.id)
    assert contents(sets_store) == swapped


def test_a_move_below_a_path_again_is_answered_by_the_first(sets: Engine) -> None:
    """Also if nothing is left to be selected; and what came back goes again."""
    for name in ("dev/team/a", "dev/team/b"):
        image(sets, name, "1", seed=name)
    first = move(sets, item("dev/team/**", "prod"))
    again = move(sets, item("dev/team/**", "prod"))
    assert (again.changed, again.id, len(again.items)) == (False, first.id, 2)
    new = image(sets, "dev/team/b", "2", seed="new")
    assert move(sets, item("dev/team/**", "prod")).changed
    assert tags_of(sets, "prod/team/b")["2"] == new.digest


def test_a_glob_moved_again_is_answered_by_the_first(sets: Engine, was: dict[str, Digest]) -> None:
    """Every way that it went."""
    asked = item("dev/a", "prod", "*"), item("dev/a", "test", "*", retag="v{tag}")
    first = move(sets, *asked)
    again = move(sets, *asked)
    assert (again.changed, again.id) == (False, first.id)
    assert {each.target for each in again.items} == {"prod/a:1", "test/a:v1"}


def test_attachment_tags_moved_by_themselves_are_moved_once(sets: Engine) -> None:
    signature = attachment(sets, image(sets, "dev/x", "1"), "first", name="dev/a")
    first = move(sets, item("dev/a", "prod", "*"))
    assert set(tags_of(sets, "prod/a")) == {signature.tag}
    again = move(sets, item("dev/a", "prod", "*"))
    assert (again.changed, again.id) == (False, first.id)
