"""JSON from a client: read whole, and only if all readers would read it alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from liftlock.http.errors import RequestRefused
from liftlock.http.request import Request

T = TypeVar("T")

_JSON: Final = "application/json"


async def read_json(request: Request, read: Callable[[object], T], *, empty: bytes = b"") -> T:
    """Return what `read` makes of the body; a long one is read in a thread.

    Args:
        request: whose body is not read yet.
        read: from parsed JSON to what it means.
        empty: what an empty body stands for.

    Raises:
        RequestRefused: 400 if it is no JSON, 413 if it is too long, 415 if it is something else.
        LiftlockError: whatever `read` raises.
    """
    limits = request.bridge.limits
    if request.body.length != 0:
        _require_json(request)
    body = await request.body.read(limits.document_bytes_max)
    if body is None:
        raise RequestRefused(
            413,
            "SIZE_INVALID",
            f"The body is longer than {limits.document_bytes_max} bytes (document_bytes_max).",
        )
    if len(body) <= limits.inline_document_bytes_max:
        return read(_parse(body or empty))
    return await request.bridge.block(lambda: read(_parse(body)))


def _require_json(request: Request) -> None:
    text = request.head.get(b"content-type")
    if text is not None and text.partition(";")[0].strip().lower() != _JSON:
        raise RequestRefused(
            415,
            "UNSUPPORTED",
            f"The body must be {_JSON}; its Content-Type says something else.",
            headers=[(b"accept", _JSON.encode())],
        )


def _parse(body: bytes) -> object:
    if not body:
        raise RequestRefused(400, "UNSUPPORTED", "There is no body; send a JSON object.")
    try:
        # The first reader finds keys that come twice, the second is strict about everything else.
        _doubles.decode(body.decode())
        return msgspec.json.decode(body)
    except RecursionError as error:
        raise RequestRefused(400, "UNSUPPORTED", "The JSON is nested too deeply.") from error
    except ValueError as error:
        raise RequestRefused(400, "UNSUPPORTED", f"The body is no JSON: {error}.") from error


def _once_each(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueError(f"the key {key[:64]!r} comes twice in one object")
        seen.add(key)


_doubles: Final = json.JSONDecoder(object_pairs_hook=_once_each)
