"""Images do not come in, or do not go out."""

from __future__ import annotations

from liftlock.errors.base import shown
from liftlock.errors.conflicts import Conflict
from liftlock.errors.invalid import Invalid
from liftlock.errors.missing import NotFound
from liftlock.errors.stores import Corruption


class ArchiveInvalid(Invalid):
    """An archive is not what it should be, or more than the limits allow; no image came in."""

    def __init__(self, archive: str, reason: str) -> None:
        super().__init__(f"{shown(archive)} is refused: {reason}. No image of it was brought in.")
        self.archive = archive
        self.reason = reason


class TransferInvalid(Invalid):
    """What is asked of an import or an export does not fit together, or is too much."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"The {what} is refused: {reason}.")
        self.what = what
        self.reason = reason


class ArchiveUnknown(NotFound):
    """There is nothing to import at this path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"There is no file or folder {shown(path)} to import.")
        self.path = path


class TagTaken(Conflict):
    """An import would move a tag that is there, and nobody said that this is meant."""

    def __init__(self, tag: str, found: str, digest: str) -> None:
        super().__init__(
            f"{tag} is at {found}, and would become {digest}. Say that this is meant with "
            "--overwrite, or bring it in under another name with --to or --retag."
        )
        self.tag = tag
        self.found = found
        self.digest = digest


class ExportExists(Conflict):
    """An export would replace what is there: nobody said that this is meant, or it never may."""

    def __init__(self, path: str, what: str, *, is_replaceable: bool = True) -> None:
        todo = "Say that it may be replaced with --overwrite, or name" if is_replaceable else "Name"
        super().__init__(f"{path} {what}. {todo} another place.")
        self.path = path


class BlobCorrupt(Corruption):
    """A blob's file is missing, or does not hold what its digest names."""

    def __init__(self, digest: str, reason: str) -> None:
        super().__init__(
            f"Blob {digest} is damaged: {reason}. See which images need it with `liftlock check "
            "--content`; pushing or importing it again mends it."
        )
        self.digest = digest
        self.reason = reason
