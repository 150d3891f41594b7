"""What an export takes: resolved by promotion's own selection, in one snapshot, with all it brings.

To promotion an export is a copy onto itself, of which only the selection is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from liftlock import links
from liftlock.config import Limits
from liftlock.errors import NothingSelected, PromotionInvalid, TransferInvalid
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.records import FoundRepository
from liftlock.oci.reference import RepositoryName, Selection, Target
from liftlock.promotion import PromotionRequest, RequestItem
from liftlock.promotion.deciding import refuse
from liftlock.promotion.graph.closure import Closure, Member, closure
from liftlock.promotion.selecting import Selecting, select


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to be exported."""

    sources: tuple[Selection, ...]
    """Images, repositories, or all repositories below a path."""
    tags: str | tuple[str, ...] | None = None
    """Of sources without a tag: a glob, or tags by name; None: all."""
    allow_sparse: bool = False
    """Whether indexes and images may name what the layout will lack: that this is meant."""


class Entry(NamedTuple):
    """An entry of the layout's index.json: a tag, or without one a manifest."""

    repository: RepositoryName
    tag: str
    """Empty if it has none."""
    digest: bytes
    is_attached: bool


class Taken(NamedTuple):
    """A manifest that goes out."""

    media_type: str
    size: int
    depth: int
    """How many levels of indexes are above it in the layout: parents are written first."""


@dataclass(slots=True)
class Chosen:
    """All that goes out."""

    entries: dict[Entry, None] = field(default_factory=dict)
    manifests: dict[bytes, Taken] = field(default_factory=dict)
    blobs: dict[bytes, int] = field(default_factory=dict)
    """And their sizes."""
    absent: dict[bytes, None] = field(default_factory=dict)
    foreign: dict[bytes, None] = field(default_factory=dict)


def choose(txn: ReadTxn, request: ExportRequest, limits: Limits) -> Chosen:
    """Find what is exported; no more look-ups than a few for each level of some hundred images.

    Raises:
        LiftlockError: something that is named is not there, or more than the limits allow; the
            gravest speaks for all that is wrong.
    """
    items = tuple(RequestItem(one, _itself(one), _tags(one, request)) for one in request.sources)
    if not items:
        raise TransferInvalid("export", "it names no image; name at least one")
    try:
        selected = select(txn, PromotionRequest(items), limits)
        refuse(selected.known.violations)
        chosen = Chosen()
        for name, found, tagged in _repositories(txn, selected):
            while part := list(islice(tagged, limits.part_pairs_max)):
                _take(txn, chosen, name, found, part, limits)
    except PromotionInvalid as error:
        # What limits and forms refuse there is refused here in this one's name.
        reasons = [e.reason for e in error.violations if isinstance(e, PromotionInvalid)]
        raise TransferInvalid("export", "; ".join(reasons)) from error
    _settle(chosen)
    if not chosen.entries:
        sources = ", ".join(map(str, request.sources))
        raise NothingSelected(sources, "no tag", request.sources[0].registry)
    return chosen


def _settle(chosen: Chosen) -> None:
    """Drop what only the end shows to be needless, since another part or repository has it."""
    # A manifest that has a tag needs no entry without one, nor two without.
    said = {(entry.repository, entry.digest) for entry in chosen.entries if entry.tag}
    bare = [entry for entry in chosen.entries if not entry.tag]
    for entry in sorted(bare, key=lambda entry: entry.is_attached):
        if (entry.repository, entry.digest) in said:
            del chosen.entries[entry]
        said.add((entry.repository, entry.digest))
    there = chosen.blobs.keys() | chosen.manifests.keys()
    chosen.absent = {digest: None for digest in chosen.absent if digest not in there}
    chosen.foreign = {digest: None for digest in chosen.foreign if digest not in there}


def _itself(source: Selection) -> Target:
    return Target(source.registry, source.repository)


def _tags(source: Selection, request: ExportRequest) -> str | tuple[str, ...] | None:
    return None if source.is_image else request.tags


def _repositories(
    txn: ReadTxn, selected: Selecting
) -> Iterator[tuple[RepositoryName, FoundRepository, Iterator[tuple[str, bytes]]]]:
    """Yield each repository with the tags (empty: a digest) that are taken of it."""
    for whole in selected.wholes:
        tags = links.iter_tags(txn, whole.source.id)
        yield whole.source_name, whole.source, ((tag, found.digest) for tag, found in tags)
    for route in selected.known.routes.values():
        named = [(pair.source_tag, pair.digest) for pair in route.pairs]
        yield route.source_name, route.source, iter([*named, *route.loose.items()])


def _take(
    txn: ReadTxn,
    chosen: Chosen,
    name: RepositoryName,
    found: FoundRepository,
    part: Sequence[tuple[str, bytes]],
    limits: Limits,
) -> None:
    """Take in some tags of a repository, with all that can be reached from them there."""
    reached = closure(txn, found.id, str(name), [digest for _, digest in part], limits)
    for tag, digest in part:
        chosen.entries[Entry(name, tag, digest, links.is_attachment(tag))] = None
    for tag, digest in reached.attachments.items():
        chosen.entries[Entry(name, tag, digest, is_attached=True)] = None
    asked = {digest for tag, digest in part if not tag}
    for member in reached.members.values():
        if member.edges.subject is not None and member.digest not in asked:
            chosen.entries[Entry(name, "", member.digest, is_attached=True)] = None
    chosen.absent.update(dict.fromkeys(sorted(reached.absent)))
    _take_manifests(txn, chosen, reached)
    _take_blobs(txn, chosen, found.id, list(reached.members.values()))


def _take_manifests(txn: ReadTxn, chosen: Chosen, reached: Closure) -> None:
    new = [member for member in reached.members.values() if member.digest not in chosen.manifests]
    bodies = links.get_bodies(txn, [member.digest for member in new])
    depths = _depths(reached)
    for member, body in zip(new, bodies, strict=True):
        depth = depths[member.digest]
        chosen.manifests[member.digest] = Taken(member.media_type, len(body), depth)


def _depths(reached: Closure) -> dict[bytes, int]:
    """Return how deep below others each member is, an index's children below it."""
    depths = dict.fromkeys(reached.members, 0)
    level = list(reached.members)
    depth = 0
    while level:
        depth += 1
        below = {child for at in level for child in reached.members[at].edges.children}
        level = [child for child in below if child in depths]
        for child in level:
            depths[child] = depth
    return depths


def _take_blobs(txn: ReadTxn, chosen: Chosen, repository: int, members: Sequence[Member]) -> None:
    foreign = {blob: None for member in members for blob in member.edges.foreign}
    named = {blob: None for member in members for blob in member.edges.blobs}
    asked = [blob for blob in {**named, **foreign} if blob not in chosen.blobs]
    granted = links.presence(txn, repository, asked).granted
    chosen.blobs |= links.find_sizes(txn, [blob for blob in asked if blob in granted])
    lacking = [blob for blob in asked if blob not in granted]
    chosen.absent.update(dict.fromkeys(blob for blob in lacking if blob in named))
    chosen.foreign.update(dict.fromkeys(blob for blob in lacking if blob not in named))
