"""Promotion by copy: what comes along, what is refused, and that no blob is touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import liftlock
from liftlock import ABSENT, Digest, Limits, Mode, Reference, RepositoryName, Selection, Target
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.errors import (
    AttachmentsDiffer,
    BlobUnknown,
    LiftlockError,
    ManifestUnknown,
    NameInvalid,
    PromotionInvalid,
    RegistryUnknown,
    RepositoryUnknown,
    TagMoved,
)
from liftlock.metadata.contract import Table
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Outcome, Promotion
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import (
    Built,
    attachment,
    fallback_index,
    image,
    index,
    platforms,
    push,
    read,
    referrer,
    upload,
)

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")
NOWHERE = Digest.of(b"nowhere")


def promote(engine: Engine, source: str, target: str, **options: object) -> Promotion:
    return engine.promote(Reference.parse(source), Target.parse(target), by="me", **options)


def tags(engine: Engine, name: RepositoryName) -> dict[str, Digest]:
    return {tag.name: tag.digest for tag in engine.list_tags(name).entries}


def has(engine: Engine, name: RepositoryName, digest: Digest) -> bool:
    try:
        return engine.get_manifest(Reference(name, None, digest)).digest == digest
    except (ManifestUnknown, RepositoryUnknown):
        return False


def everything(store: MemoryMetadataStore) -> dict[Table, list[tuple[bytes, bytes]]]:
    return store.read(lambda txn: {table: list(txn.scan(table)) for table in Table})


def assert_whole(engine: Engine, name: RepositoryName, built: Built) -> None:
    """The image and all that it names can be read there, byte for byte."""
    found = engine.get_manifest(Reference(name, None, built.digest))
    assert (found.body, found.media_type) == (built.body, built.media_type)
    for blob in built.blobs:
        assert Digest.of(read(engine, name, blob), blob.algorithm) == blob
    for child in built.children:
        assert_whole(engine, name, child)


# --- copy -------------------------------------------------------------------------------------


def test_a_copy_gives_the_target_the_same_digest_and_leaves_the_source(engine: Engine) -> None:
    """E44."""
    app = image(engine, DEV, "1")
    done = promote(engine, "dev/app:1", "prod", comment="release")
    assert tags(engine, DEV) == tags(engine, PROD) == {"1": app.digest}
    assert_whole(engine, PROD, app)
    assert (done.id, done.by, done.comment, done.mode) == (1, "me", "release", Mode.COPY)
    (item,) = done.items
    assert (item.source, item.target) == ("dev/app:1", "prod/app:1")
    assert (item.digest, item.previous_digest) == (app.digest, None)
    assert (item.action, item.attachment) == (Outcome.CREATE, False)
    assert (done.manifests, done.referrers) == ((app.digest,), ())
    assert done.changed


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("dev/app:1", "prod", "prod/app:1"),
        ("dev/app:1", "prod:2", "prod/app:2"),
        ("dev/app:1", "prod/web", "prod/web:1"),
        ("dev/app:1", "prod/web:2", "prod/web:2"),
        ("dev/app:1", "dev:2", "dev/app:2"),
        ("dev/app:1", "dev/team/web", "dev/team/web:1"),
    ],
)
def test_what_the_target_leaves_out_is_the_sources(
    engine: Engine, source: str, target: str, expected: str
) -> None:
    app = image(engine, DEV, "1")
    done = promote(engine, source, target)
    assert done.items[0].target == expected
    assert engine.get_manifest(Reference.parse(expected)).body == app.body


def test_a_digest_goes_untagged_and_is_held(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    done = promote(engine, f"dev/app@{app.digest}", "prod")
    assert tags(engine, PROD) == {}
    assert_whole(engine, PROD, app)
    assert done.items[0].target == f"prod/app@{app.digest}"
    again = promote(engine, f"dev/app@{app.digest}", "prod")
    assert (again.changed, again.items[0].action) == (False, Outcome.UNCHANGED)


def test_a_digest_can_be_given_a_tag(engine: Engine) -> None:
    app = image(engine, DEV)
    promote(engine, f"dev/app@{app.digest}", "prod:1")
    assert tags(engine, PROD) == {"1": app.digest}


def test_tag_and_digest_of_a_source_must_agree(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    other = image(engine, DEV, "2", seed="other")
    with pytest.raises(TagMoved) as caught:
        promote(engine, f"dev/app:1@{other.digest}", "prod")
    assert (caught.value.tag, caught.value.found) == ("dev/app:1", str(app.digest))
    promote(engine, f"dev/app:1@{app.digest}", "prod")
    assert tags(engine, PROD) == {"1": app.digest}


def test_an_overwrite_says_what_was_there_and_keeps_it_pullable(engine: Engine) -> None:
    """E66: the digest that a tag leaves is held."""
    old = image(engine, PROD, "1", seed="old")
    new = image(engine, DEV, "1", seed="new")
    (item,) = promote(engine, "dev/app:1", "prod").items
    assert (item.action, item.previous_digest) == (Outcome.OVERWRITE, old.digest)
    assert tags(engine, PROD) == {"1": new.digest}
    assert_whole(engine, PROD, old)


def test_a_child_can_be_promoted_under_a_tag_of_its_own(engine: Engine) -> None:
    """E62: its index stays behind."""
    multi = platforms(engine, DEV, "1", count=2)
    child = multi.children[0]
    promote(engine, f"dev/app@{child.digest}", "prod:amd64")
    assert tags(engine, PROD) == {"amd64": child.digest}
    assert not has(engine, PROD, multi.digest)
    assert not has(engine, PROD, multi.children[1].digest)


def test_two_promotions_to_one_tag_are_both_in_the_history(engine: Engine) -> None:
    """E63: the second finds what the first made."""
    first, second = image(engine, DEV, "1", seed="1"), image(engine, DEV, "2", seed="2")
    promote(engine, "dev/app:1", "prod:live")
    promote(engine, "dev/app:2", "prod:live")
    newest, oldest = engine.history(Reference.parse("prod/app:live")).entries
    assert (oldest.old_digest, oldest.new_digest) == (None, first.digest)
    assert (newest.old_digest, newest.new_digest) == (first.digest, second.digest)


# --- no byte moves ----------------------------------------------------------------------------


class Untouchable:
    """A blob store that must not be used."""

    def __getattribute__(self, name: str) -> object:
        pytest.fail(f"a promotion used the blob store: {name}")


def test_no_promotion_uses_the_blob_store(engine: Engine, store: MemoryMetadataStore) -> None:
    """E44, contract 3: copy, move, dry run and undo."""
    app = platforms(engine, DEV, "1", count=3)
    attachment(engine, app, "first")
    referrer(engine, app.children[0])
    blind = Engine(store, Untouchable())  # type: ignore[arg-type] # that is the point
    promote(blind, "dev/app:1", "prod", dry_run=True)
    promote(blind, "dev/app:1", "prod")
    promote(blind, "dev/app:1", "test", mode=Mode.MOVE)
    blind.undo(2, by="me")
    blind.undo(1, by="me")


def test_blob_files_stay_as_they_are(tmp_path: Path) -> None:
    """E44: neither their number nor their times change, nor anything else of them."""
    with liftlock.open(tmp_path / "store", create=True) as engine:
        for registry in ("dev", "prod"):
            engine.create_registry(registry, by="tests")
        app = platforms(engine, DEV, "1", count=2)
        attachment(engine, app, "first")
        before = list(_files(tmp_path / "store"))
        promote(engine, "dev/app:1", "prod")
        promote(engine, "dev/app:1", "prod:2", mode=Mode.MOVE)
        engine.undo(2, by="me")
        assert list(_files(tmp_path / "store")) == before
        assert_whole(engine, PROD, app)


def _files(root: Path) -> Iterator[tuple[object, ...]]:
    for folder in ("blobs", "uploads"):
        for path in sorted((root / folder).rglob("*")):
            found = path.stat()
            yield (
                path,
                found.st_ino,
                found.st_nlink,
                found.st_size,
                found.st_mtime_ns,
                found.st_ctime_ns,
            )


# --- what comes along -------------------------------------------------------------------------


def test_everything_reachable_comes_along(engine: Engine) -> None:
    """E45: five platforms, an attestation of one, a cosign tag, a referrer of a referrer."""
    multi = platforms(engine, DEV, "1", count=5)
    attestation = referrer(engine, multi.children[3], seed="attestation")
    signature = attachment(engine, multi, "first")
    sbom = referrer(engine, multi, seed="sbom")
    signed_sbom = referrer(engine, sbom, seed="signature of the sbom")
    child_signature = attachment(engine, multi.children[0], "child")
    beside = image(engine, DEV, "beside", seed="beside")

    done = promote(engine, "dev/app:1", "prod")

    along = (multi, *multi.children, attestation, signature, sbom, signed_sbom, child_signature)
    for built in along:
        assert_whole(engine, PROD, built)
    assert set(done.manifests) == {built.digest for built in along}
    assert len(done.manifests) == len(along)
    assert set(done.referrers) == {
        built.digest for built in (attestation, signature, sbom, signed_sbom, child_signature)
    }
    assert tags(engine, PROD) == {
        "1": multi.digest,
        str(signature.tag): signature.digest,
        str(child_signature.tag): child_signature.digest,
    }
    assert [item.attachment for item in done.items] == [False, True, True]
    for subject, referring in ((multi, sbom), (sbom, signed_sbom)):
        listed = engine.list_referrers(PROD, subject.digest).entries
        assert [entry.digest for entry in listed] == [referring.digest]
    assert not has(engine, PROD, beside.digest)


def test_an_index_in_an_index_comes_along_to_its_last_child(engine: Engine) -> None:
    inner = platforms(engine, DEV, None, count=2)
    middle = index(engine, DEV, None, [inner, image(engine, DEV, seed="beside")])
    outer = index(engine, DEV, "1", [middle])
    promote(engine, "dev/app:1", "prod")
    assert_whole(engine, PROD, outer)


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
def test_attachment_tags_of_every_kind_come_along(engine: Engine, suffix: str) -> None:
    app = image(engine, DEV, "1")
    attached = attachment(engine, app, "first", suffix=suffix)
    promote(engine, "dev/app:1", "prod")
    assert tags(engine, PROD) == {"1": app.digest, str(attached.tag): attached.digest}
    assert_whole(engine, PROD, attached)


def test_the_children_of_a_fallback_index_come_along(engine: Engine) -> None:
    """E17: the distribution spec's fallback tag is an index of the referrers."""
    app = image(engine, DEV, "1")
    entry = image(engine, DEV, seed="entry")
    fallback = fallback_index(engine, app, [entry])
    promote(engine, "dev/app:1", "prod")
    assert_whole(engine, PROD, fallback)


def test_an_attachment_of_an_attachment_comes_along(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    signature = attachment(engine, app, "first")
    attested = attachment(engine, signature, "second", suffix=".att")
    promote(engine, "dev/app:1", "prod")
    assert set(tags(engine, PROD)) == {"1", str(signature.tag), str(attested.tag)}


@pytest.mark.parametrize(
    "tag", ["sha256-{}.txt", "sha256-{}x", "sha256-{}.sig.old", "sha512-{}", "sha256-{}-sig"]
)
def test_tags_that_only_look_like_attachments_stay_behind(engine: Engine, tag: str) -> None:
    app = image(engine, DEV, "1")
    image(engine, DEV, tag.format(app.digest.hex), seed="other")
    promote(engine, "dev/app:1", "prod")
    assert tags(engine, PROD) == {"1": app.digest}


def test_attachments_of_a_sha512_image_are_found_by_the_first_64_digits(engine: Engine) -> None:
    """The distribution spec cuts the hex in fallback tags."""
    app = image(engine, DEV, algorithm="sha512")
    signature = attachment(engine, app, "first")
    promote(engine, f"dev/app@{app.digest}", "prod:1")
    assert set(tags(engine, PROD)) == {"1", str(signature.tag)}
    assert_whole(engine, PROD, app)


def test_a_foreign_layer_stays_absent_and_grants_nothing(engine: Engine) -> None:
    """E12, contract 5."""
    app = image(engine, DEV, "1", foreign=[b"windows"])
    promote(engine, "dev/app:1", "prod")
    upload(engine, "test/other", b"windows")
    for name in (DEV, PROD):
        with pytest.raises(BlobUnknown):
            engine.get_blob(name, app.foreign[0])


def test_a_retag_links_nothing_new(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    signature = attachment(engine, app, "first")
    done = promote(engine, "dev/app:1", "dev:2")
    assert tags(engine, DEV) == {
        "1": app.digest,
        "2": app.digest,
        str(signature.tag): signature.digest,
    }
    assert (done.manifests, len(done.items)) == ((), 1)


def test_counts_tell_what_the_target_gained(engine: Engine) -> None:
    """Shared blobs count once a repository."""
    one = image(engine, DEV, "1", seed="1", contents=[b"base", b"one"])
    image(engine, DEV, "2", seed="2", contents=[b"base", b"two!"])
    promote(engine, "dev/app:1", "prod")
    promote(engine, "dev/app:2", "prod")
    assert engine.get_repository(PROD).usage == engine.get_repository(DEV).usage
    assert engine.get_registry("prod").usage == engine.get_registry("dev").usage
    usage = engine.get_repository(PROD).usage
    assert (usage.tags, usage.manifests, usage.blobs) == (2, 2, 5)
    assert usage.bytes == sum(len(read(engine, PROD, blob)) for blob in one.blobs) + len(
        b"two!"
    ) + len(read(engine, DEV, one.blobs[0]))


# --- attachments that differ ------------------------------------------------------------------


def test_the_sources_longer_attachment_replaces_the_targets(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    attachment(engine, app, "first")
    promote(engine, "dev/app:1", "prod")
    longer = attachment(engine, app, "first", "second")
    done = promote(engine, "dev/app:1", "prod")
    assert tags(engine, PROD)[str(longer.tag)] == longer.digest
    assert [item.action for item in done.items] == [Outcome.EXTEND, Outcome.OVERWRITE]


def test_the_targets_longer_attachment_stays(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    attachment(engine, app, "first")
    image(engine, PROD, "1")
    longer = attachment(engine, app, "first", "second", name=PROD)
    promote(engine, "dev/app:1", "prod:2")
    assert tags(engine, PROD)[str(longer.tag)] == longer.digest


def test_attachments_of_the_same_entries_differ_in_nothing_that_counts(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    attachment(engine, app, "first")
    image(engine, PROD, "1")
    ours = attachment(engine, app, "first", name=PROD, config_seed="another")
    promote(engine, "dev/app:1", "prod:2")
    assert tags(engine, PROD)[str(ours.tag)] == ours.digest


@pytest.mark.parametrize("side", ["source", "target"])
def test_attachments_that_contain_each_other_not_need_a_decision(
    engine: Engine, store: MemoryMetadataStore, side: str
) -> None:
    app = image(engine, DEV, "1")
    theirs = attachment(engine, app, "first", "theirs")
    image(engine, PROD, "0", seed="")
    ours = attachment(engine, app, "first", "ours", name=PROD)
    before = everything(store)
    with pytest.raises(AttachmentsDiffer) as caught:
        promote(engine, "dev/app:1", "prod")
    assert everything(store) == before
    assert caught.value.tag == f"prod/app:{ours.tag}"
    assert {caught.value.source, caught.value.target} == {str(theirs.digest), str(ours.digest)}
    promote(engine, "dev/app:1", "prod", attachments=liftlock.Side(side))
    expected = theirs if side == "source" else ours
    assert tags(engine, PROD)[str(ours.tag)] == expected.digest


def test_what_is_attached_to_an_attachment_that_is_left_behind_is_left_behind(
    engine: Engine,
) -> None:
    """Its tag would point at a manifest that the target does not have."""
    app = image(engine, DEV, "1")
    theirs = attachment(engine, app, "theirs")
    attachment(engine, theirs, "of theirs", suffix=".att")
    ours = attachment(engine, app, "ours", name=PROD)
    promote(engine, "dev/app:1", "prod", attachments=liftlock.Side.TARGET)
    assert tags(engine, PROD) == {"1": app.digest, str(ours.tag): ours.digest}
    for built in (app, ours):
        assert_whole(engine, PROD, built)
    assert not has(engine, PROD, theirs.digest)


def test_fallback_indexes_are_compared_by_their_children(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    first, second = image(engine, DEV, seed="first"), image(engine, DEV, seed="second")
    fallback_index(engine, app, [first])
    promote(engine, "dev/app:1", "prod")
    longer = fallback_index(engine, app, [second, first])
    promote(engine, "dev/app:1", "prod")
    assert tags(engine, PROD)[str(longer.tag)] == longer.digest
    fallback_index(engine, app, [second])
    promote(engine, "dev/app:1", "prod")
    assert tags(engine, PROD)[str(longer.tag)] == longer.digest


def test_an_image_is_no_part_of_a_fallback_index(engine: Engine) -> None:
    """Layers and children are not the same kind of entry."""
    app = image(engine, DEV, "1")
    image(engine, PROD, "1")
    attachment(engine, app, "first", suffix="", name=PROD)
    fallback_index(engine, app, [image(engine, DEV, seed="entry")])
    with pytest.raises(AttachmentsDiffer):
        promote(engine, "dev/app:1", "prod")


# --- expectations -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target"),
    [("app", "old"), ("app", "anything"), ("anything", "old")],
)
def test_what_was_expected_and_is_so_does_not_hinder(
    engine: Engine, source: str, target: str
) -> None:
    app, old = image(engine, DEV, "1"), image(engine, PROD, "1", seed="old")
    named = {"app": app.digest, "old": old.digest, "anything": liftlock.ANYTHING}
    promote(engine, "dev/app:1", "prod", expect_source=named[source], expect_target=named[target])
    assert tags(engine, PROD) == {"1": app.digest}


@pytest.mark.parametrize("expected", [NOWHERE, ABSENT])
def test_a_source_that_moved_is_refused(
    engine: Engine, store: MemoryMetadataStore, expected: Digest
) -> None:
    """E47."""
    app = image(engine, DEV, "1")
    before = everything(store)
    with pytest.raises(TagMoved) as caught:
        promote(engine, "dev/app:1", "prod", expect_source=expected)
    assert (caught.value.tag, caught.value.found) == ("dev/app:1", str(app.digest))
    assert everything(store) == before


@pytest.mark.parametrize("expected", [NOWHERE, ABSENT])
def test_a_target_that_moved_is_refused(
    engine: Engine, store: MemoryMetadataStore, expected: Digest
) -> None:
    """E47."""
    image(engine, DEV, "1")
    old = image(engine, PROD, "1", seed="old")
    before = everything(store)
    with pytest.raises(TagMoved) as caught:
        promote(engine, "dev/app:1", "prod", expect_target=expected)
    assert (caught.value.tag, caught.value.found) == ("prod/app:1", str(old.digest))
    assert everything(store) == before


def test_a_target_expected_absent_may_be_in_a_repository_that_is_not_there(
    engine: Engine,
) -> None:
    app = image(engine, DEV, "1")
    with pytest.raises(TagMoved):
        promote(engine, "dev/app:1", "prod", expect_target=NOWHERE)
    with pytest.raises(RepositoryUnknown):
        engine.get_repository(PROD)  # E64: a refused promotion makes none
    promote(engine, "dev/app:1", "prod", expect_target=ABSENT)
    assert tags(engine, PROD) == {"1": app.digest}


def test_a_source_tag_that_is_gone_and_was_expected_somewhere_has_moved(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    engine.delete_tag(DEV, "1", by="me")
    with pytest.raises(TagMoved):
        promote(engine, "dev/app:1", "prod", expect_source=app.digest)
    with pytest.raises(ManifestUnknown):
        promote(engine, "dev/app:1", "prod")


# --- refusals ---------------------------------------------------------------------------------


def refusal(engine: Engine, source: str, target: str, **options: object) -> LiftlockError:
    with pytest.raises(LiftlockError) as caught:
        promote(engine, source, target, **options)
    return caught.value


@pytest.mark.parametrize(
    ("source", "target", "error"),
    [
        ("dev/app:absent", "prod", ManifestUnknown),
        (f"dev/app@{NOWHERE}", "prod", ManifestUnknown),
        ("dev/absent:1", "prod", RepositoryUnknown),
        ("absent/app:1", "prod", RegistryUnknown),
        ("dev/app:1", "absent", RegistryUnknown),
    ],
)
def test_what_is_not_there_is_named_and_nothing_is_written(
    engine: Engine,
    store: MemoryMetadataStore,
    source: str,
    target: str,
    error: type[LiftlockError],
) -> None:
    image(engine, DEV, "1")
    before = everything(store)
    assert type(refusal(engine, source, target)) is error
    assert everything(store) == before


def test_all_that_was_expected_and_is_not_so_is_listed(engine: Engine) -> None:
    """E46, contract 10."""
    app = image(engine, DEV, "1")
    attachment(engine, app, "theirs")
    image(engine, PROD, "1", seed="old")
    ours = attachment(engine, app, "ours", name=PROD)
    error = refusal(engine, "dev/app:1", "prod", expect_source=NOWHERE, expect_target=ABSENT)
    assert [type(violation) for violation in error.violations] == [
        TagMoved,
        TagMoved,
        AttachmentsDiffer,
    ]
    assert isinstance(error, TagMoved)
    assert error in error.violations
    assert [getattr(violation, "tag", None) for violation in error.violations] == [
        "dev/app:1",
        "prod/app:1",
        f"prod/app:{ours.tag}",
    ]


def test_every_attachment_that_differs_is_listed(engine: Engine) -> None:
    multi = platforms(engine, DEV, "1", count=3)
    for child in multi.children:
        attachment(engine, child, "theirs")
        attachment(engine, child, "ours", name=PROD)
    error = refusal(engine, "dev/app:1", "prod")
    assert [type(violation) for violation in error.violations] == [AttachmentsDiffer] * 3


def test_both_registries_that_are_not_there_are_listed(engine: Engine) -> None:
    error = refusal(engine, "nope/app:1", "none")
    assert [str(v) for v in error.violations] == [
        str(RegistryUnknown("nope")),
        str(RegistryUnknown("none")),
    ]


def test_one_registry_that_is_not_there_is_named_once(engine: Engine) -> None:
    assert len(refusal(engine, "nope/app:1", "nope:2").violations) == 1


def test_an_absent_source_tag_and_an_absent_target_registry_are_both_listed(
    engine: Engine,
) -> None:
    """Contract 10: a refusal names every violation."""
    image(engine, DEV, "1")
    error = refusal(engine, "dev/app:absent", "none")
    assert {type(violation) for violation in error.violations} == {
        ManifestUnknown,
        RegistryUnknown,
    }


def test_a_source_that_disagrees_and_a_target_that_moved_are_both_listed(engine: Engine) -> None:
    """Contract 10."""
    image(engine, DEV, "1")
    image(engine, PROD, "1", seed="old")
    error = refusal(engine, f"dev/app:1@{NOWHERE}", "prod", expect_target=ABSENT)
    assert [violation.tag for violation in error.violations] == ["dev/app:1", "prod/app:1"]


def test_what_can_never_be_right_speaks_for_what_is_not_there(engine: Engine) -> None:
    """E20: the name is bounded at the target too, not only where it was pushed."""
    name = "a" * 250
    image(engine, f"dev/{name}", "1")
    error = refusal(engine, f"dev/{name}:1", "none-of-this-name")
    assert isinstance(error, NameInvalid)
    assert [type(v) for v in error.violations] == [NameInvalid, RegistryUnknown]


def test_a_target_name_may_have_255_characters_and_no_more(engine: Engine) -> None:
    """E20."""
    engine.create_registry("p" * 4, by="me")
    engine.create_registry("p" * 5, by="me")
    name = RepositoryName("dev", "a" * 250)
    app = image(engine, name, "1")
    promote(engine, f"{name}:1", "p" * 4)
    assert tags(engine, RepositoryName("p" * 4, "a" * 250)) == {"1": app.digest}
    assert isinstance(refusal(engine, f"{name}:1", "p" * 5), NameInvalid)


def test_sources_that_lack_what_they_need_are_refused_before_anything_is_written(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    """Only a damaged store has such a thing: the target must not become as damaged."""
    multi = platforms(engine, DEV, "1", count=2)
    links = [k for k, _ in store.read(lambda txn: list(txn.scan(Table.LINKS)))]
    gone = next(k for k in links if k.endswith(multi.children[0].digest.key))
    value = store.read(lambda txn: txn.get(Table.LINKS, gone))
    store.write(lambda txn: txn.delete_many(Table.LINKS, [gone]))
    before = everything(store)
    assert isinstance(refusal(engine, "dev/app:1", "prod"), ManifestUnknown)
    assert everything(store) == before
    store.write(lambda txn: txn.put_many(Table.LINKS, [(gone, value)]))


# --- limits -----------------------------------------------------------------------------------


def limited(
    store: MemoryMetadataStore, blobs: MemoryBlobStore, clock: FakeClock, **limits: int
) -> Engine:
    return Engine(store, blobs, clock=clock, limits=Limits(**limits))


@pytest.mark.parametrize("levels", [8, 9])
def test_indexes_nest_as_deep_as_the_limit_says(engine: Engine, levels: int) -> None:
    inner = image(engine, DEV)
    for level in range(levels):
        inner = index(engine, DEV, "1" if level == levels - 1 else None, [inner])
    if levels == 8:
        promote(engine, "dev/app:1", "prod")
        assert_whole(engine, PROD, inner)
    else:
        error = refusal(engine, "dev/app:1", "prod")
        assert isinstance(error, PromotionInvalid)
        assert "closure_nesting_max" in str(error)


@pytest.mark.parametrize("count", [4, 5])
def test_a_closure_is_as_large_as_the_limit_says(
    engine: Engine,
    store: MemoryMetadataStore,
    blobs: MemoryBlobStore,
    clock: FakeClock,
    count: int,
) -> None:
    platforms(engine, DEV, "1", count=count - 1)
    small = limited(store, blobs, clock, closure_manifests_max=4)
    if count == 4:
        assert len(promote(small, "dev/app:1", "prod").manifests) == 4
    else:
        assert "closure_manifests_max" in str(refusal(small, "dev/app:1", "prod"))


def test_a_closure_of_too_many_referrers_is_refused(
    engine: Engine, store: MemoryMetadataStore, blobs: MemoryBlobStore, clock: FakeClock
) -> None:
    app = image(engine, DEV, "1")
    for number in range(4):
        referrer(engine, app, seed=str(number))
    small = limited(store, blobs, clock, closure_manifests_max=4)
    assert "closure_manifests_max" in str(refusal(small, "dev/app:1", "prod"))
    assert len(promote(engine, "dev/app:1", "prod").manifests) == 5


def test_a_transaction_has_as_many_records_as_the_limit_says(
    engine: Engine, store: MemoryMetadataStore, blobs: MemoryBlobStore, clock: FakeClock
) -> None:
    platforms(engine, DEV, "1", count=3)
    before = everything(store)
    needed = promote(engine, "dev/app:1", "prod", dry_run=True).records
    small = limited(store, blobs, clock, transaction_records_max=needed - 2)
    for dry_run in (True, False):
        error = refusal(small, "dev/app:1", "prod", dry_run=dry_run)
        assert isinstance(error, PromotionInvalid)
        assert "transaction_records_max" in str(error)
    assert everything(store) == before
    promote(limited(store, blobs, clock, transaction_records_max=needed + 2), "dev/app:1", "prod")


# --- again ------------------------------------------------------------------------------------


def test_the_same_promotion_again_is_unchanged_and_answers_like_the_first(
    engine: Engine, store: MemoryMetadataStore, clock: FakeClock
) -> None:
    """E55, contract 9."""
    app = image(engine, DEV, "1")
    attachment(engine, app, "first")
    first = promote(engine, "dev/app:1", "prod", comment="release")
    before = everything(store)
    clock.advance(5000)
    again = promote(engine, "dev/app:1", "prod", comment="retry")
    assert everything(store) == before
    assert not again.changed
    assert (again.id, again.at, again.by, again.comment) == (
        first.id,
        first.at,
        first.by,
        first.comment,
    )
    assert (again.records, again.manifests) == (0, ())
    assert {item.action for item in again.items} == {Outcome.UNCHANGED}
    assert again.items[0].digest == app.digest


def test_unchanged_is_found_before_expectations_are_judged(engine: Engine) -> None:
    image(engine, DEV, "1")
    promote(engine, "dev/app:1", "prod", expect_target=ABSENT)
    assert not promote(engine, "dev/app:1", "prod", expect_target=ABSENT).changed


def test_what_is_right_by_another_way_is_unchanged_and_no_promotion(engine: Engine) -> None:
    image(engine, DEV, "1")
    image(engine, PROD, "1")
    done = promote(engine, "dev/app:1", "prod")
    assert (done.id, done.changed) == (None, False)


def test_again_adds_a_referrer_that_came_since(engine: Engine) -> None:
    """E55."""
    app = image(engine, DEV, "1")
    first = promote(engine, "dev/app:1", "prod")
    sbom = referrer(engine, app)
    done = promote(engine, "dev/app:1", "prod")
    assert [item.action for item in done.items] == [Outcome.EXTEND]
    assert done.changed
    assert done.id != first.id
    assert (done.manifests, done.referrers) == ((sbom.digest,), (sbom.digest,))
    assert engine.list_referrers(PROD, app.digest).entries[0].digest == sbom.digest
    assert engine.history(Reference.parse("prod/app:1")).entries[0].action == "extended"
    assert not promote(engine, "dev/app:1", "prod").changed


def test_again_adds_an_attachment_tag_that_came_since(engine: Engine) -> None:
    """E55."""
    app = image(engine, DEV, "1")
    promote(engine, "dev/app:1", "prod")
    signature = attachment(engine, app, "first")
    done = promote(engine, "dev/app:1", "prod")
    assert done.changed
    assert tags(engine, PROD)[str(signature.tag)] == signature.digest
    assert not promote(engine, "dev/app:1", "prod").changed


def test_again_adds_a_foreign_layer_that_came_since(engine: Engine) -> None:
    app = image(engine, DEV, "1", foreign=[b"windows"])
    promote(engine, "dev/app:1", "prod")
    upload(engine, DEV, b"windows")
    assert promote(engine, "dev/app:1", "prod").changed
    assert read(engine, PROD, app.foreign[0]) == b"windows"
    assert not promote(engine, "dev/app:1", "prod").changed


def test_a_promotion_onto_itself_changes_nothing(
    engine: Engine, store: MemoryMetadataStore
) -> None:
    """E53."""
    app = image(engine, DEV, "1")
    attachment(engine, app, "first")
    before = everything(store)
    for mode in Mode:
        assert not promote(engine, "dev/app:1", "dev", mode=mode).changed
    assert everything(store) == before


# --- dry runs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("state", ["new", "overwrite", "extend", "unchanged", "retag"])
def test_a_dry_run_writes_nothing_and_predicts_exactly(
    engine: Engine, store: MemoryMetadataStore, mode: Mode, state: str
) -> None:
    app = platforms(engine, DEV, "1", count=2)
    attachment(engine, app, "first")
    target = "dev:2" if state == "retag" else "prod"
    if state == "overwrite":
        image(engine, PROD, "1", seed="old")
    if state in {"extend", "unchanged"}:
        promote(engine, "dev/app:1", "prod")
    if state == "extend":
        referrer(engine, app)
    before = everything(store)
    said = promote(engine, "dev/app:1", target, mode=mode, comment="why", dry_run=True)
    assert everything(store) == before
    done = promote(engine, "dev/app:1", target, mode=mode, comment="why")
    assert (everything(store) == before) is (not done.changed)
    if done.changed:
        assert said.id is None
    assert (said.items, said.manifests, said.referrers) == (
        done.items,
        done.manifests,
        done.referrers,
    )
    assert (said.at, said.by, said.mode, said.comment) == (
        done.at,
        done.by,
        done.mode,
        done.comment,
    )
    assert (said.changed, said.records) == (done.changed, done.records)


def test_a_dry_run_is_refused_like_the_promotion(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    attachment(engine, app, "theirs")
    attachment(engine, app, "ours", name=PROD)
    options = {"expect_source": NOWHERE, "expect_target": NOWHERE}
    said = refusal(engine, "dev/app:1", "prod", **options, dry_run=True)
    meant = refusal(engine, "dev/app:1", "prod", **options)
    assert [str(v) for v in said.violations] == [str(v) for v in meant.violations]


def test_a_repository_that_a_dry_run_would_make_is_not_there(engine: Engine) -> None:
    image(engine, DEV, "1")
    promote(engine, "dev/app:1", "prod", dry_run=True)
    with pytest.raises(RepositoryUnknown):
        engine.get_repository(PROD)


# --- versions ---------------------------------------------------------------------------------


def test_a_promotion_raises_the_version_of_what_it_changes(engine: Engine) -> None:
    image(engine, DEV, "1")
    image(engine, PROD, "0", seed="old")
    dev, prod = engine.get_repository(DEV).version, engine.get_repository(PROD).version
    promote(engine, "dev/app:1", "prod")
    assert engine.get_repository(DEV).version == dev
    assert engine.get_repository(PROD).version > prod
    prod = engine.get_repository(PROD).version
    promote(engine, "dev/app:1", "prod")
    assert engine.get_repository(PROD).version == prod
    promote(engine, "dev/app:1", "prod", mode=Mode.MOVE)
    assert engine.get_repository(DEV).version > dev


def test_a_manifest_keeps_the_media_type_under_which_it_was_pushed(engine: Engine) -> None:
    app = image(engine, DEV)
    body = app.body.replace(b'"mediaType": "application/vnd.oci.image.manifest.v1+json", ', b"", 1)
    custom = push(engine, DEV, "1", body, media_type="application/vnd.custom+json")
    promote(engine, "dev/app:1", "prod")
    assert engine.get_manifest(Reference(PROD, "1")).media_type == "application/vnd.custom+json"
    assert custom.body == body


def test_without_a_target_registry_what_the_source_is_not_is_said_too(engine: Engine) -> None:
    app = image(engine, "dev/app", "1")
    other = image(engine, "dev/app", "2", seed="another")
    assert app.digest != other.digest
    error = refusal(engine, "dev/app:1", "nowhere", expect_source=other.digest)
    assert [type(each) for each in error.violations] == [RegistryUnknown, TagMoved]


def test_a_copy_of_a_repository_says_how_many_manifests_it_linked(engine: Engine) -> None:
    for tag in "123":
        image(engine, "dev/app", tag, seed=tag)
    done = engine.promote(Selection.parse("dev/app"), Target.parse("prod"), by="me")
    assert done.linked == 3
    assert engine.get_promotion(done.id or 0).linked == 3
