"""The catalog: every repository of every registry, page by page.

Not in the specification any more, and asked for by many clients all the same.
"""

from __future__ import annotations

import msgspec

from liftlock.engine import Engine
from liftlock.errors import RegistryUnknown
from liftlock.http.answers import Answer, json_answer
from liftlock.http.paging import asked_cursor, asked_entries, next_page
from liftlock.http.request import Request
from liftlock.oci.reference import NAME_CHARACTERS_MAX


async def list_names(request: Request) -> Answer:
    """GET /v2/_catalog."""
    asked = asked_entries(request)
    limit = request.engine.limits.page_entries_max if asked is None else asked
    last = asked_cursor(request, NAME_CHARACTERS_MAX)
    names = await request.bridge.block(_names, request.engine, last, limit + 1)
    page, more = names[:limit], len(names) > limit > 0
    link = [next_page(request, "/v2/_catalog", last=page[-1], entries=limit)] if more else []
    return json_answer(200, msgspec.json.encode({"repositories": page}), headers=link)


def _names(engine: Engine, last: str, limit: int) -> list[str]:
    """Return up to `limit` names beyond `last`: registries by name, in each its repositories."""
    names: list[str] = []
    registry, _, repository = last.partition("/")
    while len(names) < limit:
        if registry:
            try:
                page = engine.list_repositories(
                    registry,
                    after=repository,
                    limit=min(limit - len(names), engine.limits.page_entries_max),
                )
            except RegistryUnknown:  # deleted since the last page
                pass
            else:
                names += [str(found.name) for found in page.entries]
                if page.more and page.entries:
                    repository = page.entries[-1].name.repository
                    continue
        following = engine.list_registries(after=registry, limit=1).entries
        if not following:
            break
        registry, repository = following[0].name, ""
    return names
