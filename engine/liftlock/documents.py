"""Promotions as documents: the JSON and YAML that people send, and the JSON that they get.

The same over HTTP and in the CLI. Instants are RFC 3339 in UTC, digests are whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from liftlock.errors import LiftlockError, PromotionInvalid
from liftlock.model import (
    ABSENT,
    ANYTHING,
    Expected,
    Mode,
    Promotion,
    PromotionItem,
    PromotionSummary,
    Side,
)
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Selection, Target
from liftlock.promotion import PromotionRequest, RequestItem

T = TypeVar("T")
Document = Mapping[str, Any]  # Any: JSON

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ItemDocument(msgspec.Struct, forbid_unknown_fields=True):
    """One item of a request; see `RequestItem`."""

    source: str
    target: str
    tags: str | list[str] | None = None
    retag: str | None = None
    expect_source: str | None = None
    expect_target: str | None = None


class RequestDocument(msgspec.Struct, forbid_unknown_fields=True):
    """A promotion, as it is asked for."""

    items: Annotated[list[ItemDocument], msgspec.Meta(min_length=1)]
    mode: Literal["copy", "move"] = "copy"
    comment: str = ""
    dry_run: bool = False
    plan: str | None = None
    purge: bool = False
    attachments: Literal["source", "target"] | None = None


class UndoDocument(msgspec.Struct, forbid_unknown_fields=True):
    """What is said about an undo."""

    comment: str = ""
    dry_run: bool = False


class Asked(NamedTuple):
    """A promotion request with what is said about it."""

    request: PromotionRequest
    comment: str
    dry_run: bool
    plan: str | None


def read_request(document: object) -> Asked:
    """Read a request from parsed JSON or YAML.

    Names and digests that are none are in the request's `faults`: whoever judges it refuses it
    for these and for all that is wrong with the other items.

    Raises:
        PromotionInvalid: it does not have its form.
    """
    read = _convert(document, RequestDocument)
    violations: list[LiftlockError] = []
    items = [_item(item, violations) for item in read.items]
    request = PromotionRequest(
        tuple(item for item in items if item is not None),
        Mode(read.mode),
        Side(read.attachments) if read.attachments else None,
        read.purge,
        tuple(violations),
    )
    return Asked(request, read.comment, read.dry_run, read.plan)


def read_undo(document: object) -> UndoDocument:
    """Read what is said about an undo.

    Raises:
        PromotionInvalid: it does not have its form.
    """
    return _convert(document, UndoDocument)


def promotion_document(promotion: Promotion, *, dry_run: bool = False) -> Document:
    """Make the JSON of a promotion or an undo."""
    return {
        "id": promotion.id,
        "at": instant(promotion.at),
        "by": promotion.by,
        "mode": promotion.mode.value,
        "comment": promotion.comment,
        "dry_run": dry_run,
        "changed": promotion.changed,
        "plan": promotion.plan or None,
        "items": [_item_document(item) for item in promotion.items],
        "linked": promotion.linked,
        "manifests": [str(digest) for digest in promotion.manifests],
        "referrers": [str(digest) for digest in promotion.referrers],
        "purged": promotion.purged,
        "warnings": list(promotion.warnings),
        "records": promotion.records,
        "undoes": promotion.undoes,
    }


def summary_document(summary: PromotionSummary) -> Document:
    """Make the JSON of a promotion in a list."""
    return {
        "id": summary.id,
        "at": instant(summary.at),
        "by": summary.by,
        "mode": summary.mode.value,
        "comment": summary.comment,
        "items": summary.items,
        "records": summary.records,
        "undoes": summary.undoes,
    }


def instant(milliseconds: int) -> str:
    """Return a time as RFC 3339 in UTC, to the millisecond."""
    at = _EPOCH + timedelta(milliseconds=milliseconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _convert(document: object, form: type[T]) -> T:
    try:
        return msgspec.convert(document, form)
    except msgspec.ValidationError as error:
        raise PromotionInvalid(f"the request does not have its form: {error}") from error


def _item(item: ItemDocument, violations: list[LiftlockError]) -> RequestItem | None:
    source = _read(Selection.parse, item.source, violations)
    target = _read(Target.parse, item.target, violations)
    expect_source = _read(_expected, item.expect_source, violations)
    expect_target = _read(_expected, item.expect_target, violations)
    if source is None or target is None or expect_source is None or expect_target is None:
        return None
    tags = tuple(item.tags) if isinstance(item.tags, list) else item.tags
    return RequestItem(source, target, tags, item.retag, expect_source, expect_target)


def _read(
    parse: Callable[[Any], T],  # Any: each its own kind of text
    text: object,
    violations: list[LiftlockError],
) -> T | None:
    try:
        return parse(text)
    except LiftlockError as error:
        violations.append(error)
        return None


def _expected(text: str | None) -> Expected:
    if text is None:
        return ANYTHING
    return ABSENT if text == ABSENT.value else Digest.parse(text)


def _item_document(item: PromotionItem) -> Document:
    tally = item.tally
    document: dict[str, object] = {
        "source": item.source,
        "target": item.target,
        "digest": str(item.digest) if item.digest else None,
        "previous_digest": str(item.previous_digest) if item.previous_digest else None,
        "action": item.action.value,
        "attachment": item.attachment,
        "taken": item.taken,
    }
    if tally is not None:
        document["counts"] = {
            "tags": tally.tags,
            "created": tally.created,
            "overwritten": tally.overwritten,
            "extended": tally.extended,
            "unchanged": tally.unchanged,
            "manifests": tally.manifests,
        }
    return document
