"""How a client of the distribution spec pushes and promotes: requests, as the spec has them.

Promoting between repositories of one registry means, for the best of clients: get the manifest,
ask which blobs the target has, mount the others, put the manifest. One that promoted the images
before, and is alone with the target, remembers which blobs are there, and need not ask.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Final

from load_generator import Request
from sample_images import SHARED_BLOBS, Blob, Image
from servers import HOST

from liftlock.oci.mediatype import OCI_MANIFEST

_PUSHERS: Final = 8
_TIMEOUT_SECONDS: Final = 60


def promote_remembering(image: Image, source: str, target: str) -> list[Request]:
    """Promote as one that did the images before: get the manifest, mount the rest, put it."""
    return [_get(image, source), *_mount(image.own, source, target), _put(image, target)]


def promote_asking(image: Image, source: str, target: str) -> list[Request]:
    """Promote as one that comes anew: get the manifest, ask for each blob, mount, put it."""
    questions = [
        Request("HEAD", f"/v2/{target}/blobs/{blob.digest}", status)
        for blobs, status in ((SHARED_BLOBS, 200), (image.own, 404))
        for blob in blobs
    ]
    mounts = _mount(image.own, source, target)
    return [_get(image, source), *questions, *mounts, _put(image, target)]


def promote_first(image: Image, source: str, target: str) -> list[Request]:
    """Promote into a repository that has nothing yet."""
    return [*_mount((*SHARED_BLOBS, *image.own), source, target), _put(image, target)]


def _get(image: Image, source: str) -> Request:
    return Request("GET", f"/v2/{source}/manifests/{image.tag}", 200, accept=OCI_MANIFEST)


def _mount(blobs: Iterable[Blob], source: str, target: str) -> list[Request]:
    uploads = f"/v2/{target}/blobs/uploads/"
    return [Request("POST", f"{uploads}?mount={blob.digest}&from={source}", 201) for blob in blobs]


def _put(image: Image, target: str) -> Request:
    where = f"/v2/{target}/manifests/{image.tag}"
    return Request("PUT", where, 201, image.body, OCI_MANIFEST)


def push(port: int, repository: str, images: Sequence[Image]) -> None:
    """Push images, some at once."""
    _push_blobs(port, repository, SHARED_BLOBS)
    with ThreadPoolExecutor(_PUSHERS) as pool:
        parts = [images[start::_PUSHERS] for start in range(_PUSHERS)]
        for _ in pool.map(partial(_push_images, port, repository), parts):
            pass


def _push_images(port: int, repository: str, images: Sequence[Image]) -> None:
    for image in images:
        _push_blobs(port, repository, image.own)
        target = f"/v2/{repository}/manifests/{image.tag}"
        with closing(_connection(port)) as connection:
            ask(connection, "PUT", target, image.body, OCI_MANIFEST)


def _push_blobs(port: int, repository: str, blobs: Iterable[Blob]) -> None:
    with closing(_connection(port)) as connection:
        for blob in blobs:
            session = ask(connection, "POST", f"/v2/{repository}/blobs/uploads/", b"")
            where = session.removeprefix(f"http://{HOST}:{port}")
            joined = "&" if "?" in where else "?"
            ask(connection, "PUT", f"{where}{joined}digest={blob.digest}", blob.content)


def _connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_SECONDS)


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    body: bytes | Iterable[bytes],
    content_type: str = "application/octet-stream",
    *,
    length: int | None = None,
) -> str:
    """Send a request that must succeed; return its answer's Location.

    Args:
        connection: over which.
        method: the request's.
        target: path and query.
        body: whole, or in pieces.
        content_type: the body's.
        length: how many bytes a body in pieces has.
    """
    headers = {"Content-Type": content_type}
    if length is not None:
        headers["Content-Length"] = str(length)
    connection.request(method, target, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status not in {201, 202}:
        raise SystemExit(f"{method} {target} was answered {answer.status}: {text[:300]!r}")
    return answer.getheader("Location", "")
