"""What can go wrong, as classes: facts in attributes, one sentence in `str()`.

A family says what kind of trouble it is (the CLI's exit code follows from it); a leaf says
which. The core never formats for a medium: `http/errors.py` and `liftlock_cli/errors.py` hold
one table each, and a test requires each leaf in both.

A refused promotion carries every violation found, not the first: see `LiftlockError.violations`.
"""

from __future__ import annotations

from liftlock.errors.base import LiftlockError
from liftlock.errors.conflicts import (
    AttachmentsDiffer,
    Conflict,
    NameTaken,
    PlanOutdated,
    PurgeRefused,
    RegistryNotEmpty,
    SparseManifest,
    SparseRefused,
    StoreExists,
    TagMoved,
    TargetsCollide,
    UndoRefused,
    UploadBusy,
)
from liftlock.errors.invalid import (
    ChunkOutOfOrder,
    DigestInvalid,
    DocumentInvalid,
    Invalid,
    KeyReused,
    ManifestInvalid,
    ManifestTooLarge,
    NameInvalid,
    PageInvalid,
    ParameterInvalid,
    PromotionInvalid,
    SizeInvalid,
    TagsTooMany,
    TextInvalid,
    Unsupported,
    UploadMalformed,
)
from liftlock.errors.missing import (
    BlobUnknown,
    ManifestBlobUnknown,
    ManifestUnknown,
    NameIncomplete,
    NotFound,
    NothingSelected,
    PromotionUnknown,
    RegistryUnknown,
    RepositoryUnknown,
    StoreUnknown,
    UploadUnknown,
)
from liftlock.errors.stores import (
    Corruption,
    FormatUnknown,
    RecordCorrupt,
    StoreBusy,
    StoreDamaged,
    StoreFull,
    Unavailable,
)

__all__ = [
    "AttachmentsDiffer",
    "BlobUnknown",
    "ChunkOutOfOrder",
    "Conflict",
    "Corruption",
    "DigestInvalid",
    "DocumentInvalid",
    "FormatUnknown",
    "Invalid",
    "KeyReused",
    "LiftlockError",
    "ManifestBlobUnknown",
    "ManifestInvalid",
    "ManifestTooLarge",
    "ManifestUnknown",
    "NameIncomplete",
    "NameInvalid",
    "NameTaken",
    "NotFound",
    "NothingSelected",
    "PageInvalid",
    "ParameterInvalid",
    "PlanOutdated",
    "PromotionInvalid",
    "PromotionUnknown",
    "PurgeRefused",
    "RecordCorrupt",
    "RegistryNotEmpty",
    "RegistryUnknown",
    "RepositoryUnknown",
    "SizeInvalid",
    "SparseManifest",
    "SparseRefused",
    "StoreBusy",
    "StoreDamaged",
    "StoreExists",
    "StoreFull",
    "StoreUnknown",
    "TagMoved",
    "TagsTooMany",
    "TargetsCollide",
    "TextInvalid",
    "Unavailable",
    "UndoRefused",
    "Unsupported",
    "UploadBusy",
    "UploadMalformed",
    "UploadUnknown",
]
