"""The endpoints of /api/v1: each noun's stand beside what answers them; here they come together.

Their description is one of them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from liftlock.http.answers import Answer, Header, answer, json_answer
from liftlock.http.api import manifests, promotions, registries, repositories, store, tags
from liftlock.http.api.endpoint import NO_BODY, AnyEndpoint, Asked, Endpoint, Headers, Reply
from liftlock.http.api.openapi import document_of
from liftlock.http.api.page import POLICY, page_of
from liftlock.http.api.queries import Query
from liftlock.http.request import Request
from liftlock.oci.digest import Digest


async def show_description(asked: Asked[Query, None]) -> Answer:
    """GET openapi.json."""
    request = asked.request
    body = await request.bridge.block(_description, request.public(""))
    return _unless_known(request, json_answer(200, body))


async def show_page(request: Request) -> Answer:
    """GET /api: the same for people."""
    body = await request.bridge.block(_page, request.public(""))
    headers: list[Header] = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", POLICY.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]
    return _unless_known(request, answer(200, headers, body))


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    *registries.ENDPOINTS,
    *repositories.ENDPOINTS,
    *tags.ENDPOINTS,
    *manifests.ENDPOINTS,
    *store.ENDPOINTS,
    *promotions.ENDPOINTS,
    Endpoint(
        method="GET",
        path="openapi.json",
        name="showDescription",
        summary="Describe this API (OpenAPI 3.1)",
        query=Query,
        body=NO_BODY,
        headers=Headers(if_none_match=True),
        replies={
            200: Reply("This document.", None, ("ETag",), is_json=True),
            304: Reply("It is what `If-None-Match` says.", None, ("ETag",)),
        },
        handle=show_description,
    ),
)


@lru_cache(maxsize=1)
def _description(prefix: str) -> bytes:
    return msgspec.json.encode(document_of(ENDPOINTS, prefix))


@lru_cache(maxsize=1)
def _page(prefix: str) -> bytes:
    return page_of(document_of(ENDPOINTS, prefix)).encode()


def _unless_known(request: Request, whole: Answer) -> Answer:
    """Answer with an entity tag; without the body to whoever has it."""
    assert isinstance(whole.body, bytes), "it was made here"
    etag = f'"{Digest.of(whole.body)}"'
    headers = (*whole.headers, (b"etag", etag.encode()), (b"cache-control", b"no-cache"))
    if request.has_etag(etag):
        return Answer(304, headers)
    return Answer(200, headers, whole.body)
