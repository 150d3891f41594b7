"""Errors below /api/: `application/problem+json` (RFC 9457), with every violation.

An error's class is its type: `TagMoved` is `urn:liftlock:error:tag-moved`, and its facts are its
attributes. What only HTTP is at fault for has no type of its own, as the RFC wants it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from liftlock import errors
from liftlock.documents import ProblemDocument, ViolationDocument, promotion_document
from liftlock.errors import LiftlockError, PlanOutdated
from liftlock.http.answers import Answer, Header, json_answer
from liftlock.http.errors import (
    RequestRefused,
    error_headers,
    facts_of,
    failure_sentence,
    is_failure,
    kind_of,
    log_error,
    said_of,
)
from liftlock.http.remedies import REMEDIES
from liftlock.model import Promotion

PROBLEM_JSON: Final = b"application/problem+json"

# There, a name or digest is a part of a document that can be read, and does not mean anything;
# below /v2/ it is a part of the path.
_OF_A_DOCUMENT: Final = (
    errors.NameInvalid,
    errors.NameIncomplete,
    errors.DigestInvalid,
    errors.TextInvalid,
)
_UNPROCESSABLE: Final = 422
_GRAVEST_FIRST: Final = (_UNPROCESSABLE, 404, 412, 409)

_OBJECTS: Final = (
    "tag",
    "target",
    "source",
    "name",
    "repository",
    "registry",
    "digest",
    "number",
    "key",
    "parameter",
    "field",
)
"""The facts that can say what an error is about; the first that it has does."""

_VIOLATIONS_MAX: Final = 10_000


def problem_answer(error: Exception, request_id: str, methods: Iterable[str] = ()) -> Answer:
    """Say `error` as a problem; log what is our failure."""
    if isinstance(error, RequestRefused):
        return _plain_problem(error.status, str(error), error.headers)
    log_error(error, request_id)
    if is_failure(error) or not isinstance(error, LiftlockError):
        return _plain_problem(500, failure_sentence(request_id), (), request=request_id)
    violations = error.violations
    gravest = min(violations, key=_gravity)
    problem = ProblemDocument(
        type=f"urn:liftlock:error:{rule_of(gravest)}",
        title=rule_of(gravest).replace("-", " ").capitalize(),
        status=_status_of(gravest),
        detail=_detail(gravest, violations),
        violations=[_violation(each) for each in islice(violations, _VIOLATIONS_MAX)],
    )
    if len(violations) > _VIOLATIONS_MAX:
        problem.violations_left_out = len(violations) - _VIOLATIONS_MAX
    outdated = next((each for each in violations if isinstance(each, PlanOutdated)), None)
    if outdated is not None and isinstance(outdated.promotion, Promotion):
        problem.promotion = promotion_document(outdated.promotion, dry_run=True)
    return _problem(problem, error_headers(gravest, methods))


def rule_of(error: LiftlockError) -> str:
    """Return the stable name of what `error` says was broken: its class's, with dashes."""
    return rule_named(kind_of(type(error)) or type(error))


def rule_named(kind: type[LiftlockError]) -> str:
    """Return the stable name of the rule that errors of a class are about."""
    return "-".join(re.findall("[A-Z][a-z]*", kind.__name__)).lower()


def status_of(kind: type[LiftlockError]) -> int:
    """Return the status with which an error of this class is answered below /api/."""
    return _UNPROCESSABLE if issubclass(kind, _OF_A_DOCUMENT) else said_of(kind).status


def _status_of(error: LiftlockError) -> int:
    return status_of(type(error))


def _gravity(error: LiftlockError) -> int:
    status = _status_of(error)
    return _GRAVEST_FIRST.index(status) if status in _GRAVEST_FIRST else len(_GRAVEST_FIRST)


def _detail(gravest: LiftlockError, violations: Sequence[LiftlockError]) -> str:
    if len(violations) == 1:
        return str(gravest)
    return f"{len(violations)} rules are broken. {gravest}"


def _violation(error: LiftlockError) -> ViolationDocument:
    facts = facts_of(error)
    violation = ViolationDocument(
        rule=rule_of(error),
        object=_object(facts),
        detail=str(error),
        facts=facts,
        remedy=REMEDIES.get(kind_of(type(error)) or type(error), UNSET),
    )
    if isinstance(error, errors.SparseManifest | errors.SparseRefused):
        violation.missing = list(error.missing)
    return violation


def _object(facts: Mapping[str, str | int]) -> str | None:
    repository, reference = facts.get("repository"), facts.get("reference")
    if reference is not None:
        return f"{repository}{'@' if ':' in str(reference) else ':'}{reference}"
    return next((str(facts[name]) for name in _OBJECTS if name in facts), None)


def _plain_problem(
    status: int,
    sentence: str,
    headers: Sequence[Header],
    *,
    request: str | UnsetType = UNSET,
) -> Answer:
    title = HTTPStatus(status).phrase
    problem = ProblemDocument(
        type="about:blank", title=title, status=status, detail=sentence, request=request
    )
    return _problem(problem, headers)


def _problem(problem: ProblemDocument, headers: Sequence[Header]) -> Answer:
    body = msgspec.json.encode(problem)
    return json_answer(problem.status, body, headers=headers, content_type=PROBLEM_JSON)
