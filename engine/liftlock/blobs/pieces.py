"""Bytes in memory, handed out as those of a file are."""

from __future__ import annotations


class MemoryPieces:
    """Bytes in memory, in pieces; see `contract.Pieces`."""

    def __init__(self, content: memoryview, piece_bytes: int) -> None:
        self._rest = content
        self._piece_bytes = piece_bytes

    def __iter__(self) -> MemoryPieces:
        return self

    def __next__(self) -> bytes:
        piece = bytes(self._rest[: self._piece_bytes])
        if not piece:
            raise StopIteration
        self._rest = self._rest[len(piece) :]
        return piece

    def close(self) -> None:
        """Yield nothing any more."""
        self._rest = self._rest[:0]
