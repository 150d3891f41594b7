"""Every key of every table is built here, and the reason for its order is written here.

Ids come first, eight bytes, big-endian: what belongs to one repository is one contiguous range
that can be scanned, counted, copied and deleted, and ids sort as numbers. Digests are in their
key form (`oci.digest`): the first byte tells the length. Names, tags and digests are followed by
a zero byte where something comes behind them; none of the texts can contain one.

No key is longer than 511 bytes, LMDB's limit: the longest, of a name in `names_log`, has 270.
"""

from __future__ import annotations

from liftlock.metadata.keys.content import (
    link_key,
    referrer_key,
    referrers_prefix,
    small_key,
    split_referrer,
    split_small,
    tag_key,
)
from liftlock.metadata.keys.holding import (
    BLOB,
    BY_HOLD,
    BY_PARENT,
    BY_SUBJECT,
    BY_TAG,
    GRANTS,
    MANIFEST,
    NAMES_ONLY,
    by_parent,
    granting_prefix,
    held_prefix,
    held_prefixes,
    holder_key,
    holder_keys,
    sparse_key,
    sparse_prefix,
    split_holder,
    split_parent,
    split_sparse,
)
from liftlock.metadata.keys.naming import (
    ID_BYTES,
    NO_REGISTRY,
    behind_id,
    first_id,
    id_key,
    last_id,
    name_key,
    names_log_key,
    names_log_prefix,
    repository_log_key,
    split_name,
)
from liftlock.metadata.keys.past import (
    idempotency_key,
    item_key,
    repository_history_key,
    split_item,
    split_tag_history,
    tag_history_key,
    tag_history_prefix,
    taken_history_key,
    taken_history_prefix,
)

__all__ = [
    "BLOB",
    "BY_HOLD",
    "BY_PARENT",
    "BY_SUBJECT",
    "BY_TAG",
    "GRANTS",
    "ID_BYTES",
    "MANIFEST",
    "NAMES_ONLY",
    "NO_REGISTRY",
    "behind_id",
    "by_parent",
    "first_id",
    "granting_prefix",
    "held_prefix",
    "held_prefixes",
    "holder_key",
    "holder_keys",
    "id_key",
    "idempotency_key",
    "item_key",
    "last_id",
    "link_key",
    "name_key",
    "names_log_key",
    "names_log_prefix",
    "referrer_key",
    "referrers_prefix",
    "repository_history_key",
    "repository_log_key",
    "small_key",
    "sparse_key",
    "sparse_prefix",
    "split_holder",
    "split_item",
    "split_name",
    "split_parent",
    "split_referrer",
    "split_small",
    "split_sparse",
    "split_tag_history",
    "tag_history_key",
    "tag_history_prefix",
    "tag_key",
    "taken_history_key",
    "taken_history_prefix",
]
