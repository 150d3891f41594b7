"""The store is not as the request expects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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


class SparseManifest(Conflict):
    """Manifests would name what the target lacks, and nobody said that this is meant."""

    def __init__(self, target: str, missing: Iterable[str], *, more: bool = False) -> None:
        self.target = target
        self.missing: tuple[str, ...] = tuple(missing)
        """The first of the digests that the target would lack."""
        self.more = more
        super().__init__(
            f"Indexes or images would name what {target} lacks: {_listed(self.missing, more)}. "
            "Push that to the source first, or say that this is meant: --allow-sparse."
        )


class SparseRefused(Conflict):
    """Manifests would name what the target lacks, and its registry refuses such."""

    def __init__(
        self, registry: str, target: str, missing: Iterable[str], *, more: bool = False
    ) -> None:
        self.registry = registry
        self.target = target
        self.missing: tuple[str, ...] = tuple(missing)
        """The first of the digests that the target would lack."""
        self.more = more
        super().__init__(
            f"Registry {registry} accepts no sparse manifests (allow_sparse), and {target} would "
            f"lack {_listed(self.missing, more)}. Push that to the source or to the target first, "
            f"or allow it with `liftlock registry update {registry} --allow-sparse`."
        )


class PurgeRefused(Conflict):
    """A move would purge where nothing may be deleted."""

    def __init__(self, registry: str) -> None:
        super().__init__(
            f"Registry {registry} does not allow deleting (allow_delete), and a purge deletes what "
            "a move leaves there. Leave the purge out, or allow it with `liftlock registry update "
            f"{registry} --allow-delete`."
        )
        self.registry = registry


class TargetsCollide(Conflict):
    """Several sources of one request would be one target; nothing was written."""

    def __init__(self, target: str, sources: Iterable[str]) -> None:
        self.target = target
        self.sources: tuple[str, ...] = tuple(sources)
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
        self.promotion: Any = promotion  # Any: the model stands above the errors
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


def _listed(digests: tuple[str, ...], more: bool) -> str:  # noqa: FBT001 - a part of the list
    return ", ".join(digests) + (" and more" if more else "")


def _at(place: str) -> str:
    return place if place in {"absent", "there", "elsewhere"} else f"at {place}"
