"""An endpoint as a value: what it takes, what it answers, how it can refuse, and who does it.

The dispatcher and the API's description read the same values, so that they cannot differ; and a
handler is given what its endpoint's types have read, so that those cannot either.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from liftlock.config import Limits
from liftlock.errors import LiftlockError
from liftlock.http.answers import Answer
from liftlock.http.api.queries import Query
from liftlock.http.request import Request

Q_co = TypeVar("Q_co", bound=Query, covariant=True)
B_co = TypeVar("B_co", covariant=True)
Q = TypeVar("Q", bound=Query)
B = TypeVar("B")

ROOT: Final = "/api/v1/"
_PARAMETER: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Asked(Generic[Q_co, B_co]):
    """A request to an endpoint, its query and its body read by the endpoint's types."""

    request: Request
    query: Q_co
    body: B_co

    def part(self, name: str) -> str:
        """Return what stands in the path for one of its parameters."""
        return self.request.path[name]


class Reply(NamedTuple):
    """One way in which an endpoint answers a request that it accepts."""

    sentence: str
    document: type[msgspec.Struct] | None = None
    headers: tuple[str, ...] = ()
    leads: Mapping[str, Mapping[str, str]] = MappingProxyType({})
    """Operations that go on from there: by name, which part of the answer is which parameter."""
    is_json: bool = False
    """Whether it is JSON of a form that is not described."""


@dataclass(frozen=True, slots=True)
class Body(Generic[B]):
    """What an endpoint takes as its body."""

    form: type[msgspec.Struct] | None
    read: Callable[[object, Limits], B]
    example: Mapping[str, object] | None = None
    is_required: bool = True


def _nothing(document: object, limits: Limits) -> None:
    del document, limits


NO_BODY: Final = Body(None, _nothing)


class Headers(NamedTuple):
    """The headers that mean something to an endpoint."""

    conditions: bool = False
    """If-Match and If-None-Match, of a change."""
    if_none_match: bool = False
    """If-None-Match, of what is got."""
    idempotency_key: bool = False


PLAIN: Final = Headers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Generic[Q, B]):
    """One method of one path."""

    method: str
    path: str
    """Below /api/v1/, with parameters in braces."""
    name: str
    """The operation's, for clients that are generated."""
    summary: str
    """What it does, in one line."""
    detail: str = ""
    """What else there is to know: what is safe to repeat, how it is taken back."""
    query: type[Q]
    body: Body[B]
    headers: Headers = PLAIN
    replies: Mapping[int, Reply]
    errors: tuple[type[LiftlockError], ...] = ()
    """Those of its own; what every endpoint can answer stands in `description.py`."""
    parts: Mapping[str, object] = field(default_factory=dict)
    """Types of the path's parameters where they are not the usual ones."""
    handle: Callable[[Asked[Q, B]], Awaitable[Answer]]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path's parameters."""
        return tuple(_PARAMETER.findall(self.path))

    @property
    def noun(self) -> str:
        """What it is about: the path's first component."""
        return self.path.partition("/")[0].removesuffix(".json")


AnyEndpoint = Endpoint[Any, Any]  # each with types of its own
