"""Compare-and-set of tags and manifests: done where all is as expected, else refused whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from liftlock import ABSENT, ANYTHING, Digest, Reference, RepositoryName
from liftlock.engine import Engine
from liftlock.errors import (
    ManifestBlobUnknown,
    ManifestUnknown,
    RepositoryUnknown,
    TagMoved,
    Unsupported,
)
from liftlock.model import Condition, Expectation
from liftlock.testing.images import Built, image, index

DEV = RepositoryName("dev", "app")
OTHER = Digest.of(b"another")
MORE = frozenset(Digest.of(bytes((number,))) for number in range(9))


def at(*digests: Digest) -> Expectation:
    return Expectation(at=frozenset(digests))


def not_at(*digests: Digest) -> Expectation:
    return Expectation(not_at=frozenset(digests))


THERE = Expectation(at=ANYTHING)

Case = tuple[Callable[[Digest], Condition], bool, bool]
CASES: dict[str, Case] = {
    # What is expected of something, given its digest; if it holds while there, and while absent.
    "anything": (lambda _: ANYTHING, True, True),
    "nothing said": (lambda _: Expectation(), True, True),
    "the digest": (lambda here: here, True, False),
    "another digest": (lambda _: OTHER, False, False),
    "absent": (lambda _: ABSENT, False, True),
    "there": (lambda _: THERE, True, False),
    "one of several": (lambda here: at(OTHER, here), True, False),
    "one of others": (lambda _: at(*MORE), False, False),
    "at none": (lambda _: at(), False, False),
    "not at another": (lambda _: not_at(OTHER), True, True),
    "not at the digest": (lambda here: not_at(OTHER, here), False, True),
    "not at none": (lambda _: not_at(), True, True),
    "there, and not at another": (
        lambda _: Expectation(ANYTHING, frozenset((OTHER,))),
        True,
        False,
    ),
    "there, and not at the digest": (
        lambda here: Expectation(ANYTHING, frozenset((here,))),
        False,
        False,
    ),
    "there and absent": (lambda _: Expectation(ANYTHING, ANYTHING), False, False),
}
every_case = pytest.mark.parametrize(
    ("expected", "while_there", "while_absent"), CASES.values(), ids=CASES
)


def put(engine: Engine, reference: Reference, built: Built, expect: Condition, *tags: str) -> None:
    engine.put_manifest(
        reference, built.body, media_type=built.media_type, by="me", tags=tags, expect=expect
    )


def tags_of(engine: Engine) -> dict[str, Digest]:
    return {tag.name: tag.digest for tag in engine.list_tags(DEV).entries}


def judge(engine: Engine, act: Callable[[], object], *, holds: bool) -> None:
    """Do it where the expectation holds; else require that it is refused and leaves nothing."""
    if holds:
        act()
        return
    before, tags = engine.history(DEV), tags_of(engine)
    with pytest.raises(TagMoved):
        act()
    assert (engine.history(DEV), tags_of(engine)) == (before, tags)


@every_case
def test_a_tag_is_set_where_it_is_as_expected(
    engine: Engine,
    expected: Callable[[Digest], Condition],
    *,
    while_there: bool,
    while_absent: bool,
) -> None:
    old, new = image(engine, DEV, "1", seed="old"), image(engine, DEV, seed="new")
    want = expected(old.digest)
    judge(engine, lambda: put(engine, Reference(DEV, "2"), new, want), holds=while_absent)
    assert ("2" in tags_of(engine)) is while_absent
    judge(engine, lambda: put(engine, Reference(DEV, "1"), new, want), holds=while_there)
    assert tags_of(engine)["1"] == (new if while_there else old).digest


@every_case
def test_a_tag_is_deleted_where_it_is_as_expected(
    engine: Engine,
    expected: Callable[[Digest], Condition],
    *,
    while_there: bool,
    while_absent: bool,
) -> None:
    """One that is absent is unknown, whatever was expected (RFC 9110, 13.2.1)."""
    app = image(engine, DEV, "1")
    want = expected(app.digest)
    with pytest.raises(ManifestUnknown):
        engine.delete_tag(DEV, "2", by="me", expect=want)
    judge(engine, lambda: engine.delete_tag(DEV, "1", by="me", expect=want), holds=while_there)
    assert ("1" in tags_of(engine)) is not while_there


@every_case
def test_a_manifest_is_pushed_by_digest_where_it_is_as_expected(
    engine: Engine,
    expected: Callable[[Digest], Condition],
    *,
    while_there: bool,
    while_absent: bool,
) -> None:
    """With or without tags, the digest's presence is what is judged."""
    child = image(engine, DEV, "1")
    app = index(engine, DEV, None, [child])
    want = expected(app.digest)
    judge(engine, lambda: put(engine, app.by_digest, app, want, "1", "2"), holds=while_there)
    assert tags_of(engine).get("2") == (app.digest if while_there else None)
    engine.delete_manifest(DEV, app.digest, by="me")
    judge(engine, lambda: put(engine, app.by_digest, app, want, "3"), holds=while_absent)
    assert ("3" in tags_of(engine)) is while_absent


@every_case
def test_a_manifest_is_deleted_where_it_is_as_expected(
    engine: Engine,
    expected: Callable[[Digest], Condition],
    *,
    while_there: bool,
    while_absent: bool,
) -> None:
    app = image(engine, DEV, "1")
    want = expected(app.digest)
    with pytest.raises(ManifestUnknown):
        engine.delete_manifest(DEV, OTHER, by="me", expect=want)
    judge(
        engine,
        lambda: engine.delete_manifest(DEV, app.digest, by="me", expect=want),
        holds=while_there,
    )
    assert ("1" in tags_of(engine)) is not while_there


def test_of_several_tags_the_references_own_is_judged(engine: Engine) -> None:
    old, new = image(engine, DEV, "1", seed="old"), image(engine, DEV, "2", seed="new")
    with pytest.raises(TagMoved):
        put(engine, Reference(DEV, "1"), new, ABSENT, "3")
    assert "3" not in tags_of(engine)
    put(engine, Reference(DEV, "1"), new, old.digest, "2", "3")
    put(engine, Reference(DEV, "4"), new, ABSENT, "1")
    assert tags_of(engine) == dict.fromkeys("1234", new.digest)


def test_what_is_there_already_is_judged_all_the_same(engine: Engine) -> None:
    """Also where the push would change nothing: whoever asked was to be the one who made it."""
    app = image(engine, DEV, "1")
    with pytest.raises(TagMoved):
        put(engine, Reference(DEV, "1"), app, ABSENT)
    with pytest.raises(TagMoved):
        put(engine, app.by_digest, app, ABSENT)


def test_in_a_new_repository_a_tag_is_absent(engine: Engine) -> None:
    """And a refused push does not make the repository."""
    app = image(engine, "dev/elsewhere")
    with pytest.raises(TagMoved):
        put(engine, Reference(DEV, "1"), app, THERE)
    with pytest.raises(RepositoryUnknown):
        engine.get_repository(DEV)
    with pytest.raises(ManifestBlobUnknown):
        put(engine, Reference(DEV, "1"), app, ABSENT)
    with pytest.raises(RepositoryUnknown):
        engine.delete_tag(DEV, "1", by="me", expect=ABSENT)


def test_an_index_that_needs_it_is_the_better_reason(engine: Engine) -> None:
    child = image(engine, DEV)
    index(engine, DEV, "1", [child])
    with pytest.raises(Unsupported):
        engine.delete_manifest(DEV, child.digest, by="me", expect=ABSENT)


@pytest.mark.parametrize(
    ("expected", "says"),
    [
        (OTHER, f"dev/app:1 is at {{here}}, not at {OTHER} as expected."),
        (ABSENT, "dev/app:1 is at {here}, not absent as expected."),
        (at(), "dev/app:1 is at {here}, not elsewhere as expected."),
        (at(*MORE), "dev/app:1 is at {here}, not at one of 9 digests as expected."),
    ],
    ids=str,
)
def test_the_refusal_says_where_the_tag_is(engine: Engine, expected: Condition, says: str) -> None:
    app = image(engine, DEV, "1")
    with pytest.raises(TagMoved) as refused:
        engine.delete_tag(DEV, "1", by="me", expect=expected)
    assert str(refused.value).startswith(says.format(here=app.digest))
    assert "liftlock show dev/app:1" in str(refused.value)
    assert refused.value.found == str(app.digest)


def test_the_refusal_says_what_is_absent_and_what_is_there(engine: Engine) -> None:
    app, other = image(engine, DEV, "1"), image(engine, "dev/other", seed="other")
    for reference, built, expected, says in (
        (Reference(DEV, "2"), app, THERE, "dev/app:2 is absent, not there as expected."),
        (Reference(DEV, "2"), app, at(), "dev/app:2 is absent, not there as expected."),
        (app.by_digest, app, ABSENT, f"{app.by_digest} is there, not absent as expected."),
        (
            Reference(DEV, None, other.digest),
            other,
            other.digest,
            f"dev/app@{other.digest} is absent, not at {other.digest} as expected.",
        ),
    ):
        with pytest.raises(TagMoved) as refused:
            put(engine, reference, built, expected)
        assert str(refused.value).startswith(says)
