"""Manifests as trees, and what refers to them."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from liftlock import errors
from liftlock.documents import (
    InspectionDocument,
    ReferrersDocument,
    inspection_document,
    referrer_document,
)
from liftlock.documents.form import DIGEST_PATTERN, EXAMPLE_DIGEST, REPOSITORY_PATTERN
from liftlock.errors import NameInvalid
from liftlock.http.answers import Answer, answer, json_answer
from liftlock.http.api.answering import (
    AGAIN,
    CONDITIONS,
    NO_MANIFEST,
    PAGED,
)
from liftlock.http.api.endpoint import NO_BODY, AnyEndpoint, Asked, Endpoint, Reply
from liftlock.http.api.lists import following, list_answer
from liftlock.http.api.queries import Query, ReasonQuery, ReferrersQuery
from liftlock.http.conditions import condition_of
from liftlock.oci.reference import Reference


async def show_manifest(asked: Asked[Query, None]) -> Answer:
    """GET manifests/{reference}."""
    engine, reference = asked.request.engine, Reference.parse(asked.part("reference"))

    def read() -> bytes:
        document = inspection_document(engine.inspect(reference))
        return msgspec.json.encode(document)

    return json_answer(200, await asked.request.bridge.block(read))


async def delete_manifest(asked: Asked[ReasonQuery, None]) -> Answer:
    """DELETE manifests/{reference}: by its digest, since a tag names itself as well."""
    request = asked.request
    text = asked.part("reference")
    reference = Reference.parse(text)
    if reference.tag is not None or reference.digest is None:
        raise NameInvalid(
            text,
            "a manifest is deleted by its digest, <registry>/<repository>@<digest>; a tag is "
            "deleted below /api/v1/tags/",
        )
    await request.bridge.write(
        request.engine.delete_manifest,
        reference.name,
        reference.digest,
        by=request.actor,
        comment=asked.query.comment,
        expect=condition_of(request.head),
    )
    return answer(204)


async def list_referrers(asked: Asked[ReferrersQuery, None]) -> Answer:
    """GET referrers/{reference}."""
    engine, query = asked.request.engine, asked.query
    reference = Reference.parse(asked.part("reference"))
    name = reference.name

    def read() -> ReferrersDocument:
        # A digest need not be there: its referrers can be there before it is.
        is_pinned = reference.digest is not None and reference.tag is None
        digest = reference.digest if is_pinned else engine.get_manifest(reference).digest
        assert digest is not None, "it is pinned, or was looked up"
        page = engine.list_referrers(
            name,
            digest,
            artifact_type=query.artifact_type or None,
            after=query.after,
            limit=query.limit,
        )
        return ReferrersDocument(
            referrers=[referrer_document(name, referrer) for referrer in page.entries],
            next=following(page, lambda referrer: referrer.position),
        )

    # Each entry is read from a manifest, so that a page is never a matter of a few records.
    return await list_answer(asked, f"referrers/{reference}", None, read)


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="GET",
        path="manifests/{reference}",
        name="showManifest",
        summary="Show an image as a tree: platforms, sizes, and what is attached",
        query=Query,
        body=NO_BODY,
        replies={
            200: Reply(
                "The manifest, and all below it.",
                InspectionDocument,
                (),
                {"listWhereabouts": {"digest": "$response.body#/digest"}},
            )
        },
        errors=NO_MANIFEST,
        handle=show_manifest,
    ),
    Endpoint(
        method="DELETE",
        path="manifests/{reference}",
        name="deleteManifest",
        summary="Delete a manifest with all its tags",
        detail=f"It is named by its digest alone. {AGAIN} An index needs its children: delete "
        "that first.",
        query=ReasonQuery,
        body=NO_BODY,
        headers=CONDITIONS,
        replies={204: Reply("It is gone.")},
        errors=(*NO_MANIFEST, errors.TagMoved, errors.Unsupported),
        parts={
            "reference": Annotated[
                str,
                Meta(
                    description="A manifest: `registry/repository@digest`.",
                    examples=[f"dev/team/app@{EXAMPLE_DIGEST}"],
                    extra_json_schema={"pattern": f"^{REPOSITORY_PATTERN}@{DIGEST_PATTERN}$"},
                ),
            ]
        },
        handle=delete_manifest,
    ),
    Endpoint(
        method="GET",
        path="referrers/{reference}",
        name="listReferrers",
        summary="List what refers to a manifest: signatures, SBOMs",
        detail="A digest need not be there (yet); a tag must.",
        query=ReferrersQuery,
        body=NO_BODY,
        replies={
            200: Reply(
                "A page of them.",
                ReferrersDocument,
                PAGED,
                {"showManifest": {"reference": "$response.body#/referrers/0/name"}},
            )
        },
        errors=NO_MANIFEST,
        handle=list_referrers,
    ),
)
