"""Keys of why a repository has something, and of what it lacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from liftlock.metadata.keys.naming import ID_BYTES
from liftlock.oci.digest import key_length

MANIFEST: Final = b"m"
BLOB: Final = b"b"

GRANTS: Final = b"\x00"
NAMES_ONLY: Final = b"\x01"

BY_TAG: Final = b"t"
BY_PARENT: Final = b"p"
BY_SUBJECT: Final = b"s"
BY_HOLD: Final = b"h"


def held_prefix(repository: int, kind: bytes, digest: bytes) -> bytes:
    """`holders`: the prefix of every holder of one digest in one repository."""
    return repository.to_bytes(8, "big") + kind + digest


def granting_prefix(repository: int, kind: bytes, digest: bytes) -> bytes:
    """`holders`: a row begins so exactly if the digest can be read in the repository."""
    return repository.to_bytes(8, "big") + kind + digest + GRANTS


def held_prefixes(repository: int, kind: bytes, digests: Iterable[bytes]) -> list[bytes]:
    """Return `held_prefix` of each digest."""
    before = repository.to_bytes(8, "big") + kind
    return [before + digest for digest in digests]


def holder_keys(
    repository: int, kind: bytes, digests: Iterable[bytes], grant: bytes, holder: bytes
) -> list[bytes]:
    """Return `holder_key` of each digest."""
    before, behind = repository.to_bytes(8, "big") + kind, grant + holder
    return [before + digest + behind for digest in digests]


def holder_key(repository: int, kind: bytes, digest: bytes, grant: bytes, holder: bytes) -> bytes:
    """`holders`: repository id, kind, digest, whether it grants, and who holds.

    Digest before holder, because "who needs this?" is asked on every read and every delete; the
    holder's own rows are named by its manifest's bytes, and fetched one by one.
    """
    return repository.to_bytes(8, "big") + kind + digest + grant + holder


def split_holder(key: bytes) -> tuple[int, bytes, bytes, bytes, bytes]:
    """Take a `holders` key apart: repository id, kind, digest, grant, holder."""
    end = 9 + key_length(key[9])
    return int.from_bytes(key[:8], "big"), key[8:9], key[9:end], key[end : end + 1], key[end + 1 :]


def by_parent(event: int, digest: bytes) -> bytes:
    """Return a parent as a holder: the event of its link in the repository, its digest.

    Event before digest: what many manifests share gets its rows one behind the other, instead of
    strewn among all that it has, so that a commit writes fewer pages.
    """
    return BY_PARENT + event.to_bytes(8, "big") + digest


def split_parent(holder: bytes) -> tuple[int, bytes]:
    """Take a parent as a holder apart: the event of its link, its digest."""
    end = 1 + ID_BYTES
    return int.from_bytes(holder[1:end], "big"), holder[end:]


def sparse_key(repository: int, kind: bytes, digest: bytes, parent: bytes) -> bytes:
    """`sparse`: repository id, kind and digest of what is absent, digest of a manifest naming it.

    What is absent before who names it, because what comes in asks who has named it.
    """
    return repository.to_bytes(8, "big") + kind + digest + parent


def sparse_prefix(repository: int, kind: bytes = b"", digest: bytes = b"") -> bytes:
    """`sparse`: the prefix of all that a repository lacks, or of those that name one thing."""
    return repository.to_bytes(8, "big") + kind + digest


def split_sparse(key: bytes) -> tuple[bytes, bytes, bytes]:
    """Take a `sparse` key apart: kind and digest of what is absent, and who names it."""
    end = 9 + key_length(key[9])
    return key[8:9], key[9:end], key[end:]
