"""Deciding what happens to some images on their way from one repository to another.

All of it by reading one snapshot: what comes along, where each tag goes, what a move takes away,
and what stands against it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from liftlock import links
from liftlock.config import Limits
from liftlock.errors import LiftlockError
from liftlock.metadata.contract import ReadTxn
from liftlock.model import Mode, Outcome
from liftlock.oci.digest import Digest
from liftlock.promotion.expecting import unmet
from liftlock.promotion.graph.bringing import NOTHING, Arrivals, Bringing, bring, look
from liftlock.promotion.graph.closure import Closure, closure
from liftlock.promotion.planning.attachments import settle_attachments
from liftlock.promotion.planning.leaving import leaving_tags
from liftlock.promotion.request import PromotionRequest
from liftlock.promotion.values import Pair, Part, Route, Surroundings, TagChange

_NOBODY = Closure()


def plan_part(
    txn: ReadTxn,
    route: Route,
    start: int,
    pairs: Sequence[Pair],
    request: PromotionRequest,
    limits: Limits,
    around: Surroundings,
    *,
    is_last: bool,
) -> Part:
    """Decide what happens to `pairs`, which stand in the route's list from `start` on.

    With the last of them come the route's attachment tags and blobs that belong to no pair.

    Raises:
        LiftlockError: what comes along cannot be followed.
    """
    attached: list[TagChange] = []
    violations: list[LiftlockError] = []
    found, bringing = _NOBODY, NOTHING
    coming: Collection[bytes] = ()
    loose = route.loose if is_last and not route.is_inside else {}
    if not route.is_inside:
        roots = dict.fromkeys([pair.digest for pair in pairs])
        roots.update(dict.fromkeys(loose.values()))
        name = str(route.source_name)
        found = closure(txn, route.source.id, name, roots, limits, asked=around.asked)
        coming = found.members
        if loose or found.attachments:
            attached, coming, violations = _attachments(
                txn, route, request, found, loose, [pair.digest for pair in pairs], around
            )
        members = list(found.members.values())
        if len(coming) < len(members):
            members = [member for member in members if member.digest in coming]
        blobs = route.blobs if is_last else ()
        target = route.target.id if route.target else None
        known = look(txn, route.source.id, target, members, blobs)
        bringing = bring(known, members, around.arrivals, blobs)
    touched = _touched(found, bringing, pairs, around.arrivals)
    mains = [_main(pair, touched) for pair in pairs]
    removes: list[TagChange] = []
    if request.mode is Mode.MOVE and not route.is_whole:
        removes = leaving_tags(txn, route, pairs, found, loose, limits, around)
    if route.expectations:
        going = {removal.tag for removal in removes}
        violations = [*_unmet(route, start, mains, going), *violations]
    # What stays behind is in no other place: that is held, as without a purge.
    is_purged = request.purge and not route.is_whole
    left = [found.members[digest] for digest in coming] if is_purged else ()
    part = Part([*mains, *attached], removes, bringing, violations, members=left)
    if removes and len(coming) < len(found.members):
        part.warnings = _left_untagged(route, removes, coming)
    return part


def _left_untagged(
    route: Route, removes: Sequence[TagChange], coming: Collection[bytes]
) -> list[str]:
    """Warn of attachments that lose their tag with their image, and do not come along."""
    return [
        f"{route.source_name}:{removal.tag} ({Digest(removal.digest)}) goes with the image it is "
        f"attached to, and not to {route.target_name}, which has its own; it stays by its "
        "digest, for as long as a hold lasts"
        for removal in removes
        if removal.is_attachment and removal.digest not in coming
    ]


def _touched(
    found: Closure, bringing: Bringing, pairs: Sequence[Pair], arrivals: Arrivals | None
) -> Collection[bytes]:
    """Return which of the images that are there already get something that they lack there.

    Also from another part: what several reach, the first of them brings.
    """
    there = {pair.digest for pair in pairs if pair.old == pair.digest}
    if arrivals is None:  # the only one
        return () if bringing.is_empty else there
    if not there or not (arrivals.linked or arrivals.filled):
        return ()
    filled = {
        member.digest
        for member in found.members.values()
        if not arrivals.filled.isdisjoint(
            (*member.edges.blobs, *member.edges.foreign, *member.edges.children)
        )
    }
    touched = set()
    for digest in there:
        reached = found.reached_from((digest,))
        if not (reached.isdisjoint(arrivals.linked) and reached.isdisjoint(filled)):
            touched.add(digest)
    return touched


def _main(pair: Pair, touched: Collection[bytes]) -> TagChange:
    outcome = _outcome(pair, touched)
    return TagChange(pair.target_tag, pair.digest, pair.old, pair.source_tag, outcome, False)  # noqa: FBT003


def _outcome(pair: Pair, touched: Collection[bytes]) -> Outcome:
    if pair.old is None:
        return Outcome.CREATE
    if pair.old != pair.digest:
        return Outcome.OVERWRITE
    return Outcome.EXTEND if pair.digest in touched else Outcome.UNCHANGED


def _attachments(
    txn: ReadTxn,
    route: Route,
    request: PromotionRequest,
    found: Closure,
    loose: Mapping[str, bytes],
    images: Sequence[bytes],
    around: Surroundings,
) -> tuple[list[TagChange], Collection[bytes], list[LiftlockError]]:
    """Decide which attachment tags are set at the target, and what then comes along."""
    known = {**loose, **found.attachments}
    attachments = {tag: at for tag, at in known.items() if tag not in around.named}
    there: dict[str, bytes] = {}
    if route.target is not None:
        tags = tuple(attachments)
        records = zip(tags, links.find_tags(txn, route.target.id, tags), strict=True)
        there = {tag: record.digest for tag, record in records if record is not None}
    earlier: dict[str, tuple[bytes, bytes | None]] = {}
    if around.arrivals is not None and around.arrivals.tags:
        arriving = around.arrivals.tags
        earlier = {tag: arriving[tag] for tag in attachments if tag in arriving}
        there |= {tag: at for tag, (at, _) in earlier.items()}
    wanted, violations = settle_attachments(
        txn, str(route.target_name), attachments, there, request.attachments
    )
    # Where the request puts something else under a tag, what had it would come without one.
    outdone = {tag for tag, at in known.items() if around.named.get(tag, at) != at}
    outdone |= {
        tag for tag, at in attachments.items() if tag not in wanted and there.get(tag) != at
    }
    coming: Collection[bytes] = found.members
    if outdone:
        kept = [*images, *(at for tag, at in loose.items() if tag not in outdone)]
        coming = found.reached_from(kept, outdone)
    # What is attached to an attachment that stays behind stays behind with it.
    owned = {tag for member in coming for tag in found.attached.get(member, ())} | loose.keys()
    changes = []
    for tag, at in sorted(wanted.items()):
        if tag in owned:
            replaces, old = earlier.get(tag, (None, there.get(tag)))
            outcome = Outcome.CREATE if old is None else Outcome.OVERWRITE
            changes.append(TagChange(tag, at, old, tag, outcome, True, replaces))  # noqa: FBT003
    if around.arrivals is not None:
        around.arrivals.tags.update((c.tag, (c.digest, c.old)) for c in changes)
    return changes, coming, [error for tag, error in violations.items() if tag in owned]


def _unmet(
    route: Route, start: int, mains: Sequence[TagChange], going: Collection[str]
) -> list[LiftlockError]:
    """Return what the caller expected and did not find, unless all is as asked already."""
    violations: list[LiftlockError] = []
    for place, change in enumerate(mains, start):
        expected = route.expectations.get(place)
        is_done = change.outcome is Outcome.UNCHANGED and change.counterpart not in going
        if expected is None or is_done:
            continue
        violations += unmet(
            [
                (expected.source, _named(route.source_name, change.counterpart), change.digest),
                (expected.target, _named(route.target_name, change.tag), change.old),
            ]
        )
    return violations


def _named(name: object, tag: str) -> str:
    return f"{name}:{tag}" if tag else str(name)
