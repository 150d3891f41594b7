"""Hashing once, while the bytes pass by.

A blob is named by its SHA-256 (or the algorithm that its upload announced); BLAKE3 is taken along
in the same pass, since scrubbing with it later is many times as fast.

Both libraries let other threads run during `update`: hashlib for pieces of 2,048 bytes and more,
blake3 likewise (seen in version 1.0.11: another thread runs during 64 KiB pieces, none during
2 KiB). So hash pieces of `Limits.copy_bytes` in a thread; there is nothing to gain from smaller.
SHA-256 takes longer than all else that is done to a long blob, so it has a thread of its own.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from concurrent.futures import Executor, Future
from threading import Lock
from typing import Final

from blake3 import blake3

from liftlock.config import KIB
from liftlock.oci.digest import SHA256, Digest

_BESIDE_BYTES: Final = 256 * KIB
"""Shorter pieces are hashed in less time than another thread needs to begin."""


class ContentHash:
    """The digest and the BLAKE3 hash of bytes that come in pieces. For one thread at a time."""

    __slots__ = ("_beside", "_blake3", "_named", "_pending", "algorithm", "size")

    def __init__(self, algorithm: str = SHA256, beside: Executor | None = None) -> None:
        """Begin with no bytes.

        Args:
            algorithm: of the digest.
            beside: does the digest of one long piece while the caller goes on to the next.
        """
        self.algorithm = algorithm
        self.size = 0
        """Bytes taken so far."""
        self._named = hashlib.new(algorithm)
        self._blake3 = blake3()
        self._beside = beside
        self._pending: Future[None] | None = None

    def update(self, data: bytes | memoryview) -> None:
        """Go on with `data`. Bytes that nobody can change may be kept until the next call."""
        self.settle()
        if self._beside is not None and isinstance(data, bytes) and len(data) >= _BESIDE_BYTES:
            self._pending = self._beside.submit(self._named.update, data)
        else:
            self._named.update(data)
        self._blake3.update(data)
        self.size += len(data)

    def digest(self) -> Digest:
        """Return the digest of the bytes so far; more may follow."""
        self.settle()
        return Digest.of_hash(self.algorithm, self._named.digest())

    def blake3(self) -> bytes:
        """Return the BLAKE3 hash (32 bytes) of the bytes so far; more may follow."""
        return self._blake3.digest()

    def copy(self) -> ContentHash:
        """Return an independent hash of the same bytes."""
        self.settle()
        twin = ContentHash(self.algorithm, self._beside)
        twin.size = self.size
        twin._named = self._named.copy()
        twin._blake3 = self._blake3.copy()
        return twin

    def settle(self) -> None:
        """Return when no bytes are kept any more; a digest takes its pieces in order."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None


class HashStates:
    """How far this process has hashed its recent upload sessions: at most `maximum` of them.

    As many more that have no bytes yet are remembered beside them, without any state: whoever
    begins sessions, which costs nothing, shall not push out what took long to hash.

    A state is only ever a short cut: who finds none reads the session's file again. `take` hands
    it over, so that no two requests feed one state, and a request that fails half-way leaves none
    behind. Any thread may call.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._lock = Lock()
        self._states: OrderedDict[str, ContentHash] = OrderedDict()
        self._begun: OrderedDict[str, None] = OrderedDict()

    def begin(self, session_id: str) -> None:
        """Remember that a session has no bytes so far, and so no state."""
        with self._lock:
            self._states.pop(session_id, None)
            self._begun[session_id] = None
            if len(self._begun) > self._maximum:
                self._begun.popitem(last=False)

    def take(self, session_id: str, size: int) -> ContentHash | None:
        """Remove and return the state of a session, if it stands at exactly `size` bytes.

        If it stands elsewhere, another process has written to the session, or a request ended
        between writing and hashing: the state is good for nothing any more and is dropped.
        """
        with self._lock:
            state = self._pop(session_id)
        return state if state is not None and state.size == size else None

    def keep(self, session_id: str, state: ContentHash) -> None:
        """Remember the state; the one not kept for the longest time makes room."""
        if not state.size:
            self.begin(session_id)
            return
        state.settle()  # a state is small, and what it may still have to hash is not
        with self._lock:
            self._pop(session_id)
            self._states[session_id] = state
            if len(self._states) > self._maximum:
                self._states.popitem(last=False)

    def size_of(self, session_id: str) -> int | None:
        """Say how far a session is hashed, in bytes; None if that is not remembered."""
        with self._lock:
            state = self._states.get(session_id)
            if state is not None:
                return state.size
            return 0 if session_id in self._begun else None

    def forget(self, session_id: str) -> None:
        """Drop the state of a session that has ended; harmless if there is none."""
        with self._lock:
            self._pop(session_id)

    def _pop(self, session_id: str) -> ContentHash | None:
        self._begun.pop(session_id, None)
        return self._states.pop(session_id, None)
