"""Deleting what another is about to need: one of the two is refused, and no link lacks a record."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from rivals import changes, errors, in_order, tag

import liftlock
from liftlock import Digest, Mode, Reference, RepositoryName, Target
from liftlock.errors import (
    Conflict,
    LiftlockError,
    ManifestBlobUnknown,
    NotFound,
    PromotionInvalid,
    Unsupported,
)
from liftlock.testing import images

APP = RepositoryName("dev", "app")
PROD = RepositoryName("prod", "app")
BLOB = images.layer_of("", 0)
Operation = Callable[[liftlock.Engine], object]


class Race(NamedTuple):
    """What is there, two operations, and who must be refused when he comes second.

    None: both succeed.
    """

    before: Operation
    needs: Operation
    deletes: Operation
    needs_refused: type[LiftlockError] | None
    delete_refused: type[LiftlockError] | None


def nothing(engine: liftlock.Engine) -> None:
    """There is nothing yet."""


def have_image(engine: liftlock.Engine) -> images.Built:
    return images.image(engine, APP, "1", layers=1)


def have_blobs(engine: liftlock.Engine) -> None:
    """Have what an image needs, and not the image."""
    images.upload(engine, APP, BLOB)
    config = json.dumps({"architecture": "amd64", "os": "linux", "seed": ""}).encode()
    images.upload(engine, APP, config)


def built_elsewhere(build: Operation, folder: Path) -> images.Built:
    """Return what would be pushed, for its bytes."""
    with liftlock.open(folder, create=True) as engine:
        for registry in ("dev", "prod"):
            engine.create_registry(registry, by="me")
        return build(engine)


@pytest.fixture
def image(quick: Path) -> images.Built:
    return built_elsewhere(have_image, quick / "elsewhere")


def push_again(built: images.Built, tag_: str | None) -> Operation:
    return lambda engine: images.push(
        engine, built.name, tag_, built.body, media_type=built.media_type
    )


def run(store: Path, race: Race, *, is_delete_first: bool, together: bool) -> list[Future[Any]]:
    with liftlock.open(store) as engine:
        race.before(engine)
    order = [race.deletes, race.needs] if is_delete_first else [race.needs, race.deletes]
    first, second = in_order(store, order, together=together)
    assert first.exception() is None
    refused = race.needs_refused if is_delete_first else race.delete_refused
    assert type(second.exception()) is (refused or type(None)), second
    with liftlock.open(store) as engine:
        assert errors(engine) == []
    return [first, second]


def delete_manifest(digest: Digest) -> Operation:
    return lambda engine: engine.delete_manifest(APP, digest, by="me")


both_orders = pytest.mark.parametrize("is_delete_first", [True, False])
together_or_not = pytest.mark.parametrize("together", [True, False])


@both_orders
@together_or_not
def test_a_manifest_and_the_deletion_of_its_blob(
    store: Path, image: images.Built, *, is_delete_first: bool, together: bool
) -> None:
    race = Race(
        have_blobs,
        push_again(image, "1"),
        lambda engine: engine.delete_blob(APP, Digest.of(BLOB), by="me"),
        ManifestBlobUnknown,
        Unsupported,
    )
    run(store, race, is_delete_first=is_delete_first, together=together)
    with liftlock.open(store) as engine:
        assert (tag(engine, "dev/app:1") is None) == is_delete_first


@both_orders
@together_or_not
def test_an_index_and_the_deletion_of_its_child(
    store: Path, quick: Path, *, is_delete_first: bool, together: bool
) -> None:
    index = built_elsewhere(
        lambda engine: images.index(engine, APP, "1", [images.image(engine, APP, seed="child")]),
        quick / "index",
    )
    race = Race(
        lambda engine: images.image(engine, APP, seed="child"),
        push_again(index, "1"),
        delete_manifest(index.children[0].digest),
        ManifestBlobUnknown,
        Unsupported,
    )
    run(store, race, is_delete_first=is_delete_first, together=together)


@both_orders
@together_or_not
def test_a_manifest_and_the_deletion_of_itself(
    store: Path, image: images.Built, *, is_delete_first: bool, together: bool
) -> None:
    """Whoever comes last wins; a deleted one can be pushed again at once, its blobs are held."""
    race = Race(have_image, push_again(image, "2"), delete_manifest(image.digest), None, None)
    run(store, race, is_delete_first=is_delete_first, together=together)
    with liftlock.open(store) as engine:
        assert (tag(engine, "dev/app:2") is None) != is_delete_first
        assert tag(engine, "dev/app:1") is None


@both_orders
@together_or_not
def test_a_referrer_and_the_deletion_of_its_subject(
    store: Path, quick: Path, image: images.Built, *, is_delete_first: bool, together: bool
) -> None:
    """A referrer may come before its subject, or outlive it."""
    built = built_elsewhere(
        lambda engine: images.referrer(engine, have_image(engine)), quick / "referrer"
    )

    def have_all_but_the_referrer(engine: liftlock.Engine) -> None:
        images.referrer(engine, have_image(engine))
        engine.delete_manifest(APP, built.digest, by="me")

    race = Race(
        have_all_but_the_referrer,
        push_again(built, None),
        delete_manifest(image.digest),
        None,
        None,
    )
    run(store, race, is_delete_first=is_delete_first, together=together)
    with liftlock.open(store) as engine:
        listed = engine.list_referrers(APP, image.digest).entries
        assert [found.digest for found in listed] == [built.digest]


@both_orders
@together_or_not
def test_a_subject_and_the_deletion_of_its_referrer(
    store: Path, quick: Path, image: images.Built, *, is_delete_first: bool, together: bool
) -> None:
    built = built_elsewhere(
        lambda engine: images.referrer(engine, have_image(engine)), quick / "referrer"
    )

    def have_the_referrer(engine: liftlock.Engine) -> None:
        images.referrer(engine, have_image(engine))
        engine.delete_manifest(APP, image.digest, by="me")

    race = Race(
        have_the_referrer, push_again(image, "1"), delete_manifest(built.digest), None, None
    )
    run(store, race, is_delete_first=is_delete_first, together=together)


@both_orders
@together_or_not
@pytest.mark.parametrize("mode", Mode)
def test_a_promotion_and_the_deletion_of_its_source(
    store: Path, image: images.Built, mode: Mode, *, is_delete_first: bool, together: bool
) -> None:
    def promote(engine: liftlock.Engine) -> object:
        source = Reference(APP, "1")
        return engine.promote(source, Target("prod"), mode=mode, by="me")

    with_referrer = Race(
        lambda engine: images.referrer(engine, have_image(engine)),
        promote,
        delete_manifest(image.digest),
        liftlock.errors.ManifestUnknown,
        None,
    )
    run(store, with_referrer, is_delete_first=is_delete_first, together=together)
    with liftlock.open(store) as engine:
        assert (tag(engine, "prod/app:1") is None) == is_delete_first
        if not is_delete_first:
            assert len(engine.list_referrers(PROD, image.digest).entries) == 1


@both_orders
@together_or_not
@pytest.mark.parametrize("registry", ["dev", "prod"])
def test_a_promotion_and_the_deletion_of_a_registry(
    store: Path, registry: str, *, is_delete_first: bool, together: bool
) -> None:
    race = Race(
        have_image,
        lambda engine: engine.promote(Reference(APP, "1"), Target("prod"), by="me"),
        lambda engine: engine.delete_registry(registry, by="me", force=True),
        liftlock.errors.RegistryUnknown,
        None,
    )
    run(store, race, is_delete_first=is_delete_first, together=together)


@both_orders
@together_or_not
def test_a_mount_and_the_deletion_of_its_source(
    store: Path, *, is_delete_first: bool, together: bool
) -> None:
    """It found the blob, and then it is gone, or not: the mount says which."""
    digest = Digest.of(BLOB)
    race = Race(
        have_blobs,
        lambda engine: engine.mount_blob(PROD, digest, source=APP, by="me"),
        lambda engine: engine.delete_blob(APP, digest, by="me"),
        None,
        None,
    )
    done = run(store, race, is_delete_first=is_delete_first, together=together)
    mounted = done[is_delete_first].result()
    with liftlock.open(store) as engine:
        if is_delete_first:
            assert mounted is None
        else:
            assert images.read(engine, PROD, digest) == BLOB


@both_orders
@together_or_not
def test_an_undo_and_a_push_over_what_it_would_take_back(
    store: Path, image: images.Built, *, is_delete_first: bool, together: bool
) -> None:
    """An undo must not take away what was pushed there since."""

    def promoted(engine: liftlock.Engine) -> None:
        have_image(engine)
        engine.promote(Reference(APP, "1"), Target("prod"), by="me")

    race = Race(
        promoted,
        lambda engine: images.push(engine, PROD, "mine", image.body),
        lambda engine: engine.undo(1, by="me"),
        ManifestBlobUnknown,
        None,
    )
    run(store, race, is_delete_first=is_delete_first, together=together)
    with liftlock.open(store) as engine:
        found = tag(engine, "prod/app:mine")
        assert found == (None if is_delete_first else image.digest)
        if found:
            for blob in image.blobs:
                assert images.read(engine, PROD, blob)


class Troublemaker:
    """Pushes, promotes, undoes and deletes the same few images in the same few places."""

    names = tuple(images.repository(name) for name in ("dev/a", "dev/b", "prod/a", "prod/b"))
    tags = ("1", "2")

    def __init__(self, engine: liftlock.Engine, seed: int) -> None:
        self.engine = engine
        self.random = Random(seed)

    def work(self, times: int) -> int:
        """Do something that many times; return how often it was refused."""
        refused = 0
        actions = (
            *(self.push_with_referrer, self.push_index) * 2,
            *(self.promote, self.promote),
            *(self.undo, self.delete_manifest, self.delete_blob),
        )
        for _ in range(times):
            name = self.random.choice(self.names)
            try:
                self.random.choice(actions)(name, self.random.choice(self.tags))
            except (NotFound, Conflict, Unsupported, PromotionInvalid):
                refused += 1
        return refused

    def push_with_referrer(self, name: RepositoryName, tag_: str) -> None:
        images.referrer(self.engine, images.image(self.engine, name, tag_, seed=self.seed()))

    def push_index(self, name: RepositoryName, tag_: str) -> None:
        images.platforms(self.engine, name, tag_, seed=self.seed())

    def promote(self, name: RepositoryName, tag_: str) -> None:
        other = self.random.choice(self.names)
        target = Target(other.registry, other.repository, self.random.choice(self.tags))
        mode = self.random.choice(list(Mode))
        self.engine.promote(Reference(name, tag_), target, mode=mode, by="me")

    def undo(self, name: RepositoryName, tag_: str) -> None:
        done = self.engine.history(Reference(name, tag_), limit=1).entries
        if done and done[0].promotion:
            self.engine.undo(done[0].promotion, by="me")

    def delete_manifest(self, name: RepositoryName, tag_: str) -> None:
        found = self.engine.get_manifest(Reference(name, tag_))
        self.engine.delete_manifest(name, found.digest, by="me")

    def delete_blob(self, name: RepositoryName, tag_: str) -> None:
        del tag_
        self.engine.delete_blob(name, Digest.of(images.layer_of(self.seed(), 0)), by="me")

    def seed(self) -> str:
        return self.random.choice("xy")


def test_everything_at_once_by_chance(store: Path) -> None:
    with liftlock.open(store) as engine, ThreadPoolExecutor(6) as pool:
        refused = list(pool.map(lambda seed: Troublemaker(engine, seed).work(60), range(6)))
        assert 0 < sum(refused) < 6 * 60
        assert errors(engine) == []
        for name in Troublemaker.names:
            for tag_ in Troublemaker.tags:
                changes(engine, f"{name}:{tag_}")
