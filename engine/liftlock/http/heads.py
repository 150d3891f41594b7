"""The head of a request, before anything reads it: short enough, and clear."""

from __future__ import annotations

import re
from typing import Final

from liftlock.http.answers import Scope
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


def require_short_head(scope: Scope, limits: HttpLimits) -> None:
    """Refuse a long path and query, or long header fields, before anything parses them."""
    most = limits.target_bytes_max
    if len(scope["raw_path"]) + len(scope["query_string"]) > most:
        raise RequestRefused(
            414, "NAME_INVALID", f"Path and query are longer than {most} bytes (target_bytes_max)."
        )
    most = limits.header_bytes_max
    if sum(len(name) + len(value) for name, value in scope["headers"]) > most:
        raise RequestRefused(
            431,
            "SIZE_INVALID",
            f"The header fields have more than {most} bytes (header_bytes_max).",
        )


def require_clear_headers(scope: Scope) -> None:
    """Refuse a request that two readers, a proxy and we, could take for two different ones.

    What is wrong with lengths and chunks, the server below has refused already.
    """
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name not in _ONE_HEADER:
            continue
        if name in found and (found[name] != value or name in _NEVER_TWICE):
            raise _unclear(f"It has the header {name.decode()} more than once.")
        found[name] = value
    # RFC 9112, 3.2. The server gives an empty one to whoever has none.
    if not found.get(b"host") and scope.get("http_version") == "1.1":
        raise _unclear("It has no Host header, as HTTP/1.1 wants it.")


def _unclear(sentence: str) -> RequestRefused:
    return RequestRefused(
        400,
        "UNSUPPORTED",
        f"The request is not clear. {sentence}",
        headers=[(b"connection", b"close")],  # nobody knows what a proxy takes the rest for
    )


def request_id_of(headers: list[tuple[bytes, bytes]]) -> bytes | None:
    """Return the client's own X-Request-Id, if it is harmless in a header and in a log."""
    for name, value in headers:
        if name == b"x-request-id":
            return value if _REQUEST_ID.fullmatch(value) else None
    return None
