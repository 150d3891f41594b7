"""Pulling and listing."""

from __future__ import annotations

from itertools import islice

from liftlock import links, names
from liftlock.errors import BlobUnknown
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.records import BlobRecord
from liftlock.model import ManifestContent, Page, Tag
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, RepositoryName


def get_manifest(txn: ReadTxn, reference: Reference) -> ManifestContent:
    """Return the manifest that a tag or digest names, as it was pushed.

    Raises:
        NameInvalid: the reference has neither.
        RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there, or tag and digest
            do not agree.
    """
    repository = names.get_id(txn, reference.name)
    digest, link = links.find_manifest(txn, repository, reference)
    (body,) = links.get_bodies(txn, (digest,))
    return ManifestContent(Digest(digest), link.media_type, body)


def find_blob(txn: ReadTxn, name: RepositoryName, digest: Digest) -> BlobRecord:
    """Return the record of a blob that the repository has.

    Raises:
        RegistryUnknown, RepositoryUnknown, BlobUnknown: it is not there.
    """
    repository = names.get_id(txn, name)
    record = links.find_granted(txn, repository, digest.key)
    if record is None:
        raise BlobUnknown(str(name), str(digest))
    return record


def list_tags(txn: ReadTxn, name: RepositoryName, after: str, limit: int) -> Page[Tag]:
    """Return tags beyond `after`, in ascending byte order.

    Raises:
        RegistryUnknown, RepositoryUnknown: the repository is not there.
    """
    repository = names.get_id(txn, name)
    if limit == 0:
        return Page((), more=False)
    found = islice(links.iter_tags(txn, repository, after=after), limit + 1)
    tags = [Tag(tag, Digest(record.digest)) for tag, record in found]
    return Page(tuple(tags[:limit]), more=len(tags) > limit)
