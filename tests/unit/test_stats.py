"""Totals are right whatever happens: every test ends with a recount, here and by `check`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from liftlock import Digest, Limits, Mode, RepositoryName, Target
from liftlock.blobs.contract import digest_of
from liftlock.engine import Engine
from liftlock.metadata.checksum import CHECKSUM_BYTES
from liftlock.metadata.contract import Table
from liftlock.metadata.keys import split_small
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Stats
from liftlock.oci.reference import Reference, Selection
from liftlock.testing.clock import FakeClock
from liftlock.testing.counting import CountingStore
from liftlock.testing.images import image, platforms, push, referrer, upload
from liftlock.testing.states import contents

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")


def recounted(engine: Engine, store: MemoryMetadataStore) -> Stats:
    """What a walk over everything gives."""
    there = contents(store).values()
    stored = {str(digest_of(blob.locator)): blob.size for blob in engine._blobs.iter_blobs()}
    small = store.read(lambda txn: list(txn.scan(Table.SMALL)))
    stored |= {
        str(Digest(split_small(key)[1])): len(value) - CHECKSUM_BYTES for key, value in small
    }
    linked = {digest for content in there for digest in content.manifests}
    return Stats(
        registries=len(engine.list_registries().entries),
        repositories=len(there),
        tags=sum(len(content.tags) for content in there),
        manifests=len(linked),
        blobs=len(stored),
        bytes_logical=sum(content.counts[-1] for content in there),
        bytes_stored=sum(stored.values()),
    )


def test_an_empty_store_has_nothing(engine: Engine) -> None:
    assert engine.stats() == Stats(3, 0, 0, 0, 0, 0, 0)
    assert engine.stats().dedup_ratio is None


def test_content_counts_once_in_the_store_and_once_a_repository(engine: Engine) -> None:
    app = image(engine, DEV, "1", layers=2)
    alone = engine.stats()
    assert alone == Stats(3, 1, 1, 1, 3, alone.bytes_stored, alone.bytes_stored)
    assert alone.dedup_ratio == 1
    engine.promote(app.reference, Target("prod"), by="me")
    both = engine.stats()
    assert both == Stats(3, 2, 2, 1, 3, 2 * alone.bytes_stored, alone.bytes_stored)
    assert both.dedup_ratio == 2


def test_what_is_pushed_again_is_not_stored_again(engine: Engine) -> None:
    image(engine, DEV, "1")
    before = engine.stats()
    image(engine, DEV, "1")
    assert engine.stats() == before
    image(engine, "test/app", "1")
    after = engine.stats()
    assert (after.manifests, after.blobs, after.bytes_stored) == (
        before.manifests,
        before.blobs,
        before.bytes_stored,
    )


def test_a_damaged_file_that_is_replaced_counts_once(filing: Engine) -> None:
    """A record that is only located elsewhere is no new one."""
    upload(filing, DEV, b"layer")
    before = filing.stats()
    (stored,) = filing._blobs.iter_blobs()
    filing._blobs.remove(stored.locator)
    upload(filing, DEV, b"layer")
    (replaced,) = filing._blobs.iter_blobs()
    assert replaced.locator != stored.locator
    assert filing.stats() == before


def test_a_manifest_that_was_deleted_everywhere_is_stored_still(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    engine.delete_manifest(DEV, app.digest, by="me")
    assert engine.stats().manifests == 1
    push(engine, DEV, "2", app.body)
    assert engine.stats().manifests == 1


def rename(engine: Engine) -> None:
    engine.promote(Selection("dev", "app"), Target("prod", "web"), by="me", mode=Mode.MOVE)


def copy(engine: Engine) -> None:
    engine.promote(Selection("dev", "app"), Target("prod", "web"), by="me")


def merge(engine: Engine) -> None:
    image(engine, "prod/web", "other", seed="other")
    rename(engine)


def copy_and_undo(engine: Engine) -> None:
    copy(engine)
    engine.undo(1, by="me")


def rename_and_undo(engine: Engine) -> None:
    rename(engine)
    engine.undo(1, by="me")


def merge_and_undo(engine: Engine) -> None:
    merge(engine)
    engine.undo(1, by="me")


def promote_and_undo(engine: Engine) -> None:
    engine.promote(Reference(DEV, "multi"), Target("prod"), by="me", mode=Mode.MOVE)
    engine.undo(1, by="me")


def purge(engine: Engine) -> None:
    engine.promote(Reference(DEV, "multi"), Target("prod"), by="me", mode=Mode.MOVE, purge=True)


def delete_repository(engine: Engine) -> None:
    engine.delete_repository(DEV, by="me")


def delete_registry(engine: Engine) -> None:
    engine.promote(Selection("dev", "app"), Target("test"), by="me")
    engine.delete_registry("dev", by="me", force=True)


def delete_registry_and_make_it_again(engine: Engine) -> None:
    delete_registry(engine)
    engine.create_registry("dev", by="me")
    image(engine, DEV, "again")


def delete_a_tag_and_a_blob(engine: Engine) -> None:
    engine.delete_tag(DEV, "1", by="me")
    engine.delete_blob(DEV, upload(engine, DEV, b"lonely"), by="me")


DEEDS = [
    rename,
    copy,
    merge,
    copy_and_undo,
    rename_and_undo,
    merge_and_undo,
    promote_and_undo,
    purge,
    delete_repository,
    delete_registry,
    delete_registry_and_make_it_again,
    delete_a_tag_and_a_blob,
]


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_totals_are_what_a_recount_gives(
    engine: Engine, store: MemoryMetadataStore, clock: FakeClock, deed: Callable[[Engine], None]
) -> None:
    """And a sweep changes nothing of them: what it removes counts no more."""
    referrer(engine, image(engine, DEV, "1"))
    platforms(engine, DEV, "multi")
    image(engine, "prod/other", "1")
    deed(engine)
    before = engine.stats()
    expected = recounted(engine, store)
    # Of what no repository has any more, the bytes are there until they are collected.
    assert before.manifests >= expected.manifests
    assert before == Stats(
        expected.registries,
        expected.repositories,
        expected.tags,
        before.manifests,
        expected.blobs,
        expected.bytes_logical,
        expected.bytes_stored,
    )
    clock.advance(Limits().hold_ms + 1)
    engine.sweep()
    assert engine.stats() == before


def test_what_it_costs_does_not_grow_with_content(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    counting = CountingStore(store)
    counted = Engine(counting, engine._blobs)
    image(engine, DEV, "1")
    counted.stats()
    few = dict(counting.calls)
    for number in range(20):
        image(engine, f"dev/app{number}", "1", seed=str(number))
    counting.reset()
    counted.stats()
    assert dict(counting.calls) == few
