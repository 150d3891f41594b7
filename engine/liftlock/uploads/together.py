"""Many uploads ended in one call, and in one commit.

An upload of a few kilobytes is mostly waiting: for the disk, for the commit, and with a thread
each, for the interpreter. Ended together by one thread they wait for one commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from typing import NamedTuple

from liftlock.model import BlobContent
from liftlock.oci.digest import Digest
from liftlock.oci.reference import RepositoryName
from liftlock.uploads.commit import Commit, Recorded
from liftlock.uploads.place import Place
from liftlock.uploads.sessions import hold


class LastChunk(NamedTuple):
    """The end of an upload: what is still to come, and what all is then."""

    name: RepositoryName
    session_id: str
    data: bytes
    digest: Digest
    by: str
    begin: int | None = None
    """Where the chunk must begin, if that was said."""


def finish(place: Place, chunks: Sequence[LastChunk]) -> list[BlobContent | Exception]:
    """Take in the last chunk of each upload and commit it; return for each what came of it.

    An upload that cannot be ended does not keep the others from it. For the errors see
    `Upload.append` and `Upload.commit`; and ChunkOutOfOrder, if a chunk begins elsewhere.
    """
    with ExitStack() as held:
        published = [_published(place, chunk, held) for chunk in chunks]
        # All of them at once, so that they share a commit.
        waiting = [
            each if isinstance(each, Exception) else (each, place.store.submit(each.record))
            for each in published
        ]
        return [each if isinstance(each, Exception) else _concluded(*each) for each in waiting]


def _published(place: Place, chunk: LastChunk, held: ExitStack) -> Commit | Exception:
    try:
        with ExitStack() as holding:
            upload = holding.enter_context(hold(place, chunk.name, chunk.session_id))
            upload.append(chunk.data, at=chunk.begin)
            commit = upload.publish(chunk.digest, by=chunk.by)
            held.push(holding.pop_all())
    except Exception as error:  # noqa: BLE001 - its own caller's, who is told
        return error
    return commit


def _concluded(commit: Commit, waiting: Future[Recorded]) -> BlobContent | Exception:
    try:
        try:
            recorded = waiting.result()
        except Exception:
            commit.take_back()
            raise
        return commit.conclude(recorded)
    except Exception as error:  # noqa: BLE001 - its own caller's, who is told
        return error
