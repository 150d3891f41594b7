"""The form of a request: its globs, its templates, and what can never be right about it."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from liftlock.config import Limits
from liftlock.errors import LiftlockError, NameInvalid, PromotionInvalid
from liftlock.model import ABSENT, ANYTHING, Mode
from liftlock.oci.reference import TAG_CHARACTERS_MAX, Selection, Target, parse_tag
from liftlock.promotion.request import RequestItem

_PLACE: Final = "{tag}"
_GLOB_CHARACTERS: Final = re.compile(r"[*?\[]")


def size_fault(count: int, limits: Limits) -> LiftlockError | None:
    """Return what is wrong with the number of a request's items."""
    if count == 0:
        return PromotionInvalid("it has no items; name at least one source and target")
    if count > limits.promotion_items_max:
        return PromotionInvalid(
            f"it has {count} items, and may have {limits.promotion_items_max} "
            "(promotion_items_max); name whole repositories, or split it"
        )
    return None


def item_faults(item: RequestItem, mode: Mode) -> Sequence[LiftlockError]:
    """Return everything that is wrong with the form of an item."""
    if item.tags is not None or item.retag is not None or not item.source.is_image:
        return [*map(PromotionInvalid, _selection_faults(item)), *_tag_faults(item)]
    if mode is Mode.MOVE and item.source.tag is None:
        reason = "a move takes a tag away, and the source names none; name the tag, or copy"
        return [PromotionInvalid(reason)]
    return ()


def retagged(template: str | None, tag: str) -> str:
    """Return what a tag is called at the target."""
    return tag if template is None else template.replace(_PLACE, tag)


def tag_filter(glob: str) -> tuple[str, Callable[[str], bool]]:
    """Return what all tags that match a glob begin with, and what tells whether one matches."""
    found = _GLOB_CHARACTERS.search(glob)
    prefix = glob[: found.start()] if found else glob
    if glob == prefix + "*":
        return prefix, lambda _: True
    pattern = re.compile(fnmatch.translate(glob))
    return prefix, lambda tag: pattern.match(tag) is not None


def _selection_faults(item: RequestItem) -> Iterator[str]:
    source = item.source
    if source.is_image and item.tags is not None:
        yield f"{source} names an image, and `tags` select others; give one of them"
    if source.is_image and source.tag is None and item.retag is not None:
        yield f"{source} has no tag to put into the template; name the target's tag"
    if (source.is_deep or source.repository is None) and source.is_image:
        yield f"{source} selects several repositories; `tags` say which tags of them"
    if _is_inside(source, item.target):
        yield f"target {item.target} lies below {source}, and would be selected the next time"
    if item.target.tag is not None and not source.is_image:
        yield (
            f"target {item.target} names one tag, and {source} may select several; leave the tag "
            "out, or name the source's too"
        )
    if item.target.tag is not None and item.retag is not None:
        yield f"target {item.target} names its tag, and a template makes another; give one of them"
    if item.retag is not None and item.tags is None and not source.is_image:
        yield "a template renames tags; select them with `tags`"
    is_one_whole = item.tags is None and source.repository is not None and not source.is_deep
    may_be = {ANYTHING, ABSENT} if is_one_whole else {ANYTHING}
    if not source.is_image and not (
        item.expect_source is ANYTHING and item.expect_target in may_be
    ):
        yield (
            "an expectation is about one tag; name it in the source (of a whole repository, the "
            "target may be expected to be absent)"
        )


def _is_inside(source: Selection, target: Target) -> bool:
    """Tell whether a source of several repositories would take in what it made."""
    if source.registry != target.registry or target.repository in {None, source.repository}:
        return False
    path = "" if source.repository is None else f"{source.repository}/"
    return (source.is_deep or not path) and f"{target.repository}/".startswith(path)


def _tag_faults(item: RequestItem) -> Iterator[LiftlockError]:
    if isinstance(item.tags, str):
        if not 0 < len(item.tags) <= TAG_CHARACTERS_MAX:
            yield PromotionInvalid(f"a glob has 1 to {TAG_CHARACTERS_MAX} characters")
    elif item.tags is not None:
        if not item.tags:
            yield PromotionInvalid("`tags` is an empty list; leave it out for the whole repository")
        for tag in item.tags:
            try:
                parse_tag(tag)
            except NameInvalid as error:
                yield error
    if item.retag is None:
        return
    rest = item.retag.replace(_PLACE, "")
    if "{" in rest or "}" in rest or not item.retag:
        yield PromotionInvalid(f"template {item.retag!r:.80} knows only {_PLACE}")
        return
    try:
        parse_tag(retagged(item.retag, "x"))
    except NameInvalid as error:
        yield PromotionInvalid(f"template {item.retag!r:.160} makes no tag: {error.reason}")
