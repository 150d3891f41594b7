"""A manifest that comes in, judged by itself: before the store is asked, and outside its turn."""

from __future__ import annotations

from collections.abc import Sequence

from liftlock.config import Limits
from liftlock.content import Push
from liftlock.errors import ManifestTooLarge, NameInvalid, TagsTooMany
from liftlock.model import Condition
from liftlock.oci import manifest as manifests
from liftlock.oci.reference import Reference, parse_tag


def push_of(
    reference: Reference,
    body: bytes,
    media_type: str | None,
    tags: Sequence[str],
    expected: Condition,
    limits: Limits,
) -> Push:
    """Return what is to be pushed, if it can be right at all.

    Raises:
        NameInvalid, TagsTooMany, ManifestTooLarge, ManifestInvalid, DigestInvalid: as
            `Engine.put_manifest`.
    """
    wanted = _tags_of(reference, tags, limits)
    if len(body) > limits.manifest_bytes_max:
        raise ManifestTooLarge(limits.manifest_bytes_max)
    digest = manifests.identified(body, reference.digest)
    manifest = manifests.parse(body, media_type, depth_max=limits.json_depth_max)
    return Push(reference, body, manifest, digest, wanted, expected)


def _tags_of(reference: Reference, tags: Sequence[str], limits: Limits) -> tuple[str, ...]:
    """Return all tags that are wanted, each once, the reference's own first."""
    own = () if reference.tag is None else (reference.tag,)
    if not tags:
        return own
    assert not isinstance(tags, str), "a sequence of tags, not of letters"
    wanted = tuple(dict.fromkeys((*own, *tags)))
    faults: list[TagsTooMany | NameInvalid] = []
    if len(wanted) > limits.put_tags_max:
        faults.append(TagsTooMany(len(wanted), limits.put_tags_max))
    faults += (fault for fault in map(_fault, wanted) if fault is not None)
    if faults:
        raise faults[0].among(faults)
    return wanted


def _fault(tag: str) -> NameInvalid | None:
    try:
        parse_tag(tag)
    except NameInvalid as fault:
        return fault
    return None
