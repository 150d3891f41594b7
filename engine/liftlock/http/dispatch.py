"""From a path to a handler.

Repository names contain slashes, and any component of them may be called `blobs` or `tags`. So a
path is read from the right, where its form is fixed: `…/<noun>/<argument>`, `…/tags/list`,
`…/blobs/uploads/[<session>]`. What is left of that is the name. One look-up costs 3 µs;
matching a list of path patterns cost 18. Paths below /api/ have routes of their own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from liftlock.http import blobs, catalog, manifests, referrers, tags, uploads
from liftlock.http.answers import Answer, json_answer
from liftlock.http.api.endpoint import ROOT
from liftlock.http.api.routing import Routes
from liftlock.http.api.table import ENDPOINTS, show_page
from liftlock.http.errors import RequestRefused, allow_header
from liftlock.http.request import Request, path_segments

Handler = Callable[[Request], Awaitable[Answer]]


async def base(_request: Request) -> Answer:
    """Say that this is a registry: GET /v2/."""
    return _BASE


_BASE: Final = json_answer(200, b"{}")


_API: Final = ROOT.encode()


def _methods(**handlers: Handler) -> Mapping[str, Handler]:
    return handlers | ({"HEAD": handlers["GET"]} if "GET" in handlers else {})


_BASE_METHODS: Final = _methods(GET=base)
_CATALOG: Final = _methods(GET=catalog.list_names)
_TAGS: Final = _methods(GET=tags.list_tags)
_UPLOADS: Final = _methods(POST=uploads.start)
_UPLOAD: Final = _methods(
    GET=uploads.show, PATCH=uploads.append, PUT=uploads.finish, DELETE=uploads.cancel
)
_NOUNS: Final = {
    "blobs": _methods(GET=blobs.get, DELETE=blobs.delete),
    "manifests": _methods(GET=manifests.get, PUT=manifests.put, DELETE=manifests.delete),
    "referrers": _methods(GET=referrers.list_referrers),
}
_PAGE: Final = _methods(GET=show_page)
_ROUTES: Final = Routes(ENDPOINTS)


def is_api(raw_path: bytes) -> bool:
    """Whether the path belongs to our own API, whose errors have a form of their own."""
    return raw_path.startswith(b"/api/") or raw_path == b"/api"


def find_handler(raw_path: bytes, request: Request) -> Handler:
    """Find what answers this path and method; name and argument are noted in `request`.

    Raises:
        NameInvalid: the path cannot be decoded.
        RequestRefused: 404 for a path that is none of ours, 405 with Allow for a method.
    """
    if is_api(raw_path):
        handlers = _find_api(raw_path, request)
    else:
        handlers = _find(path_segments(raw_path), request)
    request.methods = handlers.keys()
    handler = handlers.get(request.method)
    if handler is None:
        allowed = ", ".join(sorted(handlers))
        raise RequestRefused(
            405,
            "UNSUPPORTED",
            f"{request.method:.20} is not supported here; use {allowed}.",
            headers=[allow_header(handlers)],
        )
    return handler


def _find(segments: list[str], request: Request) -> Mapping[str, Handler]:
    argument = ""
    match segments:
        case ["", "v2"] | ["", "v2", ""]:
            return _BASE_METHODS
        case ["", "v2", "_catalog"]:
            return _CATALOG
        case ["", "v2", *name, "tags", "list"]:
            found = _TAGS
        case ["", "v2", *name, "blobs", "uploads"] | ["", "v2", *name, "blobs", "uploads", ""]:
            found = _UPLOADS
        case ["", "v2", *name, "blobs", "uploads", argument]:
            found = _UPLOAD
        case ["", "v2", *name, noun, argument] if noun in _NOUNS:
            found = _NOUNS[noun]
        case _:
            raise _no_endpoint()
    request.name_text, request.argument = "/".join(name), argument
    return found


def _find_api(raw_path: bytes, request: Request) -> Mapping[str, Handler]:
    if raw_path in {b"/api", b"/api/"}:
        return _PAGE
    found = _ROUTES.find(raw_path, request) if raw_path.startswith(_API) else None
    if found is None:
        raise _no_endpoint("There is no such endpoint here; GET /api shows those that there are.")
    return found


def _no_endpoint(
    sentence: str = "There is no such endpoint here: the registry is at /v2/, the API at /api.",
) -> RequestRefused:
    return RequestRefused(404, "NAME_UNKNOWN", sentence)
