"""Keys of the history, and of answers that were given."""

from __future__ import annotations

from blake3 import blake3


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


def idempotency_key(caller: str, key: str) -> bytes:
    """`idempotency`: BLAKE3 of the caller, BLAKE3 of the key: both may be of any length."""
    return blake3(caller.encode()).digest(16) + blake3(key.encode()).digest(32)
