"""Requests: the JSON and YAML in which people ask for promotions and undos."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from liftlock.complaints import of_item, read_form
from liftlock.config import Limits
from liftlock.documents.form import Comment
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

    source: Annotated[
        str,
        Meta(
            description="`registry/repository:tag`, `…@digest` or both, which must agree; without "
            "either the whole repository; a registry alone, or `…/**`: all repositories of it, or "
            "below a path.",
            examples=["dev/team/app:1.2"],
        ),
    ]
    target: Annotated[
        str,
        Meta(
            description="`registry[/repository][:tag]`: what it leaves out is the source's.",
            examples=["prod"],
        ),
    ]
    tags: Annotated[
        str | list[str] | None,
        Meta(
            description="Of a source without a tag: a glob (`*`: all) or a list of tags; null: the "
            "repository with all that it has."
        ),
    ] = None
    retag: Annotated[
        str | None, Meta(description="A template for the target's tags: `{tag}` is the source's.")
    ] = None
    expect_source: Annotated[
        str | None,
        Meta(description="Where the source's tag was seen: a digest, or `absent`. Else 412."),
    ] = None
    expect_target: Annotated[
        str | None, Meta(description="The same, of the target's tag.", examples=["absent"])
    ] = None


class RequestDocument(msgspec.Struct, forbid_unknown_fields=True):
    """A promotion, as it is asked for: all of it or nothing, judged against one snapshot."""

    # Any: each is read by itself, as an ItemDocument
    items: Annotated[
        list[Any],
        Meta(
            extra_json_schema={
                "items": {"$ref": "#/components/schemas/ItemDocument"},
                "minItems": 1,
                "maxItems": _DEFAULTS.promotion_items_max,
            }
        ),
    ]
    mode: Annotated[
        Literal["copy", "move"],
        Meta(description="`move`: the source's tags are taken away in the same transaction."),
    ] = "copy"
    comment: Comment = ""
    dry_run: Annotated[bool, Meta(description="Only say what would be done.")] = False
    plan: Annotated[
        str | None,
        Meta(description="The `plan` of a dry run: 412 if the request means something else now."),
    ] = None
    purge: Annotated[
        bool,
        Meta(description="With a move: unlink at once what nothing at the source needs any more."),
    ] = False
    allow_sparse: Annotated[
        bool, Meta(description="That manifests may name what the target lacks; else 409.")
    ] = False
    attachments: Annotated[
        Literal["source", "target"] | None,
        Meta(description="Whose attachment tags count where each side has what the other lacks."),
    ] = None


class UndoDocument(msgspec.Struct, forbid_unknown_fields=True):
    """What is said about an undo."""

    comment: Comment = ""
    dry_run: Annotated[bool, Meta(description="Only say what would be done.")] = False


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
