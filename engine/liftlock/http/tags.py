"""Tags of a repository, in ascending byte order, page by page."""

from __future__ import annotations

import msgspec

from liftlock.http.answers import Answer, json_answer
from liftlock.http.paging import asked_cursor, asked_entries, next_page
from liftlock.http.request import Request
from liftlock.oci.reference import TAG_CHARACTERS_MAX


async def list_tags(request: Request) -> Answer:
    """GET …/tags/list."""
    name = request.name
    limit = asked_entries(request)
    after = asked_cursor(request, TAG_CHARACTERS_MAX)
    engine = request.engine
    page = await request.bridge.list(limit, engine.list_tags, name, after=after, limit=limit)
    tags = [tag.name for tag in page.entries]
    link = (
        [next_page(request, f"/v2/{name}/tags/list", last=tags[-1], entries=limit or len(tags))]
        if page.more and tags
        else []
    )
    body = msgspec.json.encode({"name": str(name), "tags": tags})
    return json_answer(200, body, headers=link)
