"""Many uploads ended in one call, and in one commit.

An upload of a few kilobytes is mostly waiting: for the disk, for the commit, and with a thread
each, for the interpreter. Ended together by one thread they wait for one commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from liftlock.blobs.hashing import ContentHash
from liftlock.model import BlobContent
from liftlock.oci.digest import Digest
from liftlock.oci.reference import RepositoryName
from liftlock.uploads.commit import Commit, Received
from liftlock.uploads.committing import commit
from liftlock.uploads.place import Place
from liftlock.uploads.rowcommit import RowCommit
from liftlock.uploads.sessions import hold, may_begin


class SizeDiffers(Exception):
    """The session has not the size that it was thought to have; nothing was done with it.

    Another process has gone on with it. It may be so large that others would wait for it.
    """


class LastChunk(NamedTuple):
    """The end of an upload: what is still to come, and what all is then."""

    name: RepositoryName
    session_id: str
    data: bytes
    digest: Digest
    by: str
    size: int | None = None
    """How many bytes the session is thought to have before this; None: any."""
    begin: int | None = None
    """Where the chunk must begin, if that was said."""


def finish(place: Place, chunks: Sequence[LastChunk]) -> list[BlobContent | Exception]:
    """Take in the last chunk of each upload and commit it; return for each what came of it.

    An upload that cannot be ended does not keep the others from it. For the errors see
    `Upload.append` and `Upload.commit`; and `SizeDiffers`.
    """
    with ExitStack() as held:
        begun = [_begun(place, chunk, held) for chunk in chunks]
        commits = [each for each in begun if not isinstance(each, Exception)]
        done = iter(commit(place, commits))
        return [each if isinstance(each, Exception) else next(done) for each in begun]


def _begun(place: Place, chunk: LastChunk, held: ExitStack) -> Commit | Exception:
    try:
        whole = _whole(place, chunk)
        if whole is not None:
            return whole
        with ExitStack() as holding:
            upload = holding.enter_context(hold(place, chunk.name, chunk.session_id))
            if chunk.size not in {None, upload.size}:
                return SizeDiffers()
            upload.append(chunk.data, at=chunk.begin)
            begun = upload.begin_commit(chunk.digest, by=chunk.by)
            held.push(holding.pop_all())
    except Exception as error:  # noqa: BLE001 - its own caller's, who is told
        return error
    return begun


def _whole(place: Place, chunk: LastChunk) -> Commit | None:
    """Begin to commit a small blob all of which is in the chunk: no session needs to be held.

    Two requests that end one session so are told apart by their transactions.
    """
    name, session_id, data, digest, by, size, begin = chunk
    # Of what is too large, the session must be held to say so.
    is_small = len(data) < place.limits.file_bytes_min and len(data) <= place.limits.blob_bytes_max
    if size != 0 or begin not in {None, 0} or not is_small:
        return None
    ticket = place.tickets.read(session_id, name)
    # Another process may have gone on with the session; or its first byte came too late.
    if place.blobs.has_session(session_id) or not may_begin(place, ticket):
        return None
    content_hash = ContentHash(digest.algorithm)
    content_hash.update(data)
    if content_hash.digest() != digest:
        return None  # which ends the session, and so has to hold it
    forget = partial(place.states.forget, session_id)
    return RowCommit(place, Received(session_id, ticket, digest, content_hash, by, forget), data)
