"""Blobs by digest: whole, in part, and gone."""

from __future__ import annotations

from liftlock.http.answers import Answer, BlobBody, answer
from liftlock.http.errors import RequestRefused
from liftlock.http.ranges import RangeUnsatisfiable, requested_span
from liftlock.http.request import Request


async def get(request: Request) -> Answer:
    """GET and HEAD …/blobs/<digest>."""
    blob = request.engine.get_blob(request.name, request.digest)
    etag = f'"{blob.digest}"'
    headers = [
        (b"content-type", "application/octet-stream"),
        (b"docker-content-digest", str(blob.digest)),
        (b"etag", etag),
        (b"accept-ranges", "bytes"),
    ]
    if request.has_etag(etag):
        return answer(304, headers)
    if request.method == "HEAD":  # RFC 9110, 14.2: Range means something to GET alone
        return answer(200, headers, BlobBody(str(request.name), blob))
    try:
        span = requested_span(
            request.head.get(b"range"), request.head.get(b"if-range"), etag, blob.size
        )
    except RangeUnsatisfiable as error:
        content_range = f"bytes */{error.size}".encode()
        raise RequestRefused(
            416, "SIZE_INVALID", str(error), headers=[(b"content-range", content_range)]
        ) from error
    if span is None:
        return answer(200, headers, blob.content or BlobBody(str(request.name), blob))
    headers.append((b"content-range", f"bytes {span.start}-{span.stop - 1}/{blob.size}"))
    return answer(206, headers, BlobBody(str(request.name), blob, span))


async def delete(request: Request) -> Answer:
    """DELETE …/blobs/<digest>."""
    name, digest = request.name, request.digest
    await request.bridge.write(request.engine.delete_blob, name, digest, by=request.actor)
    return answer(202)
