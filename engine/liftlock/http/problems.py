"""Errors below /api/: `application/problem+json` (RFC 9457), with every violation.

An error's class is its type: `TagMoved` is `urn:liftlock:error:tag-moved`, and its facts are its
attributes. What only HTTP is at fault for has no type of its own, as the RFC wants it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

import msgspec

from liftlock import errors
from liftlock.documents import promotion_document
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
    said,
)
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
)
"""The facts that can say what an error is about; the first that it has does."""

REMEDIES: Final[Mapping[type[LiftlockError], str]] = {
    errors.TagMoved: "Look at the tag, then ask again, expecting what you saw.",
    errors.PlanOutdated: "Look at the new plan in `promotion`, then send its hash as `plan`.",
    errors.AttachmentsDiffer: (
        'Say whose attachment tags count: "attachments": "source" or "attachments": "target".'
    ),
    errors.SparseManifest: 'Push what is missing to the source, or send "allow_sparse": true.',
    errors.SparseRefused: "Push what is missing, or let the registry allow sparse manifests.",
    errors.PurgeRefused: "Leave `purge` out, or let the source's registry allow deleting.",
    errors.TargetsCollide: "Give each source a target of its own.",
    errors.KeyReused: "Send a new request under a new Idempotency-Key.",
    errors.RegistryUnknown: "Create the registry, or correct its name.",
    errors.RepositoryUnknown: "Push to the repository first, or correct its name.",
    errors.ManifestUnknown: "Push the image first, or correct the tag or digest.",
    errors.NothingSelected: "Look at what the source has, then select some of it.",
    errors.StoreBusy: "Send the same request again, under the same Idempotency-Key.",
    errors.StoreFull: "Free space on the server's disk, then send the same request again.",
}
"""What a client can do about it, in this API's words; an error's own sentence may say the CLI's."""

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
    problem: dict[str, object] = {
        "type": f"urn:liftlock:error:{rule_of(gravest)}",
        "title": rule_of(gravest).replace("-", " ").capitalize(),
        "status": _status_of(gravest),
        "detail": _detail(gravest, violations),
        "violations": [_violation(each) for each in islice(violations, _VIOLATIONS_MAX)],
    }
    if len(violations) > _VIOLATIONS_MAX:
        problem["violations_left_out"] = len(violations) - _VIOLATIONS_MAX
    outdated = next((each for each in violations if isinstance(each, PlanOutdated)), None)
    if outdated is not None and isinstance(outdated.promotion, Promotion):
        problem["promotion"] = promotion_document(outdated.promotion, dry_run=True)
    return _problem(problem, _status_of(gravest), error_headers(gravest, methods))


def rule_of(error: LiftlockError) -> str:
    """Return the stable name of what `error` says was broken: its class's, with dashes."""
    name = (kind_of(error) or type(error)).__name__
    return "-".join(re.findall("[A-Z][a-z]*", name)).lower()


def _status_of(error: LiftlockError) -> int:
    return _UNPROCESSABLE if isinstance(error, _OF_A_DOCUMENT) else said(error).status


def _gravity(error: LiftlockError) -> int:
    status = _status_of(error)
    return _GRAVEST_FIRST.index(status) if status in _GRAVEST_FIRST else len(_GRAVEST_FIRST)


def _detail(gravest: LiftlockError, violations: Sequence[LiftlockError]) -> str:
    if len(violations) == 1:
        return str(gravest)
    return f"{len(violations)} rules are broken. {gravest}"


def _violation(error: LiftlockError) -> dict[str, object]:
    facts = facts_of(error)
    violation: dict[str, object] = {
        "rule": rule_of(error),
        "object": _object(facts),
        "detail": str(error),
        "facts": facts,
    }
    if isinstance(error, errors.SparseManifest | errors.SparseRefused):
        violation["missing"] = error.missing
    remedy = REMEDIES.get(kind_of(error) or type(error))
    if remedy is not None:
        violation["remedy"] = remedy
    return violation


def _object(facts: Mapping[str, object]) -> str | None:
    repository, reference = facts.get("repository"), facts.get("reference")
    if reference is not None:
        return f"{repository}{'@' if ':' in str(reference) else ':'}{reference}"
    return next((str(facts[name]) for name in _OBJECTS if name in facts), None)


def _plain_problem(
    status: int, sentence: str, headers: Sequence[Header], **others: object
) -> Answer:
    title = HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": title, "status": status, "detail": sentence}
    return _problem(problem | others, status, headers)


def _problem(problem: Mapping[str, Any], status: int, headers: Sequence[Header]) -> Answer:
    body = msgspec.json.encode(problem)
    return json_answer(status, body, headers=headers, content_type=PROBLEM_JSON)
