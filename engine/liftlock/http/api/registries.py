"""Registries: made, shown, changed, deleted, and what they have."""

from __future__ import annotations

from typing import Final

import msgspec

from liftlock import errors
from liftlock.documents import (
    NewRegistry,
    NewRegistryDocument,
    RegistriesDocument,
    RegistryChange,
    RegistryChangeDocument,
    RegistryDocument,
    RepositoriesDocument,
    read_new_registry,
    read_registry_change,
    registry_document,
    repository_document,
)
from liftlock.http.answers import Answer, Header, answer, json_answer
from liftlock.http.api.answering import (
    AGAIN,
    NO_REGISTRY,
    PAGED,
)
from liftlock.http.api.endpoint import (
    NO_BODY,
    ROOT,
    AnyEndpoint,
    Asked,
    Body,
    Endpoint,
    Reply,
)
from liftlock.http.api.lists import following, list_answer
from liftlock.http.api.queries import ForceQuery, Query, RegistriesQuery, RepositoriesQuery
from liftlock.oci.reference import parse_registry

_ROWS: Final = 8
"""What is read of a registry or repository: name, record, event, counters."""


async def list_registries(asked: Asked[RegistriesQuery, None]) -> Answer:
    """GET registries."""
    engine, query = asked.request.engine, asked.query

    def read() -> RegistriesDocument:
        page = engine.list_registries(after=query.after, limit=query.limit)
        return RegistriesDocument(
            registries=[registry_document(registry) for registry in page.entries],
            next=following(page, lambda registry: registry.name),
        )

    return await list_answer(asked, "registries", _ROWS, read)


async def create(asked: Asked[Query, NewRegistry]) -> Answer:
    """POST registries."""
    request, wanted = asked.request, asked.body
    made = await request.bridge.write(
        request.engine.create_registry,
        wanted.name,
        wanted.settings,
        by=request.actor,
        comment=wanted.comment,
    )
    location: Header = (b"location", request.public(f"{ROOT}registries/{made.name}").encode())
    return json_answer(201, msgspec.json.encode(registry_document(made)), headers=[location])


async def show(asked: Asked[Query, None]) -> Answer:
    """GET registries/{registry}."""
    name = parse_registry(asked.part("registry"))
    found = asked.request.engine.get_registry(name)
    return json_answer(200, msgspec.json.encode(registry_document(found)))


async def change(asked: Asked[Query, RegistryChange]) -> Answer:
    """PATCH registries/{registry}."""
    request, wanted = asked.request, asked.body
    name = parse_registry(asked.part("registry"))
    changed = await request.bridge.write(
        request.engine.update_registry,
        name,
        wanted.settings,
        by=request.actor,
        comment=wanted.comment,
    )
    return json_answer(200, msgspec.json.encode(registry_document(changed)))


async def delete(asked: Asked[ForceQuery, None]) -> Answer:
    """DELETE registries/{registry}."""
    request, query = asked.request, asked.query
    name = parse_registry(asked.part("registry"))
    await request.bridge.write(
        request.engine.delete_registry,
        name,
        by=request.actor,
        comment=query.comment,
        force=query.force,
    )
    return answer(204)


async def list_repositories(asked: Asked[RepositoriesQuery, None]) -> Answer:
    """GET registries/{registry}/repositories."""
    engine, query = asked.request.engine, asked.query
    name = parse_registry(asked.part("registry"))
    registry, _, after = query.after.partition("/")

    def read() -> RepositoriesDocument:
        # A place is a whole name: of another registry, all of this one is before or behind it.
        begins = after if registry == name else ""
        is_behind = registry > name
        page = engine.list_repositories(name, after=begins, limit=0 if is_behind else query.limit)
        return RepositoriesDocument(
            repositories=[repository_document(repository) for repository in page.entries],
            next=following(page, lambda repository: repository.name),
        )

    return await list_answer(asked, f"registries/{name}/repositories", _ROWS, read)


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="GET",
        path="registries",
        name="listRegistries",
        summary="List the registries, by name",
        query=RegistriesQuery,
        body=NO_BODY,
        replies={
            200: Reply(
                "A page of them.",
                RegistriesDocument,
                PAGED,
                {"showRegistry": {"registry": "$response.body#/registries/0/name"}},
            )
        },
        handle=list_registries,
    ),
    Endpoint(
        method="POST",
        path="registries",
        name="createRegistry",
        summary="Make a registry",
        detail="Done again, it is 409: whoever wants one to be there can take that for success, "
        "and look at its settings.",
        query=Query,
        body=Body(
            NewRegistryDocument,
            read_new_registry,
            {"name": "staging", "settings": {"allow_delete": False}, "comment": "for releases"},
        ),
        replies={
            201: Reply(
                "It is made.",
                RegistryDocument,
                ("Location",),
                {
                    name: {"registry": "$response.body#/name"}
                    for name in ("showRegistry", "changeRegistry", "deleteRegistry")
                },
            )
        },
        errors=(errors.NameInvalid, errors.DocumentInvalid, errors.TextInvalid, errors.NameTaken),
        handle=create,
    ),
    Endpoint(
        method="GET",
        path="registries/{registry}",
        name="showRegistry",
        summary="Show a registry: its settings, and how much it has",
        query=Query,
        body=NO_BODY,
        replies={200: Reply("The registry.", RegistryDocument)},
        errors=NO_REGISTRY,
        handle=show,
    ),
    Endpoint(
        method="PATCH",
        path="registries/{registry}",
        name="changeRegistry",
        summary="Change a registry's settings",
        detail="What is left out stays; what was accepted before stays, too. Done again, it "
        "changes nothing, and the history has it once. The history has the settings before, to "
        "set them back.",
        query=Query,
        body=Body(
            RegistryChangeDocument,
            read_registry_change,
            {"settings": {"allow_sparse": True}, "comment": "mirrors some platforms only"},
        ),
        replies={200: Reply("The registry as it is now.", RegistryDocument)},
        errors=(*NO_REGISTRY, errors.DocumentInvalid, errors.TextInvalid),
        handle=change,
    ),
    Endpoint(
        method="DELETE",
        path="registries/{registry}",
        name="deleteRegistry",
        summary="Delete a registry",
        detail=f"Its history stays. {AGAIN} There is no way back, save pushing anew.",
        query=ForceQuery,
        body=NO_BODY,
        replies={204: Reply("It is gone.")},
        errors=(*NO_REGISTRY, errors.RegistryNotEmpty, errors.Unsupported),
        handle=delete,
    ),
    Endpoint(
        method="GET",
        path="registries/{registry}/repositories",
        name="listRepositories",
        summary="List a registry's repositories, by name",
        query=RepositoriesQuery,
        body=NO_BODY,
        replies={
            200: Reply(
                "A page of them.",
                RepositoriesDocument,
                PAGED,
                {
                    name: {"repository": "$response.body#/repositories/0/name"}
                    for name in ("showRepository", "listTags")
                },
            )
        },
        errors=NO_REGISTRY,
        handle=list_repositories,
    ),
)
