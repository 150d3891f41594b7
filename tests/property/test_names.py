"""Digests, names, tags and references: the grammar, and that text goes round."""

from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftlock import Digest, Reference, RepositoryName, Target
from liftlock.errors import DigestInvalid, NameIncomplete, NameInvalid
from liftlock.oci.digest import ALGORITHMS, key_length, key_of
from liftlock.oci.reference import parse_registry, parse_tag

WORD = string.ascii_lowercase + string.digits
TAG = string.ascii_letters + string.digits + "_"

words = st.text(WORD, min_size=1, max_size=6)
joints = st.sampled_from([".", "_", "__", "-", "--", "-----"])


@st.composite
def components(draw: st.DrawFn) -> str:
    """A path component: words with joints between them."""
    text = draw(words)
    for _ in range(draw(st.integers(0, 2))):
        text += draw(joints) + draw(words)
    return text


repositories = st.lists(components(), min_size=1, max_size=4).map("/".join)
names = st.builds(RepositoryName, components(), repositories)
tags = st.builds(str.__add__, st.sampled_from(TAG), st.text(TAG + ".-", max_size=127))
digests = st.builds(Digest.of, st.binary(max_size=8), st.sampled_from(ALGORITHMS))
references = st.builds(Reference, names, st.none() | tags, st.none() | digests).filter(
    lambda reference: reference.tag or reference.digest
)
anything = st.text(max_size=40) | st.text(WORD + "./:@_-\n A", max_size=40)


@given(digests)
def test_a_digest_goes_round(digest: Digest) -> None:
    assert Digest.parse(str(digest)) == digest
    assert key_of(str(digest)) == digest.key
    assert len(digest.key) == key_length(digest.key[0])
    assert str(digest) == f"{digest.algorithm}:{digest.hex}"


@given(digests, digests)
def test_no_digest_key_is_a_prefix_of_another(one: Digest, other: Digest) -> None:
    assert one == other or not one.key.startswith(other.key)


@given(digests, st.data())
def test_a_digest_with_anything_changed_is_another_or_refused(
    digest: Digest, data: st.DataObject
) -> None:
    text = str(digest)
    at = data.draw(st.integers(0, len(text)))
    instead = data.draw(st.text(string.printable, max_size=2))
    changed = text[:at] + instead + text[at + data.draw(st.integers(0, 2)) :]
    try:
        assert str(Digest.parse(changed)) == changed
    except DigestInvalid:
        assert changed != text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        "sha256:" + "0" * 63,
        "sha256:" + "0" * 65,
        "sha256:" + "A" * 64,
        "sha256:" + "0" * 64 + "\n",
        "sha512:" + "0" * 64,
        "md5:" + "0" * 32,
        "sha256:" + "\u0660" * 64,
        " sha256:" + "0" * 64,
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    """E37."""
    with pytest.raises(DigestInvalid):
        Digest.parse(text)


@given(names)
def test_a_name_goes_round(name: RepositoryName) -> None:
    assert RepositoryName.parse(str(name)) == name
    assert parse_registry(name.registry) == name.registry


@given(references)
def test_a_reference_goes_round(reference: Reference) -> None:
    assert Reference.parse(str(reference)) == reference


@given(tags)
def test_a_tag_goes_round(tag: str) -> None:
    assert parse_tag(tag) == tag


@given(names, st.none() | tags)
def test_a_target_goes_round(name: RepositoryName, tag: str | None) -> None:
    suffix = f":{tag}" if tag else ""
    assert Target.parse(f"{name}{suffix}") == Target(name.registry, name.repository, tag)
    assert Target.parse(f"{name.registry}{suffix}") == Target(name.registry, None, tag)


@given(anything)
def test_whatever_is_read_is_read_whole_or_refused(text: str) -> None:
    for parse in (Digest.parse, RepositoryName.parse, Reference.parse, parse_tag, parse_registry):
        with suppress(NameInvalid, NameIncomplete, DigestInvalid):
            assert str(parse(text)) == text
    with suppress(NameInvalid, NameIncomplete):
        Target.parse(text)


@pytest.mark.parametrize(
    "tag",
    ["", ".x", "-x", "a" * 129, "a b", "a/b", "a:b", "a@b", "é", "a\n", "\n", "a\x00", "\uff41"],
)
def test_what_is_no_tag_is_refused(tag: str) -> None:
    """E20."""
    with pytest.raises(NameInvalid):
        parse_tag(tag)


@pytest.mark.parametrize("tag", ["a" * 128, "_x", "A", "1", "v1.0-rc_1", "__", "a..b"])
def test_what_is_a_tag_is_taken(tag: str) -> None:
    """E20."""
    assert parse_tag(tag) == tag


@pytest.mark.parametrize(
    "name",
    [
        "dev/App",
        "dev/a..b",
        "dev/a___b",
        "dev/-a",
        "dev/a-",
        "dev/a._b",
        "dev//a",
        "/dev/a",
        "dev/a/",
        "dev/a\n",
        "dev/..",
        "dev/é",
        "a" * 65 + "/a",
        "dev/" + "a" * 252,
        "Dev/a",
        "",
    ],
)
def test_what_is_no_name_is_refused(name: str) -> None:
    """E20."""
    with pytest.raises(NameInvalid):
        RepositoryName.parse(name)


@pytest.mark.parametrize(
    "name", ["dev/a__b", "dev/a--b", "dev/a---b.c_d", "a" * 64 + "/a", "dev/" + "a" * 251, "0/0"]
)
def test_what_is_a_name_is_taken(name: str) -> None:
    """E20."""
    assert str(RepositoryName.parse(name)) == name


def test_one_component_names_no_repository() -> None:
    with pytest.raises(NameIncomplete):
        RepositoryName.parse("dev")
