"""Manifests: whatever comes is judged, never a crash; what is admitted means one thing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftlock.errors import ManifestInvalid
from liftlock.oci import manifest as manifests
from liftlock.oci import mediatype
from liftlock.oci.digest import ALGORITHMS, Digest

DEPTH = 16

types = st.sampled_from(
    [
        mediatype.OCI_MANIFEST,
        mediatype.OCI_INDEX,
        mediatype.DOCKER_MANIFEST,
        mediatype.DOCKER_LIST,
        "application/vnd.custom",
        *mediatype.SCHEMA_1,
    ]
)
digests = st.builds(
    lambda content, algorithm: str(Digest.of(content, algorithm)),
    st.binary(max_size=1),
    st.sampled_from(ALGORITHMS),
)
layer_types = st.sampled_from(
    [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "",
    ]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
annotations = st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2)
descriptors = st.fixed_dictionaries(
    {"digest": digests, "size": st.integers(0, 2**40), "mediaType": layer_types},
    optional={
        "annotations": annotations,
        "artifactType": st.text(max_size=4),
        "platform": st.fixed_dictionaries(
            {"os": st.sampled_from(["linux", "windows"]), "architecture": st.text(max_size=3)}
        ),
        "urls": st.just(["https://example.com"]),
        "data": st.just("e30="),
    },
)
anything_but = documents | descriptors
images = st.fixed_dictionaries(
    {
        "schemaVersion": st.just(2),
        "config": descriptors,
        "layers": st.lists(descriptors, max_size=4),
    },
    optional={
        "mediaType": types,
        "artifactType": st.text(max_size=5),
        "subject": descriptors,
        "annotations": annotations,
        "extension": documents,
    },
)
indexes = st.fixed_dictionaries(
    {"schemaVersion": st.just(2), "manifests": st.lists(descriptors, max_size=4)},
    optional={
        "mediaType": types,
        "artifactType": st.text(max_size=5),
        "subject": descriptors,
        "annotations": annotations,
    },
)
KEYS = (
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "blobs",
    "manifests",
    "subject",
    "annotations",
)
nonsense = st.dictionaries(st.sampled_from(KEYS), anything_but, max_size=6)
content_types = st.none() | types


@st.composite
def nearly_right(draw: st.DrawFn) -> Any:
    """A manifest with something exchanged somewhere in it."""
    document = draw(images | indexes)
    key = draw(st.sampled_from(KEYS))
    document[key] = draw(anything_but)
    if draw(st.booleans()) and isinstance(document.get("layers"), list):
        document["layers"] = [*document["layers"], draw(anything_but)]
    return document


def parse(body: bytes, content_type: str | None = None) -> manifests.Manifest | None:
    """Judge it; None if it is refused. Nothing else may happen."""
    try:
        return manifests.parse(body, content_type, depth_max=DEPTH)
    except ManifestInvalid:
        return None


def assert_one_meaning(body: bytes, found: manifests.Manifest) -> None:
    """What was admitted is read the same way ever after, by both readers."""
    assert manifests.decode(body, found.media_type) == found
    assert manifests.decode_edges(body) == found.edges


@given(st.binary(max_size=200), content_types)
def test_any_bytes_are_judged(body: bytes, content_type: str | None) -> None:
    found = parse(body, content_type)
    if found:
        assert_one_meaning(body, found)


@given(documents | nonsense, content_types)
def test_any_json_is_judged(document: object, content_type: str | None) -> None:
    body = json.dumps(document).encode()
    found = parse(body, content_type)
    if found:
        assert_one_meaning(body, found)


@given(nearly_right(), content_types)
def test_what_is_nearly_a_manifest_is_judged(document: object, content_type: str | None) -> None:
    body = json.dumps(document).encode()
    found = parse(body, content_type)
    if found:
        assert_one_meaning(body, found)


@given(images | indexes, st.sampled_from([None, 1, "\t"]))
def test_an_image_and_an_index_mean_what_they_say(document: dict, indent: object) -> None:
    """E8: whatever the white space."""
    document.pop("mediaType", None)
    body = json.dumps(document, indent=indent).encode() + b"\n"
    found = parse(body)
    assert found is not None
    assert_one_meaning(body, found)
    children = [d["digest"] for d in document.get("manifests", ())]
    assert [str(child.digest) for child in found.children] == list(dict.fromkeys(children))
    named = [document["config"]] if "config" in document else []
    named += document.get("layers", ())
    foreign = [d["digest"] for d in named if mediatype.is_foreign(d["mediaType"])]
    needed = [d["digest"] for d in named if not mediatype.is_foreign(d["mediaType"])]
    assert set(found.edges.blobs) == {Digest.parse(d).key for d in needed}
    assert set(found.edges.foreign) == {Digest.parse(d).key for d in foreign if d not in needed}
    subject = document.get("subject")
    assert found.edges.subject == (Digest.parse(subject["digest"]).key if subject else None)


@given(images | indexes, st.data())
def test_a_key_that_we_act_upon_may_not_stand_twice(document: dict, data: st.DataObject) -> None:
    """Decision 13: two readers may each take another."""
    document.pop("mediaType", None)
    key = data.draw(st.sampled_from(sorted(document.keys() & {*KEYS})))
    once = json.dumps(document)
    again = json.dumps({key: document[key]})
    doubled = f"{once[:-1]}, {again[1:]}".encode()
    assert parse(once.encode()) is not None
    with pytest.raises(ManifestInvalid, match="twice"):
        manifests.parse(doubled, None, depth_max=DEPTH)


@given(images, st.sampled_from(["digest", "size", "mediaType"]), st.data())
def test_a_descriptors_key_may_not_stand_twice(
    document: dict, key: str, data: st.DataObject
) -> None:
    """Decision 13: also by another spelling of the key."""
    document.pop("mediaType", None)
    spelt = data.draw(st.sampled_from([json.dumps(key), f'"\\u{ord(key[0]):04x}{key[1:]}"']))
    value = json.dumps(document["config"][key])
    config = json.dumps(document["config"])
    text = json.dumps(document)
    doubled = text.replace(config, f"{config[:-1]}, {spelt}: {value}}}", 1)
    with pytest.raises(ManifestInvalid, match="twice"):
        manifests.parse(doubled.encode(), None, depth_max=DEPTH)


@given(images)
def test_other_keys_may_stand_twice(document: dict) -> None:
    """Decision 13: they pass, and come back as they came."""
    document.pop("mediaType", None)
    text = json.dumps(document)
    assert parse(f'{text[:-1]}, "x": 1, "x": 2}}'.encode()) is not None


@given(images, indexes)
def test_nothing_is_an_image_and_an_index_at_once(image: dict, index: dict) -> None:
    """Decision 13."""
    assert parse(json.dumps(image | index).encode()) is None


@pytest.mark.parametrize("bracket", ["[]", "{}"])
def test_depth_is_bounded(bracket: str) -> None:
    def nested(levels: int) -> bytes:
        opening, closing = ("[", "]") if bracket == "[]" else ('{"x": ', "}")
        inner = opening * (levels - 1) + "1" + closing * (levels - 1)
        return f'{{"schemaVersion": 2, "manifests": [], "x": {inner}}}'.encode()

    assert parse(nested(DEPTH)) is not None
    for levels in (DEPTH + 1, DEPTH + 2, 2000, 200_000):
        with pytest.raises(ManifestInvalid):
            manifests.parse(nested(levels), None, depth_max=DEPTH)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"NaN",
        b'{"schemaVersion": NaN}',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"schemaVersion": 2, "manifests": [], "x": "\\ud800"}',
        b'{"schemaVersion": 2, "manifests": [], "x": 1e999}',
        b'{"schemaVersion": 2, "manifests": []} {}',
        b'{"schemaVersion": 2.0, "manifests": []}',
        b'{"schemaVersion": 2, "manifests": [], "x": ' + b"9" * 5000 + b"}",
        b'{"schemaVersion": ' + b"9" * 5000 + b', "manifests": []}',
    ],
)
def test_odd_text_is_judged(text: bytes) -> None:
    found = parse(text)
    if found:
        assert_one_meaning(text, found)


@pytest.mark.parametrize("key", ["Manifests", "LAYERS", "layer\u017f", "Subject", "mediatype"])
def test_a_known_key_in_another_case_is_refused(key: str) -> None:
    """Clients in Go read keys in any case: an index to them would be an image to us."""
    config = {"mediaType": "a/b", "digest": str(Digest.of(b"")), "size": 0}
    document = {"schemaVersion": 2, "config": config, "layers": [], key: []}
    with pytest.raises(ManifestInvalid, match="another case"):
        manifests.parse(json.dumps(document).encode(), None, depth_max=DEPTH)


def test_an_unknown_key_may_be_written_in_any_way() -> None:
    """E8."""
    config = {"mediaType": "a/b", "digest": str(Digest.of(b"")), "size": 0}
    document = {"schemaVersion": 2, "config": config, "layers": [], "Other": 1, "other": 2}
    manifests.parse(json.dumps(document).encode(), None, depth_max=DEPTH)
