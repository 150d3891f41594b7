"""What an import would do: judged in one snapshot, and again in the transaction that does it.

The number of look-ups does not grow with manifests, blobs or tags, but with repositories.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from liftlock import links, names, registries
from liftlock.config import Limits
from liftlock.errors import (
    LiftlockError,
    SparseManifest,
    SparseRefused,
    TagTaken,
    TransferInvalid,
)
from liftlock.metadata.contract import ReadTxn
from liftlock.model import Outcome
from liftlock.oci.digest import Digest
from liftlock.oci.reference import RepositoryName
from liftlock.promotion.deciding import refuse
from liftlock.promotion.planning.attachments import entries_of
from liftlock.transfer.contents import Contents
from liftlock.transfer.placing import ImportRequest, Place
from liftlock.transfer.verdicts import Judged, Part, TagChange


def judge(
    txn: ReadTxn,
    contents: Contents,
    places: Mapping[RepositoryName, Place],
    request: ImportRequest,
    limits: Limits,
) -> Judged:
    """Decide what must be done.

    Raises:
        LiftlockError: a registry is not there, a tag would be moved, something would be absent, or
            it is more than one transaction may do; the gravest speaks for all that is wrong.
    """
    violations: list[LiftlockError] = []
    parts = []
    sparse: dict[bytes, None] = {}
    records, most = 0, limits.transaction_records_max
    for name, place in places.items():
        try:
            part = _part(txn, contents, name, place)
        except LiftlockError as error:
            violations.append(error)
            continue
        missing = _missing(contents, part)
        sparse.update(dict.fromkeys(missing))
        violations += _judge_absent(txn, name, missing, request, limits)
        violations += _judge_tags(txn, contents, part, request)
        parts.append(part)
        records += part.records(contents)
        if records > most:  # and what more of them would be kept here
            reason = (
                f"it could write more than {most} records in one transaction "
                "(transaction_records_max); import it in parts, with --tags"
            )
            violations.append(TransferInvalid("import", reason))
            break
    refuse(violations)
    return Judged(tuple(parts), tuple(sparse))


def _part(txn: ReadTxn, contents: Contents, name: RepositoryName, place: Place) -> Part:
    found = names.find_repository(txn, name)
    number = found.id if found else 0  # no repository has id 0: nothing is there
    records = links.find_tags(txn, number, list(place.tags))
    olds = {
        tag: record.digest if record is not None else None
        for tag, record in zip(place.tags, records, strict=True)
    }
    stays = _fuller(txn, contents, place, olds)
    needless = {place.tags[tag].digest for tag in stays}
    needless -= {one.digest for tag, one in place.tags.items() if tag not in stays}
    members = [digest for digest in place.members if digest not in needless]
    linked = links.find_linked(txn, number, members)
    part = Part(name, found, members, [digest for digest in members if digest not in linked])
    _find_blobs(txn, contents, part, number)
    changed = _changed(contents, part)
    for tag, one in place.tags.items():
        if tag not in stays:
            outcome = _outcome(one.digest, olds[tag], is_extended=one.digest in changed)
            part.tags.append(TagChange(tag, one, olds[tag], outcome))
    part.untagged = [digest for digest in place.untagged if digest not in linked]
    return part


def _outcome(digest: bytes, old: bytes | None, *, is_extended: bool) -> Outcome:
    if old is None:
        return Outcome.CREATE
    if old != digest:
        return Outcome.OVERWRITE
    return Outcome.EXTEND if is_extended else Outcome.UNCHANGED


def _fuller(
    txn: ReadTxn, contents: Contents, place: Place, olds: Mapping[str, bytes | None]
) -> set[str]:
    """Return the attachment tags that stay: they list all that the archive's do."""
    compared = [
        (tag, one, old)
        for tag, one in place.tags.items()
        if one.is_attachment and (old := olds[tag]) is not None and old != one.digest
    ]
    bodies = links.get_bodies(txn, [old for _, _, old in compared])
    return {
        tag
        for (tag, one, _), body in zip(compared, bodies, strict=True)
        if entries_of(contents.manifests[one.digest].body) <= entries_of(body)
    }


def _find_blobs(txn: ReadTxn, contents: Contents, part: Part, number: int) -> None:
    """Find out which blobs must come in, and what will be absent."""
    # Also of what is linked: it may name what was absent then.
    blobs = list(dict.fromkeys(contents.blobs_of(part.members)))
    granted = links.presence(txn, number, blobs).granted
    part.held = granted
    part.lacking = [blob for blob in blobs if blob not in granted and blob in contents.blobs]
    part.had = [blob for blob in blobs if blob in granted and blob in contents.blobs]
    children = {child for digest in part.new for child in contents.manifests[digest].edges.children}
    strangers = sorted(children.difference(part.members))
    there = links.find_linked(txn, number, strangers)
    named = contents.blobs_of(part.new)
    part.absent = links.Absent(
        frozenset(b for b in named if b not in granted and b not in contents.blobs),
        frozenset(child for child in strangers if child not in there),
    )


def _changed(contents: Contents, part: Part) -> set[bytes]:
    """Return the manifests that get something new below or behind them, and the new ones."""
    above: dict[bytes, list[bytes]] = {}
    for digest in part.members:
        edges = contents.manifests[digest].edges
        for child in edges.children:
            above.setdefault(child, []).append(digest)
        if edges.subject is not None:
            above.setdefault(digest, []).append(edges.subject)
    lacking = set(part.lacking)
    level = set(part.new)
    if lacking:
        edges_of = ((digest, contents.manifests[digest].edges) for digest in part.members)
        level |= {
            d for d, edges in edges_of if not lacking.isdisjoint((*edges.blobs, *edges.foreign))
        }
    changed = set(level)
    while level:
        level = {over for digest in level for over in above.get(digest, ())} - changed
        changed |= level
    return changed


def _missing(contents: Contents, part: Part) -> list[bytes]:
    """Return what will be absent and is no foreign layer."""
    needed = {b for digest in part.new for b in contents.manifests[digest].edges.blobs}
    return sorted(part.absent.children) + sorted(set(part.absent.blobs) & needed)


def _judge_absent(
    txn: ReadTxn,
    name: RepositoryName,
    missing: Sequence[bytes],
    request: ImportRequest,
    limits: Limits,
) -> Iterator[LiftlockError]:
    if not missing:
        return
    most = limits.absent_listed_max
    shown = [str(Digest(digest)) for digest in missing[:most]]
    more = len(missing) > most
    if not registries.settings_of(txn, name.registry).allow_sparse:
        yield SparseRefused(name.registry, str(name), shown, more=more)
    elif not request.allow_sparse:
        yield SparseManifest(str(name), shown, more=more)


def _judge_tags(
    txn: ReadTxn, contents: Contents, part: Part, request: ImportRequest
) -> Iterator[LiftlockError]:
    """Yield the tags that would be moved, if nobody said that they may be.

    An attachment tag may be if it lists all that it does now: so signatures are added.
    """
    if request.overwrite:
        return
    moving = [change for change in part.tags if change.outcome is Outcome.OVERWRITE]
    bodies = links.get_bodies(txn, [change.old or b"" for change in moving])
    for change, body in zip(moving, bodies, strict=True):
        tag, one, old, _ = change
        assert old is not None, "what is moved was somewhere"
        is_more = one.is_attachment and entries_of(body) <= entries_of(
            contents.manifests[one.digest].body
        )
        if not is_more:
            yield TagTaken(f"{part.name}:{tag}", str(Digest(old)), str(Digest(one.digest)))
