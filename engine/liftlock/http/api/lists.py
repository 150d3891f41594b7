"""Lists: a page, and where the next one begins, in the body and as a `Link` (RFC 8288)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from liftlock.errors import PageInvalid, ParameterInvalid
from liftlock.http.answers import Answer, Header, json_answer
from liftlock.http.api.endpoint import ROOT, Asked
from liftlock.http.api.queries import PageQuery
from liftlock.model import Page

_NO_PLACE: Final = "it is no place in this list: take `next` of the page before"

T = TypeVar("T")
Q = TypeVar("Q", bound=PageQuery)


class ListDocument(Protocol):
    """A document that is a page of a list."""

    next: str | None


async def list_answer(
    asked: Asked[Q, None], path: str, rows: int | None, read: Callable[[], ListDocument]
) -> Answer:
    """Answer a page.

    Args:
        asked: which page.
        path: the list's, below /api/v1/.
        rows: how many an entry is a matter of; None: of who knows how many.
        read: reads and describes them.
    """

    def encoded() -> tuple[bytes, str | None]:
        try:
            document = read()
        except PageInvalid as error:
            raise ParameterInvalid("after", _NO_PLACE) from error
        return msgspec.json.encode(document), document.next

    limit = asked.query.limit
    records = None if rows is None or limit is None else rows * limit
    body, following = await asked.request.bridge.list(records, encoded)
    if following is None:
        return json_answer(200, body)
    query: dict[str, str] = dict(asked.query.others)
    if limit is not None:
        query["limit"] = str(limit)
    target = urlencode(query | {"after": following}, quote_via=quote, safe="/")
    public = asked.request.public(ROOT + path)
    link: Header = (b"link", f'<{public}?{target}>; rel="next"'.encode("ascii"))
    return json_answer(200, body, headers=[link])


def following(page: Page[T], cursor: Callable[[T], object]) -> str | None:
    """Return the cursor of what follows a page; None if nothing does."""
    return str(cursor(page.entries[-1])) if page.more and page.entries else None
