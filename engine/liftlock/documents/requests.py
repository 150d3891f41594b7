"""Requests: the JSON and YAML in which people ask for promotions and undos."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from liftlock.complaints import of_item, read_form
from liftlock.config import Limits
from liftlock.engine.asking import require_comment
from liftlock.errors import LiftlockError, PromotionInvalid, TextInvalid
from liftlock.model import (
    ABSENT,
    ANYTHING,
    Expected,
    Mode,
    Side,
)
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Selection, Target
from liftlock.promotion import PromotionRequest, RequestItem
from liftlock.promotion.deciding import refuse
from liftlock.promotion.forms import item_faults, size_fault

T = TypeVar("T")

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_DEFAULTS: Final = Limits()


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

    items: list[Any]  # Any: each is read by itself, as an ItemDocument
    mode: Literal["copy", "move"] = "copy"
    comment: str = ""
    dry_run: bool = False
    plan: str | None = None
    purge: bool = False
    allow_sparse: bool = False
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


def read_request(document: object, limits: Limits = _DEFAULTS) -> Asked:
    """Read a request from parsed JSON or YAML.

    What is wrong with single items is in the request's `faults`, with its item's place from 1 as
    `item`: whoever judges it refuses it for that and for all that is wrong with the others.

    Raises:
        PromotionInvalid: the document does not have its form, or has too many items; with
            everything that is wrong in `violations`.
    """
    violations: list[LiftlockError] = []
    read = read_form(document, RequestDocument, "a promotion", violations)
    fault = size_fault(len(read.items), limits) if read is not None else None
    if read is None or fault is not None:
        refuse([*violations, *([fault] if fault is not None else [])])
    assert read is not None
    comment = read.comment
    try:
        require_comment(comment, limits)
    except TextInvalid as error:
        violations.append(error)
        comment = ""  # what has faults is judged, and never written
    mode = Mode(read.mode)
    said = document.get("mode", read.mode) if isinstance(document, Mapping) else read.mode
    is_purge = read.purge and said == read.mode  # of a mode that cannot be read, nothing is known
    items: list[RequestItem] = []
    for number, each in enumerate(read.items, 1):
        found: list[LiftlockError] = []
        item = _item(each, found)
        if item is not None:
            found += item_faults(item, mode)
            if not found:
                items.append(item)
        violations += [of_item(error, number) for error in found]
    request = PromotionRequest(
        tuple(items),
        mode,
        Side(read.attachments) if read.attachments else None,
        is_purge,
        read.allow_sparse,
        tuple(violations),
    )
    return Asked(request, comment, read.dry_run, read.plan)


def read_undo(document: object) -> UndoDocument:
    """Read what is said about an undo.

    Raises:
        PromotionInvalid: it does not have its form.
    """
    violations: list[LiftlockError] = []
    read = read_form(document, UndoDocument, "an undo", violations)
    refuse(violations)
    assert read is not None
    return read


def read_key(text: str) -> str:
    """Read an idempotency key.

    Raises:
        PromotionInvalid: it is none.
    """
    if not _KEY.fullmatch(text):
        raise PromotionInvalid(
            "an idempotency key (Idempotency-Key, --key) is one text of 1 to 255 visible ASCII "
            "characters"
        )
    return text


def _item(document: object, violations: list[LiftlockError]) -> RequestItem | None:
    item = read_form(document, ItemDocument, "an item", violations)
    if item is None:
        return None
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
