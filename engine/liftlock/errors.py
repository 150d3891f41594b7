"""What can go wrong, as classes: facts in attributes, one sentence in `str()`.

A family says what kind of trouble it is (the CLI's exit code follows from it); a leaf says
which. The core never formats for a medium: `http/errors.py` and `liftlock_cli/errors.py` hold
one table each, and a test requires each leaf in both.

A refused promotion carries every violation found, not the first: see `LiftlockError.violations`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class LiftlockError(Exception):
    """Root of everything that Liftlock raises on purpose; its text is one whole sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self._all: tuple[LiftlockError, ...] = ()

    @property
    def violations(self) -> tuple[LiftlockError, ...]:
        """All that was wrong with the request; just this error unless several rules refused."""
        return self._all or (self,)

    def among(self, violations: Sequence[LiftlockError]) -> LiftlockError:
        """Return this error, speaking for all of `violations` (itself among them)."""
        self._all = tuple(violations)
        return self


# --- the request itself is wrong ------------------------------------------------------------


class Invalid(LiftlockError):
    """The request cannot be right, whatever the store holds."""


class NameInvalid(Invalid):
    """A registry, repository or tag name breaks the grammar or a length limit."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{_shown(name)} is not a valid name: {reason}.")
        self.name = name
        self.reason = reason


class DigestInvalid(Invalid):
    """A digest is malformed, of an unknown algorithm, or not the content's."""

    def __init__(self, digest: str, reason: str) -> None:
        super().__init__(f"Digest {_shown(digest)} is refused: {reason}.")
        self.digest = digest
        self.reason = reason


class SizeInvalid(Invalid):
    """Content has another length than announced, or is longer than a limit allows."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The length is refused: {reason}.")
        self.reason = reason


class ManifestInvalid(Invalid):
    """A manifest is not the JSON that its media type promises."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The manifest is refused: {reason}.")
        self.reason = reason


class ManifestTooLarge(Invalid):
    """A manifest is longer than `Limits.manifest_bytes_max`."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The manifest is larger than the limit of {limit} bytes (manifest_bytes_max)."
        )
        self.limit = limit


class ChunkOutOfOrder(Invalid):
    """An upload chunk does not start where the session ends; the session lives on."""

    def __init__(self, session_id: str, offset: int, start: int) -> None:
        super().__init__(
            f"The chunk starts at byte {start}, but the upload stands at {offset}; "
            f"go on from {offset}."
        )
        self.session_id = session_id
        self.offset = offset
        self.start = start


class UploadMalformed(Invalid):
    """An upload request's headers contradict each other or cannot be read; nothing was taken."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The upload request is refused: {reason}.")
        self.reason = reason


class Unsupported(Invalid):
    """The request is understood, and is not done."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


class PageInvalid(Invalid):
    """A paging parameter is not a count from 0 up."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{_shown(text)} is no number of entries: give a whole number from 0 up.")
        self.text = text


class TextInvalid(Invalid):
    """A comment or an actor's name cannot be stored."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what.capitalize()} is refused: {reason}.")
        self.what = what
        self.reason = reason


class PromotionInvalid(Invalid):
    """A promotion's references, tags or names do not fit together."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The promotion is refused: {reason}.")
        self.reason = reason


class KeyReused(Invalid):
    """An idempotency key came again, with another request than the first."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Idempotency key {_shown(key)} was used for another request within the last day. "
            "Use a new key for a new request."
        )
        self.key = key


# --- something named is not there -----------------------------------------------------------


class NotFound(LiftlockError):
    """Something that the request names is not there."""


class RegistryUnknown(NotFound):
    """No registry bears this name."""

    def __init__(self, registry: str) -> None:
        super().__init__(
            f"There is no registry {_shown(registry)}. "
            f"Create it with `liftlock registry create {registry}`."
        )
        self.registry = registry


class RepositoryUnknown(NotFound):
    """The registry has no repository of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no repository {_shown(name)}. It comes into being with its first push."
        )
        self.name = name


class NameIncomplete(NotFound):
    """A name of one component, which can name no repository here."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{_shown(name)} names no repository: names are <registry>/<repository>.")
        self.name = name


class BlobUnknown(NotFound):
    """The repository does not have this blob, or its file is damaged and wants a new push."""

    def __init__(self, repository: str, digest: str) -> None:
        super().__init__(f"{repository} has no blob {digest}.")
        self.repository = repository
        self.digest = digest


class ManifestUnknown(NotFound):
    """The repository does not have this tag or manifest."""

    def __init__(self, repository: str, reference: str) -> None:
        super().__init__(f"{repository} has no manifest {reference}.")
        self.repository = repository
        self.reference = reference


class NothingSelected(NotFound):
    """A promotion's source is there, and selects nothing."""

    def __init__(self, source: str, what: str) -> None:
        super().__init__(f"{source} has {what}. Look at it with `liftlock ls`.")
        self.source = source


class ManifestBlobUnknown(NotFound):
    """A manifest names content that its repository does not have; all of it is listed."""

    def __init__(self, repository: str, missing: Iterable[str]) -> None:
        self.repository = repository
        self.missing = tuple(missing)
        super().__init__(
            f"The manifest names {len(self.missing)} digest(s) that {repository} does not have: "
            f"{', '.join(self.missing)}. Push them first."
        )


class UploadUnknown(NotFound):
    """No open upload session of this repository bears this id."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"There is no open upload {_shown(session_id)} here: it was finished, cancelled, "
            "has expired, or was lost in a power cut. Start a new one."
        )
        self.session_id = session_id


class PromotionUnknown(NotFound):
    """No promotion bears this number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"There is no promotion {number}.")
        self.number = number


class StoreUnknown(NotFound):
    """The folder holds no store."""

    def __init__(self, root: str) -> None:
        super().__init__(f"There is no store at {root}. Make one with `liftlock init`.")
        self.root = root


# --- the store is not as the request expects ------------------------------------------------


class Conflict(LiftlockError):
    """The request does not fit what the store holds now."""


class TagMoved(Conflict):
    """A tag (or a whole repository) is not where the caller last saw it."""

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
        super().__init__(f"The name {_shown(name)} is taken.")
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


# --- it may work later ----------------------------------------------------------------------


class Unavailable(LiftlockError):
    """The store cannot do it now; the same request may work later."""


class StoreBusy(Unavailable):
    """The store cannot be used from here right now."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The store cannot be used right now: {reason}.")
        self.reason = reason


class StoreFull(Unavailable):
    """There is no room; nothing of the request was kept."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"There is no room left for {what}. Free space on the store's disk, or raise the "
            "metadata map limit; a restart is not needed."
        )
        self.what = what


# --- what is stored is not what was stored --------------------------------------------------


class Corruption(LiftlockError):
    """What the store gives back is not what was put in; never caught below a process's edge."""


class RecordCorrupt(Corruption):
    """A metadata row fails its checksum or cannot be read."""

    def __init__(self, table: str, key: bytes, reason: str) -> None:
        super().__init__(
            f"Row {key.hex()} of table {table} is damaged: {reason}. Run `liftlock check`."
        )
        self.table = table
        self.key = key


class StoreDamaged(Corruption):
    """A part of the store is missing; nothing was touched, and nothing was made in its place."""

    def __init__(self, root: str, what: str) -> None:
        super().__init__(
            f"The store at {root} has lost {what}. Nothing was changed. "
            "Is its disk mounted? Otherwise restore it from a backup."
        )
        self.root = root
        self.what = what


class FormatUnknown(Corruption):
    """The store was written in a format that this version does not read; it was not touched."""

    def __init__(self, root: str, found: str, known: str) -> None:
        super().__init__(
            f"The store at {root} has format {found}; this version of Liftlock reads {known}. "
            "Nothing was changed. Use the version that wrote it."
        )
        self.root = root
        self.found = found


def _shown(text: str, most: int = 120) -> str:
    """Quote untrusted `text`: cut, and with nothing in it that a terminal would act upon."""
    cut = text if len(text) <= most else text[:most] + "…"
    return repr(cut)


def _at(place: str) -> str:
    return place if place in {"absent", "there"} else f"at {place}"
