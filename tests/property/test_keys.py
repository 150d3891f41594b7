"""Keys go round, and sort as what they are made of."""

from __future__ import annotations

import string
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from liftlock.metadata import keys
from liftlock.oci.digest import ALGORITHMS, Digest

ids = st.integers(0, 2**64 - 1) | st.integers(0, 300)
tags = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=8)
names = st.text(string.ascii_lowercase + string.digits + "/.-_", min_size=1, max_size=8)
digests = st.builds(Digest.of, st.binary(max_size=1), st.sampled_from(ALGORITHMS)).map(
    lambda digest: digest.key
)
kinds = st.sampled_from([keys.MANIFEST, keys.BLOB])
held = digests.map(keys.held_manifest) | st.builds(
    keys.held_blob, st.integers(1, 2**64 - 1).map(keys.id_key), digests
)
holders = (
    st.just(keys.BY_HOLD)
    | tags.map(lambda tag: keys.BY_TAG + tag.encode())
    | st.builds(keys.by_parent, ids, digests)
    | digests.map(lambda digest: keys.BY_SUBJECT + digest)
)
hashes = st.binary(min_size=16, max_size=16)


beginnings = (tags | st.just("")).map(lambda end: lambda text: text + end)
"""What makes one text the beginning of another, or the same."""


@given(st.lists(ids))
def test_ids_sort_as_numbers(numbers: list[int]) -> None:
    assert sorted(map(keys.id_key, numbers)) == list(map(keys.id_key, sorted(numbers)))
    assert [keys.first_id(keys.id_key(number)) for number in numbers] == numbers


@given(ids, held, holders)
def test_a_holder_goes_round(repository: int, held: bytes, holder: bytes) -> None:
    key = keys.holder_key(repository, held, holder)
    assert keys.split_holder(key) == (held, keys.GRANTS, holder)
    assert keys.first_id(key) == repository
    assert key.startswith(keys.granting_prefix(repository, held))
    assert keys.holder_keys(repository, [held], holder) == [key]
    prefix = keys.granting_prefix(repository, held)
    assert keys.granting_prefixes(repository, [held]) == [prefix]


@given(digests, ids)
def test_what_is_held_says_what_it_is(digest: bytes, number: int) -> None:
    blob, manifest = keys.held_blob(keys.id_key(number), digest), keys.held_manifest(digest)
    assert [keys.held_kind(each) for each in (blob, manifest)] == [keys.BLOB, keys.MANIFEST]
    assert [keys.held_digest(each) for each in (blob, manifest)] == [digest, digest]


@given(ids, kinds, digests, holders)
def test_a_row_that_only_names_goes_round(
    repository: int, kind: bytes, digest: bytes, holder: bytes
) -> None:
    key = keys.naming_key(repository, kind, digest, holder)
    row = keys.split_holder(key)
    assert (row.kind, row.digest, row.grant, row.holder) == (kind, digest, keys.NAMES_ONLY, holder)
    assert row.number == (keys.NO_NUMBER if kind == keys.BLOB else b"")
    assert key.startswith(keys.naming_prefix(repository, kind, digest))
    assert key.startswith(keys.named_blobs_prefix(repository)) is (kind == keys.BLOB)


@given(ids, held, held, holders)
def test_what_only_names_grants_nothing(
    repository: int, one: bytes, other: bytes, holder: bytes
) -> None:
    """Nor does what grants one blob or manifest grant another."""
    named = keys.naming_key(repository, keys.held_kind(one), keys.held_digest(one), holder)
    prefix = keys.granting_prefix(repository, other)
    assert not named.startswith(prefix)
    assert keys.holder_key(repository, one, holder).startswith(prefix) is (one == other)


@given(ids, digests, ids, digests)
def test_parents_sort_by_the_event_of_their_links(
    event: int, digest: bytes, later: int, other: bytes
) -> None:
    one, two = keys.by_parent(event, digest), keys.by_parent(later, other)
    assert keys.split_parent(one) == (event, digest)
    assert (one < two) is ((event, digest) < (later, other))


@given(ids, digests, hashes, digests)
def test_a_referrer_goes_round(
    number: int, subject: bytes, artifact_type: bytes, digest: bytes
) -> None:
    key = keys.referrer_key(number, subject, artifact_type, digest)
    assert keys.split_referrer(key) == (subject, artifact_type, digest)
    assert keys.first_id(key) == number
    assert key.startswith(keys.referrers_prefix(number, subject, artifact_type))
    assert key.startswith(keys.referrers_prefix(number, subject))


@given(ids, ids, st.just("") | tags, digests)
def test_an_item_goes_round(event: int, repository: int, tag: str, digest: bytes) -> None:
    key = keys.item_key(event, repository, tag, digest)
    assert keys.split_item(key) == (event, repository, tag)
    assert key.endswith(digest) or tag


@given(ids, tags, beginnings, ids, ids)
def test_the_history_of_a_tag_is_its_own_range_in_order(
    repository: int, tag: str, begin: Callable[[str], str], one: int, two: int
) -> None:
    other = begin(tag)
    first, second = (keys.tag_history_key(repository, tag, event) for event in (one, two))
    assert (first < second) is (one < two)
    assert keys.last_id(first) == one
    is_own = keys.tag_history_key(repository, other, one).startswith(
        keys.tag_history_prefix(repository, tag)
    )
    assert is_own is (tag == other)


@given(ids, names, beginnings, ids, ids)
def test_the_log_of_a_name_is_its_own_range_in_order(
    registry: int, name: str, begin: Callable[[str], str], one: int, two: int
) -> None:
    other = begin(name)
    first, second = (keys.names_log_key(registry, name, event) for event in (one, two))
    assert (first < second) is (one < two)
    assert (keys.first_id(first), keys.last_id(first)) == (registry, one)
    is_own = keys.names_log_key(registry, other, one).startswith(
        keys.names_log_prefix(registry, name)
    )
    assert is_own is (name == other)


@given(ids, ids, st.lists(tags), digests)
def test_rows_of_one_repository_are_one_range(
    repository: int, other: int, some: list[str], digest: bytes
) -> None:
    prefix = keys.id_key(repository)
    rows = [
        *(keys.tag_key(repository, tag) for tag in some),
        keys.link_key(repository, digest),
        keys.repository_history_key(repository, other),
        keys.name_key(repository, "name"),
    ]
    assert all(row.startswith(prefix) for row in rows)
    assert keys.tag_key(other, "1").startswith(prefix) is (other == repository)
    assert sorted(some) == [
        key[8:].decode() for key in sorted(keys.tag_key(repository, tag) for tag in some)
    ]
