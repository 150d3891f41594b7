"""Attachment tags that differ at the target: whose counts.

Signers append: the tag of one side mostly contains all that the other's does. Then that side
counts, and nothing is lost. If each has entries that the other lacks, somebody must say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping

from liftlock import links
from liftlock.errors import AttachmentsDiffer, LiftlockError
from liftlock.metadata.contract import ReadTxn
from liftlock.model import Side
from liftlock.oci import manifest as manifests
from liftlock.oci.digest import Digest


def settle_attachments(
    txn: ReadTxn,
    name: str,
    source: Mapping[str, bytes],
    target: Mapping[str, bytes],
    preferred: Side | None,
) -> tuple[dict[str, bytes], dict[str, LiftlockError]]:
    """Decide where each attachment tag of the source shall point at the target.

    Args:
        txn: the snapshot.
        name: the target repository, for messages.
        source: the source's attachment tags.
        target: where those of the same names are at the target.
        preferred: whose tag counts where neither contains the other.

    Returns:
        The tags to set (those that stay as they are left out), and a violation for each
        that nobody has decided.
    """
    wanted: dict[str, bytes] = {}
    compared: list[str] = []
    for tag, theirs in source.items():
        if tag not in target or (target[tag] != theirs and preferred is Side.SOURCE):
            wanted[tag] = theirs
        elif target[tag] != theirs and preferred is None:
            compared.append(tag)
    violations: dict[str, LiftlockError] = {}
    sides = [digest for tag in compared for digest in (target[tag], source[tag])]
    entries = dict(zip(sides, map(entries_of, links.get_bodies(txn, sides)), strict=True))
    for tag in compared:
        our_entries, their_entries = entries[target[tag]], entries[source[tag]]
        if their_entries <= our_entries:
            continue  # the target has it all; if both have the same, it stays as it is
        if our_entries <= their_entries:
            wanted[tag] = source[tag]
        else:
            here, there = str(Digest(source[tag])), str(Digest(target[tag]))
            violations[tag] = AttachmentsDiffer(f"{name}:{tag}", here, there)
    return wanted, violations


def entries_of(body: bytes) -> Counter[Hashable]:
    """Count what an attachment manifest lists: an index's children, or an image's layers.

    With their annotations: the layer of a cosign signature is what was signed, the same for every
    key; the signature is in the annotations.
    """
    manifest = manifests.decode(body, "")
    # The config of a cosign image lists its layers' diff ids, so it differs whenever they do. An
    # index and an image have nothing to do with each other, even where one of them is empty.
    is_index = not manifest.layers and manifest.config is None
    kind: Hashable = "index" if is_index else "image"
    return Counter(
        [
            kind,
            *(
                (entry.digest, entry.media_type, tuple(sorted((entry.annotations or {}).items())))
                for entry in (manifest.children if is_index else manifest.layers)
            ),
        ]
    )
