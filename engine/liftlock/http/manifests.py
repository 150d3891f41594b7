"""Manifests by tag or digest: the stored bytes, whatever Accept says."""

from __future__ import annotations

from liftlock.errors import ManifestTooLarge, NameInvalid
from liftlock.http.answers import Answer, answer
from liftlock.http.conditions import condition_of
from liftlock.http.errors import RequestRefused
from liftlock.http.request import Request
from liftlock.oci.reference import Reference


async def get(request: Request) -> Answer:
    """GET and HEAD …/manifests/<reference>."""
    manifest = request.engine.get_manifest(_sought(request))
    etag = f'"{manifest.digest}"'
    headers = [
        (b"content-type", manifest.media_type),
        (b"docker-content-digest", str(manifest.digest)),
        (b"etag", etag),
    ]
    if request.has_etag(etag):
        return answer(304, headers)
    return answer(200, headers, manifest.body)


async def put(request: Request) -> Answer:
    """PUT …/manifests/<reference>[?tag=…]: the body is read whole before the engine is asked."""
    reference = request.reference
    tags = request.query.every("tag")
    condition = condition_of(request.head)
    limit = request.engine.limits.manifest_bytes_max
    body = await request.body.read(limit)
    if body is None:
        raise ManifestTooLarge(limit)
    pushed = await request.bridge.write(
        request.engine.put_manifest,
        reference,
        body,
        media_type=_bare_content_type(request),
        by=request.actor,
        tags=tags,
        expect=condition,
    )
    headers = [
        (b"location", request.public(f"/v2/{request.name}/manifests/{pushed.digest}")),
        (b"docker-content-digest", str(pushed.digest)),
        (b"etag", f'"{pushed.digest}"'),
    ]
    if pushed.subject is not None:
        headers.append((b"oci-subject", str(pushed.subject)))
    if tags:
        headers += [(b"oci-tag", tag) for tag in pushed.tags]
    return answer(201, headers)


async def delete(request: Request) -> Answer:
    """DELETE …/manifests/<reference>: a tag goes alone; a digest goes with all its tags."""
    reference = _sought(request)
    engine, write = request.engine, request.bridge.write
    name, by, expect = reference.name, request.actor, condition_of(request.head)
    if reference.tag is not None:
        await write(engine.delete_tag, name, reference.tag, by=by, expect=expect)
    elif reference.digest is not None:
        await write(engine.delete_manifest, name, reference.digest, by=by, expect=expect)
    return answer(202)


def _sought(request: Request) -> Reference:
    """Return what to look for.

    Raises:
        RequestRefused: 404 for a tag against the grammar, which no push can have set. The
            specification knows no other answer for what is not there, and of a DELETE a 400 says
            that tags cannot be deleted here.
    """
    name = request.name
    try:
        return request.reference
    except NameInvalid as error:
        sentence = f"{name} has no such manifest: {error}"
        raise RequestRefused(404, "MANIFEST_UNKNOWN", sentence) from error


def _bare_content_type(request: Request) -> str | None:
    """Return the media type without parameters: `; charset=utf-8` says nothing about JSON."""
    return (request.head.get(b"content-type") or "").partition(";")[0].strip() or None
