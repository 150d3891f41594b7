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
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.metadata.records import TagRecord, decoded
from liftlock.oci import manifest as manifests
from liftlock.oci.digest import Digest
from liftlock.oci.manifest import Edges

_SUFFIXES: Final = frozenset({"", ".sig", ".att", ".sbom"})
"""Attachment tags: `<algorithm>-<hex>` is the distribution spec's fallback for referrers (there
the hex is cut to 64 characters), those with a suffix are cosign's."""
_HEX_IN_TAG_MAX: Final = 64


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
    attachments: dict[str, bytes] = field(default_factory=dict)
    """Attachment tags of the members, and where they point."""
    beyond: dict[bytes, set[bytes]] = field(default_factory=dict)
    """What each member leads to: children, referrers, attachments."""

    def without(self, roots: Iterable[bytes], tags: Collection[str]) -> list[Member]:
        """Return what is reached from `roots` without going over these attachment tags."""
        if not tags:
            return list(self.members.values())
        barred = {self.attachments[tag] for tag in tags}
        reached, level = set(roots), set(roots)
        while level:
            level = {to for at in level for to in self.beyond[at] - barred} - reached
            reached |= level
        return [member for digest, member in self.members.items() if digest in reached]


def closure(
    txn: ReadTxn, repository: int, name: str, roots: Iterable[bytes], limits: Limits
) -> Closure:
    """Collect `roots`, linked in the repository, and all that can be reached from them there.

    Raises:
        ManifestUnknown: something that must be linked in the repository is not.
        PromotionInvalid: it nests deeper, or has more manifests, than the limits allow.
    """
    found = Closure()
    level = {root: _Step(depth=0, is_referrer=False) for root in roots}
    while level:
        fresh = _read_level(txn, repository, name, level)
        found.members.update((member.digest, member) for member in fresh)
        if len(found.members) > limits.closure_manifests_max:
            raise PromotionInvalid(
                f"the image has more than {limits.closure_manifests_max} manifests "
                "with its referrers (closure_manifests_max)"
            )
        digests = [member.digest for member in fresh]
        attached = attachment_tags(txn, repository, digests)
        for tags in attached:
            found.attachments.update(tags)
        beyond: dict[bytes, _Step] = {}
        for member in fresh:
            depth = level[member.digest].depth + 1
            if member.edges.children and depth > limits.closure_nesting_max:
                raise PromotionInvalid(
                    f"indexes nest deeper than {limits.closure_nesting_max} levels "
                    "(closure_nesting_max)"
                )
            for child in member.edges.children:
                beyond.setdefault(child, _Step(depth, is_referrer=False))
        referrers = links.referrers_of(
            txn, repository, digests, limit=limits.closure_manifests_max + 1
        )
        for member, of_one, tags in zip(fresh, referrers, attached, strict=True):
            for digest in (*of_one, *tags.values()):
                beyond.setdefault(digest, _Step(depth=0, is_referrer=True))
            found.beyond[member.digest] = {*member.edges.children, *of_one, *tags.values()}
        level = {digest: step for digest, step in beyond.items() if digest not in found.members}
    return found


def attachment_tags(
    txn: ReadTxn, repository: int, digests: Sequence[bytes]
) -> list[dict[str, bytes]]:
    """Return, for each manifest, its attachment tags and where they point."""
    prefixes = [keys.tag_key(repository, attachment_tag(digest)) for digest in digests]
    return [
        {
            tag: decoded(TagRecord.decode, Table.TAGS, key, value).digest
            for key, value in rows
            if is_attachment(tag := key[keys.ID_BYTES :].decode())
        }
        for rows in txn.scan_many(Table.TAGS, prefixes, limit=_ATTACHMENT_ROWS_MAX)
    ]


_ATTACHMENT_ROWS_MAX: Final = 64
"""Tags read behind one manifest's `<algorithm>-<hex>`; four of them mean something."""


def attachment_tag(digest: bytes, suffix: str = "") -> str:
    """Return the name of a manifest's attachment tag."""
    text = Digest(digest)
    return f"{text.algorithm}-{text.hex[:_HEX_IN_TAG_MAX]}{suffix}"


def is_attachment(tag: str) -> bool:
    """Tell whether a tag is another manifest's attachment rather than a name that people gave."""
    algorithm, dash, rest = tag.partition("-")
    hexadecimal, dot, suffix = rest.partition(".")
    return (
        bool(dash)
        and algorithm in {"sha256", "sha512"}
        and len(hexadecimal) == _HEX_IN_TAG_MAX
        and set(hexadecimal) <= set("0123456789abcdef")
        and dot + suffix in _SUFFIXES
    )


def reached_by_tags(
    txn: ReadTxn,
    repository: int,
    digests: Iterable[bytes],
    ignoring: Collection[str],
    limits: Limits,
) -> set[bytes]:
    """Return those of `digests` that some tag, other than those to ignore, still reaches.

    A tag reaches its manifest, that one's children, and the referrers of all of these. It is asked
    upwards, from holder to holder, level by level.
    """
    asked = list(digests)
    above: dict[bytes, set[bytes]] = {digest: set() for digest in asked}
    tagged: set[bytes] = set()
    level = asked
    while level and len(above) <= limits.closure_manifests_max:
        tags = links.tags_of(txn, repository, level, limit=len(ignoring) + 1)
        parents = links.parents_of(
            txn, repository, keys.MANIFEST, level, limit=limits.closure_manifests_max
        )
        subjects = links.subjects_of(txn, repository, level)
        beyond: list[bytes] = []
        for digest, own_tags, *holders in zip(level, tags, parents, subjects, strict=True):
            if any(tag not in ignoring for tag in own_tags):
                tagged.add(digest)
            for holder in (*holders[0], *holders[1]):
                above[digest].add(holder)
                if holder not in above:
                    above[holder] = set()
                    beyond.append(holder)
        level = beyond
    # What was cut off by the limit counts as reached: rather keep an attachment than lose one.
    tagged.update(level)
    return {digest for digest in asked if _climbs_to(digest, tagged, above)}


class _Step(NamedTuple):
    depth: int
    is_referrer: bool


def _climbs_to(start: bytes, goals: set[bytes], above: dict[bytes, set[bytes]]) -> bool:
    seen, level = {start}, {start}
    while level:
        if level & goals:
            return True
        level = {holder for digest in level for holder in above.get(digest, ())} - seen
        seen |= level
    return False


def _read_level(
    txn: ReadTxn, repository: int, name: str, level: dict[bytes, _Step]
) -> list[Member]:
    digests = list(level)
    found_links = links.find_links(txn, repository, digests)
    bodies = links.find_bodies(txn, digests)
    members = []
    for digest, link, body in zip(digests, found_links, bodies, strict=True):
        if link is None or body is None:
            raise ManifestUnknown(name, str(Digest(digest)))
        edges = manifests.decode_edges(body)
        members.append(
            Member(digest, edges, link.media_type, link.event, level[digest].is_referrer)
        )
    return members
