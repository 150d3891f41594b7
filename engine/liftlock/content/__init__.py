"""Content of one repository: push, pull, tag, list, delete. Functions over one transaction."""

from __future__ import annotations

from liftlock.content.deleting import (
    delete_blob,
    delete_manifest,
    delete_tag,
    judge_manifest,
    judge_tag,
)
from liftlock.content.pushing import Push, mount_blob, push_manifest
from liftlock.content.reading import find_blob, get_manifest, list_tags
from liftlock.content.referring import list_referrers

__all__ = [
    "Push",
    "delete_blob",
    "delete_manifest",
    "delete_tag",
    "find_blob",
    "get_manifest",
    "judge_manifest",
    "judge_tag",
    "list_referrers",
    "list_tags",
    "mount_blob",
    "push_manifest",
]
