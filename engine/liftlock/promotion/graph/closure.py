"""What comes along: everything that can be reached from an image in its repository.

From a manifest one reaches its children (an index's manifests), its referrers, and what its
attachment tags point at; from those, the same again. It is read level by level, a fixed number of
look-ups a level, however many layers, children or tags there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from liftlock import links
from liftlock.config import Limits
from liftlock.errors import ManifestUnknown, PromotionInvalid
from liftlock.metadata.contract import ReadTxn
from liftlock.oci import manifest as manifests
from liftlock.oci.digest import Digest
from liftlock.oci.manifest import Edges


class Member(NamedTuple):
    """A manifest of a closure, and what its source repository says of it."""

    digest: bytes
    edges: Edges
    media_type: str
    event: int
    """The event that linked it there."""
    is_referrer: bool
    """Whether it is here for its subject's sake."""


@dataclass(slots=True)
class Closure:
    """All that a promotion of some roots is about."""

    members: dict[bytes, Member] = field(default_factory=dict)
    named: dict[bytes, set[bytes]] = field(default_factory=dict)
    """Children and referrers of those members that have some."""
    attached: dict[bytes, dict[str, bytes]] = field(default_factory=dict)
    """Attachment tags of those members that have some."""
    absent: set[bytes] = field(default_factory=set)
    """Children of members that the repository lacks. What is attached to these is not followed."""

    @property
    def attachments(self) -> dict[str, bytes]:
        """All members' attachment tags, and where they point."""
        return {tag: at for tags in self.attached.values() for tag, at in tags.items()}

    def reached_from(self, roots: Iterable[bytes], without: Collection[str] = ()) -> set[bytes]:
        """Return what is reached from `roots` without following these attachment tags."""
        reached = set(roots)
        level = set(reached)
        while level:
            beyond = {to for at in level for to in self.named.get(at, ())}
            for at in level:
                tags = self.attached.get(at)
                if tags:
                    beyond.update(to for tag, to in tags.items() if tag not in without)
            level = beyond - reached
            reached |= level
        return reached

    def leave_absent(self) -> None:
        """Name only what is there."""
        for digests in self.named.values() if self.absent else ():
            digests.difference_update(self.absent)


class _Step(NamedTuple):
    depth: int
    is_referrer: bool


_ROOT: Final = _Step(0, is_referrer=False)
_REFERRER: Final = _Step(0, is_referrer=True)


def closure(
    txn: ReadTxn,
    repository: int,
    name: str,
    roots: Collection[bytes],
    limits: Limits,
    *,
    asked: Collection[bytes] | None = None,
) -> Closure:
    """Collect `roots`, linked in the repository, and all that can be reached from them there.

    Args:
        txn: the snapshot.
        repository: its id.
        name: its name, for messages.
        roots: where to begin.
        limits: how far to follow.
        asked: what comes for its own sake, and is no mere referrer; None: the roots.

    Raises:
        ManifestUnknown: something that must be linked in the repository is not.
        PromotionInvalid: it nests deeper, or has more manifests, than the limits allow.
    """
    found = Closure()
    asked = roots if asked is None else asked
    level = {root: _ROOT if root in asked else _REFERRER for root in roots}
    images = tuple(level)
    most = limits.closure_manifests_max
    while level:
        members = _read_level(txn, repository, name, level, are_children=bool(found.members))
        digests = [member.digest for member in members]
        found.absent |= level.keys() - set(digests)
        referrers = links.referrers_of(txn, repository, digests, limit=most + 1)
        attached = links.attachment_tags(txn, repository, digests)
        beyond: dict[bytes, _Step] = {}
        for member in members:
            found.members[member.digest] = member
            if member.edges.children:
                step = _below(level[member.digest], limits)
                for child in member.edges.children:
                    beyond.setdefault(child, step)
                found.named[member.digest] = set(member.edges.children)
        if len(found.members) > most:
            _refuse_too_many(found, images, limits)
        for digest, of_one in zip(digests, referrers, strict=True):
            if of_one:
                found.named.setdefault(digest, set()).update(of_one)
                beyond = _steps(of_one, asked) | beyond
        for digest, tags in attached.items():
            found.attached[digest] = tags
            beyond = _steps(tags.values(), asked) | beyond
        level = {digest: step for digest, step in beyond.items() if digest not in found.members}
    found.leave_absent()
    return found


def _steps(digests: Iterable[bytes], asked: Collection[bytes]) -> dict[bytes, _Step]:
    """Return the steps to what is here for another's sake, unless it was asked for itself."""
    return {digest: _ROOT if digest in asked else _REFERRER for digest in digests}


def _below(step: _Step, limits: Limits) -> _Step:
    """Return the step to an index's children, or raise PromotionInvalid."""
    if step.depth >= limits.closure_nesting_max:
        raise PromotionInvalid(
            f"indexes nest deeper than {limits.closure_nesting_max} levels (closure_nesting_max)"
        )
    return _Step(step.depth + 1, is_referrer=False)


def _refuse_too_many(found: Closure, images: Sequence[bytes], limits: Limits) -> None:
    """Raise PromotionInvalid if one image reaches more than it may, as far as is known by now."""
    most = limits.closure_manifests_max
    if len(found.members) <= most:
        return
    if len(images) == 1 or any(len(found.reached_from((image,))) > most for image in images):
        raise PromotionInvalid(
            f"the image has more than {most} manifests with its referrers (closure_manifests_max)"
        )


def _read_level(
    txn: ReadTxn, repository: int, name: str, level: dict[bytes, _Step], *, are_children: bool
) -> list[Member]:
    """Return what is linked of a level; what is not must be known to be absent."""
    digests = list(level)
    found_links = links.find_links(txn, repository, digests)
    bodies = links.find_bodies(txn, digests)
    members = []
    unlinked = [digest for digest, link in zip(digests, found_links, strict=True) if link is None]
    absent = links.awaited(txn, repository, unlinked) if unlinked and are_children else {}
    for digest, link, body in zip(digests, found_links, bodies, strict=True):
        if link is None and digest in absent:
            continue
        if link is None or body is None:
            raise ManifestUnknown(name, str(Digest(digest)))
        edges = manifests.decode_edges(body)
        members.append(
            Member(digest, edges, link.media_type, link.event, level[digest].is_referrer)
        )
    return members
