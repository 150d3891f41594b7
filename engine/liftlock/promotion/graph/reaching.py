"""Which manifests some tag still reaches: `closure.py` turned round, asked from below."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from liftlock import links
from liftlock.config import Limits
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn


def reached_by_tags(
    txn: ReadTxn,
    repository: int,
    digests: Iterable[bytes],
    ignoring: Collection[str],
    limits: Limits,
    *,
    since: int = 0,
    tagged: Iterable[bytes] = (),
) -> set[bytes]:
    """Return those of `digests` that some tag, other than those to ignore, still reaches.

    A tag reaches its manifest, that one's children, and the referrers of all of these. It is asked
    upwards, from holder to holder, level by level. With `since`, only tags count that were set
    after this event. What is in `tagged` gets a tag besides.
    """
    asked = list(digests)
    above: dict[bytes, set[bytes]] = {digest: set() for digest in asked}
    tagged = set(tagged)
    level = asked
    most = len(ignoring) + 1 if not since else limits.closure_manifests_max
    while level and len(above) <= limits.closure_manifests_max:
        tags = links.tags_of(txn, repository, level, limit=most)
        counted = _counted(txn, repository, tags, ignoring, since)
        held = [*map(keys.held_manifest, level)]
        parents = links.parents_of(txn, repository, held, limit=limits.closure_manifests_max)
        subjects = links.subjects_of(txn, repository, level)
        beyond: list[bytes] = []
        for digest, own_tags, over, subject in zip(level, tags, parents, subjects, strict=True):
            # Of more tags than were read, one may count: rather keep too much than lose it.
            if len(own_tags) >= limits.closure_manifests_max or counted & set(own_tags):
                tagged.add(digest)
            for holder in (*over, *subject):
                above[digest].add(holder)
                if holder not in above:
                    above[holder] = set()
                    beyond.append(holder)
        level = beyond
    tagged.update(level)  # cut off by the limit: likewise
    return {digest for digest in asked if _climbs_to(digest, tagged, above)}


def _counted(
    txn: ReadTxn,
    repository: int,
    tags: Iterable[Iterable[str]],
    ignoring: Collection[str],
    since: int,
) -> set[str]:
    asked = [tag for of_one in tags for tag in of_one if tag not in ignoring]
    if not since:
        return set(asked)
    records = zip(asked, links.find_tags(txn, repository, asked), strict=True)
    return {tag for tag, record in records if record is not None and record.event > since}


def _climbs_to(start: bytes, goals: set[bytes], above: dict[bytes, set[bytes]]) -> bool:
    seen, level = {start}, {start}
    while level:
        if level & goals:
            return True
        level = {holder for digest in level for holder in above.get(digest, ())} - seen
        seen |= level
    return False
