"""Every rule of `check`: damage exactly that, and see exactly that rule reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

import liftlock
from liftlock import Digest, Limits, Mode, RepositoryName, Target, seals
from liftlock.blobs.contract import digest_of
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.errors import BlobUnknown
from liftlock.metadata import keys
from liftlock.metadata.contract import Row, Table
from liftlock.metadata.counts import Counts
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.metadata.records import (
    Action,
    BlobRecord,
    EventRecord,
    IdRecord,
    ItemRecord,
    Kind,
    LinkRecord,
    ManifestRecord,
    Naming,
    NamingRecord,
    RegistryRecord,
    RepositoryRecord,
    SealRecord,
    SmallRecord,
    TagRecord,
    decoded,
    protect,
)
from liftlock.model import CheckStep, Finding, RegistrySettings, SettingsChange, Severity
from liftlock.testing.blob_contract import push
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import (
    Built,
    attachment,
    image,
    index,
    platforms,
    read,
    referrer,
    upload,
)

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")


class Damage:
    """Changes rows behind the engine's back, with right checksums."""

    def __init__(self, engine: Engine, store: MemoryMetadataStore, blobs: MemoryBlobStore) -> None:
        self.engine = engine
        self.store = store
        self.blobs = blobs
        self.app = image(engine, DEV, "1", seed="app", foreign=[b"windows"])
        self.multi = platforms(engine, DEV, "2", count=2)
        self.signature = attachment(engine, self.app, "first")
        self.sbom = referrer(engine, self.app)
        self.lonely = upload(engine, DEV, b"lonely")
        engine.promote(self.app.reference, Target.parse("prod"), by="me")
        engine.promote(self.multi.reference, Target.parse("prod"), by="me", mode=Mode.MOVE)
        self.dev = self.id_of("app", self.id_of("dev"))
        self.prod = self.id_of("app", self.id_of("prod"))

    def id_of(self, name: str, registry: int = 0) -> int:
        key = keys.name_key(registry, name)
        return decoded(IdRecord.decode, Table.NAMES, key, self.get(Table.NAMES, key)).id

    def rows(self, table: Table, prefix: bytes = b"") -> list[Row]:
        return self.store.read(lambda txn: list(txn.scan(table, prefix)))

    def get(self, table: Table, key: bytes) -> bytes:
        value = self.store.read(lambda txn: txn.get(table, key))
        assert value is not None
        return value

    def put(self, table: Table, key: bytes, body: bytes = b"") -> None:
        self.store.write(lambda txn: txn.put_many(table, [protect(table, key, body)]))

    def delete(self, table: Table, *row_keys: bytes) -> None:
        before = len(self.rows(table))
        self.store.write(lambda txn: txn.delete_many(table, row_keys))
        assert len(self.rows(table)) == before - len(row_keys)

    def leave(self, table: Table, key: bytes, value: bytes | None) -> None:
        """Leave a row as it is given, without a new checksum; None: leave none."""
        rows = [] if value is None else [(key, value)]
        self.store.write(lambda txn: txn.delete_many(table, (key,)))
        self.store.write(lambda txn: txn.put_many(table, rows))

    def change(self, table: Table, key: bytes, decode, **fields: object) -> None:
        record = decoded(decode, table, key, self.get(table, key))
        self.put(table, key, record._replace(**fields).encode())

    def held(self, kind: bytes, digest: Digest) -> bytes:
        """What keys say of some content."""
        if kind == keys.MANIFEST:
            return keys.held_manifest(digest.key)
        return keys.held_blob(keys.id_key(self.record(digest).number), digest.key)

    def holder(self, kind: bytes, digest: Digest, holder: bytes) -> bytes:
        return keys.holder_key(self.dev, self.held(kind, digest), holder)

    def naming(self, kind: bytes, digest: Digest, holder: bytes) -> bytes:
        return keys.naming_key(self.dev, kind, digest.key, holder)

    def parent(self, digest: Digest) -> bytes:
        """A manifest that dev/app has linked, as a holder."""
        key = keys.link_key(self.dev, digest.key)
        link = decoded(LinkRecord.decode, Table.LINKS, key, self.get(Table.LINKS, key))
        return keys.by_parent(link.event, digest.key)

    def delete_registry(self, name: str) -> None:
        with self.sealed():
            self.engine.delete_registry(name, by="me", force=True)

    def push_sparse(self) -> tuple[Built, Built]:
        """Push an index of a child that dev/app lacks; return both."""
        with self.sealed():
            absent = image(self.engine, "test/elsewhere", seed="absent")
            self.engine.update_registry("dev", SettingsChange(allow_sparse=True), by="me")
            multi = index(self.engine, DEV, "sparse", [absent])
            self.engine.update_registry("dev", SettingsChange(allow_sparse=False), by="me")
        return multi, absent

    def push_sparse_image(self) -> tuple[Built, Digest]:
        """Push an image with a layer that dev/app lacks, and one that is foreign; return both."""
        with self.sealed():
            self.engine.update_registry("dev", SettingsChange(allow_sparse=True), by="me")
            app = image(self.engine, DEV, "holes", seed="h", absent=[b"absent"], foreign=[b"f"])
            self.engine.update_registry("dev", SettingsChange(allow_sparse=False), by="me")
        return app, Digest.of(b"absent")

    @contextmanager
    def sealed(self) -> Iterator[None]:
        """What the engine does meanwhile has its seals."""
        group = self.store._group
        before_commit, group._before_commit = group._before_commit, seals.seal
        yield
        group._before_commit = before_commit

    def last_event(self) -> int:
        return keys.last_id(self.rows(Table.EVENTS)[-1][0])

    def record(self, digest: Digest) -> BlobRecord:
        value = self.get(Table.BLOBS, digest.key)
        return decoded(BlobRecord.decode, Table.BLOBS, digest.key, value)


@pytest.fixture
def damage(filing: Engine, store: MemoryMetadataStore, blobs: MemoryBlobStore) -> Damage:
    damage = Damage(filing, store, blobs)
    store._group._before_commit = lambda txn: None  # what is damaged is not sealed again
    assert list(filing.check(content=True)) == []
    return damage


def findings(damage: Damage) -> list[Finding]:
    return list(damage.engine.check(content=True))


def rules(damage: Damage) -> set[str]:
    return {finding.rule for finding in findings(damage)}


# --- names ------------------------------------------------------------------------------------


def test_name_leads_home(damage: Damage) -> None:
    key = keys.id_key(damage.dev)
    damage.change(Table.REPOSITORIES, key, RepositoryRecord.decode, name="other")
    assert rules(damage) == {"name-leads-home"}


def test_name_leads_home_to_a_registry(damage: Damage) -> None:
    key = keys.id_key(damage.id_of("test"))
    damage.change(Table.REGISTRIES, key, RegistryRecord.decode, name="other")
    assert rules(damage) == {"name-leads-home"}


def test_name_leads_somewhere(damage: Damage) -> None:
    key = keys.name_key(damage.id_of("dev"), "app")
    damage.put(Table.NAMES, key, IdRecord(10**6).encode())
    assert rules(damage) == {"name-leads-home", "name-is-logged"}


@pytest.mark.parametrize("naming", [Naming.DELETED])
def test_name_is_logged(damage: Damage, naming: Naming) -> None:
    (row,) = damage.rows(Table.NAMES_LOG, keys.names_log_prefix(damage.id_of("dev"), "app"))
    damage.change(Table.NAMES_LOG, row[0], NamingRecord.decode, naming=naming)
    assert rules(damage) == {"name-is-logged"}


def test_name_is_logged_at_all(damage: Damage) -> None:
    (row,) = damage.rows(Table.NAMES_LOG, keys.names_log_prefix(0, "test"))
    damage.delete(Table.NAMES_LOG, row[0])
    assert rules(damage) == {"name-is-logged"}


def test_names_log_has_event(damage: Damage) -> None:
    key = keys.names_log_key(damage.id_of("dev"), "gone", 10**6)
    damage.put(Table.NAMES_LOG, key, NamingRecord(damage.dev, Naming.DELETED).encode())
    assert rules(damage) == {"log-has-event"}


def test_names_log_is_found_under_its_bearer(damage: Damage) -> None:
    event = damage.last_event()
    key = keys.names_log_key(damage.id_of("test"), "gone", event)
    damage.put(Table.NAMES_LOG, key, NamingRecord(10**6, Naming.DELETED).encode())
    assert rules(damage) == {"item-is-found", "log-has-bearer", "logs-agree"}


@pytest.mark.parametrize("table", [Table.REGISTRIES, Table.REPOSITORIES])
def test_log_has_bearer(damage: Damage, table: Table) -> None:
    """What is deleted keeps its row: its history is found by it."""
    with damage.sealed():
        damage.engine.create_registry("gone", by="me")
        upload(damage.engine, RepositoryName("gone", "app"), b"gone")
        number = damage.id_of("gone")
        number = number if table is Table.REGISTRIES else damage.id_of("app", number)
        damage.engine.delete_repository(RepositoryName("gone", "app"), by="me")
    damage.delete_registry("gone")
    assert findings(damage) == []
    damage.delete(table, keys.id_key(number))
    assert rules(damage) == {"log-has-bearer"}


def test_logs_agree_on_what_a_repository_was_called(damage: Damage) -> None:
    (row,) = damage.rows(Table.REPOSITORY_LOG, keys.id_key(damage.dev))
    damage.delete(Table.REPOSITORY_LOG, row[0])
    assert rules(damage) == {"logs-agree"}


@pytest.mark.parametrize("is_anothers", [False, True])
def test_logs_agree_on_who_bore_a_name(damage: Damage, *, is_anothers: bool) -> None:
    with damage.sealed():
        damage.engine.delete_repository(DEV, by="me")
    first, _ = damage.rows(Table.NAMES_LOG, keys.names_log_prefix(damage.id_of("dev"), "app"))
    damage.delete(Table.NAMES_LOG, first[0])
    if is_anothers:
        damage.put(Table.NAMES_LOG, first[0], NamingRecord(damage.prod, Naming.CREATED).encode())
    assert rules(damage) == {"logs-agree"} | ({"item-is-found"} if is_anothers else set())


def test_dead_is_listed(damage: Damage) -> None:
    with damage.sealed():
        damage.engine.delete_repository(DEV, by="me")
    assert findings(damage) == []
    damage.delete(Table.DEAD, keys.id_key(damage.dev))
    assert rules(damage) == {"dead-is-listed"}


def test_name_is_there(damage: Damage) -> None:
    """A name that is gone, and that nobody gave up."""
    damage.delete(Table.NAMES, keys.name_key(0, "test"))
    assert rules(damage) == {"name-is-there", "counts-add-up"}


# --- repositories -----------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(5))
def test_counts_add_up(damage: Damage, place: int) -> None:
    key = keys.id_key(damage.dev)
    record = decoded(
        RepositoryRecord.decode, Table.REPOSITORIES, key, damage.get(Table.REPOSITORIES, key)
    )
    name = Counts._fields[place]
    counts = record.counts._replace(**{name: getattr(record.counts, name) + 1})
    damage.put(Table.REPOSITORIES, key, record._replace(counts=counts).encode())
    found = findings(damage)
    assert {finding.rule for finding in found} == {"counts-add-up"}
    assert len(found) == 2  # of the repository, and of its registry's sum


def test_counts_of_a_registry_add_up(damage: Damage) -> None:
    counter = keys.id_key(damage.id_of("dev"))
    damage.store.write(lambda txn: txn.add(counter, Counts(size=1)))
    (finding,) = findings(damage)
    assert (finding.rule, finding.subject) == ("counts-add-up", "dev")


@pytest.mark.parametrize("place", range(5))
def test_counts_of_the_store_add_up(damage: Damage, place: int) -> None:
    """Registries, and what is stored; the others are counted where they are."""
    delta = tuple(int(place == at) for at in range(5))
    damage.store.write(lambda txn: txn.add(keys.id_key(keys.NO_REGISTRY), delta))
    (finding,) = findings(damage)
    assert (finding.rule, finding.subject) == ("counts-add-up", "the store")


def test_tag_has_manifest(damage: Damage) -> None:
    """Its holder and the history are right: only the link is lost, and with it the rest."""
    key = keys.link_key(damage.prod, damage.multi.digest.key)
    damage.delete(Table.LINKS, key)
    assert "tag-has-manifest" in rules(damage)


def test_tag_holds_its_manifest(damage: Damage) -> None:
    damage.delete(
        Table.HOLDERS, damage.holder(keys.MANIFEST, damage.app.digest, keys.BY_TAG + b"1")
    )
    assert rules(damage) == {"holder-is-there"}


@pytest.mark.parametrize("number", [0, 1])
def test_parent_holds_its_children_and_blobs(damage: Damage, number: int) -> None:
    parent, kind, named = (
        (damage.multi, keys.MANIFEST, damage.multi.children[0].digest),
        (damage.app, keys.BLOB, damage.app.blobs[0]),
    )[number]
    damage.put(Table.HOLDERS, damage.holder(kind, named, keys.BY_HOLD), bytes(8))
    damage.delete(Table.HOLDERS, damage.holder(kind, named, damage.parent(parent.digest)))
    assert rules(damage) == {"holder-is-there"}


def test_a_parents_row_has_the_event_of_its_link(damage: Damage) -> None:
    """As many rows as there should be, of which one has another event."""
    blob, parent = damage.app.blobs[0], damage.parent(damage.app.digest)
    event, digest = keys.split_parent(parent)
    damage.delete(Table.HOLDERS, damage.holder(keys.BLOB, blob, parent))
    damage.put(Table.HOLDERS, damage.holder(keys.BLOB, blob, keys.by_parent(event + 1, digest)))
    assert rules(damage) == {"holder-is-there"}


def test_subject_holds_its_referrer(damage: Damage) -> None:
    holder = keys.BY_SUBJECT + damage.app.digest.key
    damage.delete(Table.HOLDERS, damage.holder(keys.MANIFEST, damage.sbom.digest, holder))
    assert rules(damage) == {"holder-is-there"}


@pytest.mark.parametrize(
    "holder", [keys.BY_TAG + b"none", keys.by_parent(1, bytes(33)), keys.BY_SUBJECT + bytes(33)]
)
def test_holder_has_reason(damage: Damage, holder: bytes) -> None:
    damage.put(Table.HOLDERS, damage.holder(keys.MANIFEST, damage.app.digest, holder))
    assert rules(damage) == {"holder-has-reason"}


def test_grants_agree(damage: Damage) -> None:
    """A row that only names beside rows that grant."""
    key = damage.holder(keys.BLOB, damage.lonely, keys.BY_HOLD)
    named = damage.naming(keys.BLOB, damage.lonely, keys.BY_HOLD)
    assert damage.get(Table.HOLDERS, key)
    damage.put(Table.HOLDERS, named, bytes(8))
    assert rules(damage) == {"grants-agree"}


def test_grants_agree_with_links(damage: Damage) -> None:
    """A linked manifest of which all rows only name."""
    kind, digest = keys.MANIFEST, damage.multi.children[0].digest
    prefix = keys.granting_prefix(damage.dev, damage.held(kind, digest))
    for row, _ in damage.rows(Table.HOLDERS, prefix):
        damage.delete(Table.HOLDERS, row)
    holder = damage.parent(damage.multi.digest)
    damage.put(Table.HOLDERS, damage.naming(kind, digest, holder))
    assert rules(damage) == {"grants-agree", "holder-is-there"}


def test_grant_has_record_of_a_blob(damage: Damage) -> None:
    damage.delete(Table.BLOBS, damage.lonely.key)
    found = findings(damage)
    errors = {f.rule for f in found if f.severity is Severity.ERROR}
    assert errors == {"grant-has-record", "counts-add-up"}
    assert {f.rule for f in found if f.severity is Severity.REMARK} == {"file-has-record"}


@pytest.mark.parametrize("wrong", [0, 1, 1000])
def test_grant_has_the_number_in_the_record(damage: Damage, wrong: int) -> None:
    """0 stands for what is only named; 1 is another blob's."""
    record = damage.record(damage.lonely)
    assert record.number > 1
    damage.delete(Table.HOLDERS, damage.holder(keys.BLOB, damage.lonely, keys.BY_HOLD))
    held = keys.held_blob(keys.id_key(wrong), damage.lonely.key)
    damage.put(Table.HOLDERS, keys.holder_key(damage.dev, held, keys.BY_HOLD), bytes(8))
    assert rules(damage) == {"grant-has-record"}


def test_a_blob_that_is_only_named_has_no_number(damage: Damage) -> None:
    app, absent = damage.push_sparse_image()
    holder = damage.parent(app.digest)
    damage.delete(Table.HOLDERS, damage.naming(keys.BLOB, absent, holder))
    numbered = keys.id_key(damage.dev) + keys.held_blob(keys.id_key(1), absent.key)
    damage.put(Table.HOLDERS, numbered + keys.NAMES_ONLY + holder)
    assert rules(damage) == {"grants-agree", "holder-is-there"}


def test_grant_has_link_of_a_manifest(damage: Damage) -> None:
    damage.put(
        Table.HOLDERS, damage.holder(keys.MANIFEST, Digest.of(b"none"), keys.BY_HOLD), bytes(8)
    )
    assert rules(damage) == {"grant-has-record"}


def test_link_has_record(damage: Damage) -> None:
    """What the manifest named is without a reason then, and its subject cannot be known."""
    damage.delete(Table.MANIFESTS, damage.signature.digest.key)
    found = findings(damage)
    assert "link-has-record" in {finding.rule for finding in found}
    assert {f.rule for f in found} <= {"link-has-record", "holder-has-reason", "counts-add-up"}


def test_link_has_readable_manifest(damage: Damage) -> None:
    record = ManifestRecord(0, 0, 8, b"not JSON")
    damage.put(Table.MANIFESTS, damage.signature.digest.key, record.encode())
    assert rules(damage) == {"link-has-record", "holder-has-reason", "content-has-digest"}


def test_referrer_is_listed(damage: Damage) -> None:
    (row,) = damage.rows(Table.REFERRERS, keys.id_key(damage.dev))
    damage.delete(Table.REFERRERS, row[0])
    assert rules(damage) == {"referrer-is-listed"}


def test_referrer_that_is_listed_is_linked(damage: Damage) -> None:
    key = keys.referrer_key(damage.dev, damage.app.digest.key, bytes(16), bytes([1]) * 33)
    damage.put(Table.REFERRERS, key)
    assert rules(damage) == {"referrer-is-listed"}


# --- content ----------------------------------------------------------------------------------


def test_an_absence_is_no_fault(damage: Damage) -> None:
    """Whatever the registry allows by now."""
    damage.push_sparse()
    damage.push_sparse_image()
    assert findings(damage) == []


def test_absence_is_listed(damage: Damage) -> None:
    multi, absent = damage.push_sparse()
    damage.delete(
        Table.SPARSE,
        keys.sparse_key(damage.dev, keys.MANIFEST, absent.digest.key, multi.digest.key),
    )
    assert rules(damage) == {"absence-is-listed"}


def test_an_absent_blob_is_listed(damage: Damage) -> None:
    app, absent = damage.push_sparse_image()
    listed = keys.sparse_key(damage.dev, keys.BLOB, absent.key, app.digest.key)
    damage.delete(Table.SPARSE, listed)
    assert rules(damage) == {"absence-is-listed"}
    holder = damage.parent(app.digest)
    damage.delete(Table.HOLDERS, damage.naming(keys.BLOB, absent, holder))
    assert rules(damage) == {"holder-is-there"}  # neither granted nor listed
    damage.put(Table.SPARSE, listed)
    assert rules(damage) == {"holder-is-there"}


def test_a_foreign_layer_is_not_listed(damage: Damage) -> None:
    app, _ = damage.push_sparse_image()
    foreign = Digest.of(b"f").key
    damage.put(Table.SPARSE, keys.sparse_key(damage.dev, keys.BLOB, foreign, app.digest.key))
    assert rules(damage) == {"absence-is-listed"}


def test_what_is_listed_as_absent_is_absent(damage: Damage) -> None:
    child, index_ = damage.multi.children[0].digest.key, damage.multi.digest.key
    damage.put(Table.SPARSE, keys.sparse_key(damage.prod, keys.MANIFEST, child, index_))
    assert rules(damage) == {"absence-is-listed"}


def test_a_blob_that_is_listed_as_absent_is_absent(damage: Damage) -> None:
    blob, app = damage.app.blobs[0].key, damage.app.digest.key
    damage.put(Table.SPARSE, keys.sparse_key(damage.dev, keys.BLOB, blob, app))
    assert rules(damage) == {"absence-is-listed"}


def test_an_absent_child_is_named_only(damage: Damage) -> None:
    multi, absent = damage.push_sparse()
    holder = damage.parent(multi.digest)
    damage.delete(Table.HOLDERS, damage.naming(keys.MANIFEST, absent.digest, holder))
    assert rules(damage) == {"holder-is-there"}
    damage.put(Table.HOLDERS, damage.holder(keys.MANIFEST, absent.digest, holder))
    assert rules(damage) == {"holder-is-there", "grant-has-record"}


def test_a_row_of_an_absence_is_readable(damage: Damage) -> None:
    damage.push_sparse()
    ((key, value),) = damage.rows(Table.SPARSE)
    damage.store.write(lambda txn: txn.put_many(Table.SPARSE, [(key, b"x" + value)]))
    assert rules(damage) == {"row-readable"}


def test_content_has_digest(damage: Damage) -> None:
    """Readable, with a right checksum, and of another manifest."""
    body = damage.app.body + b"\n"
    record = ManifestRecord(0, 0, len(body), body)
    damage.put(Table.MANIFESTS, damage.app.digest.key, record.encode())
    (finding,) = findings(damage)
    assert (finding.rule, finding.subject) == ("content-has-digest", str(damage.app.digest))


def test_record_has_file(damage: Damage) -> None:
    damage.blobs.remove(damage.record(damage.app.blobs[1]).locator)
    (finding,) = findings(damage)
    assert (finding.rule, finding.subject) == ("record-has-file", str(damage.app.blobs[1]))
    for affected in ("dev/app", "prod/app"):
        assert affected in finding.detail


def test_record_has_file_of_its_length(damage: Damage) -> None:
    key = damage.lonely.key
    size = damage.record(damage.lonely).size
    damage.change(Table.BLOBS, key, BlobRecord.decode, size=size + 1)
    assert rules(damage) == {"record-has-file", "counts-add-up"}


def test_record_has_file_of_its_hash(damage: Damage) -> None:
    damage.change(Table.BLOBS, damage.lonely.key, BlobRecord.decode, blake3=bytes(32))
    assert rules(damage) == {"record-has-file"}
    assert list(damage.engine.check(content=False)) == []


def test_record_has_file_of_its_digest(damage: Damage) -> None:
    """E70: a flipped bit on the disk."""
    stored = damage.blobs._state.blobs[damage.record(damage.lonely).locator]
    stored.content = b"Lonely"
    assert rules(damage) == {"record-has-file"}
    assert list(damage.engine.check(content=False)) == []


@pytest.fixture
def small(damage: Damage, unchecked: Engine) -> Digest:
    """A blob that is a row, in two repositories."""
    digest = upload(unchecked, DEV, b"small")
    upload(unchecked, RepositoryName("prod", "app"), b"small")
    return digest


def test_record_has_row(damage: Damage, small: Digest) -> None:
    ((key, _),) = damage.rows(Table.SMALL)
    damage.delete(Table.SMALL, key)
    (finding,) = findings(damage)
    assert (finding.rule, finding.subject) == ("record-has-row", str(small))
    for affected in ("dev/app", "prod/app"):
        assert affected in finding.detail


@pytest.mark.parametrize("content", [b"smaller", b"Small"])
def test_record_has_row_of_its_content(damage: Damage, small: Digest, content: bytes) -> None:
    """E70, with a right checksum: somebody else's bytes."""
    ((key, _),) = damage.rows(Table.SMALL)
    damage.change(Table.SMALL, key, SmallRecord.decode, content=content)
    assert rules(damage) == {"record-has-row"}


@pytest.mark.parametrize("waited", [0, 1])
def test_a_damaged_row_is_not_there_until_it_is_pushed_again(
    damage: Damage, unchecked: Engine, small: Digest, clock: FakeClock, waited: int
) -> None:
    """E70: for all that have it, and without a file. The row that comes is the same, or another."""
    clock.advance(waited)
    ((key, value),) = damage.rows(Table.SMALL)
    damage.leave(Table.SMALL, key, b"S" + value[1:])
    assert rules(damage) == {"record-has-row"}
    with pytest.raises(BlobUnknown):
        unchecked.get_blob(DEV, small)
    upload(unchecked, DEV, b"small")
    assert findings(damage) == []
    assert read(unchecked, RepositoryName("prod", "app"), small) == b"small"


def test_a_row_gives_way_to_a_file_that_mends_it(damage: Damage, small: Digest) -> None:
    ((key, value),) = damage.rows(Table.SMALL)
    damage.leave(Table.SMALL, key, b"S" + value[1:])
    upload(damage.engine, DEV, b"small")
    assert damage.rows(Table.SMALL) == []
    assert findings(damage) == []


def test_row_has_record(damage: Damage, small: Digest) -> None:
    for digest in (damage.lonely, Digest.of(b"nobody"), small):
        damage.put(Table.SMALL, keys.small_key(1, digest.key), SmallRecord(b"bytes").encode())
    assert [finding.rule for finding in findings(damage)] == ["row-has-record"] * 3


def test_file_has_record_is_a_remark(damage: Damage) -> None:
    push(damage.blobs, b"orphan")
    (finding,) = findings(damage)
    assert (finding.rule, finding.severity) == ("file-has-record", Severity.REMARK)


def test_a_second_file_of_a_digest_is_a_remark(damage: Damage) -> None:
    assert digest_of(push(damage.blobs, b"lonely")) == damage.lonely
    (finding,) = findings(damage)
    assert (finding.rule, finding.severity) == ("file-has-record", Severity.REMARK)


# --- the past ---------------------------------------------------------------------------------


def test_event_has_items(damage: Damage) -> None:
    """An item that says something else than when it was written."""
    event = damage.last_event()
    row, _ = damage.rows(Table.ITEMS, keys.id_key(event))[0]
    damage.change(Table.ITEMS, row, ItemRecord.decode, action=Action.EXTENDED)
    assert rules(damage) == {"event-has-items"}


def test_event_has_all_its_items(damage: Damage) -> None:
    row, _ = damage.rows(Table.ITEMS, keys.id_key(damage.last_event()))[-1]
    damage.delete(Table.ITEMS, row)
    assert rules(damage) == {"event-has-items", "history-gives-tags"}


def test_item_has_event(damage: Damage) -> None:
    """An event is taken out of the middle: its seal tells too."""
    event = damage.last_event()
    damage.delete(Table.EVENTS, keys.id_key(event))
    assert rules(damage) == {
        "item-has-event",
        "log-has-event",
        "promotion-has-event",
        "history-is-sealed",
    }


def test_item_is_found_under_its_tag(damage: Damage) -> None:
    event = damage.last_event()
    damage.delete(Table.TAG_HISTORY, keys.tag_history_key(damage.prod, "2", event))
    assert rules(damage) == {"item-is-found", "history-gives-tags"}


def test_item_is_found_under_its_repository(damage: Damage) -> None:
    event = damage.last_event()
    damage.delete(Table.REPOSITORY_HISTORY, keys.repository_history_key(damage.prod, event))
    assert rules(damage) == {"item-is-found"}


def test_promotion_has_event(damage: Damage) -> None:
    damage.change(Table.PROMOTIONS, keys.id_key(1), IdRecord.decode, id=damage.last_event())
    assert rules(damage) == {"promotion-has-event"}


def test_event_has_its_promotion(damage: Damage) -> None:
    """Without that row a promotion cannot be undone."""
    damage.delete(Table.PROMOTIONS, keys.id_key(1))
    assert rules(damage) == {"promotion-has-event"}


def test_history_row_has_event(damage: Damage) -> None:
    key = keys.repository_history_key(damage.dev, 10**6)
    damage.put(Table.REPOSITORY_HISTORY, key, b"\x01")
    assert rules(damage) == {"log-has-event"}


def test_history_gives_tags(damage: Damage) -> None:
    """A tag moved without an event, holders and all."""
    key = keys.tag_key(damage.dev, "1")
    event = decoded(TagRecord.decode, Table.TAGS, key, damage.get(Table.TAGS, key)).event
    old, new = damage.app.digest, damage.multi.digest
    damage.put(Table.TAGS, key, TagRecord(event, new.key).encode())
    damage.delete(Table.HOLDERS, damage.holder(keys.MANIFEST, old, keys.BY_TAG + b"1"))
    damage.put(Table.HOLDERS, damage.holder(keys.MANIFEST, old, keys.BY_HOLD), bytes(8))
    damage.put(Table.HOLDERS, damage.holder(keys.MANIFEST, new, keys.BY_TAG + b"1"))
    (finding,) = findings(damage)
    assert finding.rule == "history-gives-tags"
    assert "tag 1" in finding.subject


def test_history_gives_settings(damage: Damage) -> None:
    settings = RegistrySettings(allow_sparse=True)
    key = keys.id_key(damage.id_of("dev"))
    damage.change(Table.REGISTRIES, key, RegistryRecord.decode, settings=settings)
    assert rules(damage) == {"history-gives-settings"}


def test_history_speaks_of_settings_at_all(damage: Damage) -> None:
    born = keys.id_key(1)  # the first event of all
    damage.delete(Table.REPOSITORY_HISTORY, keys.repository_history_key(damage.id_of("dev"), 1))
    assert damage.get(Table.EVENTS, born)
    assert rules(damage) == {"history-gives-settings", "item-is-found"}


def forge_event(damage: Damage) -> None:
    key = keys.id_key(damage.last_event())
    damage.change(Table.EVENTS, key, EventRecord.decode, by="somebody else")


def forge_item_and_event(damage: Damage) -> None:
    """Both agree again: only the seal tells."""
    event = damage.last_event()
    row, _ = damage.rows(Table.ITEMS, keys.id_key(event))[0]
    damage.change(Table.ITEMS, row, ItemRecord.decode, action=Action.EXTENDED)
    fitting = seals.items_hash(damage.rows(Table.ITEMS, keys.id_key(event)))
    damage.change(Table.EVENTS, keys.id_key(event), EventRecord.decode, items_hash=fitting)


def forge_seal(damage: Damage) -> None:
    key = damage.rows(Table.SEALS)[2][0]
    damage.change(Table.SEALS, key, SealRecord.decode, root=bytes(32))


def forge_first_seal(damage: Damage) -> None:
    key = damage.rows(Table.SEALS)[0][0]
    damage.change(Table.SEALS, key, SealRecord.decode, previous=bytes([1]) * 32)


def drop_seal(damage: Damage) -> None:
    damage.delete(Table.SEALS, damage.rows(Table.SEALS)[2][0])


def drop_last_seal(damage: Damage) -> None:
    damage.delete(Table.SEALS, damage.rows(Table.SEALS)[-1][0])


def add_event(damage: Damage) -> None:
    record = EventRecord(
        kind=Kind.CREATE, at=1, promotion=0, undoes=0, items=0, manifests=0,
        records=0, items_hash=EMPTY, by="x",
        comment="",
    )  # fmt: skip
    damage.put(Table.EVENTS, keys.id_key(damage.last_event() + 1), record.encode())


EMPTY = bytes.fromhex("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
"""BLAKE3 of nothing."""


@pytest.mark.parametrize(
    "forge",
    [
        forge_event,
        forge_item_and_event,
        forge_seal,
        forge_first_seal,
        drop_seal,
        drop_last_seal,
        add_event,
    ],
)
def test_history_is_sealed(damage: Damage, forge: Callable[[Damage], None]) -> None:
    forge(damage)
    assert rules(damage) == {"history-is-sealed"}


# --- rows -------------------------------------------------------------------------------------


class Flip(NamedTuple):
    table: Table
    also: frozenset[str] = frozenset()
    """What may be found besides, since what the row said is not known any more."""


FLIPS = [
    Flip(Table.NAMES),
    Flip(Table.REGISTRIES, frozenset({"name-leads-home"})),
    Flip(Table.REPOSITORIES, frozenset({"name-leads-home", "counts-add-up"})),
    Flip(Table.TAGS, frozenset({"history-gives-tags", "holder-has-reason"})),
    Flip(Table.LINKS),
    Flip(Table.HOLDERS),
    Flip(Table.REFERRERS),
    Flip(Table.MANIFESTS, frozenset({"holder-has-reason", "referrer-is-listed"})),
    Flip(Table.BLOBS, frozenset({"counts-add-up", "file-has-record"})),
    Flip(Table.EVENTS, frozenset({"promotion-has-event", "history-is-sealed"})),
    Flip(Table.ITEMS, frozenset({"event-has-items"})),
    Flip(Table.TAG_HISTORY),
    Flip(Table.REPOSITORY_HISTORY),
    Flip(Table.NAMES_LOG, frozenset({"name-is-logged"})),
    Flip(Table.PROMOTIONS),
    Flip(Table.SEALS),
]


@pytest.mark.parametrize("flip", FLIPS, ids=lambda flip: flip.table)
def test_row_readable(damage: Damage, flip: Flip) -> None:
    """L35: a flipped bit of any row of any table is reported, and the check goes on."""
    rows = damage.rows(flip.table)
    for key, value in {rows[0], rows[len(rows) // 2], rows[-1]}:
        broken = value[:-1] + bytes((value[-1] ^ 1,))
        damage.store.write(lambda txn, k=key, v=broken: txn.put_many(flip.table, [(k, v)]))
        found = rules(damage)
        assert "row-readable" in found, key.hex()
        assert found - {"row-readable"} <= flip.also
        damage.store.write(lambda txn, k=key, v=value: txn.put_many(flip.table, [(k, v)]))
    assert list(damage.engine.check(content=True)) == []


def broken(value: bytes) -> list[bytes | None]:
    """Return what a row may become: another, cut, empty, gone."""
    return [bytes((value[0] ^ 255,)) + value[1:], value[: len(value) // 2], b"", None]


@pytest.mark.parametrize("table", Table)
def test_whatever_became_of_a_row_the_check_goes_on_to_its_end(
    damage: Damage, table: Table
) -> None:
    """Who checks has a damaged store already."""
    damage.push_sparse()
    with damage.sealed():
        damage.engine.promote(damage.app.reference, Target.parse("test"), by="me", key="again")
    damage.delete_registry("test")
    rows = damage.rows(table)
    for key, value in {rows[0], rows[len(rows) // 2], rows[-1]} if rows else ():
        for left in broken(value):
            damage.leave(table, key, left)
            # Of what is gone some is missed by nobody.
            assert findings(damage) or left is None, key.hex()
        damage.leave(table, key, value)
    assert findings(damage) == []


def test_row_readable_of_a_dead_list(damage: Damage) -> None:
    damage.delete_registry("test")
    ((key, value),) = damage.rows(Table.DEAD)
    damage.store.write(lambda txn: txn.put_many(Table.DEAD, [(key, b"x" + value)]))
    assert rules(damage) == {"row-readable"}


def test_what_was_damaged_names_every_row(damage: Damage) -> None:
    for key, value in damage.rows(Table.LINKS):
        damage.store.write(lambda txn, k=key, v=value: txn.put_many(Table.LINKS, [(k, v[:-4])]))
    subjects = {f.subject for f in findings(damage) if f.rule == "row-readable"}
    assert len(subjects) == len(damage.rows(Table.LINKS))


def test_a_dead_registry_is_checked_too(damage: Damage) -> None:
    damage.delete_registry("dev")
    assert findings(damage) == []
    damage.delete(
        Table.HOLDERS, damage.holder(keys.MANIFEST, damage.app.digest, keys.BY_TAG + b"1")
    )
    assert rules(damage) == {"holder-is-there"}


def test_a_store_in_a_folder_is_checked_like_one_in_memory(
    tmp_path: Path, clock: FakeClock
) -> None:
    limits = Limits(file_bytes_min=0)
    with liftlock.open(tmp_path / "store", create=True, clock=clock, limits=limits) as engine:
        engine.create_registry("dev", by="me")
        app = image(engine, DEV, "1")
        assert list(engine.check(content=True)) == []
        path = Path(str(engine.blob_path(engine.get_blob(DEV, app.blobs[1]))))
        content = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(bytes((content[0] ^ 1,)) + content[1:])
        (finding,) = engine.check(content=True)
        assert (finding.rule, finding.subject) == ("record-has-file", str(app.blobs[1]))


def test_row_readable_of_a_counter(tmp_path: Path) -> None:
    """L35: only a store on disk has it as a row. The others are recounted all the same."""
    with liftlock.open(tmp_path, create=True) as engine:
        for name in ("dev", "prod"):
            engine.create_registry(name, by="me")
            image(engine, RepositoryName(name, "app"), "1")
        counters = engine._store.read(lambda txn: list(txn.scan(Table.COUNTERS)))
        assert len(counters) == 3
        for key, value in counters:
            broken = value[:-1] + bytes((value[-1] ^ 1,))
            for row in ((key, broken), (key, value)):
                engine._store.write(lambda txn, row=row: txn.put_many(Table.COUNTERS, [row]))
                found = [finding.rule for finding in engine.check()]
                assert found == (["row-readable"] if row[1] == broken else [])


def test_a_check_tells_how_far_it_is(engine: Engine) -> None:
    first = image(engine, "dev/app", "1")
    image(engine, "prod/app", "1", seed="other")
    for content in (False, True):
        steps: list[CheckStep] = []
        assert list(engine.check(content=content, tell=steps.append)) == []
        parts = list(dict.fromkeys(step.part for step in steps))
        assert parts == ["names", "repositories", "manifests", "blobs", "files", "history"]
        repositories = [step for step in steps if step.part == "repositories"]
        assert [(step.done, step.total) for step in repositories] == [(0, 2), (1, 2)]
        blobs = [step for step in steps if step.part == "blobs"]
        assert [step.done for step in blobs] == sorted(step.done for step in blobs)
        assert blobs[-1].done == blobs[-1].total
        assert {step.unit for step in blobs} == {"bytes" if content else "blobs"}
        assert len(blobs) >= len(first.blobs)
