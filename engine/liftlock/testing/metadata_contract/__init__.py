"""What every metadata store must do, as tests: inherit, and say how to open one.

    class TestLmdb(MetadataStoreContract):
        def open_store(self, folder, clock, before_commit, limits, reach) -> MetadataStore: ...

What only one kind of store has (files, processes, damage) is tested beside that kind.
"""

from __future__ import annotations

from liftlock.testing.metadata_contract.commits import CommitsContract
from liftlock.testing.metadata_contract.opening import BeforeCommit
from liftlock.testing.metadata_contract.rows import RowsContract
from liftlock.testing.metadata_contract.transactions import TransactionsContract

__all__ = ["BeforeCommit", "MetadataStoreContract"]


class MetadataStoreContract(RowsContract, TransactionsContract, CommitsContract):
    """Tests of `MetadataStore`; a fixture `store` gives each of them a new one."""
