"""If-Match and If-None-Match (RFC 9110, 13.1) of requests that change a manifest or tag.

The engine judges them, in the transaction of the change. An entity tag here is a digest.
"""

from __future__ import annotations

import re
from typing import Final

from liftlock.errors import DigestInvalid
from liftlock.http.errors import RequestRefused
from liftlock.http.head import Head
from liftlock.model import ANYTHING, Condition, Expectation, Places
from liftlock.oci.digest import Digest

_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_LIST: Final = re.compile(rf"[ \t,]*(?:{_TAG.pattern}[ \t]*(?:,[ \t,]*|$))*")


def condition_of(head: Head) -> Condition:
    """Return what a request expects of what its path names.

    Raises:
        RequestRefused: it says so in a way that cannot be read. To ignore it would be to change
            what the client wanted to be left alone.
    """
    # RFC 9110, 13.1.1 and 13.1.2: to match, a weak tag is none; not to match, it is like any.
    at = _places(head, "If-Match", weak=False)
    not_at = _places(head, "If-None-Match", weak=True)
    return ANYTHING if at is None and not_at is None else Expectation(at, not_at)


def _places(head: Head, name: str, *, weak: bool) -> Places | None:
    """Return the digests that a header field lists; None if there is no such field."""
    lines = head.every(name.lower().encode())
    if not lines:
        return None
    text = ", ".join(lines).strip(" \t")
    if text == "*":
        return ANYTHING
    if not _LIST.fullmatch(text):
        raise RequestRefused(
            400,
            "UNSUPPORTED",
            f'{name} cannot be read: give digests in double quotes, as "sha256:…", with commas '
            "between them, or * alone.",
        )
    named = (_digest(tag) for mark, tag in _TAG.findall(text) if weak or not mark)
    return frozenset(digest for digest in named if digest is not None)


def _digest(tag: str) -> Digest | None:
    """Return the digest that an entity tag is; one that is none is of nothing here."""
    try:
        return Digest.parse(tag)
    except DigestInvalid:
        return None
