"""Do the rows that say why a repository has something agree: with what they are about, and whom?

Every row that must exist is looked up; that there are no others follows from counting them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from liftlock import links
from liftlock.check.scan import readable
from liftlock.errors import RecordCorrupt
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.metadata.keys import HolderKey
from liftlock.metadata.records import BareRecord, HoldRecord
from liftlock.model import Finding
from liftlock.oci.digest import Digest


class Holders:
    """The holder rows of one repository: first those that must be there, then all."""

    def __init__(
        self,
        txn: ReadTxn,
        number: int,
        findings: list[Finding],
        fault: Callable[[str, str], None],
    ) -> None:
        """Prepare to check a repository; `fault` is told the rule that is broken, and how."""
        self.txn, self.number = txn, number
        self.findings, self.fault = findings, fault
        self.expected: Counter[bytes] = Counter()
        """Rows that must be there, by kind of holder."""

    def require(self, held: bytes, holder: bytes) -> None:
        """Require a row that grants something."""
        self._require(keys.holder_key(self.number, held, holder), held, holder)

    def require_parent(self, held: bytes, holder: bytes | None, *, grants: bool) -> None:
        """Require the row of a parent; of one that is None it can only be counted."""
        if holder is None:
            self.expected[keys.BY_PARENT] += 1
        elif grants:
            self.require(held, holder)
        else:
            kind, digest = keys.held_kind(held), keys.held_digest(held)
            self._require(keys.naming_key(self.number, kind, digest, holder), held, holder)

    def check(self) -> tuple[int, int]:
        """Check that rows agree with each other, and with what they are about.

        Returns:
            How many blobs are granted, and their bytes.
        """
        found: Counter[bytes] = Counter()
        blobs = size = 0
        before: tuple[bytes, bytes] | None = None
        for row in self.txn.scan(Table.HOLDERS, keys.id_key(self.number)):
            key = keys.split_holder(row[0])
            by = key.holder[:1]
            found[by] += 1
            decode = HoldRecord.decode if by == keys.BY_HOLD else BareRecord.decode
            readable(decode, Table.HOLDERS, row, self.findings)
            if (key.held, key.grant) == before:
                continue
            before = key.held, key.grant
            if key.grant != keys.GRANTS:
                self._check_named(key)
            elif key.kind == keys.BLOB:
                blobs += 1
                size += self._check_blob(key)
            elif not self._is_linked(key.digest):
                self.fault("grant-has-record", f"manifest {Digest(key.digest)} is held, not linked")
        for by in (keys.BY_TAG, keys.BY_PARENT, keys.BY_SUBJECT):
            if found[by] > self.expected[by]:
                surplus = found[by] - self.expected[by]
                self.fault("holder-has-reason", f"{surplus} rows by {by!r} without their holder")
        return blobs, size

    def _require(self, key: bytes, held: bytes, holder: bytes) -> None:
        self.expected[holder[:1]] += 1
        if self.txn.get(Table.HOLDERS, key) is None:
            named = Digest(keys.held_digest(held))
            self.fault("holder-is-there", f"row {key.hex()} of {named} is missing")

    def _check_blob(self, key: HolderKey) -> int:
        """Check that a blob that is granted exists under its number; return its bytes."""
        digest = Digest(key.digest)
        try:
            (record,) = links.find_blobs(self.txn, (key.digest,))
        except RecordCorrupt:  # found where the records are checked
            return 0
        if record is None:
            self.fault("grant-has-record", f"blob {digest} has no record")
            return 0
        number = int.from_bytes(key.number, "big")
        if record.number != number:
            detail = f"blob {digest} is held as number {number}, and its record has {record.number}"
            self.fault("grant-has-record", detail)
        return record.size

    def _check_named(self, key: HolderKey) -> None:
        """Check that what is only named is not there, and has no number."""
        digest = Digest(key.digest)
        if key.kind == keys.MANIFEST:
            held: bytes | None = key.held
        else:
            held = links.find_held(self.txn, (key.digest,)).get(key.digest)
            if any(key.number):
                self.fault("grants-agree", f"{digest} is only named, and has a number")
        is_linked = key.kind == keys.MANIFEST and self._is_linked(key.digest)
        if is_linked or (held and links.granted_in(self.txn, (self.number,), held)):
            self.fault("grants-agree", f"{digest} is there, and only named")

    def _is_linked(self, digest: bytes) -> bool:
        return self.txn.get(Table.LINKS, keys.link_key(self.number, digest)) is not None
