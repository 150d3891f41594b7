"""The API's description, OpenAPI 3.1: made of the endpoints, and of the types that read and write.

It is made from the same values as answers are, so that it has nothing of its own to be wrong about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from liftlock.documents import ItemDocument, ProblemDocument
from liftlock.documents.form import (
    DigestText,
    ImageText,
    NameText,
    RegistryText,
    RepositoryText,
    TagText,
)
from liftlock.http.api.endpoint import ROOT, AnyEndpoint, Headers, Reply
from liftlock.http.api.queries import described
from liftlock.http.problems import PROBLEM_JSON, rule_named, status_of

Json = dict[str, Any]  # Any: JSON

_REFERENCES: Final = "#/components/schemas/{name}"
_JSON: Final = "application/json"
_SLASHES: Final = " Its slashes may stand as they are, or be percent-encoded."
_PARTS: Final[Mapping[str, object]] = {
    "registry": RegistryText,
    "repository": RepositoryText,
    "tag": TagText,
    "reference": ImageText,
    "name": NameText,
    "digest": DigestText,
    "number": Annotated[
        int, Meta(description="A promotion's number.", examples=[1], ge=1, le=10**18 - 1)
    ],
}
"""The usual parameters of a path."""
_CONDITION: Final = {
    "type": "string",
    "pattern": r'^(?:\*|(?:W/)?"[!#-~]*"(?:, (?:W/)?"[!#-~]*")*)$',
}
_ASKED: Final[Mapping[str, Json]] = {
    "If-Match": {
        "description": "Only if it is at one of these digests, in quotes; `*`: if it is there. "
        "Else 412.",
        "schema": _CONDITION,
    },
    "If-None-Match": {
        "description": "Only if it is at none of these digests, in quotes; `*`: if it is absent. "
        "Else 412.",
        "schema": _CONDITION,
    },
    "Idempotency-Key": {
        "description": "For a day, the same request under the same key is answered as it was the "
        "first time; another one under it is 422.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
}
_ANSWERED: Final[Mapping[str, str]] = {
    "Accept": "What the body has to be.",
    "Allow": "What the path takes.",
    "ETag": "The digest in quotes; of this description, that of its bytes.",
    "Link": "The next page, as `rel=next`; absent on the last one.",
    "Location": "Where what was made is shown.",
    "Retry-After": "Seconds.",
    "X-Request-Id": "The client's own, or one made here; log lines bear it.",
}
SHARED: Final[Mapping[int, str]] = {
    400: "The request is not clear, or its query is refused (`parameter-invalid`).",
    414: "Path and query are too long.",
    429: "The client's address has too much under way.",
    431: "The header fields are too long.",
    500: "The server failed; its log tells why.",
    503: "The store cannot be used right now (`store-busy`); or nobody knows whether a promotion "
    "is done (`outcome-unknown`): then there is no Retry-After.",
}
"""What every endpoint can answer, besides."""
OF_BODIES: Final[Mapping[int, str]] = {
    408: "The body stalled.",
    413: "The body is too long.",
    415: "The body is said to be no JSON.",
}
OF_CHANGES: Final[Mapping[int, str]] = {507: "There is no room left (`store-full`)."}
_WITH: Final[Mapping[int, str]] = {
    405: "Allow",
    415: "Accept",
    429: "Retry-After",
    503: "Retry-After",
    507: "Retry-After",
}


def document_of(endpoints: Sequence[AnyEndpoint], prefix: str = "") -> Json:
    """Describe endpoints, which a client finds below `prefix`."""
    types: set[type[msgspec.Struct]] = {ProblemDocument, ItemDocument}
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        types |= {reply.document for reply in endpoint.replies.values() if reply.document}
        types |= {endpoint.body.form} if endpoint.body.form else set()
        operations = paths.setdefault(ROOT + endpoint.path, {})
        operations[endpoint.method.lower()] = _operation(endpoint)
    ordered = sorted(types, key=lambda each: each.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_REFERENCES)
    shared = {**SHARED, **OF_BODIES, **OF_CHANGES}
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Liftlock",
            "version": "1",
            "summary": "Promote container images between registries without moving a byte",
            "description": "Names are `registry[/repository][:tag][@digest]` everywhere. Instants "
            "are RFC 3339 in UTC. HEAD is answered wherever GET is. A refusal is a problem (RFC "
            "9457) that names every rule which is broken, and changes nothing.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        **({"servers": [{"url": prefix}]} if prefix else {}),
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "headers": {
                name: {"description": text, "schema": {"type": "string"}}
                for name, text in _ANSWERED.items()
            },
            "responses": {_phrase(each): _refusal(each, text) for each, text in shared.items()},
        },
    }


def refusals_of(endpoint: AnyEndpoint) -> dict[int, list[str]]:
    """Return the rules that a request to the endpoint itself can break, by status."""
    rules: dict[int, list[str]] = {}
    for kind in sorted(endpoint.errors, key=lambda kind: (status_of(kind), kind.__name__)):
        rules.setdefault(status_of(kind), []).append(rule_named(kind))
    return rules


def _operation(endpoint: AnyEndpoint) -> Json:
    shared = dict(SHARED)
    shared |= OF_BODIES if endpoint.body.form else {}
    shared |= {} if endpoint.method == "GET" else OF_CHANGES
    answers = {each: {"$ref": f"#/components/responses/{_phrase(each)}"} for each in shared}
    for status, rules in refusals_of(endpoint).items():
        answers[status] = _refusal(status, f"{_listed(rules)}.")
    answers |= {status: _reply(reply) for status, reply in endpoint.replies.items()}
    operation: Json = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [endpoint.noun],
    }
    if endpoint.detail:
        operation["description"] = endpoint.detail
    parameters = [*_path(endpoint), *_query(endpoint), *_headers(endpoint.headers)]
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body.form is not None:
        content = {"schema": _reference(endpoint.body.form), "example": endpoint.body.example}
        operation["requestBody"] = {
            "required": endpoint.body.is_required,
            "content": {_JSON: content},
        }
    operation["responses"] = {str(status): answers[status] for status in sorted(answers)}
    return operation


def _path(endpoint: AnyEndpoint) -> Iterable[Json]:
    types = {**_PARTS, **endpoint.parts}
    for name in endpoint.parameters:
        parameter = _parameter(name, "path", types[name])
        if "/" in str(parameter.get("example")):
            parameter["description"] += _SLASHES
        yield parameter | {"required": True}


def _query(endpoint: AnyEndpoint) -> Iterable[Json]:
    for field in msgspec.structs.fields(endpoint.query):
        yield _parameter(field.name, "query", field.type)


def _headers(taken: Headers) -> Iterable[Json]:
    names = ["If-Match", "If-None-Match"] if taken.conditions else []
    names += ["Idempotency-Key"] if taken.idempotency_key else []
    for name in names:
        yield {"name": name, "in": "header", **_ASKED[name]}
    if taken.if_none_match:
        yield {
            "name": "If-None-Match",
            "in": "header",
            "description": "Entity tags that the client has: 304 if it still is one of them.",
            "schema": {"type": "string"},
        }


def _parameter(name: str, place: str, kind: object) -> Json:
    (schema,), _ = msgspec.json.schema_components([described(kind)], ref_template=_REFERENCES)
    parameter: Json = {
        "name": name,
        "in": place,
        "description": schema.pop("description"),
        "schema": schema,
    }
    if "examples" in schema:
        parameter["example"] = schema.pop("examples")[0]
    return parameter


def _reply(reply: Reply) -> Json:
    answer: Json = {"description": reply.sentence, "headers": _answered(*reply.headers)}
    if reply.document is not None:
        answer["content"] = {_JSON: {"schema": _reference(reply.document)}}
    elif reply.is_json:
        answer["content"] = {_JSON: {"schema": {"type": "object"}}}
    if reply.leads:
        answer["links"] = {
            name: {"operationId": name, "parameters": dict(parameters)}
            for name, parameters in reply.leads.items()
        }
    return answer


def _refusal(status: int, sentence: str) -> Json:
    return {
        "description": sentence,
        "headers": _answered(*([_WITH[status]] if status in _WITH else [])),
        "content": {PROBLEM_JSON.decode(): {"schema": _reference(ProblemDocument)}},
    }


def _answered(*names: str) -> Json:
    return {
        name: {"$ref": f"#/components/headers/{name}"} for name in sorted({*names, "X-Request-Id"})
    }


def _reference(document: type[msgspec.Struct]) -> Json:
    return {"$ref": _REFERENCES.format(name=document.__name__)}


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase.replace(" ", "").replace("-", "")


def _listed(rules: Sequence[str]) -> str:
    return ", ".join(f"`{rule}`" for rule in rules)
