"""Referrers of a manifest: by what they say themselves, and by what a tag says of them.

Clients of a registry without the referrers API keep the list themselves, in an index under the
referrers tag. Such a tag may have come along from there. It adds to the list, and decides nothing:
only manifests that the repository has are listed, described by their own bytes, and one that names
another subject is not this one's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from liftlock import links, names
from liftlock.config import Limits
from liftlock.errors import ManifestInvalid, PageInvalid, RecordCorrupt
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.model import Page, Referrer
from liftlock.oci import manifest as manifests
from liftlock.oci import mediatype
from liftlock.oci.digest import Digest, referrers_tag
from liftlock.oci.reference import RepositoryName

_POSITION: Final = re.compile(r"(?:[0-9a-f]{2}){0,81}")


def list_referrers(
    txn: ReadTxn,
    name: RepositoryName,
    subject: Digest,
    artifact_type: str | None,
    after: str,
    limit: int,
    limits: Limits,
) -> Page[Referrer]:
    """Return the linked manifests that refer to `subject`, which need not be there itself.

    They come grouped by artifact type; `after` is the position of the last one of the page before,
    which need not be there any more.

    Raises:
        RegistryUnknown, RepositoryUnknown: the repository is not there.
        PageInvalid: `after` is no position.
    """
    if not _POSITION.fullmatch(after):
        fault = "no place in a list of referrers: take `last` from the Link of the page before"
        raise PageInvalid(after, fault)
    repository = names.get_id(txn, name)
    if limit == 0:
        return Page((), more=False)
    wanted = links.type_hash(artifact_type) if artifact_type is not None else b""
    start = bytes.fromhex(after)
    everyone = keys.referrers_prefix(repository, subject.key)
    rows = txn.scan(
        Table.REFERRERS,
        keys.referrers_prefix(repository, subject.key, wanted),
        after=everyone + start if after else None,
        limit=limit + 1,
    )
    # A place is made of the manifest's bytes alone, so that whoever is known both ways has one.
    places = {key[len(everyone) :] for key, _ in rows}
    places.update(
        place
        for place in _tagged_places(txn, repository, subject.key, limits.tagged_referrers_max)
        if place.startswith(wanted) and place > start
    )
    ordered = sorted(places)
    return Page(tuple(_described(txn, repository, ordered[:limit])), more=len(ordered) > limit)


def _tagged_places(txn: ReadTxn, repository: int, subject: bytes, most: int) -> Iterator[bytes]:
    """Yield the places in the list of those that the subject's referrers tag brings to it."""
    entries = _tagged(txn, repository, subject)[:most]
    linked = links.find_linked(txn, repository, entries)
    there = [entry for entry in entries if entry in linked and entry != subject]
    for entry, body in zip(there, links.get_bodies(txn, there), strict=True):
        edges = manifests.decode_edges(body)
        if edges.subject is None or edges.subject == subject:
            yield links.type_hash(edges.artifact_type) + entry


def _tagged(txn: ReadTxn, repository: int, subject: bytes) -> Sequence[bytes]:
    """Return whom the subject's referrers tag lists; nobody, if it is not an index to be read."""
    tag = links.find_tag(txn, repository, referrers_tag(subject))
    link = links.find_link(txn, repository, tag.digest) if tag is not None else None
    if tag is None or link is None or link.media_type not in mediatype.INDEXES:
        return ()
    try:
        (body,) = links.get_bodies(txn, (tag.digest,))
        return manifests.decode_edges(body).children
    except (RecordCorrupt, ManifestInvalid):  # `check` tells; the others are listed all the same
        return ()


def _described(txn: ReadTxn, repository: int, places: Sequence[bytes]) -> list[Referrer]:
    digests = [place[links.TYPE_BYTES :] for place in places]
    found_links = links.get_links(txn, repository, digests)
    bodies = links.get_bodies(txn, digests)
    described = []
    for place, digest, link, body in zip(places, digests, found_links, bodies, strict=True):
        manifest = manifests.decode(body, link.media_type)
        described.append(
            Referrer(
                Digest(digest),
                link.media_type,
                len(body),
                manifest.artifact_type,
                manifest.annotations,
                place.hex(),
            )
        )
    return described
