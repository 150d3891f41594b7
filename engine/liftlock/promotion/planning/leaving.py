"""What a move takes from its source: the tags it names, and attachments of what they leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from liftlock.config import Limits
from liftlock.metadata.contract import ReadTxn
from liftlock.model import Outcome
from liftlock.oci.digest import referrers_tag
from liftlock.promotion.graph.closure import Closure
from liftlock.promotion.graph.reaching import reached_by_tags
from liftlock.promotion.values import Pair, Route, Surroundings, TagChange


def leaving_tags(
    txn: ReadTxn,
    route: Route,
    pairs: Sequence[Pair],
    found: Closure,
    loose: Mapping[str, bytes],
    limits: Limits,
    around: Surroundings,
) -> list[TagChange]:
    """Decide which tags a move takes from the source."""
    gone = [
        TagChange(
            pair.source_tag,
            pair.digest,
            pair.digest,
            pair.target_tag,
            Outcome.REMOVE,
            False,  # noqa: FBT003 - whether it is an attachment
        )
        for pair in pairs
        if pair.source_tag and pair.source_tag not in around.staying
    ]
    attachments = {**loose, **found.attachments}
    if not attachments:
        return gone
    mains = {pair.source_tag for pair in pairs}
    leaving = _attachments_without_subject(txn, route.source.id, found, limits, around)
    return gone + [
        TagChange(
            tag,
            at,
            at,
            tag,
            Outcome.REMOVE,
            True,  # noqa: FBT003 - whether it is an attachment
        )
        for tag, at in sorted(attachments.items())
        # What a glob selected by itself leaves by itself.
        if (tag in leaving or tag in around.leaving) and tag not in {*mains, *around.staying}
    ]


def _attachments_without_subject(
    txn: ReadTxn, repository: int, found: Closure, limits: Limits, around: Surroundings
) -> set[str]:
    """Return the attachment tags that nobody needs once the request's tags are gone.

    They leave with the last tag that reaches what they are attached to. One that stays may be
    what others are attached to, so this is asked until nothing changes.
    """
    going = around.leaving
    leaving = {tag for tag in found.attachments if tag not in going}
    while leaving:
        ignored = {*going, *leaving}
        kept = reached_by_tags(
            txn, repository, found.members, ignored, limits, tagged=around.tagged
        )
        subjects = tuple(referrers_tag(member) for member in kept)
        staying = {name for name in leaving if name.startswith(subjects)}
        if not staying:
            break
        leaving -= staying
    return leaving
