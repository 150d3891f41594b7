"""Totals, whereabouts and trees as JSON: every field, whole digests, RFC 3339 times."""

from __future__ import annotations

import msgspec

from liftlock import Digest, RepositoryName
from liftlock.documents import (
    InspectionDocument,
    inspection_document,
    stats_document,
    whereabouts_document,
)
from liftlock.engine import Engine
from liftlock.model import Kind, Stats, Whereabouts
from liftlock.testing.images import attachment, platforms

DEV = RepositoryName("dev", "app")


def json_of(document: msgspec.Struct) -> object:
    return msgspec.json.decode(msgspec.json.encode(document))


def test_totals_have_a_ratio_or_none() -> None:
    assert json_of(stats_document(Stats(1, 2, 3, 4, 5, 60, 40))) == {
        "registries": 1,
        "repositories": 2,
        "tags": 3,
        "manifests": 4,
        "blobs": 5,
        "bytes_logical": 60,
        "bytes_stored": 40,
        "dedup_ratio": 1.5,
    }
    assert stats_document(Stats(0, 0, 0, 0, 0, 0, 0)).dedup_ratio is None


def test_whereabouts_say_why() -> None:
    one, other = Digest.of(b"1"), Digest.of(b"2")
    found = Whereabouts(DEV, Kind.MANIFEST, ("1",), (one,), other, 0, is_complete=False)
    assert json_of(whereabouts_document(found)) == {
        "repository": "dev/app",
        "kind": "manifest",
        "tags": ["1"],
        "parents": [str(one)],
        "subject": str(other),
        "held_since": "1970-01-01T00:00:00.000Z",
        "is_complete": False,
    }


def test_a_tree_has_all_its_fields_at_every_level(engine: Engine) -> None:
    multi = platforms(engine, DEV, "1", count=2)
    attachment(engine, multi.children[0], "first")
    document = inspection_document(engine.inspect(multi.reference))
    body = msgspec.json.encode(document)
    assert msgspec.json.decode(body, type=InspectionDocument) == document
    assert document.children[0].is_signed
    assert not document.children[1].is_signed
    assert [each.purpose for each in document.children[0].attachments] == ["signature"]
    assert document.children[0].attachments[0].manifest.blobs[1].size > 0
    assert set(msgspec.structs.asdict(document)) == {
        "digest",
        "media_type",
        "artifact_type",
        "platform",
        "size",
        "total_size",
        "is_present",
        "is_complete",
        "is_signed",
        "subject",
        "annotations",
        "blobs",
        "children",
        "attachments",
    }
