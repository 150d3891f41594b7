"""The head of a request: its header fields, read once, and what no request's may be like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from typing import Final

from liftlock.http.errors import RequestRefused
from liftlock.http.limits import HttpLimits

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_NEVER_TWICE: Final = frozenset({b"host", b"transfer-encoding"})
_ONE_HEADER: Final = _NEVER_TWICE | {
    b"authorization",
    b"content-length",
    b"content-range",
    b"content-type",
    b"expect",
    b"if-range",
    b"range",
}
"""Headers that have one value; said again they must say the same."""


class Head:
    """Header fields by their names in lower case."""

    __slots__ = ("_fields", "_first")

    def __init__(self, fields: Sequence[tuple[bytes, bytes]]) -> None:
        """Take over what the server has parsed, which nothing was judged of."""
        self._fields = fields
        self._first = dict(reversed(fields))

    def get(self, name: bytes) -> str | None:
        """Return the value of a header, of several the first; None without one."""
        value = self._first.get(name)
        return None if value is None else value.decode("latin-1")

    def __contains__(self, name: bytes) -> bool:
        return name in self._first

    def every(self, name: bytes) -> list[str]:
        """Return the values of a header, in the order in which they came."""
        if name not in self._first:
            return []
        return [value.decode("latin-1") for known, value in self._fields if known == name]

    @property
    def request_id(self) -> bytes | None:
        """The client's own X-Request-Id, if it is harmless in a header and in a log."""
        value = self._first.get(b"x-request-id")
        return value if value is not None and _REQUEST_ID.fullmatch(value) else None

    def require_short(self, target_bytes: int, limits: HttpLimits) -> None:
        """Refuse a long path and query, or long header fields, before anything parses them."""
        most = limits.target_bytes_max
        if target_bytes > most:
            sentence = f"Path and query are longer than {most} bytes (target_bytes_max)."
            raise RequestRefused(414, "NAME_INVALID", sentence)
        most = limits.header_bytes_max
        if sum(map(len, chain.from_iterable(self._fields))) > most:
            sentence = f"The header fields have more than {most} bytes (header_bytes_max)."
            raise RequestRefused(431, "SIZE_INVALID", sentence)

    def require_clear(self, http_version: str | None) -> None:
        """Refuse a request that two readers, a proxy and we, could take for two different ones.

        What is wrong with lengths and chunks, the server below has refused already.
        """
        first = self._first
        if len(first) != len(self._fields):
            self._require_one_each()
        # RFC 9112, 3.2. The server may give an empty one to whoever has none.
        if not first.get(b"host") and http_version == "1.1":
            raise _unclear("It has no Host header, as HTTP/1.1 wants it.")

    def _require_one_each(self) -> None:
        found: dict[bytes, bytes] = {}
        for name, value in self._fields:
            if name not in _ONE_HEADER:
                continue
            if name in found and (found[name] != value or name in _NEVER_TWICE):
                raise _unclear(f"It has the header {name.decode()} more than once.")
            found[name] = value


def _unclear(sentence: str) -> RequestRefused:
    return RequestRefused(
        400,
        "UNSUPPORTED",
        f"The request is not clear. {sentence}",
        headers=[(b"connection", b"close")],  # nobody knows what a proxy takes the rest for
    )
