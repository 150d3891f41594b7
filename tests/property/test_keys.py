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
grants = st.sampled_from([keys.GRANTS, keys.NAMES_ONLY])
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


@given(ids, kinds, digests, grants, holders)
def test_a_holder_goes_round(
    number: int, kind: bytes, digest: bytes, grant: bytes, holder: bytes
) -> None:
    key = keys.holder_key(number, kind, digest, grant, holder)
    assert keys.split_holder(key) == (number, kind, digest, grant, holder)
    assert key.startswith(keys.held_prefix(number, kind, digest) + grant)
    assert key.startswith(keys.granting_prefix(number, kind, digest)) is (grant == keys.GRANTS)
    assert keys.holder_keys(number, kind, [digest], grant, holder) == [key]
    assert keys.held_prefixes(number, kind, [digest]) == [keys.held_prefix(number, kind, digest)]


@given(ids, digests, ids, digests)
def test_parents_sort_by_the_event_of_their_links(
    event: int, digest: bytes, later: int, other: bytes
) -> None:
    one, two = keys.by_parent(event, digest), keys.by_parent(later, other)
    assert keys.split_parent(one) == (event, digest)
    assert (one < two) is ((event, digest) < (later, other))


@given(ids, kinds, st.sets(digests, min_size=1), grants, holders)
def test_a_prefix_takes_the_holders_of_one_digest_alone(
    number: int, kind: bytes, some: set[bytes], grant: bytes, holder: bytes
) -> None:
    rows = {digest: keys.holder_key(number, kind, digest, grant, holder) for digest in some}
    for digest in some:
        prefix = keys.held_prefix(number, kind, digest)
        assert [d for d, key in rows.items() if key.startswith(prefix)] == [digest]


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
