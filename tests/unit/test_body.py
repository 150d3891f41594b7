"""A request's body in pieces, whatever the chunks it comes in."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftlock.errors import SizeInvalid
from liftlock.http.body import Body
from liftlock.http.limits import HttpLimits
from liftlock.http.stalls import Stalls


def body_of(chunks: Sequence[bytes], *, ends: bool = True) -> Body:
    """Make one of chunks that are there already; the client vanishes after them, or ends it."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request"} if ends else {"type": "http.disconnect"})
    coming = iter(messages)

    async def receive() -> dict[str, object]:
        return next(coming)

    return Body(receive, HttpLimits(), Stalls(60), length=None, waits=False)


async def pieces_of(body: Body, most: int) -> list[list[bytes]]:
    found = []
    while piece := await body.piece(most):
        found.append(piece)
    return found


@given(st.lists(st.integers(0, 9000).map(bytes), max_size=8), st.integers(1, 20_000))
def test_all_bytes_come_in_their_order_however_they_are_cut(sizes: list[bytes], most: int) -> None:
    chunks = [bytes([number]) * len(size) for number, size in enumerate(sizes)]
    body = body_of(chunks)
    pieces = asyncio.run(pieces_of(body, most))
    assert body.complete
    assert b"".join(b"".join(piece) for piece in pieces) == b"".join(chunks)
    assert all(sum(map(len, piece)) >= most for piece in pieces[:-1])
    assert all(part for piece in pieces for part in piece)


def test_small_chunks_hold_little_more_than_their_bytes() -> None:
    """Two bytes at a time took many times what the limits allow for all bodies."""
    (piece,) = asyncio.run(pieces_of(body_of([b"xy"] * 50_000), 1_000_000))
    assert sum(map(sys.getsizeof, piece)) < 101_000


def test_what_came_before_a_break_is_returned_first() -> None:
    async def run() -> None:
        body = body_of([b"large" * 1000, b"small"], ends=False)
        assert await body.piece(1_000_000) == [b"large" * 1000, b"small"]
        with pytest.raises(SizeInvalid):
            await body.piece(1_000_000)
        assert not body.complete

    asyncio.run(run())
