"""A query's parameters, where unknown ones do no harm."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from liftlock.http.errors import RequestRefused

_ONE_PARAMETER: Final = frozenset(
    {"artifactType", "digest", "digest-algorithm", "from", "last", "mount", "n"}
)
"""Parameters that have one value; said again they must say the same."""


class Parameters:
    """Parameters by their names."""

    __slots__ = ("_values",)

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        """Sort out the pairs of a query.

        Raises:
            RequestRefused: one that can mean one thing comes twice, and means two.
        """
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            values = self._values.setdefault(name, [])
            if values and name in _ONE_PARAMETER and values[0] != value:
                sentence = f"The query has `{name}` twice, with different values."
                raise RequestRefused(400, "UNSUPPORTED", sentence)
            values.append(value)

    def get(self, name: str) -> str | None:
        """Return the value of a parameter; None without it."""
        values = self._values.get(name)
        return values[0] if values else None

    def every(self, name: str) -> list[str]:
        """Return the values of a parameter, in the order in which they came."""
        return self._values.get(name, [])


def pairs_of(query: bytes) -> list[tuple[str, str]]:
    """Return a query's parameters as they came, percent-decoded.

    A plus is a plus, as in any part of a URL (RFC 3986), and not a blank, as in a form: media types
    are full of the one and have none of the other.
    """
    if not query:
        return []
    return parse_qsl(query.replace(b"+", b"%2B").decode("latin-1"), keep_blank_values=True)


def unreadable_in(query: bytes) -> str | None:
    """Return the first of a query's parameters that is not UTF-8, which `pairs_of` does not say."""
    if b"%" not in query and query.isascii():
        return None
    for part in query.split(b"&"):
        try:
            unquote_to_bytes(part).decode()
        except UnicodeDecodeError:
            return part.partition(b"=")[0].decode("ascii", "backslashreplace")
    return None
