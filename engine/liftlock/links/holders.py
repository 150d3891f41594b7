"""Rows that hold content: put without looking, dropped by whoever knows that they are needless."""

from __future__ import annotations

from liftlock.metadata import keys
from liftlock.metadata.contract import Table
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import HoldRecord


def put_hold(draft: Draft, repository: int, held: bytes, at: int) -> None:
    """Hold content that the repository has, from now on. There is one hold a digest."""
    key = keys.holder_key(repository, held, keys.BY_HOLD)
    draft.put(Table.HOLDERS, key, HoldRecord(at).encode())


def drop_hold(draft: Draft, repository: int, held: bytes) -> None:
    """Remove a hold."""
    drop_holder(draft, repository, held, keys.BY_HOLD)


def put_holder(draft: Draft, repository: int, held: bytes, holder: bytes) -> None:
    """Make something hold content that the repository has."""
    draft.put(Table.HOLDERS, keys.holder_key(repository, held, holder))


def drop_holder(draft: Draft, repository: int, held: bytes, holder: bytes) -> None:
    """Make something hold it no more."""
    draft.delete(Table.HOLDERS, keys.holder_key(repository, held, holder))
