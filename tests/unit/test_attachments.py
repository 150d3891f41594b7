"""Attachment tags as signers really make them: whose counts, and what they may not keep away."""

from __future__ import annotations

import json

import pytest

from liftlock import Reference, RepositoryName, Side, Target
from liftlock.engine import Engine
from liftlock.errors import AttachmentsDiffer, PromotionInvalid
from liftlock.model import Mode, Promotion
from liftlock.oci.digest import Digest
from liftlock.testing.images import (
    Built,
    attachment,
    attachment_tag,
    image,
    platforms,
    push,
    upload,
)

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")
PAYLOAD = b'{"critical":{"image":"what is signed, the same for every key"}}'


def promote(engine: Engine, **options: Side | Mode) -> Promotion:
    return engine.promote(
        Reference.parse("dev/app:1"), Target.parse("prod"), by="me", **options  # type: ignore[arg-type] # as named
    )  # fmt: skip


def signed(engine: Engine, name: RepositoryName, subject: Built, *signatures: str) -> Built:
    """Push what cosign pushes: a layer a signature, all of the same payload."""
    config = json.dumps({"signatures": len(signatures)}).encode()

    def described(media_type: str, content: bytes) -> dict[str, object]:
        digest = upload(engine, name, content)
        return {"mediaType": media_type, "digest": str(digest), "size": len(content)}

    layer = described("application/vnd.dev.cosign.simplesigning.v1+json", PAYLOAD)
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described("application/vnd.oci.image.config.v1+json", config),
        "layers": [
            layer | {"annotations": {"dev.cosignproject.cosign/signature": signature}}
            for signature in signatures
        ],
    }
    return push(engine, name, attachment_tag(subject.digest, ".sig"), document)


def tag_of(engine: Engine, name: RepositoryName, built: Built) -> Digest:
    return engine.get_manifest(Reference(name, built.tag)).digest


def test_a_signature_that_the_target_has_and_the_source_lacks_stays(engine: Engine) -> None:
    """All signatures are of one payload: what differs is in the annotations."""
    app = image(engine, DEV, "1")
    image(engine, PROD, "other")
    signed(engine, DEV, app, "by dev")
    promote(engine)
    both = signed(engine, PROD, app, "by dev", "by release")
    assert promote(engine).changed is False
    assert tag_of(engine, PROD, both) == both.digest


def test_signatures_of_two_keys_need_a_decision(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    image(engine, PROD, "other")
    theirs = signed(engine, DEV, app, "by dev")
    signed(engine, PROD, app, "by release")
    with pytest.raises(AttachmentsDiffer):
        promote(engine)
    promote(engine, attachments=Side.SOURCE)
    assert tag_of(engine, PROD, theirs) == theirs.digest


def test_a_signature_that_was_repeated_counts_twice(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    image(engine, PROD, "other")
    twice = signed(engine, DEV, app, "by dev", "by dev")
    signed(engine, PROD, app, "by dev")
    promote(engine)
    assert tag_of(engine, PROD, twice) == twice.digest


def test_an_attachment_that_is_left_behind_keeps_no_child_away(engine: Engine) -> None:
    """What an attachment tag points at may be a child of the image as well."""
    multi = platforms(engine, DEV, "1", count=2)
    first, second = multi.children
    push(engine, DEV, attachment_tag(first.digest, ".sig"), second.body)
    image(engine, PROD, "other")
    attachment(engine, first, "theirs", name=PROD)
    promote(engine, attachments=Side.TARGET)
    for built in (multi, first, second):
        assert engine.get_manifest(Reference(PROD, None, built.digest)).body == built.body


def test_other_tags_that_begin_alike_hide_no_attachment(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    for number in range(80):
        push(engine, DEV, f"{attachment_tag(app.digest)}-{number:03}", app.body)
    signature = attachment(engine, app, "first")
    promote(engine)
    assert tag_of(engine, PROD, signature) == signature.digest
    assert {tag.name for tag in engine.list_tags(PROD).entries} == {"1", signature.tag}


def test_a_move_must_name_the_tag_that_it_takes(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    source = Reference(DEV, None, app.digest)
    with pytest.raises(PromotionInvalid, match="names none"):
        engine.promote(source, Target.parse("prod:1"), by="me", mode=Mode.MOVE)
    assert {tag.name for tag in engine.list_tags(DEV).entries} == {"1"}
