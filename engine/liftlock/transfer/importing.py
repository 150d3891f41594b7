"""Import: the archive is read and judged, blobs come in, then all of it counts at once.

Blobs are brought in one by one and held; nothing else of an import can be seen before its one
transaction. So one that is killed has left nothing but blobs that are held, and sessions that are
swept, and the same import goes on from there: it reads no blob again that its target has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from liftlock.config import Limits
from liftlock.history import Act
from liftlock.metadata.contract import Instant, WriteTxn
from liftlock.model import Import, ImportItem, Outcome, Passed
from liftlock.oci.digest import Digest
from liftlock.oci.reference import RepositoryName
from liftlock.transfer.archives import Archive, Heed, opened
from liftlock.transfer.contents import Contents
from liftlock.transfer.joining import Joined, join
from liftlock.transfer.judging import judge
from liftlock.transfer.placing import ImportRequest, Place, place_all
from liftlock.transfer.reading import read_archive
from liftlock.transfer.receiving import Progress, Receiving
from liftlock.transfer.verdicts import Judged, Part
from liftlock.uploads import Place as UploadPlace


@dataclass(frozen=True, slots=True)
class Importing:
    """An import that is planned: the archive is open, and nothing came in yet. Close it."""

    archive: Archive
    contents: Contents
    places: Mapping[RepositoryName, Place]
    request: ImportRequest
    act: Act
    judged: Judged
    planned: Import
    """What would be done."""

    def close(self) -> None:
        """Let go of the archive."""
        self.archive.close()


def plan_import(
    place: UploadPlace, path: str, request: ImportRequest, act: Act, at: Instant, heed: Heed
) -> Importing:
    """Read an archive's manifests, and decide what would be done with them.

    Raises:
        ArchiveUnknown: there is none.
        ArchiveInvalid: it is not what it should be.
        LiftlockError: as `place_all` and `judge`.
    """
    limits = place.limits
    archive = opened(path, limits, heed)
    try:
        contents = read_archive(archive, limits)
        places = place_all(contents, request, limits)
        judged = place.store.read(lambda txn: judge(txn, contents, places, request, limits))
        told = _told(contents, judged, path, act, at, limits)
        planned = told._replace(records=judged.records(contents))
        return Importing(archive, contents, places, request, act, judged, planned)
    except BaseException:
        archive.close()
        raise


def execute_import(place: UploadPlace, plan: Importing, progress: Progress) -> Import:
    """Do what was planned; on return it is durable.

    Raises:
        ArchiveInvalid: a blob is not what its digest says.
        LiftlockError: as `judge`, if the target changed meanwhile.
    """
    planned, limits = plan.planned, place.limits
    receiving = Receiving(place, plan.archive, plan.act.by, progress)
    receiving.receive(plan.contents, plan.judged.lacking)
    place.reach("import: received")

    def joined(txn: WriteTxn) -> tuple[Joined, Instant]:
        return join(txn, plan.contents, plan.places, plan.request, plan.act, limits), txn.at

    done, at = place.store.write(joined)
    told = _told(plan.contents, done.judged, planned.archive, plan.act, at, limits)
    return told._replace(
        event=done.event,
        records=done.records,
        brought=planned.brought,
        skipped=planned.skipped,
        changed=done.event is not None or planned.brought.blobs > 0,
    )


def _told(
    contents: Contents, judged: Judged, path: str, act: Act, at: Instant, limits: Limits
) -> Import:
    brought = judged.lacking
    skipped = {blob for part in judged.parts for blob in part.had} - brought.keys()
    items = [item for part in judged.parts for item in _items(part)]
    most = limits.absent_listed_max
    return Import(
        archive=path,
        kind=contents.kind,
        event=None,
        at=at,
        by=act.by,
        comment=act.comment,
        items=tuple(items),
        manifests=sum(len(part.new) for part in judged.parts),
        brought=_passed(contents, brought),
        skipped=_passed(contents, skipped),
        records=0,
        changed=not judged.is_unchanged or bool(brought),
        absent=tuple(Digest(digest) for digest in judged.sparse[:most]),
        absent_more=len(judged.sparse) > most,
        warnings=tuple(contents.warnings) + tuple(_held_only(judged)),
    )


def _passed(contents: Contents, blobs: Collection[bytes]) -> Passed:
    return Passed(len(blobs), sum(contents.blobs[blob].size for blob in blobs))


def _items(part: Part) -> Iterator[ImportItem]:
    for tag, one, old, outcome in part.tags:
        previous = Digest(old) if old else None
        digest = Digest(one.digest)
        target = f"{part.name}:{tag}"
        source = one.source or str(digest)
        yield ImportItem(source, target, digest, previous, outcome, one.is_attachment)
    for key in part.untagged:
        digest = Digest(key)
        yield ImportItem(str(digest), f"{part.name}@{digest}", digest, None, Outcome.CREATE)


def _held_only(judged: Judged) -> Iterator[str]:
    for part in judged.parts:
        for digest in part.untagged:
            yield (
                f"{part.name}@{Digest(digest)} gets no tag, and is kept no longer than anything "
                "untagged; give it one with --to registry/repository:tag"
            )
