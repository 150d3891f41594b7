"""From what a part of a plan decided to rows in a draft."""

from __future__ import annotations

from typing import Final

from liftlock import history, links, names
from liftlock.history import Change
from liftlock.metadata import keys
from liftlock.metadata.contract import Instant, ReadTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import Action, FoundRepository, LinkRecord, OtherSide
from liftlock.model import Outcome
from liftlock.promotion.graph.bringing import Bringing
from liftlock.promotion.graph.unlinking import draft_unlinking
from liftlock.promotion.values import Part, Route, TagChange
from liftlock.promotion.wording import ACTIONS

NOT_YET: Final = history.NUMBER_MAX
"""Stands for the numbers that a dry run does not take."""


def draft_part(
    txn: ReadTxn,
    draft: Draft,
    route: Route,
    target: FoundRepository,
    part: Part,
    event: int,
    at: Instant,
) -> list[Change]:
    """Draft what happens to some images; return it as the history has it."""
    draft_bringing(txn, draft, target, part.bringing, event, at)
    return draft_tags(txn, draft, route, target, part, event, at)


def draft_tags(
    txn: ReadTxn,
    draft: Draft,
    route: Route,
    target: FoundRepository,
    part: Part,
    event: int,
    at: Instant,
) -> list[Change]:
    """Draft what happens to tags, once the target has what they need; return all that happens."""
    changes: list[Change] = []
    removed = part.leaving
    if part.removes:
        removed = {*part.leaving, *(removal.tag for removal in part.removes)}
        for removal in part.removes:
            links.remove_tag(draft, route.source, removal.tag, removal.digest, at)
            changes.append(_change(removal, route.source.id, target.id))
    for setting in part.sets:
        if setting.outcome is Outcome.UNCHANGED:
            # A move that finds its target right is in the target's history all the same: that is
            # how it is known when it is asked for again.
            if setting.counterpart not in removed:
                continue
        elif not setting.tag:
            links.put_hold(draft, target.id, keys.held_manifest(setting.digest), at)
        elif setting.outcome is not Outcome.EXTEND:
            now = setting.replaces or setting.old
            links.put_tag(draft, target, setting.tag, setting.digest, now, event, at)
        changes.append(_change(setting, target.id, route.source.id))
    if part.purged:
        draft_unlinking(txn, draft, route.source, part.purged, at, with_holds=True)
    brought = [member.digest for member in part.bringing.manifests if member.is_referrer]
    if brought:
        said = {change.new for change in changes if not change.tag}
        side = OtherSide(route.source.id, "")
        changes += [
            Change(target.id, "", Action.BROUGHT, None, digest, side)
            for digest in brought
            if digest not in said
        ]
    return changes


def draft_bringing(
    txn: ReadTxn,
    draft: Draft,
    target: FoundRepository,
    bringing: Bringing,
    event: int,
    at: Instant,
) -> None:
    """Draft the links, holders and counts by which `target` gets what it lacks."""
    gaps, held = bringing.gaps, bringing.held
    absent = links.NOTHING_ABSENT
    if bringing.absent or gaps.children:
        absent = links.Absent(bringing.absent, gaps.children)
    for member in bringing.manifests:
        link = LinkRecord(event, member.media_type)
        links.link_manifest(draft, target, member.digest, member.edges, link, absent, held)
    for subject, referrer in bringing.joins:
        links.join_subject(draft, target.id, subject, referrer)
    if gaps.filled:
        links.bring_in(txn, draft, target.id, [*map(keys.held_manifest, gaps.filled)])
    if bringing.waiting:
        links.bring_in(txn, draft, target.id, [held[blob] for blob in bringing.waiting])
    for child, parent in gaps.completed:
        manifest = keys.held_manifest(child)
        links.complete(draft, target.id, manifest, keys.by_parent(event, parent))
    for blob, parent in bringing.completed:
        links.complete(draft, target.id, held[blob], keys.by_parent(event, parent))
    for blob in bringing.loose:
        links.put_hold(draft, target.id, held[blob], at)
    links.count_blobs(draft, target, bringing.arriving_sizes)


def draft_target(draft: Draft, route: Route, number: int, event: int) -> FoundRepository:
    """Draft the target of a route that is not there yet."""
    return names.draft_repository(
        draft, route.target_registry, route.target_name.repository, number, event
    )


def _change(change: TagChange, here: int, there: int) -> Change:
    is_gone = change.outcome is Outcome.REMOVE
    return Change(
        here,
        change.tag,
        ACTIONS[change.outcome],
        change.old,
        None if is_gone else change.digest,
        OtherSide(there, change.counterpart),
        change.is_attachment,
    )
