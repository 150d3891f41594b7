"""Every record goes round, and a flipped bit is never taken for another record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftlock.errors import RecordCorrupt
from liftlock.metadata import codec, keys, records
from liftlock.metadata.checksum import SCOPED
from liftlock.metadata.contract import Table
from liftlock.metadata.counts import Counts
from liftlock.metadata.records import (
    AS_A_FILE,
    AS_A_ROW,
    Action,
    Kind,
    Naming,
    Role,
    decoded,
    protect,
)
from liftlock.model import RegistrySettings, Tally
from liftlock.oci.digest import ALGORITHMS, Digest

ids = st.integers(0, 2**64 - 1)
signed = st.integers(-(2**63), 2**63 - 1)
texts = st.text(max_size=30)
digests = st.builds(Digest.of, st.binary(max_size=4), st.sampled_from(ALGORITHMS)).map(
    lambda digest: digest.key
)
hashes = st.binary(min_size=32, max_size=32)
counts = st.builds(Counts, signed, signed, signed, signed, signed)
others = st.builds(records.OtherSide, ids, texts)


class Case(NamedTuple):
    """A record, the tables that have it, and how to make one."""

    record: Any  # Any: each is a class of its own
    tables: tuple[Table, ...]
    build: st.SearchStrategy[Any]


settings_of_registries = st.builds(
    RegistrySettings, allow_sparse=st.booleans(), allow_delete=st.booleans()
)
CASES = [
    Case(records.IdRecord, (Table.NAMES, Table.PROMOTIONS), st.builds(records.IdRecord, ids)),
    Case(
        records.RegistryRecord,
        (Table.REGISTRIES,),
        st.builds(records.RegistryRecord, ids, settings_of_registries, texts),
    ),
    Case(
        records.RepositoryRecord,
        (Table.REPOSITORIES,),
        st.builds(records.RepositoryRecord, ids, ids, ids, counts, texts),
    ),
    Case(records.TagRecord, (Table.TAGS,), st.builds(records.TagRecord, ids, digests)),
    Case(records.LinkRecord, (Table.LINKS,), st.builds(records.LinkRecord, ids, texts)),
    Case(records.HoldRecord, (Table.HOLDERS,), st.builds(records.HoldRecord, ids)),
    Case(
        records.BareRecord,
        (Table.HOLDERS, Table.REFERRERS, Table.SPARSE, Table.TAG_HISTORY, Table.ENDED),
        st.builds(records.BareRecord),
    ),
    Case(
        records.ManifestRecord,
        (Table.MANIFESTS,),
        st.builds(
            records.ManifestRecord,
            st.integers(0, 255),
            ids,
            st.integers(0, 2**32 - 1),
            st.binary(max_size=50),
        ),
    ),
    Case(
        records.BlobRecord,
        (Table.BLOBS,),
        st.one_of(
            st.builds(
                records.BlobRecord, st.just(AS_A_FILE), ids, ids, ids, hashes, texts, st.just(0)
            ),
            st.builds(
                records.BlobRecord, st.just(AS_A_ROW), ids, ids, ids, hashes, st.just(""), ids
            ),
        ),
    ),
    Case(
        records.EventRecord,
        (Table.EVENTS,),
        st.builds(
            records.EventRecord,
            st.sampled_from(Kind),
            ids,
            ids,
            ids,
            st.integers(0, 2**32 - 1),
            st.integers(0, 2**32 - 1),
            st.integers(0, 2**32 - 1),
            hashes,
            texts,
            texts,
        ),
    ),
    Case(
        records.ItemRecord,
        (Table.ITEMS,),
        st.builds(
            records.ItemRecord,
            st.sampled_from([action for action in Action if action not in records.WHOLE]),
            st.none() | digests,
            st.none() | digests,
            st.none() | others,
            st.booleans(),
            st.none(),
        )
        | st.builds(
            records.ItemRecord,
            st.sampled_from(sorted(records.WHOLE)),
            st.none(),
            st.none(),
            st.none() | others,
            tally=st.none() | st.builds(Tally, *[st.integers(0, 2**32 - 1)] * 6),
        ),
    ),
    Case(
        records.RoleRecord,
        (Table.REPOSITORY_HISTORY,),
        st.builds(records.RoleRecord, st.sampled_from(Role)),
    ),
    Case(
        records.NamingRecord,
        (Table.NAMES_LOG,),
        st.builds(records.NamingRecord, ids, st.sampled_from(Naming)),
    ),
    Case(
        records.SealRecord, (Table.SEALS,), st.builds(records.SealRecord, hashes, ids, ids, hashes)
    ),
    Case(records.DeadRecord, (Table.DEAD,), st.builds(records.DeadRecord, ids, ids, st.booleans())),
    Case(
        records.RepositoryLogRecord,
        (Table.REPOSITORY_LOG,),
        st.builds(records.RepositoryLogRecord, st.sampled_from(Naming), ids, texts),
    ),
    Case(
        records.AnswerRecord,
        (Table.IDEMPOTENCY,),
        st.builds(records.AnswerRecord, ids, hashes, st.binary(max_size=50)),
    ),
    Case(
        records.SmallRecord,
        (Table.SMALL,),
        st.builds(records.SmallRecord, st.binary(max_size=50)),
    ),
    Case(records.SecretRecord, (Table.SECRETS,), st.builds(records.SecretRecord, hashes)),
    Case(records.CountsRecord, (Table.COUNTERS,), st.builds(records.CountsRecord, counts)),
]
every_record = pytest.mark.parametrize("case", CASES, ids=lambda case: case.record.__name__)


def test_every_record_and_every_table_is_among_the_cases() -> None:
    made = {
        value
        for name, value in vars(records).items()
        if isinstance(value, type)
        and hasattr(value, "decode")
        and value.__module__.startswith(records.__name__)
    }
    assert made == {case.record for case in CASES}
    assert {table for case in CASES for table in case.tables} == set(Table) - {Table.META}


@every_record
@given(data=st.data(), key=st.binary(min_size=8, max_size=40))
def test_a_record_goes_round(case: Case, data: st.DataObject, key: bytes) -> None:
    record = data.draw(case.build)
    for table in case.tables:
        row_key, value = protect(table, key, record.encode())
        found = decoded(case.record.decode, table, row_key, value)
        assert row_key == key
        assert type(found) is case.record
        assert found == record


@every_record
@given(data=st.data(), key=st.binary(min_size=12, max_size=40))
def test_a_flipped_bit_is_refused(case: Case, data: st.DataObject, key: bytes) -> None:
    """L35, in the value as in the key (but for the repository id, which may be another)."""
    record = data.draw(case.build)
    table = data.draw(st.sampled_from(case.tables))
    _, value = protect(table, key, record.encode())
    bit = data.draw(st.integers(0, 8 * len(value) - 1))
    with pytest.raises(RecordCorrupt):
        decoded(case.record.decode, table, key, flipped(value, bit))
    start = 8 if table in SCOPED else 0
    bit = data.draw(st.integers(8 * start, 8 * len(key) - 1))
    with pytest.raises(RecordCorrupt) as caught:
        decoded(case.record.decode, table, flipped(key, bit), value)
    assert (caught.value.table, caught.value.key) == (table, flipped(key, bit))


@every_record
@given(data=st.data(), value=st.binary(max_size=60), key=st.binary(min_size=8, max_size=20))
def test_whatever_is_read_is_refused_as_corrupt(
    case: Case, data: st.DataObject, value: bytes, key: bytes
) -> None:
    """Also with a right checksum: a layout that is not the record's is no crash."""
    table = data.draw(st.sampled_from(case.tables))
    for stored in (value, protect(table, key, value)[1]):
        try:
            found = decoded(case.record.decode, table, key, stored)
        except RecordCorrupt:
            continue
        assert type(found) is case.record


@given(st.sampled_from(Table), st.sampled_from(Table), st.binary(min_size=8), st.binary())
def test_a_row_of_another_table_is_refused(
    one: Table, other: Table, key: bytes, body: bytes
) -> None:
    _, value = protect(one, key, body)
    if one is other:
        assert decoded(bytes, other, key, value) == body
    elif (one in SCOPED) is (other in SCOPED):
        with pytest.raises(RecordCorrupt):
            decoded(bytes, other, key, value)


@given(
    st.sampled_from(sorted(SCOPED)),
    st.binary(min_size=8, max_size=8),
    st.binary(min_size=8, max_size=8),
    st.binary(max_size=20),
    st.binary(max_size=20),
)
def test_a_row_can_be_copied_to_another_repository_as_it_is(
    table: Table, source: bytes, target: bytes, rest: bytes, body: bytes
) -> None:
    """Design 3: that is how whole repositories are copied."""
    _, value = protect(table, source + rest, body)
    assert decoded(bytes, table, target + rest, value) == body


def flipped(content: bytes, bit: int) -> bytes:
    at, place = divmod(bit, 8)
    return content[:at] + bytes((content[at] ^ 1 << place,)) + content[at + 1 :]


# --- manifests' bytes -------------------------------------------------------------------------

contents = (
    st.binary(max_size=300)
    | st.text(max_size=300).map(str.encode)
    | st.binary(min_size=1, max_size=8).map(lambda unit: unit * 500)
)


@given(contents)
def test_content_goes_round_and_does_not_grow(content: bytes) -> None:
    encoding, packed = codec.pack(content)
    assert codec.unpack(encoding, packed, len(content)) == content
    assert len(packed) <= len(content)


@given(ids, digests, st.builds(records.BlobRecord, st.just(AS_A_FILE), ids, ids, ids, hashes))
def test_the_number_of_a_blob_is_taken_from_its_row(
    number: int, digest: bytes, record: records.BlobRecord
) -> None:
    _, row = protect(Table.BLOBS, digest, record._replace(number=number).encode())
    said = keys.held_blobs({digest: row}, records.BLOB_NUMBER)
    assert said == {digest: keys.held_blob(keys.id_key(number), digest)}


@given(digests, st.binary(max_size=20))
def test_a_key_has_its_form_whatever_became_of_a_row(digest: bytes, row: bytes) -> None:
    held = keys.held_blobs({digest: row}, records.BLOB_NUMBER)[digest]
    assert keys.split_holder(keys.holder_key(1, held, keys.BY_HOLD)) == (held, keys.GRANTS, b"h")
    assert keys.held_digest(held) == digest


@given(contents, st.integers(0, 400))
def test_another_size_is_refused(content: bytes, size: int) -> None:
    encoding, packed = codec.pack(content)
    refuse_unless(size == len(content), lambda: codec.unpack(encoding, packed, size))


@given(st.integers(0, 255), st.binary(max_size=100), st.integers(0, 2**20))
def test_garbage_is_refused_and_never_grows_beyond_its_size(
    encoding: int, packed: bytes, size: int
) -> None:
    with suppress(ValueError):
        assert len(codec.unpack(encoding, packed, size)) == size


def refuse_unless(fits: bool, unpack: Callable[[], bytes]) -> None:  # noqa: FBT001
    if fits:
        unpack()
    else:
        with pytest.raises(ValueError, match="unpack"):
            unpack()


def test_a_packed_bomb_is_refused_before_it_is_unpacked() -> None:
    encoding, packed = codec.pack(bytes(50_000_000))
    assert len(packed) < 50_000
    with pytest.raises(ValueError, match="unpack"):
        codec.unpack(encoding, packed, 1000)
