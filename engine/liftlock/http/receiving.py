"""A request's body on its way into an upload session.

The network is read before the engine is asked. What is small is done together with what else
came up, in one crossing into a thread; a longer body is received while the piece before it is
hashed and written. What was received before a client vanished is kept in its session; only a
complete body is committed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Final, TypeVar

from liftlock.engine import LastChunk, SizeDiffers, Upload
from liftlock.errors import ChunkOutOfOrder, SizeInvalid, UploadMalformed
from liftlock.http.body import Body
from liftlock.http.bridge import Bridge
from liftlock.http.request import Request
from liftlock.oci.digest import Digest

R = TypeVar("R")

_CONTENT_RANGE: Final = re.compile(r"([0-9]{1,19})-([0-9]{1,19})")


async def append(request: Request, session: str) -> int:
    """Append the body to a session of the request's repository; return the session's size.

    Raises:
        ChunkOutOfOrder: it belongs elsewhere than at the session's end.
        LiftlockError: as `Upload.append`, `Engine.hold_upload` and `Body.piece`.
    """
    name, begin, bridge = request.name, _announced_start(request), request.bridge
    await _refuse_unasked(request, session, begin)
    with bridge.receiving():
        first = await request.body.piece(bridge.piece_bytes)
        known = request.engine.remembered_size(session)
        # Of a session that is not remembered, all would be hashed while others wait.
        if known is not None and _is_small(request, first):
            held = request.engine.hold_upload(name, session)
            with suppress(SizeDiffers):
                return await bridge.brief(_append_known, held, first, known, begin)
        return await _receive(request, session, first, begin, lambda upload: upload.size)


async def finish(request: Request, session: str, digest: Digest) -> None:
    """Append the body, if there is one, and make the session's bytes a blob.

    Raises:
        ChunkOutOfOrder, LiftlockError: as `append`; and as `Upload.commit`.
    """
    name, by = request.name, request.actor
    begin, bridge = _announced_start(request), request.bridge
    await _refuse_unasked(request, session, begin)
    with bridge.receiving():
        first = await request.body.piece(bridge.piece_bytes)
        known = request.engine.remembered_size(session)
        if known is not None and _is_small(request, first, known):
            chunk = LastChunk(name, session, b"".join(first), digest, by, known, begin)
            with suppress(SizeDiffers):
                await bridge.finish_upload(chunk)
                return
        await _receive(request, session, first, begin, lambda upload: upload.commit(digest, by=by))


async def _refuse_unasked(request: Request, session: str, begin: int | None) -> None:
    """Refuse a body that nobody wants, before it is asked for.

    Only of a client that waits to be asked the session is looked at: others are sending already,
    and would pay for a look more.

    Raises:
        SizeInvalid: it is longer than a blob may be.
        UploadUnknown, ChunkOutOfOrder: it has no session, or not there its place.
    """
    limit, length = request.engine.limits.blob_bytes_max, request.content_length or 0
    if length > limit:
        raise SizeInvalid(
            f"the body has {length} bytes, and a blob at most {limit} (blob_bytes_max)"
        )
    if request.body.waits:
        size = await request.bridge.block(request.engine.upload_size, request.name, session)
        if begin is not None and begin != size:
            raise ChunkOutOfOrder(session, size, begin)


def _is_small(request: Request, first: Sequence[bytes], known: int = 0) -> bool:
    """Whether `first` is all of the body, and with the `known` bytes before it still little."""
    little = request.bridge.limits.together_bytes_max
    return request.body.complete and known + sum(map(len, first)) <= little


async def _receive(
    request: Request,
    session: str,
    first: Sequence[bytes],
    begin: int | None,
    then: Callable[[Upload], R],
) -> R:
    """Append the body to its session in pieces, then do `then` within the same hold."""
    bridge, held = request.bridge, request.engine.hold_upload(request.name, session)
    async with bridge.holding(held) as upload:
        await _append_all(bridge, upload, first, request.body, begin)
        return await bridge.write(then, upload)


async def _append_all(
    bridge: Bridge, upload: Upload, first: Sequence[bytes], body: Body, begin: int | None
) -> None:
    """Append `first` and the rest of the body, one piece in the thread and one on its way.

    Raises whatever broke the body off, after all that came before it was appended.
    """
    pending = bridge.start_write(_append, upload, first, begin)
    try:
        while not body.complete and (piece := await body.piece(bridge.piece_bytes)):
            await pending
            pending = bridge.start_write(_append, upload, piece, None)
    finally:
        await pending


def _append_known(
    held: AbstractContextManager[Upload], chunks: Sequence[bytes], known: int, begin: int | None
) -> int:
    with held as upload:
        if upload.size != known:  # another process went on with it
            raise SizeDiffers
        return _append(upload, chunks, begin)


def _append(upload: Upload, chunks: Sequence[bytes], begin: int | None) -> int:
    upload.append(b"", at=begin)
    for chunk in chunks:
        upload.append(chunk)
    return upload.size


def _announced_start(request: Request) -> int | None:
    """Return where Content-Range says that the chunk begins; None without the header.

    Raises:
        UploadMalformed: it cannot be read.
        SizeInvalid: it is not as long as the body.
    """
    text = request.head.get(b"content-range")
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
