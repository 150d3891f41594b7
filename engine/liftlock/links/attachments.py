"""Attachment tags: names that tell to which manifest that belongs which they lead to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from liftlock.links.reading import find_tags
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.oci.digest import referrers_tag

_SUFFIXES: Final = ("", ".sig", ".att", ".sbom")
"""What follows the referrers tag in attachment tags; it is one itself, the others are cosign's."""
_ATTACHMENT: Final = re.compile(r"sha(?:256|512)-[0-9a-f]{64}(?:\.sig|\.att|\.sbom)?")


def attachment_tags(
    txn: ReadTxn, repository: int, digests: Sequence[bytes]
) -> dict[bytes, dict[str, bytes]]:
    """Return the attachment tags of those manifests that have some, and where they point."""
    stems = [referrers_tag(digest) for digest in digests]
    # Most have none, which one seek tells; people may have other tags that begin like this.
    rows = txn.first_many(Table.TAGS, keys.tag_keys(repository, stems))
    some = [(digest, stem) for digest, stem, row in zip(digests, stems, rows, strict=True) if row]
    if not some:
        return {}
    tags = [stem + suffix for _, stem in some for suffix in _SUFFIXES]
    records = zip(tags, find_tags(txn, repository, tags), strict=True)
    found = {tag: record.digest for tag, record in records if record is not None}
    attached = {
        digest: {
            stem + suffix: found[stem + suffix] for suffix in _SUFFIXES if stem + suffix in found
        }
        for digest, stem in some
    }
    return {digest: own for digest, own in attached.items() if own}


def is_attachment(tag: str) -> bool:
    """Tell whether a tag has the form of an attachment tag."""
    return _ATTACHMENT.fullmatch(tag) is not None
