"""Pages of a list: `n` and `last` in, a `Link` to the next page out (distribution-spec, tags)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlencode

from liftlock.errors import PageInvalid
from liftlock.http.answers import Header
from liftlock.http.request import Request

_COUNT: Final = re.compile(r"[0-9]+")
_AFTER_EVERY_CHARACTER: Final = "\x7f"
_DIGITS_MAX: Final = 9  # more is more than any page has; int() of a long text is slow


def asked_entries(request: Request) -> int | None:
    """Return `n`, cut to what a page may have; None if the client leaves it to the server.

    Raises:
        PageInvalid: `n` is not a whole number from 0 up.
    """
    text = request.query.get("n")
    if text is None:
        return None
    if not _COUNT.fullmatch(text) or not text.isascii():
        raise PageInvalid(text)
    most = request.engine.limits.page_entries_max
    return most if len(text.lstrip("0")) > _DIGITS_MAX else min(int(text), most)


def asked_cursor(request: Request, characters_max: int) -> str:
    """Return `last`, which need not exist, cut to what a key can hold; the page stays the same.

    No name is longer than the cut, so none lies between the cut text and the whole; and no name
    has a character from 0x7f up.
    """
    cut = (request.query.get("last") or "")[:characters_max]
    for position, character in enumerate(cut):
        if character >= _AFTER_EVERY_CHARACTER:
            return cut[:position] + _AFTER_EVERY_CHARACTER
    return cut


def next_page(request: Request, path: str, *, entries: int, **others: str | None) -> Header:
    """Make the Link header to the next page: relative, for any proxy in front.

    Args:
        request: who asks.
        path: the list's.
        entries: how many a page has.
        others: the cursor by its name, and what else the client asked for.
    """
    asked = {"n": str(entries)} | {name: text for name, text in others.items() if text is not None}
    query = urlencode(asked, quote_via=quote)
    return (b"link", f'<{request.public(path)}?{query}>; rel="next"'.encode("ascii"))
