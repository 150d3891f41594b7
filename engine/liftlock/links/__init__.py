"""Links: which content a repository has, and why. The only package that changes these tables.

A *holder* is a reason why a repository has a digest: a tag, a parent (an index for its children,
a manifest for its blobs), a subject (for its referrers), or a hold, which is dated. Rows are put
without looking, so doing a thing twice is harmless, and no decision rests on a count.

Invariants (docs/format.md):

- A blob can be read in a repository exactly if a granting holder row of it is there, under the
  number that its record has; a manifest, exactly if its manifest link is.
- For one digest in one repository either all holder rows grant or none does. Rows that only name
  are of content that a manifest mentions and the repository lacks; whatever brings it in makes
  them grant, in the same transaction (`bring_in`).
- `sparse` has exactly what holder rows only name, but for foreign layers.
- Whatever loses a granting holder gets a hold in the same transaction.
- A link keeps the event that it was put with as long as it is there: it stands in the rows by which
  the manifest holds what it names.
- A subject holder is there exactly while subject and referrer are both linked.
"""

from __future__ import annotations

from liftlock.links.across import Reasons, granted_in, linked_in, reasons_in
from liftlock.links.attachments import attachment_tags, is_attachment
from liftlock.links.blobs import (
    count_blobs,
    discount_blobs,
    gain_blob,
    gain_blobs,
    put_blob,
)
from liftlock.links.holders import drop_hold, put_hold
from liftlock.links.manifests import (
    NOTHING_ABSENT,
    ONE_MANIFEST,
    TYPE_BYTES,
    Absent,
    join_subject,
    link_manifest,
    parent_rows,
    put_body,
    retype,
    type_hash,
    unlink_manifest,
)
from liftlock.links.reading import (
    NO_BLOBS,
    Presence,
    among,
    find_granted,
    find_link,
    find_linked,
    find_links,
    find_tag,
    find_tags,
    get_links,
    granted_of,
    held_at,
    iter_linked,
    iter_loose_blobs,
    iter_tags,
    parents_of,
    presence,
    referrers_of,
    subjects_of,
    tags_of,
    without_other_holder,
)
from liftlock.links.resolving import find_manifest
from liftlock.links.sparse import absent_at, awaited, bring_in, complete, iter_absent, sparse_among
from liftlock.links.stored import (
    find_blobs,
    find_bodies,
    find_held,
    find_rows,
    find_sizes,
    find_small,
    get_bodies,
    held_in,
    sizes_in,
    small_of,
)
from liftlock.links.tags import ONE_TAG, put_tag, remove_tag

__all__ = [
    "NOTHING_ABSENT",
    "NO_BLOBS",
    "ONE_MANIFEST",
    "ONE_TAG",
    "TYPE_BYTES",
    "Absent",
    "Presence",
    "Reasons",
    "absent_at",
    "among",
    "attachment_tags",
    "awaited",
    "bring_in",
    "complete",
    "count_blobs",
    "discount_blobs",
    "drop_hold",
    "find_blobs",
    "find_bodies",
    "find_granted",
    "find_held",
    "find_link",
    "find_linked",
    "find_links",
    "find_manifest",
    "find_rows",
    "find_sizes",
    "find_small",
    "find_tag",
    "find_tags",
    "gain_blob",
    "gain_blobs",
    "get_bodies",
    "get_links",
    "granted_in",
    "granted_of",
    "held_at",
    "held_in",
    "is_attachment",
    "iter_absent",
    "iter_linked",
    "iter_loose_blobs",
    "iter_tags",
    "join_subject",
    "link_manifest",
    "linked_in",
    "parent_rows",
    "parents_of",
    "presence",
    "put_blob",
    "put_body",
    "put_hold",
    "put_tag",
    "reasons_in",
    "referrers_of",
    "remove_tag",
    "retype",
    "sizes_in",
    "small_of",
    "sparse_among",
    "subjects_of",
    "tags_of",
    "type_hash",
    "unlink_manifest",
    "without_other_holder",
]
