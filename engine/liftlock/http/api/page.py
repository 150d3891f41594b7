"""The API's page, for people: its description as HTML that needs nothing else, no script either.

It is made of the description alone, so that whatever is said there is said here.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

Json = Mapping[str, Any]  # Any: JSON

_FILES: Final = files("liftlock.http.api")
_STYLE: Final = (_FILES / "page.css").read_text("utf-8")
_HASH: Final = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""What a browser may do with it: show it, with the one style that is in it."""
_QUOTED: Final = re.compile(r"`([^`]*)`")


def page_of(document: Json) -> str:
    """Make the page of an OpenAPI document that this package has made."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "prose": _prose,
        "kind": _kind,
        "command": _command,
        "described": _described,
    }
    template = environment.from_string((_FILES / "page.html").read_text("utf-8"))
    prefix = document["servers"][0]["url"] if "servers" in document else ""
    return template.render(
        document=document,
        style=Markup(_STYLE),  # noqa: S704 - it is a file of this package
        prefix=prefix,
        groups=_groups(document),
        shared=_shared(document),
    )


def _groups(document: Json) -> dict[str, list[Json]]:
    """Group the operations by their nouns, and say of each how else it can be answered."""
    groups: dict[str, list[Json]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            own = {
                status: answer
                for status, answer in operation["responses"].items()
                if "$ref" not in answer
            }
            shared = [status for status in operation["responses"] if status not in own]
            groups.setdefault(operation["tags"][0], []).append(
                {"path": path, "method": method.upper(), "own": own, "shared": shared} | operation
            )
    return groups


def _shared(document: Json) -> dict[str, Json]:
    """Return by its status each answer that several operations share."""
    answers = document["components"]["responses"]
    return {
        status: answers[answer["$ref"].rpartition("/")[2]]
        for operations in document["paths"].values()
        for operation in operations.values()
        for status, answer in sorted(operation["responses"].items())
        if "$ref" in answer
    }


def _prose(text: str) -> Markup:
    """Show what stands in backticks as code."""
    return Markup(_QUOTED.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped first


def _kind(schema: Json) -> Markup:
    """Say what a value is; a document is a link to what is said of it."""
    return Markup(" or ").join(_kinds(schema))


def _kinds(schema: Json) -> Iterator[Markup]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield Markup('<a href="#{0}">{0}</a>').format(name)
    elif "anyOf" in schema:
        for each in schema["anyOf"]:
            yield from _kinds(each)
    elif "enum" in schema:
        for value in schema["enum"]:
            yield escape(json.dumps(value))
    elif schema.get("type") == "array":
        yield Markup("list of {}").format(_kind(schema["items"]))
    elif "minimum" in schema and "maximum" in schema:
        yield Markup("{type}, {minimum} to {maximum}").format(**schema)
    elif schema.get("additionalProperties"):
        yield Markup("object of {}").format(_kind(schema["additionalProperties"]))
    else:
        yield escape(schema.get("type", "anything"))


def _described(operation: Json, document: Json) -> Iterator[tuple[str, str]]:
    """Show what each success looks like, with values as the fields' own examples are."""
    schemas = document["components"]["schemas"]
    for status, answer in operation["own"].items():
        for content in answer.get("content", {}).values():
            if "$ref" in content["schema"] and status.startswith("2"):
                example = _example(content["schema"], schemas, ())
                yield status, json.dumps(example, indent=2, ensure_ascii=False)


def _example(schema: Json, schemas: Json, above: tuple[str, ...]) -> object:
    """Make an example; a document within one of its own kind is left out, or it would not end."""
    if "examples" in schema:
        return schema["examples"][0]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], schemas, above)
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        fields = schemas[name]["properties"].items()
        return {field: _example(value, schemas, (*above, name)) for field, value in fields}
    if schema.get("type") == "array":
        name = schema["items"].get("$ref", "").rpartition("/")[2]
        return [] if name in above else [_example(schema["items"], schemas, above)]
    if "enum" in schema:
        return schema["enum"][0]
    return {"integer": 1, "number": 1.5, "boolean": True, "object": {}}.get(schema["type"], "…")


def _command(operation: Json, prefix: str) -> str:
    """Write the request as somebody would send it with curl."""
    path = operation["path"]
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(parameter["example"]))
    url = f'"$LIFTLOCK{prefix}{path}"'
    if "requestBody" in operation:
        (content,) = operation["requestBody"]["content"].values()
        body = json.dumps(content["example"])
        said = ["-H 'Content-Type: application/json'", f"-d '{body}'"]
        return " \\\n  ".join([f"curl -X {operation['method']} {url}", *said])
    return f"curl {url}" if operation["method"] == "GET" else f"curl -X DELETE {url}"
