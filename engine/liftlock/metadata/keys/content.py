"""Keys of what a repository has by name or digest, and of small blobs."""

from __future__ import annotations

from collections.abc import Iterable

from liftlock.metadata.keys.naming import encoded
from liftlock.oci.digest import key_length


def tag_key(repository: int, tag: str = "") -> bytes:
    """`tags`: repository id, tag. Without `tag`, the prefix of all tags of the repository."""
    return repository.to_bytes(8, "big") + encoded(tag)


def tag_keys(repository: int, tags: Iterable[str]) -> list[bytes]:
    """Return `tag_key` of each."""
    before = repository.to_bytes(8, "big")
    return [before + encoded(tag) for tag in tags]


def link_key(repository: int, digest: bytes = b"") -> bytes:
    """`links`: repository id, digest."""
    return repository.to_bytes(8, "big") + digest


def link_keys(repository: int, digests: Iterable[bytes]) -> list[bytes]:
    """Return `link_key` of each."""
    before = repository.to_bytes(8, "big")
    return [before + digest for digest in digests]


def referrer_key(repository: int, subject: bytes, artifact_type: bytes, digest: bytes) -> bytes:
    """`referrers`: repository id, subject, BLAKE3-16 of the artifact type, digest.

    The type's hash stands before the digest, so that the filtered list is one range too.
    """
    return repository.to_bytes(8, "big") + subject + artifact_type + digest


def referrers_prefix(repository: int, subject: bytes = b"", artifact_type: bytes = b"") -> bytes:
    """`referrers`: the prefix of all referrers of a subject, or of those of one type."""
    return repository.to_bytes(8, "big") + subject + artifact_type


def referrers_prefixes(repository: int, subjects: Iterable[bytes]) -> list[bytes]:
    """Return `referrers_prefix` of each subject."""
    before = repository.to_bytes(8, "big")
    return [before + subject for subject in subjects]


def split_referrer(key: bytes) -> tuple[bytes, bytes, bytes]:
    """Take a `referrers` key apart: subject, hash of the artifact type, digest."""
    end = 8 + key_length(key[8])
    return key[8:end], key[end : end + 16], key[end + 16 :]


def small_key(at: int, digest: bytes) -> bytes:
    """`small`: when it was put, digest.

    Time before digest, so that what is pushed together lies together: a commit writes fewer pages.
    """
    return at.to_bytes(8, "big") + digest


def split_small(key: bytes) -> tuple[int, bytes]:
    """Take a `small` key apart: when it was put, digest."""
    return int.from_bytes(key[:8], "big"), key[8:]
