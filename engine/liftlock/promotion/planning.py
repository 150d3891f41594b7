"""Deciding what a promotion means, in one snapshot, without writing anything.

All rules are judged before anything is written, and a refusal names every one that is broken. A
dry run is a plan that nobody applies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ParamSpec, TypeVar

from liftlock import history, links, names
from liftlock.config import Limits
from liftlock.errors import (
    LiftlockError,
    ManifestUnknown,
    NameInvalid,
    PromotionInvalid,
    TagMoved,
)
from liftlock.history import Event
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.records import Kind, OtherSide
from liftlock.model import ABSENT, ANYTHING, Expected, Mode, Outcome
from liftlock.names import FoundRepository
from liftlock.oci.digest import Digest
from liftlock.oci.reference import NAME_CHARACTERS_MAX
from liftlock.promotion.attachments import settle_attachments
from liftlock.promotion.bringing import NOTHING, Bringing, bring
from liftlock.promotion.closure import Closure, attachment_stem, closure, reached_by_tags
from liftlock.promotion.deciding import refuse
from liftlock.promotion.values import Plan, Request, TagChange

P = ParamSpec("P")
T = TypeVar("T")


def plan(txn: ReadTxn, request: Request, limits: Limits) -> Plan:
    """Decide what `request` means in this snapshot.

    Raises:
        LiftlockError: the gravest of what is wrong; all of it is in its `violations`.
    """
    violations = _misnamed(request)
    source = _found(violations, names.get_repository, txn, request.source.name)
    registry = _found(violations, names.get_registry, txn, request.target.registry)
    target = names.find_in(txn, registry, request.target_name.repository) if registry else None
    repeated = _repeated_move(txn, request, source, target) if source else None
    if source is not None and registry is not None and repeated is not None:
        refuse(violations)
        return _done_before(request, source, target, registry, *repeated)
    digest = _found(violations, _source_digest, txn, request, source) if source else None
    name = str(request.source.name)
    if (
        source is None
        or registry is None
        or digest is None
        or violations
        or (found := _found(violations, closure, txn, source.id, name, (digest,), limits)) is None
    ):
        # What else is wrong can be said without knowing what would come along.
        refuse(violations + _disappointments(request, digest, _current(txn, request, target)))
        raise AssertionError
    attached, coming, violations = _attachments(txn, request, source, target, found, digest)
    bringing = bring(
        txn,
        source.id,
        target.id if target else None,
        [found.members[member] for member in found.members if member in coming],
    )
    main = _main_change(txn, request, target, digest, bringing)
    decided = Plan(
        request,
        source,
        target,
        registry,
        digest,
        sets=(main, *attached),
        removes=_removes(txn, request, source, target, digest, found, limits),
        bringing=bringing,
    )
    if decided.is_unchanged and not violations:
        # Before expectations are judged: who repeats a promotion that was done has seen it so.
        return replace(decided, answered_by=_answer(txn, request, source, target))
    refuse(_disappointments(request, digest, main.old) + violations)
    return decided


def _found(
    violations: list[LiftlockError], get: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T | None:
    """Return what `get` returns; if it refuses, add that to `violations`, once, and return None."""
    try:
        return get(*args, **kwargs)
    except LiftlockError as error:
        if str(error) not in map(str, violations):
            violations.append(error)
        return None


def _misnamed(request: Request) -> list[LiftlockError]:
    if request.source.tag is None and request.source.digest is None:
        return [PromotionInvalid("the source names neither a tag nor a digest")]
    if request.mode is Mode.MOVE and request.source.tag is None:
        reason = "a move takes a tag away, and the source names none; name the tag, or copy"
        return [PromotionInvalid(reason)]
    name = str(request.target_name)
    if len(name) > NAME_CHARACTERS_MAX:
        reason = f"the target would be longer than {NAME_CHARACTERS_MAX} characters"
        return [NameInvalid(name, reason)]
    return []


def _source_digest(txn: ReadTxn, request: Request, source: FoundRepository) -> bytes:
    """Return what the source's tag or digest stands for; both must agree."""
    name, wanted = request.source.name, request.source.digest
    if request.source.tag is None:
        assert wanted is not None, "an image is named by a tag or a digest"
        if links.find_link(txn, source.id, wanted.key) is None:
            raise ManifestUnknown(str(name), str(wanted))
        return wanted.key
    tag = links.find_tag(txn, source.id, request.source.tag)
    if tag is None:
        if isinstance(request.expect_source, Digest):
            raise TagMoved(f"{name}:{request.source.tag}", str(request.expect_source), "absent")
        raise ManifestUnknown(str(name), request.source.tag)
    if wanted is not None and wanted.key != tag.digest:
        raise TagMoved(f"{name}:{request.source.tag}", str(wanted), str(Digest(tag.digest)))
    return tag.digest


def _main_change(
    txn: ReadTxn,
    request: Request,
    target: FoundRepository | None,
    digest: bytes,
    bringing: Bringing,
) -> TagChange:
    """Decide what happens to the tag (or untagged digest) that was asked for."""
    tag = request.target_tag
    if tag is not None:
        old = _current(txn, request, target)
    else:
        there = target is not None and links.find_link(txn, target.id, digest) is not None
        old = digest if there else None
    if old is None:
        outcome = Outcome.CREATE
    elif old != digest:
        outcome = Outcome.OVERWRITE
    elif bringing.is_empty:
        outcome = Outcome.UNCHANGED
    else:
        outcome = Outcome.EXTEND
    return TagChange(tag or "", digest, old, request.source.tag or "", outcome, is_attachment=False)


def _current(txn: ReadTxn, request: Request, target: FoundRepository | None) -> bytes | None:
    """Return where the target's tag is now."""
    if target is None or request.target_tag is None:
        return None
    record = links.find_tag(txn, target.id, request.target_tag)
    return record.digest if record else None


def _attachments(
    txn: ReadTxn,
    request: Request,
    source: FoundRepository,
    target: FoundRepository | None,
    found: Closure,
    digest: bytes,
) -> tuple[list[TagChange], set[bytes], list[LiftlockError]]:
    """Decide which attachment tags are set at the target, and what then comes along."""
    everything = set(found.members)
    if target is not None and target.id == source.id:
        return [], everything, []
    attachments = found.attachments
    there: dict[str, bytes] = {}
    if target is not None:
        tags = tuple(attachments)
        records = zip(tags, links.find_tags(txn, target.id, tags), strict=True)
        there = {tag: record.digest for tag, record in records if record is not None}
    wanted, violations = settle_attachments(
        txn, str(request.target_name), attachments, there, request.attachments
    )
    outdone = [tag for tag, at in attachments.items() if tag not in wanted and there.get(tag) != at]
    coming = found.reached_from((digest,), outdone) if outdone else everything
    # What is attached to an attachment that stays behind stays behind with it.
    owned = {tag for member in coming for tag in found.attached[member]}
    changes = [
        TagChange(
            tag,
            at,
            there.get(tag),
            tag,
            Outcome.OVERWRITE if tag in there else Outcome.CREATE,
            is_attachment=True,
        )
        for tag, at in sorted(wanted.items())
        if tag in owned and tag != request.target_tag
    ]
    return changes, coming, [error for tag, error in violations.items() if tag in owned]


def _removes(
    txn: ReadTxn,
    request: Request,
    source: FoundRepository,
    target: FoundRepository | None,
    digest: bytes,
    found: Closure,
    limits: Limits,
) -> tuple[TagChange, ...]:
    """Decide which tags a move takes from the source."""
    tag = request.source.tag
    if request.mode is not Mode.MOVE or tag is None:
        return ()
    same_repository = target is not None and target.id == source.id
    if same_repository and tag == request.target_tag:
        return ()  # onto itself: a tag that is set is not removed
    gone = TagChange(
        tag, digest, digest, request.target_tag or "", Outcome.REMOVE, is_attachment=False
    )
    attachments = found.attachments
    if same_repository or not attachments:
        return (gone,)
    leaving = _attachments_without_subject(txn, source.id, tag, found, limits)
    return (
        gone,
        *(
            TagChange(name, at, at, name, Outcome.REMOVE, is_attachment=True)
            for name, at in sorted(attachments.items())
            if name in leaving
        ),
    )


def _attachments_without_subject(
    txn: ReadTxn, repository: int, tag: str, found: Closure, limits: Limits
) -> set[str]:
    """Return the attachment tags that nobody needs once `tag` is gone.

    They leave with the last tag that reaches what they are attached to. One that stays may be
    what others are attached to, so this is asked until nothing changes.
    """
    leaving = set(found.attachments) - {tag}
    while leaving:
        kept = reached_by_tags(txn, repository, found.members, {tag, *leaving}, limits)
        subjects = tuple(attachment_stem(member) for member in kept)
        staying = {name for name in leaving if name.startswith(subjects)}
        if not staying:
            break
        leaving -= staying
    return leaving


def _disappointments(
    request: Request, digest: bytes | None, old: bytes | None
) -> list[LiftlockError]:
    """Return what the caller expected and did not find."""
    source = request.source
    expectations = [(request.expect_target, request.target_name, request.target_tag, old)]
    if digest is not None:  # else the source was refused already
        expectations.insert(0, (request.expect_source, source.name, source.tag, digest))
    return [
        TagMoved(
            f"{name}:{tag}" if tag else str(name),
            "absent" if expected is ABSENT else str(expected),
            "absent" if found is None else str(Digest(found)),
        )
        for expected, name, tag, found in expectations
        if not _agrees(found, expected)
    ]


def _agrees(found: bytes | None, expected: Expected) -> bool:
    if expected is ANYTHING:
        return True
    if expected is ABSENT:
        return found is None
    return found is not None and Digest(found) == expected


def _repeated_move(
    txn: ReadTxn, request: Request, source: FoundRepository, target: FoundRepository | None
) -> tuple[Event, bytes] | None:
    """Return the move that did this already, and what it moved, if the target is still so."""
    tag = request.source.tag
    if request.mode is not Mode.MOVE or tag is None or target is None:
        return None
    there = links.find_tag(txn, target.id, request.target_tag or tag)
    if there is None or not _is_named(there.digest, request.source.digest):
        return None
    if links.find_tag(txn, source.id, tag) is not None:
        return None
    event = _answer(txn, request, source, target)
    if event is None or event.record.kind is not Kind.MOVE:
        return None
    return event, there.digest


def _done_before(
    request: Request,
    source: FoundRepository,
    target: FoundRepository | None,
    registry: int,
    event: Event,
    digest: bytes,
) -> Plan:
    """Return the plan that changes nothing and is answered by `event`."""
    tag, counterpart = request.target_tag or "", request.source.tag or ""
    same = TagChange(tag, digest, digest, counterpart, Outcome.UNCHANGED, is_attachment=False)
    return Plan(request, source, target, registry, digest, (same,), (), NOTHING, event)


def _is_named(found: bytes, wanted: Digest | None) -> bool:
    return wanted is None or wanted.key == found


def _answer(
    txn: ReadTxn, request: Request, source: FoundRepository, target: FoundRepository | None
) -> Event | None:
    """Return the target tag's latest event, if it is a promotion from this very source."""
    if target is None or request.target_tag is None:
        return None
    number = history.latest_of_tag(txn, target.id, request.target_tag)
    if number is None:
        return None
    event = history.get_event(txn, number)
    other = OtherSide(source.id, request.source.tag or "")
    items = history.find_items(txn, target.id, request.target_tag, (number,))
    is_it = event.record.promotion and any(item.record.other == other for item in items)
    return event if is_it else None
