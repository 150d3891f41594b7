"""Who asks, why, and for how much: judged before anything is done."""

from __future__ import annotations

from typing import Final

from liftlock.config import Limits
from liftlock.errors import PageInvalid, TextInvalid
from liftlock.history import Act

_ACTOR_CHARACTERS_MAX: Final = 255


def act_of(by: str, comment: str, limits: Limits) -> Act:
    """Return who does something and why, if that can be stored."""
    _require_text("the actor", by, _ACTOR_CHARACTERS_MAX)
    if not by:
        raise TextInvalid("the actor", "it is empty")
    require_comment(comment, limits)
    return Act(by, comment)


def require_comment(comment: str, limits: Limits) -> None:
    """Require that a comment can be stored.

    Raises:
        TextInvalid: it is too long, or no Unicode.
    """
    _require_text("the comment", comment, limits.comment_characters_max)


def _require_text(what: str, text: str, most: int) -> None:
    if len(text) > most:
        raise TextInvalid(what, f"it has more than {most} characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TextInvalid(what, "it is not valid Unicode") from error


def entries_of(limit: int | None, limits: Limits) -> int:
    """Return how many entries a page has of which `limit` are wanted."""
    if limit is not None and limit < 0:
        raise PageInvalid(str(limit))
    most = limits.page_entries_max
    return most if limit is None else min(limit, most)
