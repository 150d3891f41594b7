"""What the store tells: the history of a name, where some content is, how much there is."""

from __future__ import annotations

from typing import Final

import msgspec

from liftlock import errors
from liftlock.documents import (
    HistoriesDocument,
    StatsDocument,
    WhereDocument,
    history_document,
    stats_document,
    whereabouts_document,
)
from liftlock.http.answers import Answer, json_answer
from liftlock.http.api.answering import (
    NO_MANIFEST,
    PAGED,
)
from liftlock.http.api.endpoint import NO_BODY, AnyEndpoint, Asked, Endpoint, Reply
from liftlock.http.api.lists import following, list_answer
from liftlock.http.api.queries import NumbersQuery, Query, WhereQuery
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, parse_registry


async def list_history(asked: Asked[NumbersQuery, None]) -> Answer:
    """GET history/{name}."""
    engine, query = asked.request.engine, asked.query
    text = asked.part("name")
    is_registry = not {"/", ":", "@"} & set(text)
    name = parse_registry(text) if is_registry else Reference.parse(text)

    def read() -> HistoriesDocument:
        page = engine.history(name, before=query.before, limit=query.limit)
        return HistoriesDocument(
            history=[history_document(entry) for entry in page.entries],
            next=following(page, lambda entry: entry.event),
        )

    return await list_answer(asked, f"history/{name}", None, read)


async def list_whereabouts(asked: Asked[WhereQuery, None]) -> Answer:
    """GET where/{digest}."""
    engine, query = asked.request.engine, asked.query
    digest = Digest.parse(asked.part("digest"))

    def read() -> WhereDocument:
        found = engine.where(digest, after=query.after, limit=query.limit)
        return WhereDocument(
            repositories=[whereabouts_document(each) for each in found.entries], next=found.cursor
        )

    return await list_answer(asked, f"where/{digest}", None, read)


async def show_stats(asked: Asked[Query, None]) -> Answer:
    """GET stats."""
    engine = asked.request.engine
    stats = await asked.request.bridge.block(engine.stats)
    return json_answer(200, msgspec.json.encode(stats_document(stats)))


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="GET",
        path="history/{name}",
        name="listHistory",
        summary="Tell the history of an image, a repository or a registry, newest first",
        detail="By the name it bore then; also of what was deleted. A page has whole events, and "
        "can be longer than `limit` by what one event has.",
        query=NumbersQuery,
        body=NO_BODY,
        replies={200: Reply("A page of it.", HistoriesDocument, PAGED)},
        errors=NO_MANIFEST,
        handle=list_history,
    ),
    Endpoint(
        method="GET",
        path="where/{digest}",
        name="listWhereabouts",
        summary="List the repositories that have a manifest or blob, and why",
        detail="A page looks at a bounded number of repositories: it can be empty, and yet have a "
        "`next`. What nobody has is an empty list.",
        query=WhereQuery,
        body=NO_BODY,
        replies={200: Reply("A page of them.", WhereDocument, PAGED)},
        errors=(errors.DigestInvalid,),
        handle=list_whereabouts,
    ),
    Endpoint(
        method="GET",
        path="stats",
        name="showStats",
        summary="Show how much the store has",
        detail="From counters: asking costs the same whatever there is.",
        query=Query,
        body=NO_BODY,
        replies={200: Reply("The totals.", StatsDocument)},
        handle=show_stats,
    ),
)
