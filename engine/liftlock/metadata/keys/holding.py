"""Keys of why a repository has something, and of what it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from liftlock.metadata.keys.naming import ID_BYTES
from liftlock.oci.digest import key_length

MANIFEST: Final = b"m"
BLOB: Final = b"b"

NO_NUMBER: Final = bytes(ID_BYTES)
"""Stands for a blob's number in rows that only name it: it may be elsewhere, or nowhere."""
_ONLY_NAMED: Final = {MANIFEST: MANIFEST, BLOB: BLOB + NO_NUMBER}
_OF_A_BLOB: Final = len(BLOB) + ID_BYTES

GRANTS: Final = b"\x00"
NAMES_ONLY: Final = b"\x01"

BY_TAG: Final = b"t"
BY_PARENT: Final = b"p"
BY_SUBJECT: Final = b"s"
BY_HOLD: Final = b"h"


def held_manifest(digest: bytes) -> bytes:
    """Return what a `holders` key says of which content it is: kind, digest."""
    return MANIFEST + digest


def held_blob(number: bytes, digest: bytes) -> bytes:
    """Likewise of a blob: kind, the number in its record (`blob_number`), digest.

    Number before digest: what is pushed together lies together, and is promoted together, so that a
    commit writes fewer pages. The digest says which blob it is without a look at the record.
    """
    return BLOB + number + digest


def held_blobs(records: Mapping[bytes, bytes], number: slice) -> dict[bytes, bytes]:
    """Return `held_blob` of each digest, of which a record has its number at a place."""
    # A record that is damaged may be shorter, which must not make a key of another form.
    return {
        digest: BLOB + row[number].ljust(ID_BYTES, b"\0") + digest
        for digest, row in records.items()
    }


def held_kind(held: bytes) -> bytes:
    """Return the kind in what `held_manifest` and `held_blob` return."""
    return held[:1]


def held_digest(held: bytes) -> bytes:
    """Return the digest in what `held_manifest` and `held_blob` return."""
    return held[1:] if held[:1] == MANIFEST else held[_OF_A_BLOB:]


def granting_prefix(repository: int, held: bytes) -> bytes:
    """`holders`: a row begins so exactly if the content can be read in the repository."""
    return repository.to_bytes(8, "big") + held + GRANTS


def granting_prefixes(repository: int, held: Iterable[bytes]) -> list[bytes]:
    """Return `granting_prefix` of each."""
    before = repository.to_bytes(8, "big")
    return [before + each + GRANTS for each in held]


def naming_prefix(repository: int, kind: bytes, digest: bytes) -> bytes:
    """`holders`: rows begin so that only name some content."""
    return repository.to_bytes(8, "big") + _ONLY_NAMED[kind] + digest + NAMES_ONLY


def named_blobs_prefix(repository: int) -> bytes:
    """`holders`: the prefix of all rows that only name blobs. Nearly everywhere there are none."""
    return repository.to_bytes(8, "big") + _ONLY_NAMED[BLOB]


def holder_keys(repository: int, held: Iterable[bytes], holder: bytes) -> list[bytes]:
    """Return `holder_key` of each."""
    before, behind = repository.to_bytes(8, "big"), GRANTS + holder
    return [before + each + behind for each in held]


def holder_key(repository: int, held: bytes, holder: bytes) -> bytes:
    """`holders`: repository id, what is held, that it grants, and who holds.

    What before who, because "who needs this?" is asked on every read and every delete; the
    holder's own rows are named by its manifest's bytes, and fetched one by one.
    """
    return repository.to_bytes(8, "big") + held + GRANTS + holder


def naming_key(repository: int, kind: bytes, digest: bytes, holder: bytes) -> bytes:
    """`holders`: likewise, but that it only names: of a blob with number 0."""
    return naming_prefix(repository, kind, digest) + holder


class HolderKey(NamedTuple):
    """A `holders` key, taken apart."""

    held: bytes
    """What `held_manifest` or `held_blob` return."""
    grant: bytes
    holder: bytes

    @property
    def kind(self) -> bytes:
        """MANIFEST or BLOB."""
        return self.held[:1]

    @property
    def number(self) -> bytes:
        """The number in a blob's record; zeros if it is only named. Empty of a manifest."""
        return b"" if self.kind == MANIFEST else self.held[1:_OF_A_BLOB]

    @property
    def digest(self) -> bytes:
        """Of what is held."""
        return held_digest(self.held)


def split_holder(key: bytes) -> HolderKey:
    """Take a `holders` key apart, but for its repository id."""
    start = ID_BYTES + (1 if key[ID_BYTES : ID_BYTES + 1] == MANIFEST else _OF_A_BLOB)
    end = start + key_length(key[start])
    return HolderKey(key[ID_BYTES:end], key[end : end + 1], key[end + 1 :])


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
