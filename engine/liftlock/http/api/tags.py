"""Tags: listed, shown, deleted; they are set by a push or a promotion."""

from __future__ import annotations

from typing import Final

import msgspec

from liftlock import errors
from liftlock.documents import (
    TagDocument,
    TagsDocument,
    tag_document,
)
from liftlock.http.answers import Answer, Header, answer, json_answer
from liftlock.http.api.answering import (
    AGAIN,
    CONDITIONS,
    NO_REPOSITORY,
    PAGED,
)
from liftlock.http.api.endpoint import NO_BODY, AnyEndpoint, Asked, Endpoint, Headers, Reply
from liftlock.http.api.lists import following, list_answer
from liftlock.http.api.queries import Query, ReasonQuery, TagsQuery
from liftlock.http.conditions import condition_of
from liftlock.model import Tag
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, RepositoryName, parse_tag


async def list_tags(asked: Asked[TagsQuery, None]) -> Answer:
    """GET tags/{repository}."""
    engine, query = asked.request.engine, asked.query
    name = RepositoryName.parse(asked.part("repository"))

    def read() -> TagsDocument:
        page = engine.list_tags(name, after=query.after, limit=query.limit)
        return TagsDocument(
            tags=[tag_document(name, tag) for tag in page.entries],
            next=following(page, lambda tag: tag.name),
        )

    return await list_answer(asked, f"tags/{name}", 1, read)


async def show_tag(asked: Asked[Query, None]) -> Answer:
    """GET tags/{repository}:{tag}."""
    name, tag = _tag_of(asked)
    digest = asked.request.engine.get_manifest(Reference(name, tag)).digest
    etag = f'"{digest}"'
    headers: list[Header] = [(b"etag", etag.encode())]
    if asked.request.has_etag(etag):
        return answer(304, headers)
    return json_answer(200, _encoded_tag(name, tag, digest), headers=headers)


async def delete_tag(asked: Asked[ReasonQuery, None]) -> Answer:
    """DELETE tags/{repository}:{tag}: says where it was, so that it can be set again."""
    request = asked.request
    name, tag = _tag_of(asked)
    digest = await request.bridge.write(
        request.engine.delete_tag,
        name,
        tag,
        by=request.actor,
        comment=asked.query.comment,
        expect=condition_of(request.head),
    )
    return json_answer(200, _encoded_tag(name, tag, digest))


def _tag_of(asked: Asked[Query, None]) -> tuple[RepositoryName, str]:
    return RepositoryName.parse(asked.part("repository")), parse_tag(asked.part("tag"))


def _encoded_tag(name: RepositoryName, tag: str, digest: Digest) -> bytes:
    return msgspec.json.encode(tag_document(name, Tag(tag, digest)))


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="GET",
        path="tags/{repository}",
        name="listTags",
        summary="List a repository's tags, and where they are",
        detail="In ascending byte order.",
        query=TagsQuery,
        body=NO_BODY,
        replies={
            200: Reply(
                "A page of them.",
                TagsDocument,
                PAGED,
                {
                    name: {
                        "repository": "$request.path.repository",
                        "tag": "$response.body#/tags/0/tag",
                    }
                    for name in ("showTag", "deleteTag")
                },
            )
        },
        errors=NO_REPOSITORY,
        handle=list_tags,
    ),
    Endpoint(
        method="GET",
        path="tags/{repository}:{tag}",
        name="showTag",
        summary="Show where a tag is",
        query=Query,
        body=NO_BODY,
        headers=Headers(if_none_match=True),
        replies={
            200: Reply(
                "The tag.",
                TagDocument,
                ("ETag",),
                {
                    name: {"reference": "$response.body#/name"}
                    for name in ("showManifest", "listReferrers")
                },
            ),
            304: Reply("It is where `If-None-Match` says.", None, ("ETag",)),
        },
        errors=(*NO_REPOSITORY, errors.ManifestUnknown),
        handle=show_tag,
    ),
    Endpoint(
        method="DELETE",
        path="tags/{repository}:{tag}",
        name="deleteTag",
        summary="Delete a tag; its manifest stays for the hold time",
        detail=f"The answer says where it was: push that digest under the tag, or promote it, to "
        f"set it again. {AGAIN}",
        query=ReasonQuery,
        body=NO_BODY,
        headers=CONDITIONS,
        replies={200: Reply("It is gone, and was there.", TagDocument)},
        errors=(*NO_REPOSITORY, errors.ManifestUnknown, errors.TagMoved, errors.Unsupported),
        handle=delete_tag,
    ),
)
