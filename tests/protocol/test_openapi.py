"""The API's description: valid, complete, the same in three places, and true of what is read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import msgspec
import openapi_spec_validator
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftlock.config import Limits
from liftlock.documents import form
from liftlock.errors import LiftlockError
from liftlock.http.api import page
from liftlock.http.api.openapi import document_of, refusals_of
from liftlock.http.api.table import ENDPOINTS
from liftlock.http.remedies import REMEDIES
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, RepositoryName, parse_registry, parse_tag

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = document_of(ENDPOINTS)
OPERATIONS = {
    operation["operationId"]: operation
    for operations in DOCUMENT["paths"].values()
    for operation in operations.values()
}


def test_it_is_a_valid_description():
    openapi_spec_validator.validate(DOCUMENT)


def test_it_is_served_to_whoever_does_not_have_it(server):
    answer = server.http.get("/api/v1/openapi.json")
    assert answer.json() == DOCUMENT
    known = {"If-None-Match": answer.headers["etag"]}
    again = server.http.get("/api/v1/openapi.json", headers=known)
    assert (again.status_code, again.content) == (304, b"")


def test_it_says_where_it_is_behind_a_proxy(prefixed):
    (place,) = prefixed.http.get("/a/registry/api/v1/openapi.json").json()["servers"]
    assert place["url"] == "/a/registry"
    assert prefixed.http.get(place["url"] + "/api/v1/stats").status_code == 200
    assert "$LIFTLOCK/a/registry/api/v1/stats" in prefixed.http.get("/api").text


def test_the_copy_in_docs_is_the_same():
    """If it is not: python -m liftlock.http.api > docs/openapi.json."""
    printed = subprocess.run(
        [sys.executable, "-m", "liftlock.http.api"],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (DOCS / "openapi.json").read_text() == printed


def row(endpoint) -> str:
    """An endpoint, as the reference has it."""
    method = "GET, HEAD" if endpoint.method == "GET" else endpoint.method
    names = "&".join(f"{field.name}=" for field in msgspec.structs.fields(endpoint.query))
    query = f"?{names}" if names else ""
    success = "; ".join(
        f"{status} {reply.sentence[0].lower()}{reply.sentence[1:].rstrip('.')}"
        + (f": `{reply.document.__name__}`" if reply.document else "")
        for status, reply in endpoint.replies.items()
    )
    refusals = "; ".join(
        f"{status} " + ", ".join(f"`{rule}`" for rule in rules)
        for status, rules in refusals_of(endpoint).items()
    )
    return f"| `{method} /api/v1/{endpoint.path}{query}` | {success} | {refusals} |"


def test_the_reference_has_every_endpoint_as_it_is():
    page = (DOCS / "http.md").read_text()
    rows = re.findall(r"^\| `[A-Z, ]+ /api/v1/.*$", page, re.MULTILINE)
    assert rows == [row(endpoint) for endpoint in ENDPOINTS]


def test_each_error_of_an_endpoint_says_what_to_do():
    own = {kind for endpoint in ENDPOINTS for kind in endpoint.errors}
    assert own <= REMEDIES.keys()


def test_names_of_operations_are_unique():
    assert len(OPERATIONS) == len(ENDPOINTS)


def test_what_an_answer_leads_to_is_there():
    for operation in OPERATIONS.values():
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                parameters = OPERATIONS[link["operationId"]]["parameters"]
                assert link["parameters"].keys() <= {each["name"] for each in parameters}


@pytest.mark.parametrize(
    "endpoint",
    [each for each in ENDPOINTS if each.body.form],
    ids=lambda endpoint: endpoint.name,
)
def test_an_example_of_a_request_is_one(endpoint):
    example = endpoint.body.example
    endpoint.body.read(example, Limits())
    schema = {"$ref": f"#/components/schemas/{endpoint.body.form.__name__}"}
    jsonschema.validate(example, schema | {"components": DOCUMENT["components"]})


def test_examples_of_parameters_fit_their_schemas():
    for operation in OPERATIONS.values():
        for parameter in operation.get("parameters", ()):
            if "example" in parameter:
                jsonschema.validate(parameter["example"], parameter["schema"])


PARSERS = {
    "RegistryText": parse_registry,
    "RepositoryText": RepositoryName.parse,
    "TagText": parse_tag,
    "DigestText": Digest.parse,
    "ImageText": Reference.parse,
}
parts = st.sampled_from(
    ["a", "b0", "A", "_", "__", "___", ".", "..", "-", "--", "/", ":", "@", "", "\n"]
)
texts = st.lists(
    parts | st.sampled_from([form.EXAMPLE_DIGEST, f"sha512:{'0' * 128}", "x" * 65, "y" * 129]),
    max_size=9,
).map("".join)


@pytest.mark.parametrize("name", PARSERS)
@given(text=texts)
def test_a_pattern_is_the_grammar(name, text):
    """Of a name's parts alone the length is not said: no pattern could without a riddle."""
    (schema,), _ = msgspec.json.schema_components([getattr(form, name)])
    fits = len(text) <= schema.get("maxLength", len(text))
    # ECMA's `$`, by which JSON Schema goes, is the end itself; Python's lets a newline follow.
    fits = fits and re.search(schema["pattern"].replace("$", r"\Z"), text) is not None
    is_name, is_part_long = False, False
    try:
        parsed = PARSERS[name](text)
    except LiftlockError as error:
        is_part_long = any(most in str(error) for most in ("64 characters", "255 characters"))
    else:
        is_name = not isinstance(parsed, Reference) or bool(parsed.tag or parsed.digest)
    assert fits == is_name or is_part_long


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_an_answer_looks_like_fits_its_schema(name):
    operation = OPERATIONS[name]
    shown = page._described({"own": operation["responses"]}, DOCUMENT)
    for status, text in shown:
        (content,) = operation["responses"][status]["content"].values()
        schema = content["schema"] | {"components": DOCUMENT["components"]}
        jsonschema.validate(json.loads(text), schema)


class Page(HTMLParser):
    """What a page has: its tags, the places that links lead to, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        named = dict(attrs)
        self.ids += [named["id"]] if "id" in named else []
        self.links += [text for name, text in attrs if name in {"href", "src", "action"}]

    def handle_data(self, data):
        self.text += data


def test_the_page_has_all_that_the_description_has():
    shown = Page(page.page_of(DOCUMENT))
    text = " ".join(shown.text.split())
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            assert f"{method.upper()} {path}" in text
            assert operation["operationId"] in shown.ids
            for parameter in operation.get("parameters", ()):
                assert parameter["description"].replace("`", "") in text
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert name in shown.ids
        for field in schema["properties"]:
            assert field in text


def test_the_page_needs_nothing_but_itself(server):
    answer = server.http.get("/api")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    shown = Page(answer.text)
    assert shown.tags.isdisjoint({"script", "link", "img", "iframe", "form", "object"})
    assert "style=" not in answer.text
    assert "url(" not in answer.text
    assert len(shown.ids) == len(set(shown.ids))
    inside = {link[1:] for link in shown.links if link.startswith("#")}
    assert inside <= set(shown.ids)
    assert {link for link in shown.links if not link.startswith("#")} == {"/api/v1/openapi.json"}
    known = {"If-None-Match": answer.headers["etag"]}
    assert server.http.get("/api", headers=known).status_code == 304
    assert server.http.get("/api/").content == answer.content


def test_what_is_said_in_the_description_cannot_be_markup():
    document = json.loads(json.dumps(DOCUMENT))
    document["info"]["description"] = "<script>`<b>`"
    shown = Page(page.page_of(document))
    assert "<script>" in shown.text
    assert shown.tags.isdisjoint({"script", "b"})
