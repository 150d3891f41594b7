"""Blob uploads: a session is opened, appended to, and committed under its digest.

The network is read before the engine is asked. A body that fits one piece costs one crossing
into a thread; a longer one is received while the piece before it is hashed and written. What was
received before a client vanished is kept in its session; only a complete body is committed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from liftlock.engine import Engine, Upload
from liftlock.errors import (
    ChunkOutOfOrder,
    DigestInvalid,
    NameIncomplete,
    NameInvalid,
    SizeInvalid,
    UploadMalformed,
    UploadUnknown,
)
from liftlock.http.answers import Answer, Header, answer
from liftlock.http.body import Body
from liftlock.http.bridge import Bridge
from liftlock.http.errors import RequestRefused, said
from liftlock.http.openuploads import require_room
from liftlock.http.request import Request
from liftlock.oci.digest import SHA256, Digest
from liftlock.oci.reference import RepositoryName

R = TypeVar("R")

_CONTENT_RANGE: Final = re.compile(r"([0-9]{1,19})-([0-9]{1,19})")


async def start(request: Request) -> Answer:
    """POST …/blobs/uploads/: mount a blob, take one whole, or open a session."""
    name, query = request.name, request.query
    mount = query.get("mount")
    if mount:
        digest = Digest.parse(mount)
        source = _source(query.get("from"))
        mounted = await request.bridge.write(
            request.engine.mount_blob, name, digest, source=source, by=request.actor
        )
        if mounted is not None:
            return _created(request, digest)
    elif "digest" in query:
        return await _take_whole(request, Digest.parse(query["digest"]))
    await require_room(request.clients.uploads, request.client, request.bridge)
    session = await request.bridge.write(
        request.engine.start_upload,
        name,
        algorithm=query.get("digest-algorithm", SHA256),
        by=request.actor,
    )
    now = asyncio.get_running_loop().time()
    request.clients.uploads.began(request.client, name, session, now)
    return answer(202, _session_headers(request, session, 0))


async def show(request: Request) -> Answer:
    """GET …/blobs/uploads/<session>: where the session stands."""
    name, session = request.name, request.argument
    size = await request.bridge.block(request.engine.upload_size, name, session)
    return answer(204, _session_headers(request, session, size))


async def append(request: Request) -> Answer:
    """PATCH …/blobs/uploads/<session>: add a chunk, at the place that Content-Range names."""
    size = await _receive(request, lambda upload: upload.size)
    return answer(202, _session_headers(request, request.argument, size))


async def finish(request: Request) -> Answer:
    """PUT …/blobs/uploads/<session>?digest=: add the last chunk, if there is one, and commit."""
    text = request.query.get("digest")
    if text is None:
        raise UploadMalformed("a PUT names the blob's digest: ?digest=<digest>")
    digest, actor = Digest.parse(text), request.actor
    try:
        await _receive(request, lambda upload: upload.commit(digest, by=actor))
    except (DigestInvalid, UploadUnknown):  # other content ends the session too
        request.clients.uploads.ended(request.argument)
        raise
    request.clients.uploads.ended(request.argument)
    return _created(request, digest)


async def cancel(request: Request) -> Answer:
    """DELETE …/blobs/uploads/<session>."""
    await request.bridge.write(request.engine.cancel_upload, request.name, request.argument)
    request.clients.uploads.ended(request.argument)
    return answer(204)


async def _receive(request: Request, then: Callable[[Upload], R]) -> R:
    """Append the request's body to its session, then do `then` within the same hold."""
    name, session, body = request.name, request.argument, request.body
    begin = _announced_start(request)
    held = request.engine.hold_upload(name, session)

    def place(upload: Upload) -> None:
        if begin is not None and begin != upload.size:
            raise ChunkOutOfOrder(session, upload.size, begin)

    def whole(data: bytes) -> R:
        with held as upload:
            place(upload)
            if data:
                upload.append(data)
            return then(upload)

    try:
        first = await body.piece()
        if body.complete:
            return await request.bridge.write(whole, first)
        async with request.bridge.holding(held) as upload:
            place(upload)
            await _append_all(request.bridge, upload, first, body)
            return await request.bridge.write(then, upload)
    except ChunkOutOfOrder as error:
        raise _out_of_order(request, error) from error


async def _append_all(bridge: Bridge, upload: Upload, first: bytes, body: Body) -> None:
    """Append `first` and the rest of the body, one piece in the thread and one on its way.

    Raises whatever broke the body off, after all that came before it was appended.
    """
    pending = bridge.start_write(upload.append, first)
    try:
        while piece := await body.piece():
            await pending
            pending = bridge.start_write(upload.append, piece)
    finally:
        await pending


async def _take_whole(request: Request, digest: Digest) -> Answer:
    """Take a blob in the one request that also names it; leave nothing behind if that fails."""
    name, engine, bridge, body = request.name, request.engine, request.bridge, request.body
    actor = request.actor
    # Before the first byte is read: who is refused need not send a blob first.
    session = await bridge.write(engine.start_upload, name, algorithm=digest.algorithm, by=actor)
    try:
        first = await body.piece()
        async with bridge.holding(engine.hold_upload(name, session)) as upload:
            await _append_all(bridge, upload, first, body)
            await bridge.write(upload.commit, digest, by=actor)
    except BaseException:
        await bridge.write(_forget, engine, name, session)
        raise
    return _created(request, digest)


def _forget(engine: Engine, name: RepositoryName, session: str) -> None:
    with suppress(UploadUnknown):  # a wrong digest has cancelled it already
        engine.cancel_upload(name, session)


def _announced_start(request: Request) -> int | None:
    """Return where Content-Range says that the chunk begins; None without the header.

    Raises:
        UploadMalformed: it cannot be read.
        SizeInvalid: it is not as long as the body.
    """
    text = request.headers.get("content-range")
    if text is None:
        return None
    match = _CONTENT_RANGE.fullmatch(text.strip())
    if match is None:
        raise UploadMalformed("Content-Range is <first byte>-<last byte> here, as in 0-1023")
    first, last = int(match[1]), int(match[2])
    if last < first:
        raise UploadMalformed("Content-Range ends before it begins")
    length = request.content_length
    if length is None:
        raise SizeInvalid("with Content-Range, the body's Content-Length must be given")
    if length != last - first + 1:
        raise SizeInvalid(
            f"Content-Range spans {last - first + 1} bytes, Content-Length says {length}"
        )
    return first


def _source(text: str | None) -> RepositoryName | None:
    """Read a mount's `from`; what cannot be a name is answered like one that is not readable."""
    try:
        return RepositoryName.parse(text) if text else None
    except (NameInvalid, NameIncomplete):
        return None


def _out_of_order(request: Request, error: ChunkOutOfOrder) -> RequestRefused:
    """Say where the session stands, so that the client can go on from there."""
    headers = _session_headers(request, error.session_id, error.offset)
    return RequestRefused(*said(error), str(error), headers=headers)


def _created(request: Request, digest: Digest) -> Answer:
    return answer(
        201,
        [
            (b"location", request.public(f"/v2/{request.name}/blobs/{digest}")),
            (b"docker-content-digest", str(digest)),
        ],
    )


def _session_headers(request: Request, session: str, size: int) -> list[Header]:
    # An empty session says 0-0, as the CNCF registry does; clients cannot parse 0--1.
    return [
        (b"location", request.public(f"/v2/{request.name}/blobs/uploads/{session}").encode()),
        (b"range", b"0-%d" % max(0, size - 1)),
        (b"docker-upload-uuid", session.encode()),
    ]
