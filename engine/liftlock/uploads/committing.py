"""Commits done together: all are looked at, published, recorded, concluded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from liftlock.model import BlobContent
from liftlock.uploads.commit import Commit, FileCommit, FileUnseen, Recorded
from liftlock.uploads.place import Place, look_up


def commit(place: Place, commits: Sequence[Commit]) -> list[BlobContent | Exception]:
    """Publish all, record all, conclude all; return for each its blob, or why there is none.

    One that fails keeps no other from it. Its session goes on with its bytes (see
    `BlobStore.publish` for the exception), and so do all if this is interrupted.
    """
    going = [each for each in commits if not isinstance(each, FileCommit)]
    files = [each for each in commits if isinstance(each, FileCommit)]
    outcomes = _looked_at(place, files) if files else {}
    try:
        if files:
            _publish(place, [each for each in files if each not in outcomes], going, outcomes)
        recorded = _recorded(place, going)
    except BaseException:  # interrupted, or the store is closed
        for each in going:
            with suppress(Exception):
                each.take_back()
        raise
    outcomes.update(zip(going, map(_concluded, going, recorded), strict=True))
    return [outcomes[each] for each in commits]


def _looked_at(
    place: Place, commits: Sequence[FileCommit]
) -> dict[Commit, BlobContent | Exception]:
    """Look at what is known of each; return those of which that cannot be told."""
    failed: dict[Commit, BlobContent | Exception] = {}
    known = look_up(place.store, [each.digest for each in commits])
    for each, seen in zip(commits, known, strict=True):
        try:
            each.look_at(seen)
        except Exception as error:  # noqa: BLE001 - it is this one's, and stops no other
            failed[each] = error
    return failed


def _publish(
    place: Place,
    files: Sequence[FileCommit],
    going: list[Commit],
    outcomes: dict[Commit, BlobContent | Exception],
) -> None:
    """Publish files; add to `going` those that are, and to `outcomes` why others are not."""
    failures = place.blobs.publish([each.publication for each in files])
    for file, failure in zip(files, failures, strict=True):
        if failure is None:
            going.append(file)
        else:
            outcomes[file] = failure
    for file in files:
        if file not in outcomes:
            file.note_published()


def _recorded(place: Place, going: Sequence[Commit]) -> list[Recorded | Exception]:
    """Record all; what turns out to be a file that nobody has looked at, after a look."""
    recorded = place.store.write_all(going)
    for index, (each, outcome) in enumerate(zip(going, recorded, strict=True)):
        if isinstance(outcome, FileUnseen):
            try:
                each.look_at(outcome.record)
            except OSError as error:
                recorded[index] = error
            else:
                (recorded[index],) = place.store.write_all([each])
    return recorded


def _concluded(one: Commit, recorded: Recorded | Exception) -> BlobContent | Exception:
    try:
        if not isinstance(recorded, Exception):
            return one.conclude(recorded)
        one.take_back()
    except Exception as error:  # noqa: BLE001 - its own caller's, who is told
        return error
    return recorded
