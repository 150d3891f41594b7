"""The store is not as the request expects."""

from __future__ import annotations

from collections.abc import Iterable

from liftlock.errors.base import LiftlockError, shown


class Conflict(LiftlockError):
    """The request does not fit what the store holds now."""


class TagMoved(Conflict):
    """A tag (or a manifest, or a whole repository) is not where the caller expects it."""

    def __init__(self, tag: str, expected: str, found: str) -> None:
        super().__init__(
            f"{tag} is {_at(found)}, not {_at(expected)} as expected. "
            f"Look at it with `liftlock show {tag}`, then decide again."
        )
        self.tag = tag
        self.expected = expected
        self.found = found


class NameTaken(Conflict):
    """The name is in use."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The name {shown(name)} is taken.")
        self.name = name


class RegistryNotEmpty(Conflict):
    """A registry that is to be deleted still has repositories."""

    def __init__(self, registry: str, repositories: int) -> None:
        super().__init__(
            f"Registry {registry} is not empty: repositories left in it: {repositories}. "
            "Move or delete them first, or repeat with --force to delete it with all it has."
        )
        self.registry = registry
        self.repositories = repositories


class AttachmentsDiffer(Conflict):
    """An attachment tag has entries on either side that the other side lacks."""

    def __init__(self, tag: str, source: str, target: str) -> None:
        super().__init__(
            f"Attachment tag {tag} is {source} at the source and {target} at the target, and each "
            "has entries that the other lacks. Say which side counts: --attachments source or "
            "--attachments target."
        )
        self.tag = tag
        self.source = source
        self.target = target


class TargetsCollide(Conflict):
    """Several sources of one request would be one target; nothing was written."""

    def __init__(self, target: str, sources: Iterable[str]) -> None:
        self.target = target
        self.sources = tuple(sources)
        super().__init__(
            f"{target} would be made of {len(self.sources)} sources: {', '.join(self.sources)}. "
            "Give each a target of its own."
        )


class PlanOutdated(Conflict):
    """What a request means now is not what the plan said that it was sent with."""

    def __init__(self, expected: str, found: str, promotion: object) -> None:
        super().__init__(
            f"The plan is outdated: it was {expected}, and is {found} now. Nothing was written. "
            "Look at the new plan, then send the request with its hash."
        )
        self.expected = expected
        self.found = found
        self.promotion = promotion
        """The new plan, as the `Promotion` of a dry run."""


class UndoRefused(Conflict):
    """A promotion cannot be undone, since what it made has changed since."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"Promotion {number} cannot be undone: {reason}.")
        self.number = number
        self.reason = reason


class UploadBusy(Conflict):
    """Another request is writing to this upload session."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Another request is writing to upload {session_id}; wait for its end.")
        self.session_id = session_id


class StoreExists(Conflict):
    """`init` was pointed at a folder that is in use."""

    def __init__(self, root: str, what: str) -> None:
        super().__init__(f"{root} {what}. It was left as it is.")
        self.root = root


def _at(place: str) -> str:
    return place if place in {"absent", "there", "elsewhere"} else f"at {place}"
