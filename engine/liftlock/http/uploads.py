"""Blob uploads: a session is opened, appended to, and committed under its digest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from liftlock.engine import Engine
from liftlock.errors import (
    ChunkOutOfOrder,
    DigestInvalid,
    NameIncomplete,
    NameInvalid,
    RegistryUnknown,
    UploadBusy,
    UploadMalformed,
    UploadUnknown,
)
from liftlock.http import receiving
from liftlock.http.answers import Answer, Header, answer
from liftlock.http.errors import RequestRefused, said
from liftlock.http.openuploads import require_room
from liftlock.http.request import Request
from liftlock.oci.digest import SHA256, Digest, require_algorithm
from liftlock.oci.reference import RepositoryName


async def start(request: Request) -> Answer:
    """POST …/blobs/uploads/: mount a blob, take one whole, or open a session."""
    name, query = request.name, request.query
    algorithm = query.get("digest-algorithm")
    if algorithm is None:
        algorithm = SHA256
    require_algorithm(algorithm)  # whatever else is asked: who announces it counts on it
    mount = query.get("mount")
    if mount:
        digest = Digest.parse(mount)
        source = _source(query.get("from"))
        mounted = await request.bridge.write(
            request.engine.mount_blob, name, digest, source=source, by=request.actor
        )
        if mounted is not None:
            return _created(request, digest)
    elif (text := query.get("digest")) is not None:
        return await _take_whole(request, Digest.parse(text))
    await require_room(request.clients.uploads, request.client, request.bridge)
    session = request.engine.start_upload(name, algorithm=algorithm, by=request.actor)
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
    session = request.argument
    with _out_of_order(request):
        size = await receiving.append(request, session)
    return answer(202, _session_headers(request, session, size))


async def finish(request: Request) -> Answer:
    """PUT …/blobs/uploads/<session>?digest=: add the last chunk, if there is one, and commit."""
    text, session = request.query.get("digest"), request.argument
    if text is None:
        raise UploadMalformed("a PUT names the blob's digest: ?digest=<digest>")
    digest = Digest.parse(text)
    try:
        with _out_of_order(request):
            await receiving.finish(request, session, digest)
    except (DigestInvalid, UploadUnknown):  # other content ends the session too
        request.clients.uploads.ended(session)
        raise
    request.clients.uploads.ended(session)
    return _created(request, digest)


async def cancel(request: Request) -> Answer:
    """DELETE …/blobs/uploads/<session>."""
    await request.bridge.write(request.engine.cancel_upload, request.name, request.argument)
    request.clients.uploads.ended(request.argument)
    return answer(204)


async def _take_whole(request: Request, digest: Digest) -> Answer:
    """Take a blob in the one request that also names it; leave nothing behind if that fails."""
    name, engine, bridge = request.name, request.engine, request.bridge
    by = request.actor
    # Before the first byte is read: who is refused need not send a blob first.
    session = engine.start_upload(name, algorithm=digest.algorithm, by=by)
    try:
        await receiving.finish(request, session, digest)
    except BaseException:
        await bridge.write(_forget, engine, name, session)
        raise
    return _created(request, digest)


def _forget(engine: Engine, name: RepositoryName, session: str) -> None:
    # A wrong digest has cancelled it already; or it is being ended, though nobody waits for it;
    # or nobody can go on with it. What the client is told is why it came to this.
    with suppress(UploadUnknown, UploadBusy, RegistryUnknown):
        engine.cancel_upload(name, session)


def _source(text: str | None) -> RepositoryName | None:
    """Read a mount's `from`; what cannot be a name is answered like one that is not readable."""
    try:
        return RepositoryName.parse(text) if text else None
    except (NameInvalid, NameIncomplete):
        return None


@contextmanager
def _out_of_order(request: Request) -> Iterator[None]:
    """If a chunk is, say where the session stands, so that the client can go on from there."""
    try:
        yield
    except ChunkOutOfOrder as error:
        headers = _session_headers(request, error.session_id, error.offset)
        raise RequestRefused(*said(error), str(error), headers=headers) from error


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
