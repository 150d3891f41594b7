from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from liftlock.blobs.hashing import ContentHash, HashStates
from liftlock.oci.digest import SHA256, SHA512, Digest


@pytest.mark.parametrize("algorithm", [SHA256, SHA512])
@given(pieces=st.lists(st.binary(max_size=5000), max_size=5))
def test_pieces_hash_like_the_whole(algorithm: str, pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    running = ContentHash(algorithm)
    for piece in pieces:
        running.update(memoryview(piece))
    assert running.algorithm == algorithm
    assert running.size == len(whole)
    assert running.digest() == Digest.of(whole, algorithm)
    assert running.blake3() == blake3(whole).digest()


def test_long_pieces_are_hashed_beside_in_their_order() -> None:
    pieces = [bytes([number]) * size for number, size in enumerate([300_000, 10, 400_000, 300_000])]
    whole = b"".join(pieces)
    with ThreadPoolExecutor(2) as beside:
        running = ContentHash(SHA256, beside)
        for piece in pieces:
            running.update(piece)
        twin = running.copy()
        twin.update(pieces[0])
        assert twin.digest() == Digest.of(whole + pieces[0])
        assert (running.size, running.digest()) == (len(whole), Digest.of(whole))
        assert running.blake3() == blake3(whole).digest()


def test_a_caller_does_not_wait_for_the_digest_of_a_long_piece() -> None:
    later = Later()
    running = ContentHash(SHA256, later)
    running.update(b"1" * 300_000)
    assert [owed.done() for owed in later.given] == [False]
    assert running.digest() == Digest.of(b"1" * 300_000)


def test_what_the_caller_may_change_is_hashed_at_once() -> None:
    piece = bytearray(b"1" * 300_000)
    running = ContentHash(SHA256, Later())
    running.update(memoryview(piece))
    piece[:] = b"2" * 300_000
    assert running.digest() == Digest.of(b"1" * 300_000)


def test_a_state_that_is_kept_keeps_no_bytes() -> None:
    later, states = Later(), HashStates(4)
    running = ContentHash(SHA256, later)
    running.update(b"1" * 300_000)
    states.keep("a", running)
    assert [owed.done() for owed in later.given] == [True]


class Owed(Future[None]):
    """Done when somebody needs it."""

    def __init__(self, call: Callable[[], None]) -> None:
        super().__init__()
        self._call = call

    def result(self, timeout: float | None = None) -> None:
        self._call()
        self.set_result(None)
        return super().result(timeout)


class Later(Executor):
    """Does what it is given as late as it may be done."""

    def __init__(self) -> None:
        self.given: list[Owed] = []

    def submit(self, call, /, *args):  # type: ignore[no-untyped-def,override]
        self.given.append(Owed(partial(call, *args)))
        return self.given[-1]


def test_the_hash_is_sha256_unless_another_was_announced() -> None:
    assert ContentHash().digest().hex == hashlib.sha256(b"").hexdigest()


def test_asking_for_the_digest_does_not_end_the_hash() -> None:
    running = ContentHash()
    running.update(b"one")
    running.digest()
    running.blake3()
    running.update(b"two")
    assert running.digest() == Digest.of(b"onetwo")
    assert running.blake3() == blake3(b"onetwo").digest()


def test_a_copy_goes_its_own_way() -> None:
    running = ContentHash(SHA512)
    running.update(b"one")
    twin = running.copy()
    twin.update(b"two")
    assert (running.size, running.digest()) == (3, Digest.of(b"one", SHA512))
    assert (twin.size, twin.digest()) == (6, Digest.of(b"onetwo", SHA512))
    assert running.blake3() == blake3(b"one").digest()
    assert twin.blake3() == blake3(b"onetwo").digest()


def test_a_state_is_handed_to_one_request() -> None:
    """Two requests that fed one state would each spoil it for the other."""
    states = HashStates(4)
    state = hash_of(b"abc")
    states.keep("a", state)
    assert states.take("a", 3) is state
    assert states.take("a", 3) is None


@pytest.mark.parametrize("size", [0, 2, 4])
def test_a_state_that_stands_elsewhere_than_the_file_is_dropped(size: int) -> None:
    states = HashStates(4)
    states.keep("a", hash_of(b"abc"))
    assert states.take("a", size) is None
    assert states.take("a", 3) is None


def test_an_unknown_session_has_no_state() -> None:
    assert HashStates(4).take("a", 0) is None


def test_the_state_kept_longest_ago_makes_room() -> None:
    states = HashStates(2)
    for name in ("a", "b", "a", "c"):
        states.keep(name, hash_of(b"abc"))
    assert states.take("b", 3) is None
    assert states.take("a", 3) is not None
    assert states.take("c", 3) is not None


def test_sessions_without_bytes_push_out_none_that_has_some() -> None:
    states = HashStates(2)
    states.keep("large", hash_of(b"abc"))
    for name in ("a", "b"):
        states.begin(name)
    states.keep("c", hash_of(b""))
    assert [states.size_of(name) for name in ("large", "a", "b", "c")] == [3, None, 0, 0]
    states.keep("b", hash_of(b"b"))
    states.forget("c")
    assert [states.size_of(name) for name in ("large", "b", "c")] == [3, 1, None]
    assert states.take("b", 1) is not None
    assert states.take("b", 0) is None


def test_room_for_none_keeps_none() -> None:
    states = HashStates(0)
    states.keep("a", hash_of(b"abc"))
    assert states.take("a", 3) is None


def test_a_forgotten_state_is_gone() -> None:
    states = HashStates(2)
    states.keep("a", hash_of(b"abc"))
    states.forget("a")
    states.forget("a")
    assert states.take("a", 3) is None


def hash_of(content: bytes) -> ContentHash:
    running = ContentHash()
    running.update(content)
    return running
