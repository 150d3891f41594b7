"""Plans: what a dry run said, held against what the same request means now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from liftlock.documents import promotion_document
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
    counts: Mapping[str, int] | None = None


class PlanDocument(msgspec.Struct, frozen=True):
    """What counts of a dry run's JSON."""

    plan: str
    mode: str
    items: list[PlanItem]
    manifests: list[str] = []


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


def differences(before: PlanDocument, promotion: Promotion) -> Iterator[str]:
    """Tell, line by line, how a plan of now differs from the one before."""
    now = msgspec.convert(promotion_document(promotion, dry_run=True), PlanDocument)
    old = {(item.source, item.target): item for item in before.items}
    new = {(item.source, item.target): item for item in now.items}
    lines = [
        *([f"mode: {before.mode} -> {now.mode}"] if before.mode != now.mode else []),
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
    ]
    if not lines:
        lines = ["no item and no manifest: these repositories were changed in some other way"]
    for line in lines:
        yield from line.split("\n")


def _missing(what: str, digests: Iterable[str], others: Iterable[str]) -> Iterator[str]:
    known = frozenset(others)
    return (f"{what} {digest}" for digest in digests if digest not in known)


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
    ):
        if before != now:
            yield f"    {name}: {before or 'absent'} -> {now or 'absent'}"
    counted, counts = old.counts or {}, new.counts or {}
    for name in {**counted, **counts}:
        before_count, count = counted.get(name, 0), counts.get(name, 0)
        if before_count != count:
            yield f"    {name}: {before_count} -> {count}"


def _few(lines: Iterable[str], what: str) -> Iterator[str]:
    every = iter(lines)
    yield from islice(every, _LINES_MAX)
    rest = sum(1 for _ in every)
    if rest:
        yield f"… and {rest} more that {what}"
