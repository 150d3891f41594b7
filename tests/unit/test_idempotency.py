"""Idempotency keys: the same call again is answered, and does nothing."""

from __future__ import annotations

import pytest

from liftlock import Limits, Mode
from liftlock.engine import Engine, PromotionRequest
from liftlock.errors import KeyReused, ManifestUnknown
from liftlock.metadata.contract import MetadataStore, Table
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import image
from liftlock.testing.states import item, move, promote, rows, tags_of

GLOB = item("dev/app", "prod", "*")
DAY = Limits().answer_keep_ms


@pytest.fixture(autouse=True)
def _images(sets: Engine) -> None:
    for tag in ("1", "2", "3"):
        image(sets, "dev/app", tag, seed=tag)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("asked", [GLOB, item("dev/app:1", "prod"), item("dev/app", "prod")])
def test_the_same_call_again_gets_the_first_answer(
    sets: Engine, sets_store: MetadataStore, clock: FakeClock, asked: object, mode: Mode
) -> None:
    """To the letter, though by now it would do something."""
    first = promote(sets, asked, mode=mode, key="k", comment="release")  # type: ignore[arg-type] # an item
    clock.advance(1000)
    image(sets, "dev/app", "1", seed="since")
    before = rows(sets_store)
    again = promote(sets, asked, mode=mode, key="k", comment="release")  # type: ignore[arg-type] # an item
    assert again == first
    assert rows(sets_store) == before


def test_a_swap_is_not_swapped_back(sets: Engine) -> None:
    """Even if something has happened to one of the tags since."""
    swap = item("dev/app:1", "dev:2"), item("dev/app:2", "dev:1")
    move(sets, *swap, key="k")
    there = tags_of(sets, "dev/app")
    image(sets, "dev/app", "3", seed="since")
    move(sets, *swap, key="k")
    assert tags_of(sets, "dev/app") | {"3": there["3"]} == there


@pytest.mark.parametrize(
    "options",
    [{"comment": "other"}, {"mode": Mode.MOVE}, {"plan": "0" * 32}],
    ids=["comment", "mode", "plan"],
)
def test_another_request_under_the_key_is_refused(
    sets: Engine, sets_store: MetadataStore, options: dict[str, object]
) -> None:
    promote(sets, GLOB, key="k")
    before = rows(sets_store)
    with pytest.raises(KeyReused):
        promote(sets, GLOB, key="k", **options)
    with pytest.raises(KeyReused):
        promote(sets, item("dev/app", "prod", "1"), key="k")
    assert rows(sets_store) == before


def test_each_caller_has_keys_of_its_own(sets: Engine) -> None:
    promote(sets, GLOB, key="k")
    other = promote(sets, item("dev/app", "test"), key="k", by="you")
    assert other.changed


def test_a_refusal_is_not_kept(sets: Engine) -> None:
    """The request may be right later."""
    with pytest.raises(ManifestUnknown):
        promote(sets, item("dev/app:9", "prod"), key="k")
    image(sets, "dev/app", "9", seed="9")
    assert promote(sets, item("dev/app:9", "prod"), key="k").changed


def test_a_dry_run_uses_no_key(sets: Engine, sets_store: MetadataStore) -> None:
    promote(sets, GLOB, key="k", dry_run=True)
    assert sets_store.read(lambda txn: list(txn.scan(Table.IDEMPOTENCY))) == []
    assert promote(sets, GLOB, key="k").changed


def test_an_answer_that_nothing_changed_is_kept_too(sets: Engine) -> None:
    promote(sets, GLOB)
    first = promote(sets, GLOB, key="k")
    image(sets, "dev/app", "4", seed="4")
    assert promote(sets, GLOB, key="k") == first
    assert "4" not in tags_of(sets, "prod/app")


def test_a_key_is_free_again_after_a_day(
    sets: Engine, sets_store: MetadataStore, clock: FakeClock
) -> None:
    """And the sweep removes what nobody can ask for any more, and only that."""
    promote(sets, GLOB, key="k")
    clock.advance(DAY - 1)
    assert promote(sets, GLOB, key="k").changed
    assert sets.sweep().rows == 0
    promote(sets, item("dev/app", "test"), key="later")
    clock.advance(1)
    assert sets.sweep().rows == 1
    assert len(sets_store.read(lambda txn: list(txn.scan(Table.IDEMPOTENCY)))) == 1
    image(sets, "dev/app", "4", seed="4")
    assert promote(sets, item("dev/app", "prod", "4"), key="k").changed


def test_a_key_that_is_over_is_free_before_the_sweep(sets: Engine, clock: FakeClock) -> None:
    promote(sets, GLOB, key="k")
    clock.advance(DAY)
    assert not promote(sets, GLOB, key="k").changed
    assert promote(sets, item("dev/app", "test"), key="k2").changed


def test_what_is_queued_has_keys_too(sets: Engine) -> None:
    request = PromotionRequest((item("dev/app:1", "prod"),))
    futures = [sets.submit_promotion(request, by="me", key="k") for _ in range(5)]
    answers = [future.result(10) for future in futures]
    assert len({answer.id for answer in answers}) == 1
    assert all(answer.changed for answer in answers)
    assert len(sets.list_promotions().entries) == 1


def test_what_is_kept_of_a_request_does_not_change_with_the_code(
    sets: Engine, sets_store: MetadataStore
) -> None:
    """Else a key that was used before an update of the server would be taken for another's."""
    promote(sets, item("dev/app:1", "prod/other:2"), key="k", comment="release")
    ((_, kept),) = rows(sets_store)[Table.IDEMPOTENCY]
    hashed = "9501b459213918a18c967bb6da476ef928b32eb6afd4024bb224a7e5bb6a01d7"
    assert kept[8:40].hex() == hashed
