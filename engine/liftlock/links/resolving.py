"""Which manifest a reference names."""

from __future__ import annotations

from liftlock.errors import ManifestUnknown, NameInvalid
from liftlock.links.reading import find_link, find_tag
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.records import LinkRecord
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference


def find_manifest(txn: ReadTxn, repository: int, reference: Reference) -> tuple[bytes, LinkRecord]:
    """Return the digest of the manifest that a tag or digest names, and its link.

    Raises:
        NameInvalid: the reference has neither.
        ManifestUnknown: it is not there, or tag and digest do not agree.
    """
    digest = reference.digest.key if reference.digest is not None else b""
    if reference.tag is not None:
        tag = find_tag(txn, repository, reference.tag)
        if tag is None:
            raise ManifestUnknown(str(reference.name), reference.tag)
        if digest not in {b"", tag.digest}:
            raise ManifestUnknown(str(reference.name), f"{reference.tag} at {reference.digest}")
        digest = tag.digest
    if not digest:
        raise NameInvalid(str(reference), "it names neither a tag nor a digest")
    link = find_link(txn, repository, digest)
    if link is None:
        raise ManifestUnknown(str(reference.name), str(Digest(digest)))
    return digest, link
