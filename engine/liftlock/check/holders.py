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

    def require_parent(
        self, kind: bytes, digest: bytes, holder: bytes | None, grant: bytes
    ) -> None:
        """Require the row of a parent; of one that is None it can only be counted."""
        if holder is None:
            self.expected[keys.BY_PARENT] += 1
        else:
            self.require(kind, digest, holder, grant)

    def require(
        self, kind: bytes, digest: bytes, holder: bytes, grant: bytes = keys.GRANTS
    ) -> None:
        """Require a row."""
        self.expected[holder[:1]] += 1
        key = keys.holder_key(self.number, kind, digest, grant, holder)
        if self.txn.get(Table.HOLDERS, key) is None:
            self.fault("holder-is-there", f"row {key.hex()} of {Digest(digest)} is missing")

    def check(self) -> tuple[int, int]:
        """Holders agree with each other and with what they are about; count the blobs granted."""
        found: Counter[bytes] = Counter()
        blobs = size = 0
        digest_before, grant_before = b"", b""
        for row in self.txn.scan(Table.HOLDERS, keys.id_key(self.number)):
            _, kind, digest, grant, holder = keys.split_holder(row[0])
            by = holder[:1]
            found[by] += 1
            decode = HoldRecord.decode if by == keys.BY_HOLD else BareRecord.decode
            readable(decode, Table.HOLDERS, row, self.findings)
            if kind + digest != digest_before:
                if grant == keys.GRANTS:
                    granted, added = self._check_granted(kind, digest)
                    blobs += granted
                    size += added
                elif self._has(kind, digest):
                    self.fault("grants-agree", f"{Digest(digest)} is there, but only named")
            elif grant != grant_before:
                self.fault("grants-agree", f"{Digest(digest)} is both granted and only named")
            digest_before, grant_before = kind + digest, grant
        for by in (keys.BY_TAG, keys.BY_PARENT, keys.BY_SUBJECT):
            if found[by] > self.expected[by]:
                surplus = found[by] - self.expected[by]
                self.fault("holder-has-reason", f"{surplus} rows by {by!r} without their holder")
        return blobs, size

    def _has(self, kind: bytes, digest: bytes) -> bool:
        if kind == keys.MANIFEST:
            return self.txn.get(Table.LINKS, keys.link_key(self.number, digest)) is not None
        return False

    def _check_granted(self, kind: bytes, digest: bytes) -> tuple[int, int]:
        """What is granted exists. Return count and bytes, if it is a blob."""
        if kind == keys.MANIFEST:
            if not self._has(kind, digest):
                self.fault("grant-has-record", f"manifest {Digest(digest)} is held, not linked")
            return 0, 0
        try:
            (record,) = links.find_blobs(self.txn, (digest,))
        except RecordCorrupt:  # found where the records are checked
            return 1, 0
        if record is None:
            self.fault("grant-has-record", f"blob {Digest(digest)} has no record")
        return 1, record.size if record else 0
