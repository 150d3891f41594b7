"""What a server is told of its surroundings; what it bears stands in `limits.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_PREFIX_CHARACTERS_MAX: Final = 255
# RFC 3986, 2.3: what is never percent-encoded, so that a prefix has one spelling.
_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_DOTS: Final = re.compile(r"/\.\.?(?:/|$)")
_OUR_OWN: Final = ("v2", "api")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """How one server is reached; frozen, passed down, never global.

    Raises:
        ValueError: a setting cannot be; the sentence says why.
    """

    path_prefix: str = ""
    """Below which path a proxy in front offers this server, as in `/registry`.

    A path may come in with it (the proxy passes it on) or without (the proxy takes it off); what
    answers say of paths has it.
    """

    def __post_init__(self) -> None:
        text = self.path_prefix
        if not text:
            return
        if len(text) > _PREFIX_CHARACTERS_MAX:
            raise ValueError(f"a path prefix has at most {_PREFIX_CHARACTERS_MAX} characters")
        if not _PREFIX.fullmatch(text) or _DOTS.search(text):
            raise ValueError(
                f"{text!r} is no path prefix: write it like /registry or /a/b, of letters, digits, "
                "., _, ~ and -, without a slash at its end"
            )
        if text.split("/")[1] in _OUR_OWN:
            raise ValueError(
                f"{text!r} is no path prefix: what begins with /v2 or /api is this server's own"
            )

    def local(self, raw_path: bytes) -> bytes:
        """Return a request's path as if there were no proxy."""
        prefix = self.path_prefix.encode()
        if prefix and raw_path.startswith(prefix + b"/"):
            return raw_path[len(prefix) :]
        return raw_path

    def public(self, path: str) -> str:
        """Return the path, relative to the host, at which a client finds `path` of this server."""
        return self.path_prefix + path
