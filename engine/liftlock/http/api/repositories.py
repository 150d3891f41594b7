"""Repositories: shown and deleted; they come into being by a push or a promotion."""

from __future__ import annotations

from typing import Final

import msgspec

from liftlock import errors
from liftlock.documents import (
    RepositoryDocument,
    repository_document,
)
from liftlock.http.answers import Answer, answer, json_answer
from liftlock.http.api.answering import (
    AGAIN,
    NO_REPOSITORY,
)
from liftlock.http.api.endpoint import NO_BODY, AnyEndpoint, Asked, Endpoint, Reply
from liftlock.http.api.queries import Query, ReasonQuery
from liftlock.oci.reference import RepositoryName


async def show_repository(asked: Asked[Query, None]) -> Answer:
    """GET repositories/{repository}."""
    name = RepositoryName.parse(asked.part("repository"))
    found = asked.request.engine.get_repository(name)
    return json_answer(200, msgspec.json.encode(repository_document(found)))


async def delete_repository(asked: Asked[ReasonQuery, None]) -> Answer:
    """DELETE repositories/{repository}."""
    request = asked.request
    name = RepositoryName.parse(asked.part("repository"))
    await request.bridge.write(
        request.engine.delete_repository, name, by=request.actor, comment=asked.query.comment
    )
    return answer(204)


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="GET",
        path="repositories/{repository}",
        name="showRepository",
        summary="Show a repository: its version, and how much it has",
        query=Query,
        body=NO_BODY,
        replies={200: Reply("The repository.", RepositoryDocument)},
        errors=NO_REPOSITORY,
        handle=show_repository,
    ),
    Endpoint(
        method="DELETE",
        path="repositories/{repository}",
        name="deleteRepository",
        summary="Delete a repository with all that it has, at once",
        detail=f"Its history stays. {AGAIN} There is no way back, save pushing anew.",
        query=ReasonQuery,
        body=NO_BODY,
        replies={204: Reply("It is gone.")},
        errors=(*NO_REPOSITORY, errors.Unsupported),
        handle=delete_repository,
    ),
)
