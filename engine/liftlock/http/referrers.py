"""Referrers of a manifest, as an image index (distribution-spec, "Listing Referrers")."""

from __future__ import annotations

import msgspec

from liftlock.errors import RegistryUnknown, RepositoryUnknown
from liftlock.http.answers import Answer, Header, json_answer
from liftlock.http.paging import asked_entries, next_page
from liftlock.http.request import Request
from liftlock.model import Page, Referrer
from liftlock.oci.mediatype import OCI_INDEX


async def list_referrers(request: Request) -> Answer:
    """GET …/referrers/<digest>. What is not there has no referrers, which is no error.

    That holds for repositories too: to clients a 404 says that a registry has no such API, and they
    would go on to write fallback tags.
    """
    name, subject = request.name, request.digest
    artifact_type = request.query.get("artifactType") or None
    last = request.query.get("last") or ""
    limit = asked_entries(request)
    # Each entry is read from a manifest, so that a page is never a matter of a few records.
    try:
        page = await request.bridge.block(
            request.engine.list_referrers,
            name,
            subject,
            artifact_type=artifact_type,
            after=last,
            limit=limit,
        )
    except (RegistryUnknown, RepositoryUnknown):
        page = Page((), more=False)
    headers: list[Header] = []
    if artifact_type is not None:
        headers.append((b"oci-filters-applied", b"artifactType"))
    if page.more and page.entries:
        headers.append(
            next_page(
                request,
                f"/v2/{name}/referrers/{subject}",
                last=page.entries[-1].position,
                entries=limit or len(page.entries),
                artifactType=artifact_type,
            )
        )
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [_descriptor(referrer) for referrer in page.entries],
    }
    body = msgspec.json.encode(index)
    return json_answer(200, body, headers=headers, content_type=OCI_INDEX.encode())


def _descriptor(referrer: Referrer) -> dict[str, object]:
    described: dict[str, object] = {
        "mediaType": referrer.media_type,
        "digest": str(referrer.digest),
        "size": referrer.size,
    }
    if referrer.artifact_type:
        described["artifactType"] = referrer.artifact_type
    if referrer.annotations:
        described["annotations"] = dict(referrer.annotations)
    return described
