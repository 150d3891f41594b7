"""Promotions that share a commit are planned together, and nobody can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftlock import PromotionCall, PromotionRequest, RequestItem, Selection, Target, seals
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.errors import (
    KeyReused,
    LiftlockError,
    ManifestUnknown,
    RegistryUnknown,
    TextInvalid,
)
from liftlock.metadata.contract import Table
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Mode, Outcome, Promotion, RegistrySettings
from liftlock.oci.reference import RepositoryName
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import attachment, image, index, referrer

Ask = tuple[PromotionRequest, str | None]


def asked(
    source: str,
    target: str,
    key: str | None = None,
    mode: Mode = Mode.COPY,
    *,
    allow_sparse: bool = False,
) -> Ask:
    item = RequestItem(Selection.parse(source), Target.parse(target))
    return PromotionRequest((item,), mode, allow_sparse=allow_sparse), key


@pytest.fixture
def engines() -> Iterator[tuple[Engine, Engine]]:
    """Two that hold the same."""
    made = new_engine(), new_engine()
    yield made
    for engine in made:
        assert list(engine.check(content=True)) == []
        engine.close()


def new_engine() -> Engine:
    clock = FakeClock()
    engine = Engine(
        MemoryMetadataStore(clock, seals.seal), MemoryBlobStore(clock=clock), clock=clock
    )
    for registry in ("dev", "qa", "prod"):
        wanted = RegistrySettings(allow_sparse=registry != "qa")
        engine.create_registry(registry, wanted, by="me")
    some = [
        image(engine, "dev/app", f"v{number}", seed=str(number // 2), layers=2 + number)
        for number in range(4)
    ]
    index(engine, "prod/app", "holes", some[1:])
    index(engine, "dev/web", "holes", some[:2])
    image(engine, "dev/gap", "hole", seed="hole", absent=(b"absent", b"gone"))
    image(engine, "prod/app", "waits", seed="waits", absent=(b"absent",))
    image(engine, "dev/web", "fills", seed="fills", contents=[b"absent"])
    plain = image(engine, "dev/app", "sbomed", seed="sbomed")
    referrer(engine, plain, seed="sbom")
    signed = image(engine, "dev/app", "signed", seed="signed")
    attachment(engine, signed, "signature")
    index(engine, "dev/app", "multi", [image(engine, "dev/app", seed=seed) for seed in "xy"])
    foreign = {"foreign": (b"windows",)}
    image(engine, "dev/app", "windows", seed="w", **foreign)
    image(engine, "dev/web", "v1", seed="web", layers=3)
    image(engine, "dev/web", "owns", seed="owns", contents=[b"windows"])
    image(engine, "prod/app", "old", seed="old")
    image(engine, "prod/app", "v0", seed="other")
    image(engine, "qa/app", "v9", seed="qa")
    return engine


def in_turn(engine: Engine, asks: Sequence[Ask]) -> list[object]:
    return [attempt(lambda a=ask: submit(engine, a).result()) for ask in asks]


def at_once(engine: Engine, asks: Sequence[Ask]) -> list[object]:
    """Ask for all in one call, so that they share a commit."""
    calls = [PromotionCall(request, "me", "go", key=key) for request, key in asks]
    return [attempt(partial(raised_or_returned, each)) for each in engine.promote_each(calls)]


def raised_or_returned(outcome: Promotion | Exception) -> Promotion:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def submit(engine: Engine, ask: Ask) -> Future[Promotion]:
    return engine.submit_promotion(ask[0], by="me", comment="go", key=ask[1])


def attempt(act: Callable[[], object]) -> object:
    try:
        return act()
    except LiftlockError as error:
        return type(error), str(error)


def state(engine: Engine) -> dict[Table, dict[bytes, bytes]]:
    """All that is stored, but for what tells how many commits there were, and files' names."""
    tables = engine._store.committed[0]  # type: ignore[attr-defined]
    left_out = {
        Table.SEALS,
        Table.META,
        Table.REPOSITORIES,
        Table.BLOBS,
        Table.ENDED,
        Table.SECRETS,
    }
    return {table: dict(tables[table].rows) for table in Table if table not in left_out}


def test_what_cannot_be_asked_keeps_no_other_from_being_done(engines) -> None:
    engine, _ = engines
    (good, _), (other, _) = PLAIN[:2]
    calls = [
        PromotionCall(good, "me"),
        PromotionCall(other, "\ud800"),
        PromotionCall(other, "me", "x" * 100_000),
        PromotionCall(other, "me"),
    ]
    kinds = [type(outcome) for outcome in engine.promote_each(calls)]
    assert kinds == [Promotion, TextInvalid, TextInvalid, Promotion]
    assert [promotion.id for promotion in engine.list_promotions().entries] == [2, 1]


PLAIN = [asked(f"dev/app:v{number}", "prod") for number in range(4)]


def test_plain_ones_are_planned_together(engines, monkeypatch) -> None:
    engine, _ = engines
    plans: list[object] = []
    monkeypatch.setattr("liftlock.promoting.planned", lambda *args, **_: plans.append(args))
    answers = at_once(engine, PLAIN)
    assert plans == []
    assert [answer.items[0].action for answer in answers] == [
        Outcome.OVERWRITE,
        *[Outcome.CREATE] * 3,
    ]
    assert [answer.id for answer in answers] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "asks",
    [
        PLAIN,
        [*PLAIN, *PLAIN],
        [asked("dev/app:sbomed", "prod"), asked("dev/app:multi", "prod"), *PLAIN],
        [asked("dev/app:windows", "prod"), asked("dev/app:windows", "prod:w2"), *PLAIN],
        [*PLAIN, asked("dev/web:v1", "prod/app:web"), asked("dev/web:v1", "prod/app:web2")],
        [asked("dev/app:v1", "qa"), asked("dev/web:v1", "prod/app:web"), *PLAIN],
        [
            *PLAIN,
            asked("dev/web:holes", "prod/app:h1"),
            asked("dev/web:holes", "qa/app:h1"),
            asked("dev/web:holes", "qa/app:h1", allow_sparse=True),
        ],
        [PLAIN[0], PLAIN[3], asked("dev/web:holes", "prod/app:h1", allow_sparse=True)],
        [
            *PLAIN,
            asked("dev/web:fills", "prod/app:f1"),
            asked("dev/web:fills", "prod/app:f2"),
            asked("dev/gap:hole", "prod/app"),
            asked("dev/gap:hole", "prod/app", allow_sparse=True),
        ],
    ],
    ids=[
        "plain",
        "repeated",
        "referrers and children",
        "foreign",
        "two sources",
        "two targets",
        "sparse",
        "sparse and meant",
        "absent blobs",
    ],
)
def test_it_is_as_if_one_came_after_the_other(engines, asks: list[Ask]) -> None:
    one, other = engines
    assert at_once(one, asks) == in_turn(other, asks)
    assert state(one) == state(other)


def test_what_one_only_names_another_may_bring(engines) -> None:
    """Rows of the one have its event, whoever makes them grant."""
    engine, _ = engines
    asks = [asked("dev/app:windows", "prod"), asked("dev/web:owns", "prod/app:w2")]
    named, brought = at_once(engine, asks)
    assert (named.linked, brought.linked) == (1, 1)
    assert [*engine.check(content=True)] == []


def outcome(answer: object) -> object:
    """What an answer says, but for the number."""
    return answer._replace(id=None) if isinstance(answer, Promotion) else answer


def tags(engine: Engine) -> dict[str, dict[str, str]]:
    return {
        name: {tag.name: str(tag.digest) for tag in engine.list_tags(parsed).entries}
        for registry in ("dev", "qa", "prod")
        for repository in engine.list_repositories(registry).entries
        for parsed, name in [(repository.name, str(repository.name))]
    }


SOURCES = ["dev/app:v0", "dev/app:v1", "dev/app:signed", "dev/app:multi", "dev/web:v1", "dev/app:x"]
SOURCES += ["prod/app:old", "qa/app:v9", "none/app:v1", "dev/web:holes", "prod/app:holes"]
SOURCES += ["dev/gap:hole", "dev/web:fills", "dev/app:windows", "dev/web:owns"]
TARGETS = ["prod", "prod/app:t", "qa/app:t", "qa/new", "none", "dev/app:t"]
any_ask = st.builds(
    asked,
    st.sampled_from(SOURCES),
    st.sampled_from(TARGETS),
    st.sampled_from([None, None, "k1", "k2"]),
    st.sampled_from([Mode.COPY, Mode.COPY, Mode.COPY, Mode.MOVE]),
    allow_sparse=st.booleans(),
)


@given(st.lists(any_ask, min_size=2, max_size=8))
def test_any_that_share_a_commit_leave_what_some_order_of_them_leaves(asks: list[Ask]) -> None:
    """Those that go together come before the others: that is the order that counts."""
    one, other = new_engine(), new_engine()
    answers = at_once(one, asks)
    numbers = [a.id if isinstance(a, Promotion) and a.changed else 0 for a in answers]
    order = sorted(range(len(asks)), key=lambda place: (numbers[place] or 10**9, place))
    again = in_turn(other, [asks[place] for place in order])
    done = [place for place in order if numbers[place]]
    assert tags(one) == tags(other) or len(done) < len(asks)
    for place, answer in zip(order, again, strict=True):
        if numbers[place]:
            assert outcome(answers[place]) == outcome(answer)
    assert list(one.check(content=True)) == []


def test_one_that_fails_fails_alone(engines) -> None:
    engine, _ = engines
    answers = at_once(
        engine, [PLAIN[0], asked("dev/app:gone", "prod"), PLAIN[1], asked("dev/app:v2", "nowhere")]
    )
    assert answers[0].changed
    assert answers[2].changed
    assert answers[1][0] is ManifestUnknown
    assert answers[3][0] is RegistryUnknown
    assert engine.get_promotion(2).items[0].target == "prod/app:v1"


def test_a_chain_is_gone_through_in_order(engines) -> None:
    """What somebody promotes may be what another one's promotion is about to make."""
    engine, _ = engines
    answers = at_once(
        engine, [asked("dev/app:v3", "prod/app:next"), asked("prod/app:next", "qa/app:next")]
    )
    assert [answer.items[0].action for answer in answers] == [Outcome.CREATE] * 2


def test_a_key_that_comes_twice_gets_one_promotion(engines) -> None:
    engine, _ = engines
    ask = asked("dev/app:v1", "prod", "key")
    first, second, other, reused = at_once(
        engine, [ask, ask, asked("dev/app:v2", "prod"), asked("dev/app:v3", "prod", "key")]
    )
    assert first == second
    assert other.changed
    assert reused[0] is KeyReused
    assert len(engine.list_promotions().entries) == 2


def test_the_second_to_one_tag_comes_second(engines) -> None:
    """E63: both are in the history; what the second replaces is what the first had set."""
    engine, _ = engines
    first, second = at_once(
        engine, [asked("dev/app:v1", "prod/app:t"), asked("dev/app:v3", "prod/app:t")]
    )
    assert second.items[0].previous_digest == first.items[0].digest
    name = RepositoryName("prod", "app")
    assert {t.name: t.digest for t in engine.list_tags(name).entries}["t"] == (
        second.items[0].digest
    )


def test_each_can_be_undone_by_itself(engines) -> None:
    engine, _ = engines
    done = at_once(engine, [asked(f"dev/app:v{number}", "prod/app") for number in range(4)])
    for promotion in done[::2]:
        engine.undo(promotion.id, by="me")
    found = {tag.name for tag in engine.list_tags(RepositoryName("prod", "app")).entries}
    assert found == {"holes", "old", "v0", "v1", "v3", "waits"}


def test_what_they_share_is_counted_once(engines) -> None:
    one, other = engines
    at_once(one, PLAIN)
    in_turn(other, PLAIN)
    name = RepositoryName("prod", "app")
    assert one.get_repository(name).usage == other.get_repository(name).usage
    assert one.get_registry("prod").usage == other.get_registry("prod").usage
