"""How a manifest's bytes are packed: zstd with a dictionary that ships with the package.

Manifests are small and alike, so a dictionary trained on what real clients write saves more than
the compressor can find in one of them (benchmarks/dictionary). The dictionary's number is part
of the format: a new one gets a new number, and the old ones are kept for reading.
"""

from __future__ import annotations

import threading
from functools import cache
from importlib.resources import files
from typing import Final

import zstandard

PLAIN: Final = 0
WITH_DICTIONARY_1: Final = 1

_LEVEL: Final = 4


def pack(content: bytes) -> tuple[int, bytes]:
    """Return an encoding and `content` in it; never longer than `content`."""
    packed = _tools().compressor.compress(content)
    return (WITH_DICTIONARY_1, packed) if len(packed) < len(content) else (PLAIN, content)


def unpack(encoding: int, packed: bytes, size: int) -> bytes:
    """Return the `size` bytes that `pack` was given.

    Raises:
        ValueError: they are not those bytes any more, or the encoding is unknown.
    """
    if encoding == PLAIN:
        content = packed
    elif encoding == WITH_DICTIONARY_1:
        try:
            content = _tools().decompressor.decompress(packed, max_output_size=size)
        except zstandard.ZstdError as error:
            raise ValueError(f"it does not unpack: {error}") from error
    else:
        raise ValueError(f"encoding {encoding} is unknown")
    if len(content) != size:
        raise ValueError(f"it unpacks to {len(content)} bytes, not {size}")
    return content


class _Tools(threading.local):
    """Compressor and decompressor are not made for use by several threads: each has its own."""

    def __init__(self) -> None:
        dictionary = zstandard.ZstdCompressionDict(
            files("liftlock.metadata").joinpath("manifests.zdict").read_bytes()
        )
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL, dict_data=dictionary)
        self.decompressor = zstandard.ZstdDecompressor(dict_data=dictionary)


@cache
def _tools() -> _Tools:
    return _Tools()
