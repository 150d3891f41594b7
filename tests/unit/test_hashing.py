from __future__ import annotations

import hashlib

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
