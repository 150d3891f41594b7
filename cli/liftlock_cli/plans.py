"""Plans: what a dry run said, held against what the same request means now.

The hash alone says what will be done. What a file says beside it is what people look at and
approve, so the two must agree.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from liftlock.documents import PromotionDocument, promotion_document
from liftlock.errors import PromotionInvalid
from liftlock.model import Promotion

_HASH: Final = re.compile(r"(?:[a-z0-9]+:)?[0-9a-f]{16,128}")
_FILE_BYTES_MAX: Final = 256 * 1024 * 1024
_LINES_MAX: Final = 50
"""Differences of a kind that are told one by one."""


class PlanItem(msgspec.Struct, frozen=True):
    """An item of a dry run, as its JSON has it."""

    source: str
    target: str
    digest: str | None
    previous_digest: str | None
    action: str
    attachment: bool
    taken: bool
    counts: Mapping[str, int] | None = None


class PlanDocument(msgspec.Struct, frozen=True):
    """What counts of a dry run's JSON."""

    plan: str
    mode: str
    items: list[PlanItem]
    linked: int
    manifests: list[str]
    referrers: list[str]
    absent: list[str]
    absent_more: bool
    purged: int
    warnings: list[str]
    changed: bool


@dataclass(frozen=True, slots=True)
class ExpectedPlan:
    """The plan that a promotion is held to; with its content, if a file told it."""

    hash: str
    file: Path | None = None
    document: PlanDocument | None = None


def parse_plan(text: str) -> ExpectedPlan:
    """Read a plan's hash, or the file that a dry run's JSON was written to.

    Raises:
        PromotionInvalid: there is no such file, or it holds something else.
    """
    if _HASH.fullmatch(text):
        return ExpectedPlan(text)
    file = Path(text)
    try:
        with file.open("rb") as opened:
            body = opened.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        reason = f"{text} is no plan's hash, and no file that can be read ({error.strerror})"
        raise PromotionInvalid(reason) from error
    if len(body) > _FILE_BYTES_MAX:
        raise PromotionInvalid(f"the plan {text} is longer than {_FILE_BYTES_MAX} bytes")
    try:
        document = msgspec.json.decode(body, type=PlanDocument)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = f"{text} is not what `--dry-run -o json` prints: {error}"
        raise PromotionInvalid(reason) from error
    return ExpectedPlan(document.plan, file, document)


def require_unedited(plan: ExpectedPlan, promotion: Promotion) -> None:
    """Require that a file says what the plan of its hash does.

    Raises:
        FileEdited: it says something else, which is told line by line.
    """
    assert plan.document is not None
    lines = list(_told_differences(plan.document, promotion))
    if lines:
        raise FileEdited(plan, lines)


class FileEdited(Exception):
    """A plan's file has the hash of a plan that does something else than the file says."""

    def __init__(self, plan: ExpectedPlan, lines: list[str]) -> None:
        super().__init__(
            f"The file was edited: {plan.file} does not say what the plan {plan.hash} does. "
            "Nothing was written. Take the file as the dry run wrote it, or make a new one."
        )
        self.lines = lines
        """What the file says (`-`), and what its plan does (`+`)."""


def differences(before: PlanDocument, promotion: Promotion) -> Iterator[str]:
    """Tell, line by line, how a plan of now differs from the one before."""
    lines = _told_differences(before, promotion)
    first = next(lines, None)
    if first is None:
        yield "no item and no manifest: these repositories were changed in some other way"
        return
    yield first
    yield from lines


def plan_of(document: PromotionDocument) -> PlanDocument:
    """Return what of a dry run's answer can be compared."""
    return msgspec.convert(msgspec.to_builtins(document), PlanDocument)


def _told_differences(before: PlanDocument, promotion: Promotion) -> Iterator[str]:
    now = plan_of(promotion_document(promotion, dry_run=True))
    old = {(item.source, item.target): item for item in before.items}
    new = {(item.source, item.target): item for item in now.items}
    doubles = Counter((item.source, item.target) for item in before.items)
    lines = [
        *([f"mode: {before.mode} -> {now.mode}"] if before.mode != now.mode else []),
        *_few((f"- {_way(old[key])}, again" for key in old if doubles[key] > 1), "went"),
        *_few((f"- {_way(old[key])}" for key in old if key not in new), "went"),
        *_few((f"+ {_told(new[key])}" for key in new if key not in old), "came"),
        *_few(
            (
                "\n".join([f"~ {_way(new[key])}", *_changes(old[key], new[key])])
                for key in new
                if key in old and old[key] != new[key]
            ),
            "changed",
        ),
        *_few(_missing("- manifest", before.manifests, now.manifests), "went"),
        *_few(_missing("+ manifest", now.manifests, before.manifests), "came"),
        *_few(_missing("- referrer", before.referrers, now.referrers), "went"),
        *_few(_missing("+ referrer", now.referrers, before.referrers), "came"),
        *_few(_missing("- absent", before.absent, now.absent), "went"),
        *_few(_missing("+ absent", now.absent, before.absent), "came"),
        *_differing("more is absent", before.absent_more, now.absent_more),
        *_counted("manifests new at the target", before.linked, now.linked),
        *_counted("manifests purged", before.purged, now.purged),
        *_few(_missing("- warning:", before.warnings, now.warnings), "went"),
        *_few(_missing("+ warning:", now.warnings, before.warnings), "came"),
        *_differing("changes anything", before.changed, now.changed),
    ]
    for line in lines:
        yield from line.split("\n")


def _missing(what: str, texts: Iterable[str], others: Iterable[str]) -> Iterator[str]:
    # A digest that several repositories get is there several times.
    return (f"{what} {text}" for text in (Counter(texts) - Counter(others)).elements())


def _way(item: PlanItem) -> str:
    return f"{item.source} -> {item.target}"


def _told(item: PlanItem) -> str:
    digest = f" {item.digest}" if item.digest else ""
    return f"{_way(item)}: {item.action}{digest}"


def _changes(old: PlanItem, new: PlanItem) -> Iterator[str]:
    for name, before, now in (
        ("digest", old.digest, new.digest),
        ("target was at", old.previous_digest, new.previous_digest),
        ("action", old.action, new.action),
        ("attachment", _yes(old.attachment), _yes(new.attachment)),
        ("source tag taken", _yes(old.taken), _yes(new.taken)),
    ):
        if before != now:
            yield f"    {name}: {before or 'absent'} -> {now or 'absent'}"
    if (old.counts is None) != (new.counts is None):
        yield f"    counts: {_yes(old.counts is not None)} -> {_yes(new.counts is not None)}"
    counted, counts = old.counts or {}, new.counts or {}
    for name in {**counted, **counts}:
        yield from _counted(f"    {name}", counted.get(name, 0), counts.get(name, 0))


def _counted(name: str, before: int, now: int) -> Iterator[str]:
    if before != now:
        yield f"{name}: {before} -> {now}"


def _differing(name: str, before: bool, now: bool) -> Iterator[str]:  # noqa: FBT001 - as `_yes`
    if before != now:
        yield f"{name}: {_yes(now)}"


def _yes(is_so: bool) -> str:  # noqa: FBT001 - it is what it is about
    return "yes" if is_so else "no"


def _few(lines: Iterable[str], what: str) -> Iterator[str]:
    every = iter(lines)
    yield from islice(every, _LINES_MAX)
    rest = sum(1 for _ in every)
    if rest:
        yield f"… and {rest} more that {what}"
