"""All entries of a list that the engine hands out in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from liftlock.model import Found, Page

T = TypeVar("T")
C = TypeVar("C")


def every(fetch: Callable[[C], Page[T]], start: C, cursor: Callable[[T], C]) -> Iterator[T]:
    """Go through all pages.

    Args:
        fetch: asks for the page after a cursor.
        start: the cursor of the first page.
        cursor: an entry's own, from which the page after it follows.
    """
    at = start
    while True:
        page = fetch(at)
        yield from page.entries
        if not page.more or not page.entries:
            return
        at = cursor(page.entries[-1])


def every_found(search: Callable[[str], Found[T]]) -> Iterator[T]:
    """Go through all that a search finds, which looks on from a cursor."""
    after: str | None = ""
    while after is not None:
        found = search(after)
        yield from found.entries
        after = found.cursor
