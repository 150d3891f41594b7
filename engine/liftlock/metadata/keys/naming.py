"""Keys of ids and names, and of who bore a name."""

from __future__ import annotations

from typing import Final

ID_BYTES: Final = 8
NO_REGISTRY: Final = 0
"""In `names` and `names_log`: what stands here are the registries' own names. In `counters`: how
many registries there are, and what is stored of content, each once."""


def id_key(number: int) -> bytes:
    """Encode an id; also the prefix of all that belongs to it."""
    return number.to_bytes(8, "big")


def name_key(registry: int, name: str = "") -> bytes:
    """`names`: registry id, then the repository's name (or, under id 0, the registry's)."""
    return registry.to_bytes(8, "big") + encoded(name)


def names_log_key(registry: int, name: str, event: int) -> bytes:
    """`names_log`: registry id, name, 0, event id: who bore a name, in order."""
    return names_log_prefix(registry, name) + event.to_bytes(8, "big")


def names_log_prefix(registry: int, name: str) -> bytes:
    """`names_log`: the prefix of all that happened to one name."""
    return registry.to_bytes(8, "big") + encoded(name) + b"\x00"


def repository_log_key(repository: int, event: int) -> bytes:
    """`repository_log`: repository id, event id: what happened to it as a whole, in order."""
    return repository.to_bytes(8, "big") + event.to_bytes(8, "big")


def split_name(key: bytes) -> tuple[int, str]:
    """Take a `names_log` key apart: registry id, name."""
    return int.from_bytes(key[:8], "big"), key[8 : -ID_BYTES - 1].decode()


def first_id(key: bytes) -> int:
    """Return the id that a key begins with."""
    return int.from_bytes(key[:8], "big")


def last_id(key: bytes) -> int:
    """Return the id that a key ends with."""
    return int.from_bytes(key[-8:], "big")


def behind_id(key: bytes) -> bytes:
    """Return what a key of `names`, `tags` or `links` has behind its id: name, tag or digest."""
    return key[ID_BYTES:]


def encoded(text: str) -> bytes:
    """Encode what is looked up, which need not be a name: what no name can be is found nowhere."""
    return text.encode(errors="surrogatepass")
