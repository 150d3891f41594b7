"""Blobs are known to holder rows by numbers, which are in their records and stay what they are."""

from __future__ import annotations

import pytest

from liftlock import Digest, Limits, Reference, RepositoryName, Selection, Target
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.errors import BlobUnknown, ManifestBlobUnknown, RecordCorrupt
from liftlock.metadata import keys
from liftlock.metadata.contract import Table
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.metadata.records import AS_A_FILE, AS_A_ROW, BlobRecord, decoded
from liftlock.model import SettingsChange
from liftlock.testing.images import image, push, read, upload

DEV, PROD, TEST = (RepositoryName(name, "app") for name in ("dev", "prod", "test"))
CONTENT = b"content"
DIGEST = Digest.of(CONTENT)


def record_of(store: MemoryMetadataStore, digest: Digest) -> BlobRecord:
    value = store.read(lambda txn: txn.get(Table.BLOBS, digest.key))
    assert value is not None
    return decoded(BlobRecord.decode, Table.BLOBS, digest.key, value)


def numbers_in_rows(store: MemoryMetadataStore, digest: Digest) -> set[int]:
    """Under which numbers rows have a blob; 0 where they only name it."""
    rows = store.read(lambda txn: [keys.split_holder(key) for key, _ in txn.scan(Table.HOLDERS)])
    return {keys.last_id(row.number) for row in rows if row.digest == digest.key}


def has(engine: Engine, name: RepositoryName, digest: Digest = DIGEST) -> bool:
    try:
        return engine.get_blob(name, digest).digest == digest
    except BlobUnknown:
        return False


def damage(store: MemoryMetadataStore, digest: Digest, at: int) -> None:
    """Flip a bit of a blob's record."""

    def flip(value: bytes) -> bytes:
        broken = bytearray(value)
        broken[at] ^= 1
        return bytes(broken)

    value = store.read(lambda txn: txn.get(Table.BLOBS, digest.key))
    assert value is not None
    store.write(lambda txn: txn.put_many(Table.BLOBS, [(digest.key, flip(value))]))


def lose(store: MemoryMetadataStore, digest: Digest) -> None:
    """Lose a blob's record alone, as no commit of ours does."""
    store.write(lambda txn: txn.delete_many(Table.BLOBS, [digest.key]))


# --- one number a blob --------------------------------------------------------------------------


def test_numbers_rise_in_the_order_of_arrival(engine: Engine, store: MemoryMetadataStore) -> None:
    digests = [upload(engine, DEV, content) for content in (b"c", b"a", b"b")]
    assert [record_of(store, digest).number for digest in digests] == [1, 2, 3]
    assert [numbers_in_rows(store, digest) for digest in digests] == [{1}, {2}, {3}]


def test_who_has_it_too_knows_it_by_the_same_number(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    """Pushed again, mounted, promoted, copied with its repository, merged."""
    app = image(engine, DEV, "1", contents=[CONTENT])
    number = record_of(store, DIGEST).number
    upload(engine, RepositoryName("dev", "again"), CONTENT)
    engine.mount_blob(RepositoryName("dev", "mounted"), DIGEST, source=DEV, by="me")
    engine.promote(app.reference, Target.parse("prod"), by="me")
    for target in ("test/copy", "prod/app"):
        engine.promote(Selection.parse("dev/app"), Target.parse(target), by="me")
    assert numbers_in_rows(store, DIGEST) == {number}
    assert record_of(store, DIGEST).number == number


@pytest.mark.parametrize("becomes", [AS_A_FILE, AS_A_ROW])
@pytest.mark.parametrize("was", [AS_A_FILE, AS_A_ROW])
def test_it_stays_when_the_blob_is_mended(
    unchecked: Engine, store: MemoryMetadataStore, blobs: MemoryBlobStore, was: int, becomes: int
) -> None:
    """Also from a file to a row, and the other way round: rows everywhere go on granting it."""
    engines = {
        kind: Engine(store, blobs, clock=unchecked._clock, limits=Limits(file_bytes_min=least))
        for kind, least in ((AS_A_FILE, 0), (AS_A_ROW, 1000))
    }
    upload(engines[was], TEST, b"another, so that this is not the first")
    upload(engines[was], DEV, CONTENT)
    before = record_of(store, DIGEST)
    if was == AS_A_FILE:
        blobs.remove(before.locator)
    else:
        small = keys.small_key(before.put_at, DIGEST.key)
        store.write(lambda txn: txn.delete_many(Table.SMALL, [small]))
    upload(engines[becomes], PROD, CONTENT)
    after = record_of(store, DIGEST)
    assert (after.encoding, after.number) == (becomes, before.number)
    assert read(unchecked, DEV, DIGEST) == read(unchecked, PROD, DIGEST) == CONTENT
    assert list(unchecked.check(content=True)) == []


@pytest.mark.parametrize("together", [False, True])
def test_what_was_only_named_has_its_number_once_it_is_there(
    engine: Engine, store: MemoryMetadataStore, *, together: bool
) -> None:
    """Until then it has none, though the store has it: another repository does."""
    engine.update_registry("dev", SettingsChange(allow_sparse=True), by="me")
    image(engine, DEV, "1", seed="1", absent=[CONTENT])
    image(engine, DEV, "2", seed="2", foreign=[CONTENT])
    upload(engine, PROD, CONTENT)
    number = record_of(store, DIGEST).number
    assert numbers_in_rows(store, DIGEST) == {0, number}
    assert (has(engine, PROD), has(engine, DEV)) == (True, False)
    if together:
        upload(engine, DEV, CONTENT)
    else:
        engine.mount_blob(DEV, DIGEST, source=PROD, by="me")
    assert numbers_in_rows(store, DIGEST) == {number}
    assert has(engine, DEV)


# --- damage -------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [-1, 30])
def test_a_damaged_record_is_told_to_who_has_the_blob_alone(
    unchecked: Engine, store: MemoryMetadataStore, at: int
) -> None:
    """Whoever has it not is answered as if there were none: what is damaged tells nothing."""
    upload(unchecked, DEV, CONTENT)
    upload(unchecked, PROD, b"another")
    damage(store, DIGEST, at)
    with pytest.raises(RecordCorrupt):
        unchecked.get_blob(DEV, DIGEST)
    assert not has(unchecked, PROD)
    assert unchecked.mount_blob(PROD, DIGEST, source=None, by="me") is None
    with pytest.raises(ManifestBlobUnknown):
        image(unchecked, PROD, "1", absent=[CONTENT])
    image(unchecked, PROD, "2", foreign=[CONTENT])
    assert not has(unchecked, PROD)


def test_a_damaged_number_is_nobodys(unchecked: Engine, store: MemoryMetadataStore) -> None:
    first = upload(unchecked, DEV, b"first")
    upload(unchecked, DEV, CONTENT)
    upload(unchecked, PROD, b"third")
    damage(store, DIGEST, 8)  # number 2 becomes 3, another's
    assert not has(unchecked, DEV)
    assert not has(unchecked, PROD)
    assert has(unchecked, DEV, first)
    assert "row-readable" in {finding.rule for finding in unchecked.check()}


@pytest.mark.parametrize("is_lost", [False, True])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_what_no_record_tells_is_not_promoted_as_absent(
    unchecked: Engine, store: MemoryMetadataStore, *, is_lost: bool, is_sparse: bool
) -> None:
    """It would stay so at the target after the metadata are restored."""
    if is_sparse:
        unchecked.update_registry("dev", SettingsChange(allow_sparse=True), by="me")
        unchecked.update_registry("prod", SettingsChange(allow_sparse=True), by="me")
        image(unchecked, DEV, "hole", seed="hole", absent=[b"gone"])
    image(unchecked, DEV, "1", contents=[CONTENT])
    app = image(unchecked, DEV, "2", seed="2", foreign=[CONTENT])
    if is_lost:
        lose(store, DIGEST)
    else:
        damage(store, DIGEST, 8)
    for reference in (app.reference, Reference.parse("dev/app:1")):
        with pytest.raises(RecordCorrupt):
            unchecked.promote(reference, Target.parse("prod"), by="me", allow_sparse=is_sparse)


def test_a_lost_record_is_missed_and_what_comes_after_it_is_granted_where_it_comes(
    unchecked: Engine, store: MemoryMetadataStore
) -> None:
    """Rows go on naming the old number, which nobody has any more; `check` tells where."""
    app = image(unchecked, DEV, "1", contents=[CONTENT])
    unchecked.promote(app.reference, Target.parse("prod"), by="me")
    lost = record_of(store, DIGEST).number
    lose(store, DIGEST)
    assert not has(unchecked, DEV)
    with pytest.raises(RecordCorrupt):
        unchecked.promote(app.reference, Target.parse("test"), by="me")
    upload(unchecked, DEV, CONTENT)
    assert record_of(store, DIGEST).number > lost
    assert (has(unchecked, DEV), has(unchecked, PROD)) == (True, False)
    found = [finding for finding in unchecked.check() if finding.rule == "grant-has-record"]
    assert len({finding.subject for finding in found}) == 2, "that of dev, and that of prod"
    assert all(f"held as number {lost}" in finding.detail for finding in found)


def test_after_a_lost_record_an_image_that_is_deleted_and_pushed_again_is_whole(
    unchecked: Engine, store: MemoryMetadataStore
) -> None:
    """What operations.md says."""
    app = image(unchecked, DEV, "1", contents=[CONTENT])
    lose(store, DIGEST)
    unchecked.delete_manifest(DEV, app.digest, by="me")
    with pytest.raises(ManifestBlobUnknown):
        push(unchecked, DEV, "1", app.body)
    upload(unchecked, DEV, CONTENT)
    push(unchecked, DEV, "1", app.body)
    done = unchecked.promote(app.reference, Target.parse("prod"), by="me")
    assert done.changed
    assert read(unchecked, PROD, DIGEST) == CONTENT
    left = {finding.rule for finding in unchecked.check()}
    assert left == {"grant-has-record", "holder-has-reason", "counts-add-up"}
