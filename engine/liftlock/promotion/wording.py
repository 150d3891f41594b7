"""What happens to tags and repositories: in the history's words, and in those people are told."""

from __future__ import annotations

from typing import Final

from liftlock.history import Event
from liftlock.metadata.records import Action, Kind
from liftlock.model import Mode, Outcome

ACTIONS: Final = {
    Outcome.CREATE: Action.CREATED,
    Outcome.OVERWRITE: Action.UPDATED,
    Outcome.EXTEND: Action.EXTENDED,
    Outcome.REMOVE: Action.MOVED_OUT,
    Outcome.UNCHANGED: Action.KEPT,
}
"""As what an item records that which a promotion does to a tag."""
OUTCOMES: Final = {
    Action.CREATED: Outcome.CREATE,
    Action.UPDATED: Outcome.OVERWRITE,
    Action.EXTENDED: Outcome.EXTEND,
    Action.KEPT: Outcome.UNCHANGED,
    Action.COPIED: Outcome.CREATE,
    Action.RENAMED: Outcome.CREATE,
    Action.MERGED: Outcome.EXTEND,
}
"""How items of a promotion are told; those of other actions are told with these."""
UNDO_OUTCOMES: Final = {
    Action.DELETED: Outcome.REMOVE,
    Action.CREATED: Outcome.CREATE,
    Action.UPDATED: Outcome.OVERWRITE,
    Action.REDUCED: Outcome.UNCHANGED,
    Action.RENAMED: Outcome.CREATE,
    Action.REVIVED: Outcome.CREATE,
    Action.REMOVED: Outcome.REMOVE,
}
"""How items of an undo are told."""


def kind_of(mode: Mode) -> Kind:
    """Return what the event of a promotion is."""
    return Kind.MOVE if mode is Mode.MOVE else Kind.PROMOTE


def mode_of(event: Event) -> Mode:
    """Return what the promotion of an event did to its source."""
    return Mode.MOVE if event.record.kind is Kind.MOVE else Mode.COPY
