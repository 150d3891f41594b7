"""Queries of our own API: types that read them, and say all that is wrong.

Nothing is passed over: a parameter that is not known may be a misspelt `force`, and one that comes
twice may mean two things.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

from liftlock.config import Limits
from liftlock.errors import LiftlockError, ParameterInvalid
from liftlock.promotion.deciding import refuse

_LIMITS: Final = Limits()
_SHOWN_MAX: Final = 60
_FAULTS_MAX: Final = 20
"""Parameters of a query that a refusal names; who sends as many does not read them."""
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_PLACE: Final = "^(?:[a-z0-9._-]{1,64}/[a-z0-9._/-]{0,255})?$"
_FLAGS: Final = {"true": True, "false": False}


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A query without parameters."""


class PageQuery(Query, frozen=True, kw_only=True):
    """Which page of a list; each list says what its `after` looks like."""

    limit: (
        Annotated[
            int,
            Meta(
                description="How many entries a page has at most; without it, up to "
                f"{_LIMITS.page_entries_max:,}.",
                examples=[100],
                ge=1,
                le=_LIMITS.page_entries_max,
            ),
        ]
        | None
    ) = None
    after: str = ""

    @property
    def others(self) -> Mapping[str, str]:
        """What the next page has to be asked for, too."""
        return {}


class RegistriesQuery(PageQuery, frozen=True, kw_only=True):
    """Which page of the registries."""

    after: Annotated[
        str,
        Meta(
            description="Only registries beyond this name, which need not exist.",
            pattern="^[a-z0-9._-]{0,64}$",
        ),
    ] = ""


class RepositoriesQuery(PageQuery, frozen=True, kw_only=True):
    """Which page of the repositories."""

    after: Annotated[
        str,
        Meta(
            description="Only repositories beyond this name (`registry/repository`), which need "
            "not exist.",
            pattern=_PLACE,
        ),
    ] = ""


class TagsQuery(PageQuery, frozen=True, kw_only=True):
    """Which page of the tags."""

    after: Annotated[
        str,
        Meta(
            description="Only tags beyond this one, which need not exist.",
            pattern="^[A-Za-z0-9._-]{0,128}$",
        ),
    ] = ""


class NumbersQuery(PageQuery, frozen=True, kw_only=True):
    """Which page of what is listed by its number, newest first."""

    after: Annotated[
        str,
        Meta(
            description="Only what is older than this number: take `next` of the page before.",
            pattern="^(?:[1-9][0-9]{0,17})?$",
        ),
    ] = ""

    @property
    def before(self) -> int | None:
        """The number below which the page begins; None: at the newest."""
        return int(self.after) if self.after else None


class ReferrersQuery(PageQuery, frozen=True, kw_only=True):
    """Which page of which referrers."""

    after: Annotated[
        str,
        Meta(
            description="A place in the list: take `next` of the page before.",
            pattern="^(?:[0-9a-f]{2}){0,81}$",
        ),
    ] = ""
    artifact_type: Annotated[
        str,
        Meta(
            description="Only referrers of this artifact type; empty: of any.",
            examples=["application/spdx+json"],
        ),
    ] = ""

    @property
    def others(self) -> Mapping[str, str]:
        """What the next page has to be asked for, too."""
        return {"artifact_type": self.artifact_type} if self.artifact_type else {}


class WhereQuery(PageQuery, frozen=True, kw_only=True):
    """Which page of the places of some content."""

    after: Annotated[
        str,
        Meta(
            description="A place in the list: take `next` of the page before.",
            pattern=_PLACE,
        ),
    ] = ""


class ReasonQuery(Query, frozen=True, kw_only=True):
    """Why something is done."""

    comment: Annotated[
        str,
        Meta(
            description="Why; for the history.",
            max_length=_LIMITS.comment_characters_max,
            examples=["not needed any more"],
        ),
    ] = ""


class ForceQuery(ReasonQuery, frozen=True, kw_only=True):
    """Why, and whether with all that it has."""

    force: Annotated[
        bool, Meta(description="Delete it with all that it has; else it has to be empty.")
    ] = False


Q = TypeVar("Q", bound=Query)


def read_query(pairs: Sequence[tuple[str, str]], form: type[Q]) -> Q:
    """Read a query by its form.

    Raises:
        ParameterInvalid: with all that is wrong in `violations`.
    """
    if not pairs:
        return form()
    fields = {field.name: field for field in msgspec.structs.fields(form)}
    read: dict[str, Any] = {}  # Any: each its own kind
    violations: list[LiftlockError] = []
    for name, text in pairs:
        if len(violations) == _FAULTS_MAX:
            break
        if name not in fields:
            violations.append(ParameterInvalid(name, _unknown(name, list(fields))))
        elif name in read:
            violations.append(ParameterInvalid(name, "it comes more than once"))
        else:
            read[name] = None
            try:
                read[name] = _read(text, fields[name].type)
            except msgspec.ValidationError:
                violations.append(ParameterInvalid(name, _fault(text, fields[name].type)))
    refuse(violations)
    return form(**read)


def described(kind: object) -> object:
    """Return a parameter's type with what is said of it, but without None: that is its absence."""
    if get_origin(kind) is Annotated or not get_args(kind):
        return kind
    return next(each for each in get_args(kind) if each is not type(None))


def _kind(kind: object) -> tuple[object, Meta]:
    bare = described(kind)
    if get_origin(bare) is not Annotated:
        return bare, Meta()
    said = get_args(bare)
    return said[0], said[-1]


def _read(text: str, kind: object) -> object:
    _, said = _kind(kind)
    # msgspec's `$` also stands before a line's end; JSON Schema's does not.
    if said.pattern is not None and text.endswith("\n"):
        raise msgspec.ValidationError
    return msgspec.convert(_value(text, kind), kind)


def _value(text: str, kind: object) -> object:
    """Read text as what its type has; as what else it is, its type will refuse it."""
    wanted, _ = _kind(kind)
    if wanted is bool:
        return _FLAGS.get(text, text)
    return int(text) if wanted is int and _NUMBER.fullmatch(text) else text


def _unknown(name: str, known: Sequence[str]) -> str:
    if not known:
        return "this endpoint takes none"
    near = get_close_matches(name, known, 1)
    meant = f"did you mean `{near[0]}`? " if near else ""
    names = ", ".join(f"`{each}`" for each in known)
    return f"{meant}this endpoint takes {names}"


def _fault(text: str, kind: object) -> str:
    wanted, said = _kind(kind)
    must = f"fit {said.pattern}"
    if wanted is bool:
        must = "be true or false"
    elif wanted is int:
        must = f"be a whole number from {said.ge} to {said.le}"
    elif said.max_length is not None:
        must = f"have at most {said.max_length} characters"
    shown = text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
    return f"it must {must}, and is {shown!r}"
