"""Promotions: asked for, looked up, listed, undone.

A small promotion is queued for the next commit and holds no thread while it waits; a big one, and
a dry run, is planned in a thread. A client that leaves withdraws neither.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from liftlock.documents import (
    Asked,
    promotion_document,
    read_key,
    read_request,
    read_undo,
    summary_document,
)
from liftlock.errors import PromotionInvalid
from liftlock.http.answers import Answer, Header, json_answer
from liftlock.http.errors import RequestRefused
from liftlock.http.jsonbody import read_json
from liftlock.http.paging import asked_entries, next_page
from liftlock.http.request import Request
from liftlock.model import Promotion

PATH: Final = "/api/v1/promotions"
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)  # all that is a number fits 64 bits


async def promote(request: Request) -> Answer:
    """POST /api/v1/promotions."""
    key = _idempotency_key(request)
    limits = request.engine.limits
    asked = await read_json(request, lambda document: read_request(document, limits))
    return await _answer(request, await _promoted(request, asked, key), dry_run=asked.dry_run)


async def undo(request: Request) -> Answer:
    """POST /api/v1/promotions/<number>/undo. Undoing twice changes nothing the second time."""
    number = _number(request.argument)
    asked = await read_json(request, read_undo, empty=b"{}")
    run = request.bridge.block if asked.dry_run else request.bridge.write
    undone = await run(
        request.engine.undo,
        number,
        by=request.actor,
        comment=asked.comment,
        dry_run=asked.dry_run,
    )
    return await _answer(request, undone, dry_run=asked.dry_run)


async def show(request: Request) -> Answer:
    """GET /api/v1/promotions/<number>: what it answered then."""
    number = _number(request.argument)
    promotion = await request.bridge.block(request.engine.get_promotion, number)
    return json_answer(200, await _encoded(request, promotion, dry_run=False))


async def list_promotions(request: Request) -> Answer:
    """GET /api/v1/promotions: newest first."""
    limit = asked_entries(request)
    before = request.query.get("before")
    if before is not None and not _NUMBER.fullmatch(before):
        sentence = "`before` is no promotion's number: take `next` of the page before."
        raise RequestRefused(400, "UNSUPPORTED", sentence)
    page = await request.bridge.block(
        request.engine.list_promotions,
        before=None if before is None else int(before),
        limit=limit,
    )
    entries = page.entries
    following = entries[-1].id if page.more and entries else None
    link = (
        [next_page(request, PATH, entries=limit or len(entries), before=str(following))]
        if following is not None
        else []
    )
    listed = {"promotions": [summary_document(entry) for entry in entries], "next": following}
    return json_answer(200, msgspec.json.encode(listed), headers=link)


async def _promoted(request: Request, asked: Asked, key: str | None) -> Promotion:
    engine, bridge = request.engine, request.bridge
    if asked.request.is_small and not asked.dry_run:
        return await bridge.submit(
            engine.submit_promotion,
            asked.request,
            by=request.actor,
            comment=asked.comment,
            plan=asked.plan,
            key=key,
        )
    run = bridge.block if asked.dry_run else bridge.write
    return await run(
        engine.promote_all,
        asked.request,
        by=request.actor,
        comment=asked.comment,
        dry_run=asked.dry_run,
        plan=asked.plan,
        key=key,
    )


async def _answer(request: Request, promotion: Promotion, *, dry_run: bool) -> Answer:
    body = await _encoded(request, promotion, dry_run=dry_run)
    if dry_run or not promotion.changed:
        return json_answer(200, body)
    location: Header = (b"location", request.public(f"{PATH}/{promotion.id}").encode())
    return json_answer(201, body, headers=[location])


async def _encoded(request: Request, promotion: Promotion, *, dry_run: bool) -> bytes:
    def encode() -> bytes:
        return msgspec.json.encode(promotion_document(promotion, dry_run=dry_run))

    return await request.bridge.list(len(promotion.items) + len(promotion.manifests), encode)


def _idempotency_key(request: Request) -> str | None:
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1:
        raise PromotionInvalid("an Idempotency-Key comes once")
    return read_key(keys[0])


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise RequestRefused(404, "UNSUPPORTED", "There is no such promotion: they have numbers.")
    return int(text)
