"""Every value of every table: bytes in, record out, each with a checksum.

So a flipped bit, or a value that got under another key, is seen when the row is read: LMDB 0.9
has no checksums of its own (`checksum.py`). In tables whose keys begin with a repository id no
value contains that id: so a repository is copied by copying its rows to another id as they are.
"""

from __future__ import annotations

from liftlock.metadata.records.acts import BEGINS, WHOLE, Action, Kind, Naming, Role
from liftlock.metadata.records.content import (
    AS_A_FILE,
    AS_A_ROW,
    BLOB_NUMBER,
    BareRecord,
    BlobRecord,
    HoldRecord,
    LinkRecord,
    ManifestRecord,
    SecretRecord,
    SmallRecord,
    TagRecord,
    blob_size,
)
from liftlock.metadata.records.naming import (
    CountsRecord,
    DeadRecord,
    FoundRepository,
    IdRecord,
    NamingRecord,
    RegistryRecord,
    RepositoryLogRecord,
    RepositoryRecord,
)
from liftlock.metadata.records.past import (
    AnswerRecord,
    EventRecord,
    ItemRecord,
    OtherSide,
    RoleRecord,
    SealRecord,
)
from liftlock.metadata.records.rows import decoded, decoded_all, protect, required
from liftlock.metadata.records.settings import decode_settings, encode_settings

__all__ = [
    "AS_A_FILE",
    "AS_A_ROW",
    "BEGINS",
    "BLOB_NUMBER",
    "WHOLE",
    "Action",
    "AnswerRecord",
    "BareRecord",
    "BlobRecord",
    "CountsRecord",
    "DeadRecord",
    "EventRecord",
    "FoundRepository",
    "HoldRecord",
    "IdRecord",
    "ItemRecord",
    "Kind",
    "LinkRecord",
    "ManifestRecord",
    "Naming",
    "NamingRecord",
    "OtherSide",
    "RegistryRecord",
    "RepositoryLogRecord",
    "RepositoryRecord",
    "Role",
    "RoleRecord",
    "SealRecord",
    "SecretRecord",
    "SmallRecord",
    "TagRecord",
    "blob_size",
    "decode_settings",
    "decoded",
    "decoded_all",
    "encode_settings",
    "protect",
    "required",
]
