"""From a path below /api/v1/ to an endpoint.

Names contain slashes, and stand in a path as people write them: what follows the noun is the name.
It may be percent-encoded as well, slashes and all, as generated clients do. The path is split
before it is decoded, so that what is encoded is never taken for a part of the path's own form.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Final

from liftlock.errors import ParameterInvalid
from liftlock.http.answers import Answer
from liftlock.http.api.endpoint import ROOT, AnyEndpoint, Asked
from liftlock.http.api.queries import read_query
from liftlock.http.errors import RequestRefused
from liftlock.http.jsonbody import read_json
from liftlock.http.request import Request, decoded_segments

_SPANNING: Final = frozenset({"repository", "reference", "name"})
"""Parameters that may have slashes."""
_TAGGED: Final = "{repository}:{tag}"

Handlers = Mapping[str, Callable[[Request], Awaitable[Answer]]]
"""What answers, by method."""


class Routes:
    """The endpoints by their paths. One look-up costs some microseconds."""

    def __init__(self, endpoints: Iterable[AnyEndpoint]) -> None:
        self._by_path: dict[str, dict[str, Callable[[Request], Awaitable[Answer]]]] = {}
        for endpoint in endpoints:
            handlers = self._by_path.setdefault(endpoint.path, {})
            handlers[endpoint.method] = partial(run, endpoint)
            if endpoint.method == "GET":
                handlers["HEAD"] = handlers["GET"]
        self._named = {
            (noun, tail): parameter
            for noun, parameter, tail in map(_parts, self._by_path)
            if parameter and parameter != _TAGGED
        }

    def find(self, raw_path: bytes, request: Request) -> Handlers | None:
        """Find what answers a path, and note its parameters in `request`; None: nothing does.

        Raises:
            NameInvalid: the path cannot be decoded.
        """
        noun, *rest = decoded_segments(raw_path[len(ROOT) :])
        if not rest:
            return self._by_path.get(noun)
        tail = rest[-1] if (noun, rest[-1]) in self._named and len(rest) > 1 else ""
        parameter = self._named.get((noun, tail))
        text = "/".join(rest[:-1] if tail else rest)
        if parameter is None or not text:
            return None
        bare = parameter.strip("{}")
        if bare not in _SPANNING and len(rest) > 1 + bool(tail):
            return None
        tagged = self._by_path.get(f"{noun}/{_TAGGED}")
        if tagged is not None and ":" in text:
            repository, _, tag = text.rpartition(":")
            request.path = {"repository": repository, "tag": tag}
            return tagged
        request.path = {bare: text}
        return self._by_path[f"{noun}/{parameter}/{tail}" if tail else f"{noun}/{parameter}"]


async def run(endpoint: AnyEndpoint, request: Request) -> Answer:
    """Read what the endpoint takes, and let it answer.

    Raises:
        RequestRefused: it is asked for a condition that it would not judge.
        ParameterInvalid: the query is not its query.
        LiftlockError: as it or its body's reader says.
    """
    if not (endpoint.headers.conditions or request.is_read):
        _refuse_conditions(request)
    if (unreadable := request.unreadable) is not None:
        raise ParameterInvalid(unreadable, "its percent-encoding is not UTF-8")
    query = read_query(request.pairs, endpoint.query)
    body, limits = endpoint.body, request.engine.limits
    if body.form is None:
        return await endpoint.handle(Asked(request, query, None))
    read = await read_json(
        request,
        lambda document: body.read(document, limits),
        empty=b"" if body.is_required else b"{}",
    )
    return await endpoint.handle(Asked(request, query, read))


def _refuse_conditions(request: Request) -> None:
    for name in ("If-Match", "If-None-Match"):
        if name.lower().encode() in request.head:
            sentence = f"{name} is not judged here, and to ignore it could do harm: leave it out."
            raise RequestRefused(400, "UNSUPPORTED", sentence)


def _parts(path: str) -> tuple[str, str, str]:
    noun, parameter, tail = [*path.split("/"), "", ""][:3]
    return noun, parameter, tail
