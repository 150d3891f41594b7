"""Where some content is, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from liftlock import Limits, Mode, RepositoryName, Target
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.errors import PageInvalid
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Kind, SettingsChange, Whereabouts
from liftlock.oci.digest import SHA512, Digest
from liftlock.testing.clock import SOME_DAY, FakeClock
from liftlock.testing.counting import CountingStore
from liftlock.testing.images import Built, image, index, platforms, push, referrer, upload

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")


def limited(engine: Engine, **limits: int) -> Engine:
    return Engine(engine._store, engine._blobs, limits=Limits(**limits), clock=engine._clock)


def everywhere(engine: Engine, digest: Digest, limit: int | None = None) -> Iterator[Whereabouts]:
    after: str | None = ""
    while after is not None:
        found = engine.where(digest, after=after, limit=limit)
        yield from found.entries
        after = found.cursor


def names(found: Iterator[Whereabouts]) -> list[str]:
    return [str(each.repository) for each in found]


def entry(name: RepositoryName, kind: Kind, **why: object) -> Whereabouts:
    return replace(Whereabouts(name, kind, (), (), None, None, is_complete=True), **why)  # type: ignore[arg-type]


def test_what_nobody_has_is_nowhere(engine: Engine) -> None:
    image(engine, DEV, "1")
    found = engine.where(Digest.of(b"nobody has this"))
    assert (found.entries, found.cursor) == ((), None)


def test_a_manifest_is_where_it_is_tagged_and_why(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    engine.promote(app.reference, Target("prod"), by="me")
    engine.promote(app.reference, Target("prod", None, "stable"), by="me")
    assert engine.where(app.digest).entries == (
        entry(DEV, Kind.MANIFEST, tags=("1",)),
        entry(PROD, Kind.MANIFEST, tags=("1", "stable")),
    )


def test_a_child_is_there_for_its_indexes(engine: Engine) -> None:
    multi = platforms(engine, DEV, "1", count=2)
    (found,) = engine.where(multi.children[0].digest).entries
    # It was pushed before its index, and is held since.
    expected = entry(DEV, Kind.MANIFEST, parents=(multi.digest,), held_since=SOME_DAY)
    assert found == expected


def test_a_referrer_is_there_for_its_subject(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    sbom = referrer(engine, app)
    (found,) = engine.where(sbom.digest).entries
    assert (found.subject, found.tags, found.parents) == (app.digest, (), ())


def test_a_blob_is_there_for_the_manifests_that_name_it(engine: Engine) -> None:
    images = [image(engine, DEV, n, seed=n, contents=[b"base"]) for n in "12345"]
    (found,) = engine.where(Digest.of(b"base")).entries
    assert found.kind is Kind.BLOB
    assert found.parents == tuple(each.digest for each in images), "in the order of their links"


def test_a_blob_that_was_only_uploaded_is_held(engine: Engine, clock: FakeClock) -> None:
    clock.advance(1000)
    lonely = upload(engine, DEV, b"lonely", algorithm=SHA512)
    assert engine.where(lonely).entries == (entry(DEV, Kind.BLOB, held_since=clock.now),)


def test_what_is_only_named_is_not_there(engine: Engine) -> None:
    """Neither a foreign layer nor a sparse child is granted by being named (E12)."""
    engine.update_registry("dev", SettingsChange(allow_sparse=True), by="me")
    child = image(engine, "test/app", "1")
    image(engine, DEV, "1", foreign=[b"windows"])
    index(engine, DEV, "2", [child])
    assert engine.where(Digest.of(b"windows")).entries == ()
    assert names(iter(engine.where(child.digest).entries)) == ["test/app"]


def test_the_same_bytes_may_be_a_manifest_and_a_blob(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    upload(engine, DEV, app.body)
    kinds = [each.kind for each in engine.where(app.digest, limit=1).entries]
    assert kinds == [Kind.MANIFEST, Kind.BLOB]


def test_what_was_deleted_or_moved_away_is_not_there(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    image(engine, "dev/other", "1")
    image(engine, "test/app", "1")
    engine.delete_repository(RepositoryName("dev", "other"), by="me")
    engine.delete_registry("test", by="me", force=True)
    engine.promote(app.reference, Target("prod"), by="me", mode=Mode.MOVE, purge=True)
    assert names(everywhere(engine, app.digest)) == ["prod/app"]


def test_more_reasons_than_are_listed_are_told_to_be_there(engine: Engine) -> None:
    app = image(engine, DEV)
    for number in range(4):
        push(engine, DEV, f"t{number}", app.body)
    (found,) = limited(engine, reasons_listed_max=3).where(app.digest).entries
    assert (found.tags, found.is_complete) == (("t0", "t1", "t2"), False)
    (found,) = limited(engine, reasons_listed_max=4).where(app.digest).entries
    assert (len(found.tags), found.is_complete) == (4, True)


@pytest.fixture
def spread(engine: Engine) -> Built:
    """An image in every third of some repositories, among registries that have none."""
    for number in range(5):
        engine.create_registry(f"empty{number}", by="me")
    for number in range(12):
        image(engine, f"dev/a{number:02}", "1", seed="" if number % 3 == 0 else "other")
    return image(engine, "prod/a", "1")


WHERE = ["dev/a00", "dev/a03", "dev/a06", "dev/a09", "prod/a"]


@pytest.mark.parametrize("looked_at", [1, 2, 5, 1000])
@pytest.mark.parametrize("limit", [1, 2, None])
def test_a_search_goes_on_by_cursor(
    engine: Engine, spread: Built, looked_at: int, limit: int | None
) -> None:
    few = limited(engine, where_repositories_max=looked_at)
    assert names(everywhere(few, spread.digest, limit)) == WHERE


def test_what_is_just_enough_is_all(engine: Engine, spread: Built) -> None:
    assert engine.where(spread.digest, limit=len(WHERE)).cursor is None
    assert engine.where(spread.digest, limit=len(WHERE) - 1).cursor == WHERE[-2]


def test_one_call_looks_at_no_more_than_it_may(engine: Engine, spread: Built) -> None:
    """Also among registries that have no repository: it may find nothing, and go on."""
    few = limited(engine, where_repositories_max=2)
    found = few.where(spread.digest, after="dev/a10")
    assert found.entries == ()
    assert found.cursor is not None
    assert len(few.where(spread.digest).entries) == 1


def test_a_cursor_need_not_exist(engine: Engine, spread: Built) -> None:
    for after in ("dev/a02x", "dev/a03", "dex", "dez/no"):
        found = names(iter(engine.where(spread.digest, after=after).entries))
        assert found == [name for name in WHERE if name > after], after


def test_of_nothing_asked_nothing_is_found(engine: Engine, spread: Built) -> None:
    nothing = engine.where(spread.digest, limit=0)
    assert (nothing.entries, nothing.cursor) == ((), None)
    with pytest.raises(PageInvalid):
        engine.where(spread.digest, limit=-1)


def test_calls_do_not_grow_with_repositories(
    engine: Engine, store: MemoryMetadataStore, blobs: MemoryBlobStore
) -> None:
    counting = CountingStore(store)
    counted = Engine(counting, blobs)
    app = image(engine, "dev/a", "1")
    found = {}
    for size in (2, 20):
        for number in range(size):
            image(engine, f"dev/app{number}", "1")
        counting.reset()
        assert len(counted.where(app.digest).entries) == size + 1
        found[size] = dict(counting.calls)
    assert found[2] == found[20]
