"""One digest in many repositories: who has it, and why. One look-up for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.metadata.records import HoldRecord, decoded_all


class Reasons(NamedTuple):
    """Why a repository has a digest."""

    tags: list[str]
    parents: list[bytes]
    subject: bytes | None
    held_since: int | None


def linked_in(txn: ReadTxn, repositories: Sequence[int], digest: bytes) -> list[int]:
    """Return those of some repositories that have a manifest."""
    rows = [keys.link_key(repository, digest) for repository in repositories]
    found = zip(repositories, txn.get_many(Table.LINKS, rows), strict=True)
    return [repository for repository, value in found if value is not None]


def granted_in(txn: ReadTxn, repositories: Sequence[int], held: bytes) -> list[int]:
    """Return those of some repositories that have some content, of which keys say this."""
    prefixes = [keys.granting_prefix(each, held) for each in repositories]
    found = zip(repositories, txn.first_many(Table.HOLDERS, prefixes), strict=True)
    return [repository for repository, row in found if row is not None]


def reasons_in(
    txn: ReadTxn, repositories: Sequence[int], held: bytes, *, limit: int
) -> list[Reasons]:
    """Return why repositories have some content: of each up to `limit` tags, and as many parents.

    Those parents come first that were linked first; of one event, by digest.
    """
    granting = [keys.granting_prefix(each, held) for each in repositories]

    def holders(by: bytes, most: int) -> list[list[bytes]]:
        prefixes = [prefix + by for prefix in granting]
        found = txn.scan_many(Table.HOLDERS, prefixes, limit=most)
        return [
            [key[len(prefix) :] for key, _ in rows]
            for prefix, rows in zip(granting, found, strict=True)
        ]

    holds = [prefix + keys.BY_HOLD for prefix in granting]
    found = decoded_all(HoldRecord.decode, Table.HOLDERS, holds, txn.get_many(Table.HOLDERS, holds))
    return [
        Reasons(
            [tag[1:].decode() for tag in tags],
            [keys.split_parent(parent)[1] for parent in parents],
            subject[0][1:] if subject else None,
            hold.at if hold is not None else None,
        )
        for tags, parents, subject, hold in zip(
            holders(keys.BY_TAG, limit),
            holders(keys.BY_PARENT, limit),
            holders(keys.BY_SUBJECT, 1),
            found,
            strict=True,
        )
    ]
