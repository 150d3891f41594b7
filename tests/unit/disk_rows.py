"""One row of every kind, real and taken apart: what docs/format.md draws byte by byte.

Each is made twice, from short and from long values: what has the same length in both is a field
of fixed size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from blake3 import blake3

from liftlock import RegistrySettings
from liftlock.metadata import keys
from liftlock.metadata.contract import Numbered, Row, Table
from liftlock.metadata.numbering import STATE_KEY, state_row
from liftlock.metadata.records import (
    Action,
    AnswerRecord,
    BareRecord,
    BlobRecord,
    CountsRecord,
    DeadRecord,
    EventRecord,
    HoldRecord,
    IdRecord,
    ItemRecord,
    Kind,
    LinkRecord,
    ManifestRecord,
    Naming,
    NamingRecord,
    OtherSide,
    RegistryRecord,
    RepositoryLogRecord,
    RepositoryRecord,
    Role,
    RoleRecord,
    SealRecord,
    SecretRecord,
    SmallRecord,
    TagRecord,
    protect,
)
from liftlock.model import Tally
from liftlock.oci import Digest

CHECKSUM = 4
DEV, PROD, SOURCE, TARGET, EVENT, BLOB = 1, 2, 3, 4, 9, 5
AT = 1_750_000_000_000
ZEROS = bytes(32)


@dataclass(frozen=True)
class Values:
    """What a row's fields of no fixed size are made of."""

    registry: str
    name: str
    tag: str
    manifest: Digest
    blob: Digest
    media_type: str
    by: str
    comment: str
    origin: str
    packed: bytes


SHORT = Values(
    "dev",
    "team/app",
    "1.2",
    Digest.of(b"{}"),
    Digest.of(b""),
    "application/vnd.oci.image.manifest.v1+json",
    "ci",
    "Tested",
    "/a.tar",
    b"{}",
)
LONG = Values(
    "development",
    "team/application",
    "1.2.0-rc.1",
    Digest.of(b"{}", "sha512"),
    Digest.of(b"", "sha512"),
    "application/vnd.docker.distribution.manifest.v2+json",
    "release-bot",
    "Tested and ready",
    "/srv/images/a.tar",
    b'{"a": 1}',
)


class Drawn(NamedTuple):
    """A row, and its parts as the page draws them; the checksum is the value's last."""

    table: Table
    row: Row
    key: tuple[bytes, ...]
    body: tuple[bytes, ...]


def id8(number: int) -> bytes:
    return number.to_bytes(8, "big")


def at6(time: int) -> bytes:
    return time.to_bytes(6, "big")


def number(count: int, size: int) -> bytes:
    return count.to_bytes(size, "big", signed=count < 0)


def text(said: str) -> bytes:
    return said.encode()


def drawn(
    table: Table, key: bytes, value: bytes, key_parts: tuple[bytes, ...], body: tuple[bytes, ...]
) -> Drawn:
    return Drawn(table, protect(table, key, value), key_parts, body)


def names_and_counts(v: Values) -> Iterator[Drawn]:
    yield drawn(
        Table.NAMES, keys.name_key(DEV, v.name), IdRecord(SOURCE).encode(),
        (id8(DEV), text(v.name)), (id8(SOURCE),),
    )  # fmt: skip
    settings = RegistrySettings(allow_sparse=True)
    yield drawn(
        Table.REGISTRIES, keys.id_key(DEV), RegistryRecord(EVENT, settings, v.registry).encode(),
        (id8(DEV),),
        (id8(EVENT), number(6, 2), bytes((1, 1, 1)), bytes((2, 1, 1)), text(v.registry)),
    )  # fmt: skip
    counts = (1, 2, 3, 5, 7000)
    yield drawn(
        Table.REPOSITORIES, keys.id_key(SOURCE),
        RepositoryRecord(DEV, 6, EVENT, counts, v.name).encode(),
        (id8(SOURCE),),
        (id8(DEV), id8(6), id8(EVENT), *map(id8, counts), text(v.name)),
    )  # fmt: skip
    yield drawn(
        Table.NAMES_LOG, keys.names_log_key(DEV, v.name, EVENT),
        NamingRecord(SOURCE, Naming.MOVED_OUT).encode(),
        (id8(DEV), text(v.name), b"\0", id8(EVENT)), (id8(SOURCE), number(3, 1)),
    )  # fmt: skip
    yield drawn(
        Table.REPOSITORY_LOG, keys.repository_log_key(SOURCE, EVENT),
        RepositoryLogRecord(Naming.MOVED_IN, PROD, v.name).encode(),
        (id8(SOURCE), id8(EVENT)), (id8(PROD), number(2, 1), text(v.name)),
    )  # fmt: skip
    yield drawn(
        Table.DEAD, keys.id_key(SOURCE), DeadRecord(AT, EVENT, is_going=True).encode(),
        (id8(SOURCE),), (id8(AT), id8(EVENT), number(1, 1)),
    )  # fmt: skip
    taken = (1, -1, 3, 5, 7000)
    yield drawn(
        Table.COUNTERS, keys.id_key(DEV), CountsRecord(taken).encode(),
        (id8(DEV),), tuple(number(count, 8) for count in taken),
    )  # fmt: skip
    yield drawn(
        Table.ENDED, at6(AT) + bytes(16), BareRecord().encode(), (at6(AT), bytes(16)), (),
    )  # fmt: skip
    yield drawn(
        Table.SECRETS, b"uploads", SecretRecord(ZEROS).encode(), (b"uploads",), (ZEROS,),
    )  # fmt: skip
    numbers = {
        Numbered.OBJECT: TARGET,
        Numbered.EVENT: EVENT,
        Numbered.PROMOTION: 2,
        Numbered.BLOB: BLOB,
    }
    yield Drawn(
        Table.META, state_row(AT, numbers),
        (STATE_KEY,), (id8(AT), id8(TARGET), id8(EVENT), id8(2), id8(BLOB)),
    )  # fmt: skip


def content(v: Values) -> Iterator[Drawn]:
    manifest, blob = v.manifest.key, v.blob.key
    yield drawn(
        Table.TAGS, keys.tag_key(SOURCE, v.tag), TagRecord(EVENT, manifest).encode(),
        (id8(SOURCE), text(v.tag)), (id8(EVENT), manifest),
    )  # fmt: skip
    yield drawn(
        Table.LINKS, keys.link_key(SOURCE, manifest), LinkRecord(EVENT, v.media_type).encode(),
        (id8(SOURCE), manifest), (id8(EVENT), text(v.media_type)),
    )  # fmt: skip
    held_blob = SOURCE, keys.held_blob(id8(BLOB), blob)
    yield drawn(
        Table.HOLDERS, keys.holder_key(*held_blob, keys.by_parent(EVENT, manifest)),
        BareRecord().encode(),
        (id8(SOURCE), b"b", id8(BLOB), blob, b"\0", b"p", id8(EVENT), manifest), (),
    )  # fmt: skip
    yield drawn(
        Table.HOLDERS, keys.naming_key(SOURCE, keys.BLOB, blob, keys.by_parent(EVENT, manifest)),
        BareRecord().encode(),
        (id8(SOURCE), b"b", id8(0), blob, b"\1", b"p", id8(EVENT), manifest), (),
    )  # fmt: skip
    held_manifest = SOURCE, keys.held_manifest(manifest)
    yield drawn(
        Table.HOLDERS, keys.holder_key(*held_manifest, keys.BY_TAG + v.tag.encode()),
        BareRecord().encode(),
        (id8(SOURCE), b"m", manifest, b"\0", b"t", text(v.tag)), (),
    )  # fmt: skip
    yield drawn(
        Table.HOLDERS, keys.holder_key(*held_blob, keys.BY_HOLD), HoldRecord(AT).encode(),
        (id8(SOURCE), b"b", id8(BLOB), blob, b"\0", b"h"), (id8(AT),),
    )  # fmt: skip
    kind = blake3(b"application/spdx+json").digest(16)
    yield drawn(
        Table.REFERRERS, keys.referrer_key(SOURCE, manifest, kind, blob), BareRecord().encode(),
        (id8(SOURCE), manifest, kind, blob), (),
    )  # fmt: skip
    yield drawn(
        Table.SPARSE, keys.sparse_key(SOURCE, keys.BLOB, blob, manifest), BareRecord().encode(),
        (id8(SOURCE), b"b", blob, manifest), (),
    )  # fmt: skip
    yield drawn(
        Table.MANIFESTS, manifest, ManifestRecord(0, 0, len(v.packed), v.packed).encode(),
        (manifest,), (b"\0", id8(0), number(len(v.packed), 4), v.packed),
    )  # fmt: skip
    fast = blake3(b"").digest()
    yield drawn(
        Table.SMALL, keys.small_key(AT, blob), SmallRecord(v.packed).encode(),
        (id8(AT), blob), (v.packed,),
    )  # fmt: skip
    locator = f"{v.blob.algorithm}/{v.blob.hex[:2]}/{v.blob.hex}.{'5f' * 16}"
    yield drawn(
        Table.BLOBS, blob, BlobRecord(0, BLOB, 0, 0, fast, locator).encode(),
        (blob,), (b"\0", id8(BLOB), id8(0), id8(0), fast, text(locator)),
    )  # fmt: skip
    yield drawn(
        Table.BLOBS, blob, BlobRecord(1, BLOB, 0, len(v.packed), fast, put_at=AT).encode(),
        (blob,), (b"\1", id8(BLOB), id8(0), id8(len(v.packed)), fast, id8(AT)),
    )  # fmt: skip


def past(v: Values) -> Iterator[Drawn]:
    manifest = v.manifest.key
    event = EventRecord(Kind.IMPORT, AT, 0, 0, 1, 0, 0, ZEROS, v.by, v.comment, v.origin)
    yield drawn(
        Table.EVENTS, keys.id_key(EVENT), event.encode(),
        (id8(EVENT),),
        (
            number(8, 1), id8(AT), id8(0), id8(0),
            number(1, 4), number(0, 4), number(0, 4), ZEROS,
            number(len(v.by), 2), number(len(v.comment), 2), number(len(v.origin), 2),
            text(v.by), text(v.comment), text(v.origin),
        ),
    )  # fmt: skip
    tag = ItemRecord(Action.CREATED, None, manifest, OtherSide(SOURCE, v.tag))
    yield drawn(
        Table.ITEMS, keys.item_key(EVENT, TARGET, v.tag, b""), tag.encode(),
        (id8(EVENT), id8(TARGET), text(v.tag), b"\0"),
        (
            number(1, 1), number(0, 1), number(len(manifest), 1), manifest,
            id8(SOURCE), text(v.tag),
        ),
    )  # fmt: skip
    tally = Tally(2, 1, 0, 0, 1, 3)
    whole = ItemRecord(Action.MERGED, None, None, OtherSide(SOURCE, ""), tally=tally)
    yield drawn(
        Table.ITEMS, keys.item_key(EVENT, TARGET, "", id8(SOURCE)), whole.encode(),
        (id8(EVENT), id8(TARGET), b"\0", id8(SOURCE)),
        (
            number(18, 1), number(0, 1), number(24, 1),
            *(number(count, 4) for count in tally), id8(SOURCE),
        ),
    )  # fmt: skip
    yield drawn(
        Table.TAG_HISTORY, keys.tag_history_key(TARGET, v.tag, EVENT), BareRecord().encode(),
        (id8(TARGET), text(v.tag), b"\0", id8(EVENT)), (),
    )  # fmt: skip
    yield drawn(
        Table.REPOSITORY_HISTORY, keys.repository_history_key(TARGET, EVENT),
        RoleRecord(Role.CHANGED).encode(),
        (id8(TARGET), id8(EVENT)), (number(1, 1),),
    )  # fmt: skip
    yield drawn(
        Table.PROMOTIONS, keys.id_key(2), IdRecord(EVENT).encode(),
        (id8(2),), (id8(EVENT),),
    )  # fmt: skip
    request = blake3(b"request").digest()
    yield drawn(
        Table.IDEMPOTENCY, keys.idempotency_key(v.by, "release-7"),
        AnswerRecord(AT, request, v.packed).encode(),
        (blake3(text(v.by)).digest(16), blake3(b"release-7").digest(32)),
        (id8(AT), request, v.packed),
    )  # fmt: skip
    yield drawn(
        Table.SEALS, keys.id_key(7), SealRecord(ZEROS, 8, EVENT, ZEROS).encode(),
        (id8(7),), (ZEROS, id8(8), id8(EVENT), ZEROS),
    )  # fmt: skip


def rows(v: Values) -> list[Drawn]:
    return [*names_and_counts(v), *content(v), *past(v)]
