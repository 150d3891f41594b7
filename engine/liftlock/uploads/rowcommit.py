"""A small blob's way into the records: its bytes are a row, written in the transaction itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from liftlock import links, names
from liftlock.metadata.contract import Instant, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import AS_A_ROW, BlobRecord
from liftlock.oci.reference import RepositoryName
from liftlock.uploads.commit import Commit, Received, Recorded
from liftlock.uploads.place import Place


class RowCommit(Commit):
    """Of bytes that become a row.

    Several are recorded together (`Joint`). What is known of the blob, they see in the transaction:
    a row is looked at there, and a file is rare.
    """

    def __init__(self, place: Place, received: Received, content: bytes) -> None:
        """Prepare to record `content`, which is all that was received."""
        super().__init__(place, received)
        self._content = content

    def new_record(self, number: int, at: Instant) -> BlobRecord:
        """Return the record of these bytes; see `Commit.new_record`."""
        content = self.received.content_hash
        return BlobRecord(AS_A_ROW, number, 0, content.size, content.blake3(), put_at=at)

    def together(self, txn: WriteTxn, operations: Sequence[RowCommit]) -> list[object]:
        """Record several, in one draft if none of them needs to see what another one writes."""
        if not _are_apart([each.received for each in operations]):
            return [_outcome(txn, each) for each in operations]
        draft = Draft()
        outcomes: list[object] = []
        gained: defaultdict[RepositoryName, dict[bytes, BlobRecord]] = defaultdict(dict)
        for each in operations:
            outcome = _outcome(txn, each, draft)
            outcomes.append(outcome)
            if not isinstance(outcome, Exception):
                _, ticket, digest, _, _, _ = each.received
                gained[ticket.name][digest.key] = outcome.kept
        for name, records in gained.items():
            links.gain_blobs(txn, draft, names.get_repository(txn, name), records)
        draft.write(txn)
        return outcomes

    @property
    def small(self) -> bytes:
        """The bytes."""
        return self._content

    def take_back(self) -> None:
        """After a transaction that failed: the session has its bytes still, if it has any."""


def _outcome(txn: WriteTxn, one: Commit, draft: Draft | None = None) -> Recorded | Exception:
    """Write it, or draft its record; return that, or why nothing was written or drafted."""
    written, drafted = txn.writes, draft.drafted if draft is not None else 0
    try:
        return one(txn) if draft is None else one.record(txn, draft)
    except Exception as error:
        if txn.writes != written or (draft is not None and draft.drafted != drafted):
            raise
        return error


def _are_apart(some: Sequence[Received]) -> bool:
    """Tell whether no session, no blob and no repository to be made is there twice."""
    return (
        len({each.ticket.serial for each in some}) == len(some)
        and len({each.digest for each in some}) == len(some)
        and all(each.ticket.repository is not None for each in some)
    )
