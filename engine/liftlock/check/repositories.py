"""Does each repository hold exactly what it says it has, and for the reasons that are written down?

Every row that must exist is looked up; that there are no others follows from counting them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice

from liftlock import links
from liftlock.check.holders import Holders
from liftlock.check.scan import BATCH_ROWS, Tell, damaged, error, readable, repository_ids
from liftlock.errors import LiftlockError, RecordCorrupt
from liftlock.metadata import keys
from liftlock.metadata.contract import MetadataStore, ReadTxn, Row, Table
from liftlock.metadata.counts import NO_COUNTS, Counts
from liftlock.metadata.records import (
    BareRecord,
    DeadRecord,
    LinkRecord,
    RepositoryRecord,
    TagRecord,
)
from liftlock.model import CheckStep, Finding
from liftlock.oci import manifest as manifests
from liftlock.oci.digest import Digest
from liftlock.oci.manifest import Edges


def check_repositories(store: MetadataStore, tell: Tell) -> Iterator[Finding]:
    """Check every repository, each in one snapshot."""
    numbers = store.read(repository_ids)
    for done, number in enumerate(numbers):
        tell(CheckStep("repositories", done, len(numbers), "repositories"))
        yield from store.read(partial(_check_repository, number=number))


def _check_repository(txn: ReadTxn, number: int) -> list[Finding]:
    return _Repository(txn, number).check()


class _Repository:
    """One repository under examination."""

    def __init__(self, txn: ReadTxn, number: int) -> None:
        self.txn = txn
        self.number = number
        self.findings: list[Finding] = []
        self.holders = Holders(txn, number, self.findings, self.fault)
        self.absent = 0
        """What manifests name and is not there, foreign layers aside, as often as it is named."""

    def check(self) -> list[Finding]:
        row = keys.id_key(self.number)
        value = self.txn.get(Table.REPOSITORIES, row)
        assert value is not None
        record = readable(RepositoryRecord.decode, Table.REPOSITORIES, (row, value), self.findings)
        if record is None or self.is_going(row):
            return self.findings
        self.name = record.name
        tags = self.check_tags()
        manifests_, referrers = self.check_links()
        blobs, size = self.holders.check()
        self.check_referrers(referrers)
        self.check_sparse()
        # One that was swept has nothing, and does not even count itself.
        itself = int(record.counts != NO_COUNTS)
        counted = Counts(itself, tags, manifests_, blobs, size)
        if counted != record.counts:
            self.fault("counts-add-up", f"it says {record.counts}, and has {counted}")
        return self.findings

    def is_going(self, row: bytes) -> bool:
        """Tell whether it is being swept: then its rows need not add up."""
        value = self.txn.get(Table.DEAD, row)
        # What is damaged is found where the dead list is checked.
        dead = readable(DeadRecord.decode, Table.DEAD, (row, value), []) if value else None
        return dead is not None and dead.is_going

    def fault(self, rule: str, detail: str) -> None:
        self.findings.append(error(rule, f"repository {self.number} ({self.name})", detail))

    def rows(self, table: Table) -> Iterator[Row]:
        return self.txn.scan(table, keys.id_key(self.number))

    def check_tags(self) -> int:
        """Each tag points at a linked manifest and holds it."""
        count = 0
        for row in self.rows(Table.TAGS):
            count += 1
            record = readable(TagRecord.decode, Table.TAGS, row, self.findings)
            if record is None:
                continue
            tag = keys.behind_id(row[0]).decode()
            if self.txn.get(Table.LINKS, keys.link_key(self.number, record.digest)) is None:
                self.fault("tag-has-manifest", f"tag {tag} is at {Digest(record.digest)}")
            self.holders.require(keys.held_manifest(record.digest), keys.BY_TAG + tag.encode())
        return count

    def check_links(self) -> tuple[int, int]:
        """Each linked manifest has a record and holds all that it names."""
        count = referrers = 0
        rows = self.rows(Table.LINKS)
        while batch := list(islice(rows, BATCH_ROWS)):
            count += len(batch)
            for row in batch:
                digest = keys.behind_id(row[0])
                link = readable(LinkRecord.decode, Table.LINKS, row, self.findings)
                edges = self.edges_of(digest)
                if edges is not None:
                    holder = keys.by_parent(link.event, digest) if link is not None else None
                    self.check_edges(digest, edges, holder)
                    referrers += edges.subject is not None
        return count, referrers

    def edges_of(self, digest: bytes) -> Edges | None:
        try:
            (body,) = links.find_bodies(self.txn, (digest,))
            if body is not None:
                return manifests.decode_edges(body)
            self.fault("link-has-record", f"manifest {Digest(digest)} has no record")
        except RecordCorrupt as corrupt:
            self.findings.append(damaged(corrupt))
        except LiftlockError as unreadable:
            self.fault("link-has-record", f"manifest {Digest(digest)}: {unreadable}")
        return None

    def check_edges(self, digest: bytes, edges: Edges, holder: bytes | None) -> None:
        """Check the rows of a manifest that is linked.

        Args:
            digest: which.
            edges: whom it names.
            holder: what it is as a parent; None: its link is damaged, and nobody knows.
        """
        for child in edges.children:
            linked = self.txn.get(Table.LINKS, keys.link_key(self.number, child)) is not None
            # Whatever the registry allows by now: it may have allowed more then.
            self.holders.require_parent(keys.held_manifest(child), holder, grants=linked)
            if not linked:
                self.require_listed(keys.MANIFEST, child, digest)
        blobs = (*edges.blobs, *edges.foreign)
        held = links.find_held(self.txn, blobs)
        granted, waiting = links.among(self.txn, self.number, blobs, held)
        # Of a blob without a record there is no row that grants.
        held = {blob: keys.held_blob(keys.NO_NUMBER, blob) for blob in blobs} | held
        for blob in edges.blobs:
            # One that is neither there, nor listed or only named as absent, should be there.
            is_absent = blob not in granted and (
                blob in waiting or self.is_listed(keys.BLOB, blob, digest)
            )
            if is_absent:
                self.require_listed(keys.BLOB, blob, digest)
            self.holders.require_parent(held[blob], holder, grants=not is_absent)
        for blob in edges.foreign:
            self.holders.require_parent(held[blob], holder, grants=blob in granted)
        if edges.subject is None:
            return
        row = keys.referrer_key(
            self.number, edges.subject, links.type_hash(edges.artifact_type), digest
        )
        if self.txn.get(Table.REFERRERS, row) is None:
            self.fault("referrer-is-listed", f"{Digest(digest)} is not under its subject")
        if self.txn.get(Table.LINKS, keys.link_key(self.number, edges.subject)) is not None:
            self.holders.require(keys.held_manifest(digest), keys.BY_SUBJECT + edges.subject)

    def require_listed(self, kind: bytes, digest: bytes, parent: bytes) -> None:
        self.absent += 1
        if not self.is_listed(kind, digest, parent):
            self.fault("absence-is-listed", f"{Digest(digest)} is named and not there")

    def is_listed(self, kind: bytes, digest: bytes, parent: bytes) -> bool:
        """Tell whether something is listed as absent."""
        row = keys.sparse_key(self.number, kind, digest, parent)
        return self.txn.get(Table.SPARSE, row) is not None

    def check_referrers(self, expected: int) -> None:
        surplus = self.count_bare(Table.REFERRERS) - expected
        if surplus > 0:
            self.fault("referrer-is-listed", f"{surplus} rows of what is not linked")

    def check_sparse(self) -> None:
        surplus = self.count_bare(Table.SPARSE) - self.absent
        if surplus > 0:
            self.fault("absence-is-listed", f"{surplus} rows of what is there, or nobody names")

    def count_bare(self, table: Table) -> int:
        """Count rows that say all with their keys."""
        found = 0
        for row in self.rows(table):
            found += 1
            readable(BareRecord.decode, table, row, self.findings)
        return found
