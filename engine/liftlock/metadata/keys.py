"""Every key of every table is built here, and the reason for its order is written here.

Ids come first, eight bytes, big-endian: what belongs to one repository is one contiguous range
that can be scanned, counted, copied and deleted, and ids sort as numbers. Digests are in their
key form (`oci.digest`): the first byte tells the length. Names, tags and digests are followed by
a zero byte where something comes behind them; none of the texts can contain one.

No key is longer than 511 bytes, LMDB's limit: the longest, of a name in `names_log`, has 270.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from blake3 import blake3

from liftlock.oci.digest import key_length

NO_REGISTRY: Final = 0
"""In `names` and `names_log`: what stands here are the registries' own names. In `counters`: how
many registries there are, and what is stored of content, each once."""

MANIFEST: Final = b"m"
BLOB: Final = b"b"

GRANTS: Final = b"\x00"
NAMES_ONLY: Final = b"\x01"

BY_TAG: Final = b"t"
BY_PARENT: Final = b"p"
BY_SUBJECT: Final = b"s"
BY_HOLD: Final = b"h"

ID_BYTES: Final = 8


def id_key(number: int) -> bytes:
    """Encode an id; also the prefix of all that belongs to it."""
    return number.to_bytes(8, "big")


def name_key(registry: int, name: str = "") -> bytes:
    """`names`: registry id, then the repository's name (or, under id 0, the registry's)."""
    return registry.to_bytes(8, "big") + _encoded(name)


def tag_key(repository: int, tag: str = "") -> bytes:
    """`tags`: repository id, tag. Without `tag`, the prefix of all tags of the repository."""
    return repository.to_bytes(8, "big") + _encoded(tag)


def link_key(repository: int, digest: bytes = b"") -> bytes:
    """`links`: repository id, digest."""
    return repository.to_bytes(8, "big") + digest


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


def referrer_key(repository: int, subject: bytes, artifact_type: bytes, digest: bytes) -> bytes:
    """`referrers`: repository id, subject, BLAKE3-16 of the artifact type, digest.

    The type's hash stands before the digest, so that the filtered list is one range too.
    """
    return repository.to_bytes(8, "big") + subject + artifact_type + digest


def referrers_prefix(repository: int, subject: bytes = b"", artifact_type: bytes = b"") -> bytes:
    """`referrers`: the prefix of all referrers of a subject, or of those of one type."""
    return repository.to_bytes(8, "big") + subject + artifact_type


def split_referrer(key: bytes) -> tuple[bytes, bytes, bytes]:
    """Take a `referrers` key apart: subject, hash of the artifact type, digest."""
    end = 8 + key_length(key[8])
    return key[8:end], key[end : end + 16], key[end + 16 :]


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


def small_key(at: int, digest: bytes) -> bytes:
    """`small`: when it was put, digest.

    Time before digest, so that what is pushed together lies together: a commit writes fewer pages.
    """
    return at.to_bytes(8, "big") + digest


def split_small(key: bytes) -> tuple[int, bytes]:
    """Take a `small` key apart: when it was put, digest."""
    return int.from_bytes(key[:8], "big"), key[8:]


def item_key(event: int, repository: int, tag: str, digest: bytes) -> bytes:
    """`items`: event id, repository id, tag, 0; a change without a tag adds its digest.

    What happens to a whole repository adds the other side's id in its place, if there is one: so
    it comes before all digests, and several may be merged into one repository.
    """
    return (
        event.to_bytes(8, "big")
        + repository.to_bytes(8, "big")
        + tag.encode()
        + b"\x00"
        + (b"" if tag else digest)
    )


def split_item(key: bytes) -> tuple[int, int, str]:
    """Take an `items` key apart: event id, repository id, tag (empty if there is none)."""
    tag, _, _ = key[16:].partition(b"\x00")
    return int.from_bytes(key[:8], "big"), int.from_bytes(key[8:16], "big"), tag.decode()


def tag_history_key(repository: int, tag: str, event: int) -> bytes:
    """`tag_history`: repository id, tag, 0, event id: a tag's history is one range, in order."""
    return tag_history_prefix(repository, tag) + event.to_bytes(8, "big")


def tag_history_prefix(repository: int, tag: str) -> bytes:
    """`tag_history`: the prefix of the history of one tag."""
    return repository.to_bytes(8, "big") + tag.encode() + b"\x00"


def taken_history_key(repository: int, tag: str, event: int) -> bytes:
    """`tag_history`: repository id, tag, 1, event id: what was copied from a tag, likewise."""
    return taken_history_prefix(repository, tag) + event.to_bytes(8, "big")


def taken_history_prefix(repository: int, tag: str) -> bytes:
    """`tag_history`: the prefix of the events that took something from one tag."""
    return repository.to_bytes(8, "big") + tag.encode() + b"\x01"


def split_tag_history(key: bytes) -> tuple[str, bool, int]:
    """Take a `tag_history` key apart: tag, whether it was changed (and not taken from), event."""
    return key[8:-9].decode(), key[-9] == 0, int.from_bytes(key[-8:], "big")


def repository_history_key(repository: int, event: int) -> bytes:
    """`repository_history`: repository id, event id."""
    return repository.to_bytes(8, "big") + event.to_bytes(8, "big")


def names_log_key(registry: int, name: str, event: int) -> bytes:
    """`names_log`: registry id, name, 0, event id: who bore a name, in order."""
    return names_log_prefix(registry, name) + event.to_bytes(8, "big")


def names_log_prefix(registry: int, name: str) -> bytes:
    """`names_log`: the prefix of all that happened to one name."""
    return registry.to_bytes(8, "big") + _encoded(name) + b"\x00"


def repository_log_key(repository: int, event: int) -> bytes:
    """`repository_log`: repository id, event id: what happened to it as a whole, in order."""
    return repository.to_bytes(8, "big") + event.to_bytes(8, "big")


def idempotency_key(caller: str, key: str) -> bytes:
    """`idempotency`: BLAKE3 of the caller, BLAKE3 of the key: both may be of any length."""
    return blake3(caller.encode()).digest(16) + blake3(key.encode()).digest(32)


def split_name(key: bytes) -> tuple[int, str]:
    """Take a `names_log` key apart: registry id, name."""
    return int.from_bytes(key[:8], "big"), key[8 : -ID_BYTES - 1].decode()


def last_id(key: bytes) -> int:
    """Return the id that a key ends with."""
    return int.from_bytes(key[-8:], "big")


def behind_id(key: bytes) -> bytes:
    """Return what a key of `names`, `tags` or `links` has behind its id: name, tag or digest."""
    return key[ID_BYTES:]


def first_id(key: bytes) -> int:
    """Return the id that a key begins with."""
    return int.from_bytes(key[:8], "big")


def _encoded(text: str) -> bytes:
    # What is looked up need not be a name: text that no name can be is found nowhere.
    return text.encode(errors="surrogatepass")
