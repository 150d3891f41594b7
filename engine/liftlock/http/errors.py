"""From errors to answers: one table, and the distribution spec's envelope.

The table is searched along the class's MRO, so that a leaf speaks for its subclasses; a test
requires each leaf of `LiftlockError` in it. What is not in it was not foreseen, and is answered
like corruption: with an id to look up in the log, and nothing of what happened.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from liftlock import errors
from liftlock.errors import LiftlockError, ManifestBlobUnknown
from liftlock.http.answers import Answer, Header, json_answer
from liftlock.model import Promotion

log = logging.getLogger("liftlock.http")


class Said(NamedTuple):
    """How an error is said over HTTP."""

    status: int
    """The answer's status code."""
    code: str
    """For `code` in the answer's envelope: one of the specification's below 500."""


# On 4xx only the spec's 14 codes. It has none for 5xx: UNAVAILABLE and UNKNOWN are the CNCF
# registry's. Classes that no request below /v2/ can raise stand here for what embeds the table.
TABLE: Final[Mapping[type[LiftlockError], Said]] = {
    errors.NameInvalid: Said(400, "NAME_INVALID"),
    errors.DigestInvalid: Said(400, "DIGEST_INVALID"),
    errors.SizeInvalid: Said(400, "SIZE_INVALID"),
    errors.ManifestInvalid: Said(400, "MANIFEST_INVALID"),
    errors.ManifestTooLarge: Said(413, "MANIFEST_INVALID"),
    errors.TagsTooMany: Said(414, "UNSUPPORTED"),
    errors.ChunkOutOfOrder: Said(416, "BLOB_UPLOAD_INVALID"),
    errors.UploadMalformed: Said(400, "BLOB_UPLOAD_INVALID"),
    errors.Unsupported: Said(405, "UNSUPPORTED"),
    errors.PageInvalid: Said(400, "UNSUPPORTED"),
    errors.TextInvalid: Said(400, "UNSUPPORTED"),
    errors.ParameterInvalid: Said(400, "UNSUPPORTED"),
    errors.DocumentInvalid: Said(422, "UNSUPPORTED"),
    errors.PromotionInvalid: Said(422, "UNSUPPORTED"),
    errors.KeyReused: Said(422, "UNSUPPORTED"),
    errors.ArchiveInvalid: Said(422, "UNSUPPORTED"),
    errors.TransferInvalid: Said(422, "UNSUPPORTED"),
    errors.RegistryUnknown: Said(404, "NAME_UNKNOWN"),
    errors.RepositoryUnknown: Said(404, "NAME_UNKNOWN"),
    errors.NameIncomplete: Said(404, "NAME_UNKNOWN"),
    errors.BlobUnknown: Said(404, "BLOB_UNKNOWN"),
    errors.ManifestUnknown: Said(404, "MANIFEST_UNKNOWN"),
    errors.NothingSelected: Said(404, "UNSUPPORTED"),
    errors.ManifestBlobUnknown: Said(404, "MANIFEST_BLOB_UNKNOWN"),
    errors.UploadUnknown: Said(404, "BLOB_UPLOAD_UNKNOWN"),
    errors.PromotionUnknown: Said(404, "UNSUPPORTED"),
    errors.ArchiveUnknown: Said(404, "UNSUPPORTED"),
    errors.StoreUnknown: Said(503, "UNAVAILABLE"),
    errors.TagMoved: Said(412, "DENIED"),
    errors.PlanOutdated: Said(412, "DENIED"),
    errors.TargetsCollide: Said(409, "DENIED"),
    errors.NameTaken: Said(409, "DENIED"),
    errors.RegistryNotEmpty: Said(409, "DENIED"),
    errors.AttachmentsDiffer: Said(409, "DENIED"),
    errors.SparseManifest: Said(409, "DENIED"),
    errors.SparseRefused: Said(409, "DENIED"),
    errors.PurgeRefused: Said(409, "DENIED"),
    errors.UndoRefused: Said(409, "DENIED"),
    errors.UploadBusy: Said(409, "BLOB_UPLOAD_INVALID"),
    errors.StoreExists: Said(409, "DENIED"),
    errors.TagTaken: Said(409, "DENIED"),
    errors.ExportExists: Said(409, "DENIED"),
    errors.StoreBusy: Said(503, "UNAVAILABLE"),
    errors.OutcomeUnknown: Said(503, "UNAVAILABLE"),
    errors.StoreFull: Said(507, "UNAVAILABLE"),
    errors.RecordCorrupt: Said(500, "UNKNOWN"),
    errors.BlobCorrupt: Said(500, "UNKNOWN"),
    errors.FormatUnknown: Said(500, "UNKNOWN"),
    errors.StoreDamaged: Said(500, "UNKNOWN"),
}

_RETRY_SECONDS: Final = b"1"
_FOUND_BUT_FAILED: Final = 500
_MAY_WORK_LATER: Final = frozenset({503, 507})
_FACT_CHARACTERS_MAX: Final = 512


class RequestRefused(Exception):
    """The HTTP of a request is at fault, not what it asks of the engine."""

    def __init__(
        self, status: int, code: str, sentence: str, *, headers: Sequence[Header] = ()
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.headers = tuple(headers)


class TooMany(RequestRefused):
    """A client has as many of something as it may have."""

    def __init__(self, what: str, most: int, limit: str) -> None:
        super().__init__(
            429,
            "TOOMANYREQUESTS",
            f"Your address has {most} {what}, and may have no more ({limit}); send this again when "
            "one of them has ended.",
            headers=[(b"retry-after", _RETRY_SECONDS)],
        )


def kind_of(raised: type[BaseException]) -> type[LiftlockError] | None:
    """Return the class in the table that speaks for what was raised; None for our failures."""
    return next((cls for cls in raised.__mro__ if cls in TABLE), None)


def said(error: BaseException) -> Said:
    """Return how `error` is said to a client of the distribution API.

    What was not foreseen is status 500 and `UNKNOWN`: tell the log why, and the client nothing.

    Source: distribution-spec, "Error Codes" and "Endpoints"; RFC 9110, section 15.
    """
    return said_of(type(error))


def said_of(raised: type[BaseException]) -> Said:
    """Look up how errors of a class are said; see `said`."""
    kind = kind_of(raised)
    return Said(_FOUND_BUT_FAILED, "UNKNOWN") if kind is None else TABLE[kind]


def is_failure(error: BaseException) -> bool:
    """Whether nothing may be told of `error` but where to look for it."""
    return said(error).status == _FOUND_BUT_FAILED


def failure_sentence(request_id: str) -> str:
    """Say where to look for what happened."""
    return f"The server failed. Its log tells why, under request {request_id}."


def log_error(error: BaseException, request_id: str) -> None:
    """Log `error` if it is our failure, or the machine's; what is the client's, it hears."""
    if is_failure(error):
        log.error("request %s failed", request_id, exc_info=error)
    elif isinstance(error, errors.Unavailable):
        is_unknown = isinstance(error, errors.OutcomeUnknown)
        what = "has no known outcome" if is_unknown else "refused"
        log.warning("request %s %s: %s", request_id, what, error)


def error_headers(error: LiftlockError, methods: Iterable[str]) -> list[Header]:
    """Return the headers that HTTP wants beside the error's status.

    Args:
        error: what is said.
        methods: what may still be asked of the same path. RFC 9110, 15.5.6: a 405 names them.
    """
    if isinstance(error, errors.OutcomeUnknown):
        return []  # a client that repeats it by itself would do what we must not
    if said(error).status in _MAY_WORK_LATER:
        return [(b"retry-after", _RETRY_SECONDS)]
    if isinstance(error, errors.Unsupported):
        return [allow_header(methods)]
    return []


def allow_header(methods: Iterable[str]) -> Header:
    """Name the methods that a path takes."""
    return (b"allow", ", ".join(sorted(methods)).encode("ascii"))


def facts_of(error: LiftlockError) -> dict[str, str | int]:
    """Return the error's facts, as far as they are plain and no part of its sentence already.

    What a client sent is cut: it may be as long as its request was.
    """
    return {
        name: fact[:_FACT_CHARACTERS_MAX] if isinstance(fact, str) else fact
        for name, fact in vars(error).items()
        if not name.startswith("_") and name != "reason" and isinstance(fact, str | int)
    }


def weight_of(error: BaseException) -> int:
    """Return how many records saying `error` is a matter of."""
    return sum(map(_weight, error.violations)) if isinstance(error, LiftlockError) else 1


def _weight(error: LiftlockError) -> int:
    if isinstance(error, errors.PlanOutdated) and isinstance(error.promotion, Promotion):
        return len(error.promotion.items) + len(error.promotion.manifests)
    if isinstance(error, ManifestBlobUnknown | errors.SparseManifest | errors.SparseRefused):
        return len(error.missing)
    return 1


def error_answer(error: Exception, request_id: str, methods: Iterable[str] = ()) -> Answer:
    """Say `error` in the spec's envelope, one entry per violation; log what is our failure."""
    if isinstance(error, RequestRefused):
        return _envelope(error.status, [_entry(error.code, str(error), {})], error.headers)
    log_error(error, request_id)
    status, code = said(error)
    if is_failure(error) or not isinstance(error, LiftlockError):
        entry = _entry(code, failure_sentence(request_id), {"request": request_id})
        return _envelope(500, [entry], ())
    entries = [entry for violation in error.violations for entry in _entries(violation)]
    return _envelope(status, entries, error_headers(error, methods))


def _entries(error: LiftlockError) -> Iterator[dict[str, object]]:
    code = said(error).code
    if isinstance(error, ManifestBlobUnknown):
        for digest in error.missing:
            yield _entry(code, f"{error.repository} does not have {digest}.", {"digest": digest})
        return
    yield _entry(code, str(error), facts_of(error))


def _entry(code: str, message: str, detail: Mapping[str, Any]) -> dict[str, object]:  # Any: JSON
    return {"code": code, "message": message, "detail": dict(detail)}


def _envelope(
    status: int, entries: Sequence[Mapping[str, object]], headers: Sequence[Header]
) -> Answer:
    return json_answer(status, msgspec.json.encode({"errors": entries}), headers=headers)
