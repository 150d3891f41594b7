"""A digest is a value, parsed once at the edge.

Inside it is its *key*: one byte for the algorithm, then the raw hash. That is what the metadata
store's keys contain, and since the first byte tells the length, no key is a prefix of another.
"""

from __future__ import annotations

import hashlib
import re
from binascii import unhexlify
from typing import Final, NamedTuple

from liftlock.errors import DigestInvalid

SHA256: Final = "sha256"
SHA512: Final = "sha512"
ALGORITHMS: Final = (SHA256, SHA512)
"""What a blob or manifest may be named by (image-spec, descriptor.md, registered algorithms)."""

_CODES: Final = {SHA256: 1, SHA512: 2}
_NAMES: Final = {code: name for name, code in _CODES.items()}
PREFIXES: Final = {name: bytes((code,)) for name, code in _CODES.items()}
"""What a key begins with, by algorithm."""
HEX_PREFIXES: Final = {f"{name}:": prefix.hex() for name, prefix in PREFIXES.items()}
"""In hex, by what a digest's text begins with."""
_KEY_BYTES: Final = {1: 33, 2: 65}
_TAGGED_BYTES: Final = 1 + 32
_WELL_FORMED: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class Digest(NamedTuple):
    """The name of immutable content: an algorithm and its hash."""

    key: bytes
    """One byte for the algorithm (1: SHA-256, 2: SHA-512), then the raw hash: 33 or 65 bytes."""

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read `sha256:<64 hex>` or `sha512:<128 hex>`, lower case only.

        Raises:
            DigestInvalid: with what is wrong with it.

        Source: image-spec, descriptor.md, "Digests" and "Registered Algorithms".
        """
        if not _WELL_FORMED.fullmatch(text):
            raise DigestInvalid(text, _fault(text))
        return cls(key_of(text))

    @classmethod
    def of(cls, content: bytes, algorithm: str = SHA256) -> Digest:
        """Return the digest of `content`; `algorithm` is `sha256` or `sha512`."""
        return cls(PREFIXES[algorithm] + hashlib.new(algorithm, content).digest())

    @classmethod
    def of_hash(cls, algorithm: str, raw: bytes) -> Digest:
        """Return the digest of which `raw` is the finished hash: 32 or 64 bytes."""
        return cls(PREFIXES[algorithm] + raw)

    @property
    def algorithm(self) -> str:
        """`sha256` or `sha512`."""
        return _NAMES[self.key[0]]

    @property
    def hex(self) -> str:
        """The hash in lower-case hex."""
        return self.key[1:].hex()

    def __str__(self) -> str:
        return f"{_NAMES[self.key[0]]}:{self.key[1:].hex()}"


def require_algorithm(text: str) -> None:
    """Require that content can be named by an algorithm.

    Raises:
        DigestInvalid: it is none, or none that is known here.
    """
    if text not in ALGORITHMS:
        raise DigestInvalid(text, f"the algorithm is none of {', '.join(ALGORITHMS)}")


def key_length(first_byte: int) -> int:
    """Say how long a digest key is that begins with this byte; KeyError if none does."""
    return _KEY_BYTES[first_byte]


def key_of(text: str) -> bytes:
    """Return the key of a digest that is known to be well-formed: half the price of `parse`."""
    return unhexlify(HEX_PREFIXES[text[:7]] + text[7:])


def referrers_tag(key: bytes) -> str:
    """Return the tag under which clients list the referrers of a manifest by themselves.

    distribution-spec, "Referrers Tag Schema": the hash is cut to 64 characters.
    """
    return f"{_NAMES[key[0]]}-{key[1:_TAGGED_BYTES].hex()}"


def _fault(text: str) -> str:
    algorithm, colon, hexadecimal = text.partition(":")
    if not colon:
        return "it lacks the form <algorithm>:<hex>"
    if algorithm not in ALGORITHMS:
        return f"the algorithm is none of {', '.join(ALGORITHMS)}"
    want = 2 * (_KEY_BYTES[_CODES[algorithm]] - 1)
    return (
        f"after {algorithm}: there must be {want} lower-case hex digits, "
        f"found {len(hexadecimal)} characters"
    )
