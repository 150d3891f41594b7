"""Promotions: asked for, looked up, listed, undone.

A small promotion is done together with what else has come up; a big one, and
a dry run, is planned in a thread. A client that leaves withdraws neither.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from liftlock import errors
from liftlock.documents import (
    Asked as Wanted,
)
from liftlock.documents import (
    PromotionDocument,
    PromotionsDocument,
    RequestDocument,
    UndoDocument,
    promotion_document,
    read_key,
    read_request,
    read_undo,
    summary_document,
)
from liftlock.engine import PromotionCall
from liftlock.errors import PromotionInvalid
from liftlock.http.answers import Answer, Header, json_answer
from liftlock.http.api.answering import (
    NO_MANIFEST,
    PAGED,
)
from liftlock.http.api.endpoint import (
    NO_BODY,
    ROOT,
    AnyEndpoint,
    Asked,
    Body,
    Endpoint,
    Headers,
    Reply,
)
from liftlock.http.api.lists import following, list_answer
from liftlock.http.api.queries import NumbersQuery, Query
from liftlock.http.errors import RequestRefused
from liftlock.http.request import Request
from liftlock.model import Promotion

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)  # all that is a number fits 64 bits


async def promote(asked: Asked[Query, Wanted]) -> Answer:
    """POST promotions."""
    request, wanted = asked.request, asked.body
    promotion = await _promoted(request, wanted, _idempotency_key(request))
    return await _answer(request, promotion, dry_run=wanted.dry_run)


async def undo(asked: Asked[Query, UndoDocument]) -> Answer:
    """POST promotions/{number}/undo. Undoing twice changes nothing the second time."""
    request, wanted = asked.request, asked.body
    number = _number(asked.part("number"))
    run = request.bridge.block if wanted.dry_run else request.bridge.write
    undone = await run(
        request.engine.undo,
        number,
        by=request.actor,
        comment=wanted.comment,
        dry_run=wanted.dry_run,
    )
    return await _answer(request, undone, dry_run=wanted.dry_run)


async def show(asked: Asked[Query, None]) -> Answer:
    """GET promotions/{number}: what it answered then."""
    request = asked.request
    number = _number(asked.part("number"))
    promotion = await request.bridge.block(request.engine.get_promotion, number)
    return json_answer(200, await _encoded(request, promotion, dry_run=False))


async def list_promotions(asked: Asked[NumbersQuery, None]) -> Answer:
    """GET promotions: newest first."""
    engine, query = asked.request.engine, asked.query

    def read() -> PromotionsDocument:
        page = engine.list_promotions(before=query.before, limit=query.limit)
        return PromotionsDocument(
            promotions=[summary_document(entry) for entry in page.entries],
            next=following(page, lambda entry: entry.id),
        )

    return await list_answer(asked, "promotions", None, read)


async def _promoted(request: Request, wanted: Wanted, key: str | None) -> Promotion:
    engine, bridge = request.engine, request.bridge
    if wanted.request.is_small and not wanted.dry_run:
        by, comment = request.actor, wanted.comment
        return await bridge.promote(PromotionCall(wanted.request, by, comment, wanted.plan, key))
    run = bridge.block if wanted.dry_run else bridge.write
    return await run(
        engine.promote_all,
        wanted.request,
        by=request.actor,
        comment=wanted.comment,
        dry_run=wanted.dry_run,
        plan=wanted.plan,
        key=key,
    )


async def _answer(request: Request, promotion: Promotion, *, dry_run: bool) -> Answer:
    body = await _encoded(request, promotion, dry_run=dry_run)
    if dry_run or not promotion.changed:
        return json_answer(200, body)
    path = f"{ROOT}promotions/{promotion.id}"
    location: Header = (b"location", request.public(path).encode())
    return json_answer(201, body, headers=[location])


async def _encoded(request: Request, promotion: Promotion, *, dry_run: bool) -> bytes:
    def encode() -> bytes:
        return msgspec.json.encode(promotion_document(promotion, dry_run=dry_run))

    return await request.bridge.list(len(promotion.items) + len(promotion.manifests), encode)


def _idempotency_key(request: Request) -> str | None:
    keys = request.head.every(b"idempotency-key")
    if not keys:
        return None
    if len(keys) > 1:
        raise PromotionInvalid("an Idempotency-Key comes once")
    return read_key(keys[0])


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise RequestRefused(404, "UNSUPPORTED", "There is no such promotion: they have numbers.")
    return int(text)


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="GET",
        path="promotions",
        name="listPromotions",
        summary="List promotions and undos, newest first",
        query=NumbersQuery,
        body=NO_BODY,
        replies={200: Reply("A page of them.", PromotionsDocument, PAGED)},
        handle=list_promotions,
    ),
    Endpoint(
        method="POST",
        path="promotions",
        name="promote",
        summary="Promote images, repositories or registries, all or none",
        detail="Done again, it changes nothing but what came since. With an `Idempotency-Key` the "
        "same request is answered as it was the first time, for a day. It is taken back by its "
        "undo.",
        query=Query,
        body=Body(
            RequestDocument,
            read_request,
            {
                "items": [{"source": "dev/team/app:1.2", "target": "prod"}],
                "comment": "release 1.2",
            },
        ),
        headers=Headers(idempotency_key=True),
        replies={
            200: Reply("A dry run; or everything already was as asked.", PromotionDocument),
            201: Reply(
                "It is done.",
                PromotionDocument,
                ("Location",),
                {
                    name: {"number": "$response.body#/id"}
                    for name in ("showPromotion", "undoPromotion")
                },
            ),
        },
        errors=(
            *NO_MANIFEST,
            errors.TextInvalid,
            errors.PromotionInvalid,
            errors.KeyReused,
            errors.NothingSelected,
            errors.TagMoved,
            errors.PlanOutdated,
            errors.AttachmentsDiffer,
            errors.TargetsCollide,
            errors.SparseManifest,
            errors.SparseRefused,
            errors.PurgeRefused,
        ),
        handle=promote,
    ),
    Endpoint(
        method="GET",
        path="promotions/{number}",
        name="showPromotion",
        summary="Show a promotion as it was answered then",
        query=Query,
        body=NO_BODY,
        replies={200: Reply("The promotion.", PromotionDocument)},
        errors=(errors.PromotionUnknown,),
        handle=show,
    ),
    Endpoint(
        method="POST",
        path="promotions/{number}/undo",
        name="undoPromotion",
        summary="Undo a promotion, while its target still is what it made",
        detail="Done again, it changes nothing. An undo itself is not undone: promote again "
        "instead.",
        query=Query,
        body=Body(
            UndoDocument,
            lambda document, _limits: read_undo(document),
            {"comment": "not yet"},
            is_required=False,
        ),
        replies={
            200: Reply("A dry run; or it was undone before.", PromotionDocument),
            201: Reply("It is undone.", PromotionDocument, ("Location",)),
        },
        errors=(
            errors.PromotionUnknown,
            errors.UndoRefused,
            errors.PromotionInvalid,
            errors.TextInvalid,
        ),
        handle=undo,
    ),
)
