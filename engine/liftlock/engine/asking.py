"""Who asks, why, and for how much: judged before anything is done."""

from __future__ import annotations

from typing import Final

from liftlock.config import Limits
from liftlock.errors import PageInvalid, TextInvalid
from liftlock.history import Act

_ACTOR_CHARACTERS_MAX: Final = 255


def act_of(by: str, comment: str, limits: Limits) -> Act:
    """Return who does something and why, if that can be stored."""
    for what, text, most in (
        ("the actor", by, _ACTOR_CHARACTERS_MAX),
        ("the comment", comment, limits.comment_characters_max),
    ):
        if len(text) > most:
            raise TextInvalid(what, f"it has more than {most} characters")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise TextInvalid(what, "it is not valid Unicode") from error
    if not by:
        raise TextInvalid("the actor", "it is empty")
    return Act(by, comment)


def entries_of(limit: int | None, limits: Limits) -> int:
    """Return how many entries a page has of which `limit` are wanted."""
    if limit is not None and limit < 0:
        raise PageInvalid(str(limit))
    most = limits.page_entries_max
    return most if limit is None else min(limit, most)
