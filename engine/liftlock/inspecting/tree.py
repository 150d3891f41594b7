"""The tree of an image, made of what a snapshot has seen.

What it is made of is a graph: an index may be both parent and referrer of one manifest, and many
indexes may name one. As a tree it repeats what is reached by several ways, so the tree itself is
bounded; it grows level by level, so that what is cut off is what is farthest down.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from liftlock.config import Limits
from liftlock.inspecting.purposes import attested_by, purpose_of
from liftlock.inspecting.reading import Present, Seen, path_steps_max
from liftlock.model import Attaching, Attachment, Inspection
from liftlock.oci.descriptor import Descriptor
from liftlock.oci.digest import Digest
from liftlock.oci.manifest import Manifest
from liftlock.oci.mediatype import IMAGE_CONFIGS

_ORDER: Final = tuple(Attaching)


@dataclass(slots=True)
class _Node:
    """A place in the tree."""

    digest: bytes
    above: _Node | None
    entry: Descriptor | None = None
    """How its index names it."""
    steps: int = 0
    """From the image."""
    children: list[_Node] = field(default_factory=list)
    attached: list[tuple[Attaching, str | None, _Node]] = field(default_factory=list)
    attests: list[_Node] = field(default_factory=list)
    """Children that are shown with other children, which they attest."""
    is_cut: bool = False

    def is_below(self, digest: bytes) -> bool:
        """Tell whether a manifest is this one, or shown above it."""
        at: _Node | None = self
        while at is not None:
            if at.digest == digest:
                return True
            at = at.above
        return False


def tree_of(seen: Seen, platforms: Mapping[bytes, str], limits: Limits) -> Inspection:
    """Return the tree of what was seen.

    Args:
        seen: the snapshot.
        platforms: of images of which no index says it.
        limits: how large the tree may grow.
    """
    growing = _Growing(seen, limits)
    nodes = growing.grown()
    made: dict[int, Inspection] = {}
    sizes: dict[int, dict[bytes, int]] = {}
    # Whatever is below a node came after it.
    for node in reversed(nodes):
        present = seen.present.get(node.digest)
        own = _own_sizes(node.digest, present, seen)
        for child in (*node.children, *node.attests):
            own |= sizes[id(child)]
        sizes[id(node)] = own
        made[id(node)] = _made(node, present, platforms, sum(own.values()), made)
    return made[id(nodes[0])]


class _Growing:
    """A tree that grows level by level, up to its limits."""

    def __init__(self, seen: Seen, limits: Limits) -> None:
        self.seen = seen
        self.steps_max = path_steps_max(limits)
        self.nodes_max = limits.closure_manifests_max
        self.nodes = [_Node(seen.root, None)]

    def grown(self) -> list[_Node]:
        """Return all nodes, each before those below it."""
        queue = deque(self.nodes)
        while queue:
            node = queue.popleft()
            present = self.seen.present.get(node.digest)
            if present is None:
                continue  # it is absent
            node.is_cut |= present.manifest is None
            queue.extend(self._children(node, present))
            queue.extend(self._attached(node, present))
        return self.nodes

    def _children(self, node: _Node, present: Present) -> Iterator[_Node]:
        entries = present.manifest.children if present.manifest is not None else ()
        there: dict[str | None, _Node] = {}
        attesting: list[Descriptor] = []
        for entry in entries:
            if attested_by(entry.annotations) is not None:
                attesting.append(entry)
            elif child := self._added(node, entry.digest.key, entry):
                there[str(entry.digest)] = child
                node.children.append(child)
                yield child
        # After those that they attest, below which they are shown.
        for entry in attesting:
            attested = there.get(attested_by(entry.annotations))
            child = self._added(attested or node, entry.digest.key, entry)
            if child is None:
                continue
            if attested is not None:
                attested.attached.append((Attaching.ATTESTATION, None, child))
                node.attests.append(child)
            else:
                node.children.append(child)
            yield child

    def _attached(self, node: _Node, present: Present) -> Iterator[_Node]:
        # What its index or a tag attaches to it may be a referrer, too.
        known = {child.digest for _, _, child in node.attached} | set(present.tags.values())
        ways: list[tuple[str | None, bytes]] = [*present.tags.items()]
        ways += [(None, digest) for digest in present.referrers if digest not in known]
        for tag, digest in ways:
            child = self._added(node, digest, None)
            if child is not None:
                node.attached.append((self._purpose(tag, digest), tag, child))
                yield child

    def _purpose(self, tag: str | None, digest: bytes) -> Attaching:
        present = self.seen.present.get(digest)
        manifest = present.manifest if present is not None else None
        if manifest is None:
            return purpose_of(tag, None, None, ())
        layers = (layer.media_type for layer in manifest.layers)
        return purpose_of(tag, manifest.artifact_type, manifest.annotations, layers)

    def _added(self, above: _Node, digest: bytes, entry: Descriptor | None) -> _Node | None:
        if above.is_below(digest):
            return None
        is_known = digest in self.seen.present or digest in self.seen.absent
        if not is_known or above.steps >= self.steps_max or len(self.nodes) >= self.nodes_max:
            above.is_cut = True
            return None
        node = _Node(digest, above, entry, above.steps + 1)
        self.nodes.append(node)
        return node


def _own_sizes(digest: bytes, present: Present | None, seen: Seen) -> dict[bytes, int]:
    """Return the bytes of a manifest and of those of its blobs that the repository has."""
    if present is None:
        return {}
    sizes = {digest: present.size}
    for blob in present.manifest.blobs if present.manifest is not None else ():
        record = seen.blobs.get(blob.digest.key)
        if record is not None:
            sizes[blob.digest.key] = record.size
    return sizes


def _made(
    node: _Node,
    present: Present | None,
    platforms: Mapping[bytes, str],
    total_size: int,
    made: Mapping[int, Inspection],
) -> Inspection:
    children = tuple(made[id(child)] for child in node.children)
    attachments = sorted(
        (Attachment(purpose, tag, made[id(child)]) for purpose, tag, child in node.attached),
        key=lambda each: _ORDER.index(each.purpose),
    )
    below = (*children, *(each.manifest for each in attachments))
    # What is absent or cannot be read is as its index says, if an index names it.
    entry = node.entry or Descriptor("", Digest(node.digest), 0)
    manifest = present.manifest if present is not None else None
    return Inspection(
        digest=Digest(node.digest),
        media_type=present.media_type if present is not None else entry.media_type,
        artifact_type=_artifact_type(entry if manifest is None else manifest),
        platform=entry.platform or platforms.get(node.digest),
        size=present.size if present is not None and manifest is not None else entry.size,
        total_size=total_size,
        is_present=present is not None,
        is_complete=not node.is_cut and all(each.is_complete for each in below),
        annotations=entry.annotations if manifest is None else manifest.annotations,
        subject=manifest.subject.digest if manifest is not None and manifest.subject else None,
        blobs=manifest.blobs if manifest is not None else (),
        children=children,
        attachments=tuple(attachments),
    )


def _artifact_type(of: Descriptor | Manifest) -> str | None:
    """Return an artifact's type; a plain image has its config's, which says nothing."""
    return None if of.artifact_type in IMAGE_CONFIGS else of.artifact_type
