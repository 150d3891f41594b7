"""Byte ranges of blob downloads (RFC 9110, section 14), and no more of them than clients use.

One range is served as 206. Several get the whole: RFC 9110 allows it, and no client that pulls
images sends them. What cannot be read is ignored, as the RFC asks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# More digits than any blob's size has; without a bound, int() itself would be the attack.
_ONE_RANGE: Final = re.compile(r"bytes=[ \t]*([0-9]{0,30})-([0-9]{0,30})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `stop` (exclusive) of a blob; never empty."""

    start: int
    stop: int


class RangeUnsatisfiable(Exception):
    """A well-formed range begins behind the blob's end, or ends before it begins."""

    def __init__(self, size: int) -> None:
        super().__init__(f"The range lies outside the {size} bytes of this blob.")
        self.size = size


def requested_span(asked: str | None, if_range: str | None, etag: str, size: int) -> Span | None:
    """Decide which part of a blob a GET is answered with; None is the whole.

    Args:
        asked: the Range header.
        if_range: the If-Range header; the range counts only if it is exactly `etag`. A date
            never is, since blobs have none, nor is a weak validator.
        etag: the blob's entity tag, quotes included.
        size: the blob's size in bytes.

    Raises:
        RangeUnsatisfiable: it is one well-formed range that this blob does not have.
    """
    if asked is None or (if_range is not None and if_range.strip() != etag):
        return None
    match = _ONE_RANGE.fullmatch(asked)
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        return _suffix(last, size)
    start = int(first)
    stop = min(int(last) + 1, size) if last else size
    if start >= stop:
        raise RangeUnsatisfiable(size)
    return Span(start, stop)


def _suffix(length: str, size: int) -> Span | None:
    if not length:  # "bytes=-" asks for nothing that could be meant
        return None
    if int(length) == 0:
        raise RangeUnsatisfiable(size)
    if size == 0:  # satisfiable by the RFC, and Content-Range cannot say so: the whole
        return None
    return Span(max(0, size - int(length)), size)
