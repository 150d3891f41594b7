"""Problem details (RFC 9457): what is wrong with a request, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from liftlock.documents.promotions import PromotionDocument


class ViolationDocument(msgspec.Struct, kw_only=True):
    """A rule that the request breaks."""

    rule: Annotated[str, Meta(description="Its stable name.", examples=["tag-moved"])]
    object: Annotated[
        str | None,
        Meta(
            description="What it is broken by; null if that is no single thing.",
            examples=["dev/team/app:1.2"],
        ),
    ]
    detail: Annotated[str, Meta(description="What was asked for, and what was found.")]
    facts: Annotated[
        dict[str, str | int | bool],
        Meta(description="The same, in parts; `item` is a place, from 1."),
    ]
    missing: Annotated[
        list[str] | UnsetType, Meta(description="Of sparse manifests: what the target would lack.")
    ] = UNSET
    remedy: Annotated[str | UnsetType, Meta(description="What to do about it.")] = UNSET


class ProblemDocument(msgspec.Struct, kw_only=True):
    """Why a request was refused. Nothing was changed by it."""

    type: Annotated[
        str,
        Meta(
            description="`urn:liftlock:error:` and the gravest rule that is broken; `about:blank` "
            "where only HTTP is at fault.",
            examples=["urn:liftlock:error:tag-moved"],
        ),
    ]
    title: str
    status: int
    detail: Annotated[str, Meta(description="A sentence or some: what is wrong, and what to do.")]
    violations: Annotated[
        list[ViolationDocument] | UnsetType, Meta(description="Every rule that is broken.")
    ] = UNSET
    violations_left_out: Annotated[
        int | UnsetType, Meta(description="How many more there are, if they are very many.")
    ] = UNSET
    promotion: Annotated[
        PromotionDocument | UnsetType,
        Meta(description="Where a plan was outdated: the new one, as a dry run answers it."),
    ] = UNSET
    request: Annotated[
        str | UnsetType,
        Meta(description="Of a failure of the server: what to look for in the log."),
    ] = UNSET
