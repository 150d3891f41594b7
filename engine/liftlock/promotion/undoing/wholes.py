"""Undoing what a promotion did to whole repositories: names go back, copies go, the dead return.

As long as nothing else has happened to them: their own history says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from liftlock import bearers, history, names
from liftlock.errors import LiftlockError, UndoRefused
from liftlock.history import Event, Item
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.metadata.records import Action, DeadRecord, FoundRepository, Role, decoded


class WholeUndo(NamedTuple):
    """One repository that goes back to what it was as a whole."""

    repository: FoundRepository
    action: Action
    """RENAMED, REVIVED or REMOVED."""
    registry: int
    name: str
    """Where it goes (of one that is removed: where it is)."""


class WholesUndoing:
    """The decision about the repositories of one promotion."""

    def __init__(self, txn: ReadTxn, undone: Event, items: Sequence[Item]) -> None:
        self.txn, self.undone, self.items = txn, undone, items
        self.number = undone.record.promotion
        self.refusals: list[LiftlockError] = []

    def plan(self) -> tuple[list[WholeUndo], list[LiftlockError]]:
        """Return what goes back, and what stands against it."""
        wholes = [self._turned(item) for item in self.items]
        self._require_names(wholes)
        return wholes, self.refusals

    def _turned(self, item: Item) -> WholeUndo:
        record = names.repository_record(self.txn, item.repository)
        repository = FoundRepository(item.repository, record)
        if item.record.action is Action.DISSOLVED:
            self._require_whole(repository)
            return WholeUndo(repository, Action.REVIVED, record.registry, record.name)
        self._require_unchanged(repository)
        if item.record.action is Action.COPIED:
            return WholeUndo(repository, Action.REMOVED, record.registry, record.name)
        before = bearers.get_log(self.txn, item.repository, before=self.undone.id).record
        return WholeUndo(repository, Action.RENAMED, before.registry, before.name)

    def _require_unchanged(self, repository: FoundRepository) -> None:
        name = names.full_name(self.txn, repository.id)
        if not names.is_reachable(self.txn, repository.id, repository.record):
            self._refuse(f"{name} was deleted since")
            return
        latest = self._latest_change(repository.id)
        if latest != self.undone.id:
            self._refuse(
                f"{name} was changed since, by event {latest}; look at `liftlock history {name}`, "
                "and promote what you want where"
            )

    def _latest_change(self, repository: int) -> int | None:
        """Return the last event that changed it; a promotion and its undo are as if never."""
        undone: set[int] = set()
        for number, role in history.iter_repository_events(self.txn, repository):
            if role is Role.TAKEN_FROM:
                continue
            record = history.get_event(self.txn, number).record
            if record.undoes:
                undone.add(record.undoes)
            elif record.promotion not in undone:
                return number
        return None

    def _require_whole(self, repository: FoundRepository) -> None:
        """Refuse unless a repository that is gone can come back with all that it had."""
        key = keys.id_key(repository.id)
        value = self.txn.get(Table.DEAD, key)
        dead = decoded(DeadRecord.decode, Table.DEAD, key, value) if value is not None else None
        name = names.full_name(self.txn, repository.id)
        if dead is None or dead.is_going:
            self._refuse(f"what {name} had is swept, or about to be")
        elif dead.event != self.undone.id:
            self._refuse(f"{name} came back, and was deleted since, by event {dead.event}")

    def _require_names(self, wholes: Sequence[WholeUndo]) -> None:
        """Refuse unless every name that is wanted is free, or becomes so by this undo."""
        leaving = {
            (whole.repository.record.registry, whole.repository.record.name)
            for whole in wholes
            if whole.action is not Action.REVIVED
        }
        for whole in wholes:
            if whole.action is Action.REMOVED:
                continue
            registry = names.registry_record(self.txn, whole.registry).name
            if names.find_registry(self.txn, registry) != whole.registry:
                self._refuse(f"registry {registry} was deleted since")
            elif (whole.registry, whole.name) not in leaving and names.find_in(
                self.txn, whole.registry, whole.name
            ):
                self._refuse(f"the name {registry}/{whole.name} was taken since")

    def _refuse(self, reason: str) -> None:
        self.refusals.append(UndoRefused(self.number, reason))
