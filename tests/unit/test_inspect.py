"""An image as a tree: what it names, what is attached, and what that is for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from liftlock import Limits, Reference, RepositoryName, Target
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.errors import ManifestUnknown, NameInvalid, RepositoryUnknown
from liftlock.metadata.contract import Table
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.metadata.records import ManifestRecord, protect
from liftlock.model import Attaching, Inspection, SettingsChange
from liftlock.oci.digest import Digest
from liftlock.oci.mediatype import OCI_INDEX
from liftlock.testing.counting import CountingStore
from liftlock.testing.images import (
    CONFIG,
    LAYER,
    Built,
    Json,
    attachment,
    attachment_tag,
    fallback_index,
    image,
    index,
    platforms,
    push,
    referrer,
    upload,
)

DEV = RepositoryName("dev", "app")
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIGNING = "https://sigstore.dev/cosign/sign/v1"
CONTENT = "dev.sigstore.bundle.content"
PREDICATE = "dev.sigstore.bundle.predicateType"


def limited(engine: Engine, **limits: int) -> Engine:
    return Engine(engine._store, engine._blobs, limits=Limits(**limits), clock=engine._clock)


def attached(of: Inspection) -> list[tuple[Attaching, Digest]]:
    return [(each.purpose, each.manifest.digest) for each in of.attachments]


def all_of(tree: Inspection) -> Iterator[Inspection]:
    yield tree
    for child in (*tree.children, *(each.manifest for each in tree.attachments)):
        yield from all_of(child)


# --- what an image is -------------------------------------------------------------------------


def test_a_single_image_has_its_blobs_and_its_config_s_platform(engine: Engine) -> None:
    app = image(engine, DEV, layers=2, annotations={"of": "the image"})
    found = engine.inspect(app.by_digest)
    assert (found.digest, found.media_type) == (app.digest, app.media_type)
    assert (found.artifact_type, found.platform) == (None, "linux/amd64")
    assert tuple(blob.digest for blob in found.blobs) == app.blobs
    assert found.size == len(app.body)
    assert found.total_size == len(app.body) + sum(blob.size for blob in found.blobs)
    assert found.annotations == {"of": "the image"}
    assert (found.children, found.attachments, found.subject) == ((), (), None)
    assert found.is_present
    assert found.is_complete
    assert not found.is_signed


def test_an_index_has_its_platforms_and_each_byte_once(engine: Engine) -> None:
    base = b"base layer"
    children = [image(engine, DEV, seed=str(n), contents=[base]) for n in range(2)]
    multi = index(engine, DEV, "1", children)
    found = engine.inspect(multi.reference)
    assert [child.platform for child in found.children] == ["linux/arch0", "linux/arch1"]
    assert [child.digest for child in found.children] == [child.digest for child in children]
    once = sum(child.total_size for child in found.children) - len(base)
    assert found.total_size == len(multi.body) + once


def test_what_is_not_there_is_refused(engine: Engine) -> None:
    image(engine, DEV, "1")
    with pytest.raises(ManifestUnknown):
        engine.inspect(Reference(DEV, "2"))
    with pytest.raises(RepositoryUnknown):
        engine.inspect(Reference(RepositoryName("dev", "other"), "1"))
    with pytest.raises(NameInvalid):
        engine.inspect(Reference(DEV))


def test_another_repository_s_attachments_are_not_this_one_s(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    engine.promote(app.reference, Target("prod"), by="me")
    attachment(engine, app, "first")
    assert engine.inspect(app.reference).is_signed
    assert not engine.inspect(Reference(RepositoryName("prod", "app"), "1")).is_signed


# --- what is attached -------------------------------------------------------------------------


def test_attachments_are_where_they_belong_at_any_depth(engine: Engine) -> None:
    """Of the index, of one platform, and of an attachment."""
    multi = platforms(engine, DEV, "1", count=2)
    of_all = attachment(engine, multi, "all")
    of_one = attachment(engine, multi.children[1], "one")
    sbom = referrer(engine, multi.children[0])
    of_sbom = attachment(engine, sbom, "sbom")
    found = engine.inspect(multi.reference)
    assert attached(found) == [(Attaching.SIGNATURE, of_all.digest)]
    first, second = found.children
    assert attached(second) == [(Attaching.SIGNATURE, of_one.digest)]
    assert attached(first) == [(Attaching.SBOM, sbom.digest)]
    assert attached(first.attachments[0].manifest) == [(Attaching.SIGNATURE, of_sbom.digest)]
    assert first.attachments[0].manifest.subject == multi.children[0].digest
    assert found.is_signed
    assert second.is_signed
    assert not first.is_signed


def test_attachments_do_not_count_in_the_size(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    before = engine.inspect(app.reference).total_size
    attachment(engine, app, "first")
    referrer(engine, app)
    assert engine.inspect(app.reference).total_size == before


@pytest.mark.parametrize(
    ("suffix", "purpose"),
    [
        (".sig", Attaching.SIGNATURE),
        (".att", Attaching.ATTESTATION),
        (".sbom", Attaching.SBOM),
    ],
)
def test_an_attachment_tag_tells_what_it_is_for(
    engine: Engine, suffix: str, purpose: Attaching
) -> None:
    app = image(engine, DEV, "1")
    attachment(engine, app, "first", suffix=suffix)
    (found,) = engine.inspect(app.reference).attachments
    assert (found.purpose, found.tag) == (purpose, attachment_tag(app.digest, suffix))


def test_a_referrers_tag_lists_what_it_lists(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    sbom = referrer(engine, app)
    listing = fallback_index(engine, app, [sbom])
    of_app = engine.inspect(app.reference).attachments
    assert [(each.purpose, each.manifest.digest) for each in of_app] == [
        (Attaching.SBOM, sbom.digest),
        (Attaching.OTHER, listing.digest),
    ]
    assert [child.digest for child in of_app[1].manifest.children] == [sbom.digest]


def test_a_referrer_that_has_a_tag_is_attached_once(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    referrer(engine, app, tag=attachment_tag(app.digest, ".sig"))
    (found,) = engine.inspect(app.reference).attachments
    assert (found.purpose, found.tag) == (
        Attaching.SIGNATURE,
        attachment_tag(app.digest, ".sig"),
    )


SIG, ATT, SBOM, OTHER = Attaching


@pytest.mark.parametrize(
    ("artifact_type", "annotations", "purpose"),
    [
        (BUNDLE, {CONTENT: "dsse-envelope", PREDICATE: SIGNING}, SIG),
        (BUNDLE, {CONTENT: "message-signature"}, SIG),
        (BUNDLE, {CONTENT: "message-signature", PREDICATE: SIGNING}, SIG),
        (BUNDLE, {}, SIG),
        (BUNDLE, {CONTENT: "dsse-envelope", PREDICATE: "https://slsa.dev/provenance/v1"}, ATT),
        (BUNDLE, {PREDICATE: "https://cyclonedx.org/bom"}, ATT),
        (BUNDLE, {CONTENT: "dsse-envelope"}, ATT),
        ("application/vnd.dev.sigstore.bundle+json;version=0.2", {}, SIG),
        ("application/vnd.dev.cosign.artifact.sig.v1+json", {}, SIG),
        ("application/vnd.dev.cosign.artifact.att.v1+json", {}, ATT),
        ("application/vnd.dev.cosign.artifact.sbom.v1+json", {}, SBOM),
        ("application/vnd.cncf.notary.signature", {}, SIG),
        ("application/vnd.docker.attestation.manifest.v1+json", {}, ATT),
        ("application/vnd.in-toto+json", {}, ATT),
        ("application/vnd.dsse.envelope.v1+json", {}, ATT),
        ("application/vnd.in-toto.spdx+dsse", {}, ATT),
        ("application/spdx+json", {}, SBOM),
        ("text/spdx", {}, SBOM),
        ("application/vnd.cyclonedx+json", {}, SBOM),
        ("application/vnd.CycloneDX+xml", {}, SBOM),
        ("application/vnd.syft+json", {}, SBOM),
        ("application/vnd.example.report", {PREDICATE: SIGNING}, OTHER),
    ],
)
def test_a_referrer_is_for_what_its_type_says(
    engine: Engine, artifact_type: str, annotations: dict[str, str], purpose: Attaching
) -> None:
    app = image(engine, DEV, "1")
    made = referrer(engine, app, artifact_type=artifact_type, annotations=annotations)
    found = engine.inspect(app.reference)
    assert attached(found) == [(purpose, made.digest)]
    assert found.attachments[0].manifest.artifact_type == artifact_type
    assert found.is_signed == (purpose is Attaching.SIGNATURE)


@pytest.mark.parametrize(
    ("layer_type", "purpose"),
    [
        ("application/vnd.dev.cosign.simplesigning.v1+json", SIG),
        ("application/vnd.in-toto+json", ATT),
        ("text/spdx+json", SBOM),
        (LAYER, OTHER),
    ],
)
def test_without_an_artifact_type_the_layers_tell(
    engine: Engine, layer_type: str, purpose: Attaching
) -> None:
    app = image(engine, DEV, "1")
    config, layer = (upload(engine, DEV, content) for content in (b"{}", b"statement"))
    document = {
        "schemaVersion": 2,
        "config": {"mediaType": CONFIG, "digest": str(config), "size": 2},
        "layers": [{"mediaType": layer_type, "digest": str(layer), "size": 9}],
        "subject": app.descriptor,
    }
    made = push(engine, DEV, None, document)
    assert attached(engine.inspect(app.reference)) == [(purpose, made.digest)]


def attested(
    engine: Engine, apps: list[Built], *, of: str | None = None, subject: Built | None = None
) -> tuple[Built, Built]:
    """An index as BuildKit makes it: images, and beside them what attests the last of them."""
    made = image(engine, DEV, seed="attestation", contents=[b"in-toto statement"], subject=subject)
    entry: Json = made.descriptor | {
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": of or str(apps[-1].digest),
        },
    }
    images = [app.descriptor | {"platform": {"os": "linux"}} for app in apps]
    document = {"schemaVersion": 2, "manifests": [entry, *images]}
    return push(engine, DEV, "1", document, media_type=OCI_INDEX), made


def test_an_attestation_beside_an_image_is_attached_to_it(engine: Engine) -> None:
    """And is part of the index, whatever stands first in it."""
    apps = [image(engine, DEV, seed="a"), image(engine, DEV, seed="b")]
    multi, attestation = attested(engine, apps)
    found = engine.inspect(multi.reference)
    assert [child.digest for child in found.children] == [app.digest for app in apps]
    first, second = found.children
    assert attached(first) == []
    assert attached(second) == [(Attaching.ATTESTATION, attestation.digest)]
    of_children = first.total_size + second.total_size
    of_attestation = second.attachments[0].manifest.total_size
    assert found.total_size == len(multi.body) + of_children + of_attestation


def test_an_attestation_beside_an_image_may_refer_to_it_too(engine: Engine) -> None:
    """As BuildKit makes it if it is asked for OCI artifacts: it is there once."""
    app = image(engine, DEV, seed="a")
    multi, attestation = attested(engine, [app], subject=app)
    (child,) = engine.inspect(multi.reference).children
    assert attached(child) == [(Attaching.ATTESTATION, attestation.digest)]
    # By itself, only the subject tells of it.
    assert [digest for _, digest in attached(engine.inspect(app.by_digest))] == [attestation.digest]


def test_what_attests_and_names_the_same_image_ends_there(engine: Engine) -> None:
    """An attestation that is an index of what it attests goes round in a circle."""
    app = image(engine, DEV, seed="a")
    circle = index(engine, DEV, None, [app])
    entry = circle.descriptor | {
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": str(app.digest),
        }
    }
    document = {"schemaVersion": 2, "manifests": [entry, app.descriptor]}
    multi = push(engine, DEV, "1", document, media_type=OCI_INDEX)
    found = engine.inspect(multi.reference)
    assert [each.digest for each in all_of(found)] == [multi.digest, app.digest, circle.digest]
    assert found.is_complete


@pytest.mark.parametrize("of", [str(Digest.of(b"another")), "nonsense"])
def test_an_attestation_of_what_is_not_beside_it_is_a_child(engine: Engine, of: str) -> None:
    app = image(engine, DEV, seed="a")
    multi, attestation = attested(engine, [app], of=of)
    found = engine.inspect(multi.reference)
    assert [child.digest for child in found.children] == [app.digest, attestation.digest]
    assert all(not child.attachments for child in found.children)


# --- what is not there, or cannot be read -----------------------------------------------------


def test_children_that_are_absent_are_shown_as_such(engine: Engine) -> None:
    engine.update_registry("dev", SettingsChange(allow_sparse=True), by="me")
    here = image(engine, DEV, seed="here")
    there = image(engine, "test/app", seed="there")
    multi = index(engine, DEV, "1", [here, there])
    found = engine.inspect(multi.reference)
    present, absent = found.children
    assert (present.is_present, absent.is_present) == (True, False)
    assert (absent.digest, absent.platform) == (there.digest, "linux/arch1")
    assert (absent.size, absent.total_size) == (len(there.body), 0)
    assert absent.blobs == ()
    assert found.total_size == len(multi.body) + present.total_size
    assert found.is_complete


def test_absent_layers_are_named_and_do_not_count(engine: Engine) -> None:
    app = image(engine, DEV, "1", layers=0, foreign=[b"windows"])
    found = engine.inspect(app.reference)
    assert len(found.blobs) == 2
    assert found.total_size == len(app.body) + found.blobs[0].size
    # Not even if another repository has them: this one does not.
    upload(engine, "test/app", b"windows")
    assert engine.inspect(app.reference) == found


@pytest.mark.parametrize(
    "config",
    [
        b"",
        b"not JSON",
        b"[]",
        b'"linux"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"os": {}, "architecture": 7}',
        b'{"os": "' + b"x" * 1000 + b'"}',
        b'{"os": "linux"}' + b" " * 2**20,
    ],
    ids=["empty", "text", "list", "string", "bytes", "deep", "types", "long", "large"],
)
def test_an_odd_config_tells_nothing(engine: Engine, config: bytes) -> None:
    digest = upload(engine, DEV, config)
    described = {"mediaType": CONFIG, "digest": str(digest), "size": len(config)}
    app = push(engine, DEV, "1", {"schemaVersion": 2, "config": described, "layers": []})
    assert engine.inspect(app.reference).platform is None


def test_a_config_may_say_only_part(engine: Engine) -> None:
    config = json.dumps({"os": "linux", "architecture": None, "variant": "v8"}).encode()
    digest = upload(engine, DEV, config)
    described = {"mediaType": CONFIG, "digest": str(digest), "size": len(config)}
    app = push(engine, DEV, "1", {"schemaVersion": 2, "config": described, "layers": []})
    assert engine.inspect(app.reference).platform == "linux/v8"


def test_a_child_without_a_platform_has_its_config_s(engine: Engine) -> None:
    app = image(engine, DEV, seed="a")
    multi = push(
        engine,
        DEV,
        "1",
        {"schemaVersion": 2, "manifests": [app.descriptor]},
        media_type=OCI_INDEX,
    )
    assert engine.inspect(multi.reference).children[0].platform == "linux/amd64"
    few = limited(engine, inspected_configs_max=1)
    assert few.inspect(multi.reference).children[0].platform is None


def test_only_configs_that_are_needed_are_read(engine: Engine) -> None:
    """Those of children whose index does not tell."""
    *told, untold = (image(engine, DEV, seed=str(number)) for number in range(4))
    entries = [child.descriptor | {"platform": {"os": "plan9"}} for child in told]
    document = {"schemaVersion": 2, "manifests": [*entries, untold.descriptor]}
    multi = push(engine, DEV, "1", document, media_type=OCI_INDEX)
    found = limited(engine, inspected_configs_max=2).inspect(multi.reference)
    assert [child.platform for child in found.children] == ["plan9"] * 3 + ["linux/amd64"]


@pytest.mark.parametrize("damage", ["lost", "flipped"])
def test_a_damaged_config_tells_nothing(
    filing: Engine, blobs: MemoryBlobStore, damage: str
) -> None:
    app = image(filing, DEV, "1")
    locator = filing.get_blob(DEV, app.blobs[0]).locator
    if damage == "lost":
        blobs.remove(locator)
    else:
        stored = blobs._state.blobs[locator]
        flipped = stored.content.replace(b"linux", b"linus")
        blobs._state.blobs[locator] = replace(stored, content=flipped)
    found = filing.inspect(app.reference)
    assert (found.platform, found.is_complete) == (None, True)


@pytest.fixture
def damaged(unchecked: Engine, store: MemoryMetadataStore) -> Built:
    """An index of three images, the second of which cannot be read."""
    multi = platforms(unchecked, DEV, "1", count=3)
    digest = multi.children[1].digest.key
    store.write(lambda txn: txn.put_many(Table.MANIFESTS, [(digest, b"broken")]))
    return multi


def test_of_a_damaged_manifest_the_index_tells(unchecked: Engine, damaged: Built) -> None:
    """L35: the others are shown as ever."""
    found = unchecked.inspect(damaged.reference)
    second = found.children[1]
    assert (second.platform, second.size) == ("linux/arch1", len(damaged.children[1].body))
    assert (second.is_present, second.is_complete, found.is_complete) == (True, False, False)
    assert [len(child.blobs) for child in found.children] == [3, 0, 3]


def test_a_damaged_image_is_shown_as_far_as_it_is_known(
    unchecked: Engine, store: MemoryMetadataStore
) -> None:
    """What is attached to it does not depend on what it says."""
    app = image(unchecked, DEV, "1")
    signature = attachment(unchecked, app, "first")
    sbom = referrer(unchecked, app)
    odd = protect(Table.MANIFESTS, app.digest.key, ManifestRecord(0, 0, 2, b"[]").encode())
    store.write(lambda txn: txn.put_many(Table.MANIFESTS, [odd]))
    found = unchecked.inspect(app.reference)
    assert (found.digest, found.media_type) == (app.digest, app.media_type)
    assert attached(found) == [
        (Attaching.SIGNATURE, signature.digest),
        (Attaching.SBOM, sbom.digest),
    ]
    assert not found.is_complete


def test_a_damaged_record_of_a_blob_takes_nothing_else_away(
    unchecked: Engine, store: MemoryMetadataStore
) -> None:
    app = image(unchecked, DEV, "1")
    store.write(lambda txn: txn.put_many(Table.BLOBS, [(app.blobs[1].key, b"broken")]))
    found = unchecked.inspect(app.reference)
    assert (len(found.blobs), found.platform) == (3, "linux/amd64")


# --- how far it goes --------------------------------------------------------------------------


def referring_index(engine: Engine) -> tuple[Built, Built]:
    """An index that is both parent and referrer of an image."""
    app = image(engine, DEV, "app")
    return app, index(engine, DEV, "index", [app], subject=app)


def test_what_is_shown_above_is_not_shown_again_below(engine: Engine) -> None:
    app, both = referring_index(engine)
    from_index = engine.inspect(both.reference)
    assert [each.digest for each in all_of(from_index)] == [both.digest, app.digest]
    from_app = engine.inspect(app.reference)
    assert [each.digest for each in all_of(from_app)] == [app.digest, both.digest]
    assert from_index.is_complete
    assert from_app.is_complete


def test_what_two_indexes_name_is_shown_below_both(engine: Engine) -> None:
    app = image(engine, DEV, seed="app")
    attachment(engine, app, "first")
    inner = [index(engine, DEV, None, [app], annotations={"n": str(n)}) for n in range(2)]
    outer = index(engine, DEV, "1", inner)
    found = engine.inspect(outer.reference)
    assert [child.children[0].is_signed for child in found.children] == [True, True]
    once = len(app.body) + sum(blob.size for blob in found.children[0].children[0].blobs)
    assert found.total_size == len(outer.body) + sum(len(each.body) for each in inner) + once


def nested(engine: Engine, levels: int) -> Built:
    built = image(engine, DEV, seed="innermost")
    for level in range(levels):
        tag = "1" if level == levels - 1 else None
        built = index(engine, DEV, tag, [built], annotations={"level": str(level)})
    return built


def depth_of(tree: Inspection) -> int:
    return 1 + max(map(depth_of, tree.children), default=0)


@pytest.mark.parametrize(("levels", "is_complete"), [(4, True), (5, False), (9, False)])
def test_it_goes_down_no_further_than_it_may(
    engine: Engine, levels: int, *, is_complete: bool
) -> None:
    outer = nested(engine, levels)
    found = limited(engine, closure_nesting_max=2).inspect(outer.reference)
    assert depth_of(found) == 5
    assert found.is_complete == is_complete


def test_the_longest_way_is_cut_where_a_short_one_is_not(engine: Engine) -> None:
    app = image(engine, DEV, seed="app")
    inner = index(engine, DEV, None, [app])
    middle = index(engine, DEV, None, [inner])
    outer = index(engine, DEV, "1", [middle, inner, app])
    found = limited(engine, closure_nesting_max=1).inspect(outer.reference)
    assert [depth_of(child) for child in found.children] == [2, 2, 1]
    assert [child.is_complete for child in found.children] == [False, True, True]


@pytest.mark.parametrize(("most", "shown"), [(1, 1), (3, 3), (5, 5), (6, 5)])
def test_it_shows_no_more_manifests_than_it_may(engine: Engine, most: int, shown: int) -> None:
    multi = platforms(engine, DEV, "1", count=3)
    attachment(engine, multi.children[0], "first")
    found = limited(engine, closure_manifests_max=most).inspect(multi.reference)
    assert len(list(all_of(found))) == shown
    assert found.is_complete == (most >= 5)


def test_a_graph_of_many_ways_does_not_grow_without_end(engine: Engine) -> None:
    """Each level names all of the next: the ways are as many as 4 to the 8th."""
    level = [image(engine, DEV, seed=str(number)) for number in range(4)]
    for depth in range(8):
        level = [
            index(engine, DEV, None, level, annotations={"n": f"{depth} {number}"})
            for number in range(4)
        ]
    top = index(engine, DEV, "1", level)
    found = limited(engine, closure_manifests_max=500).inspect(top.reference)
    assert len(list(all_of(found))) == 500
    assert not found.is_complete


def test_calls_grow_with_levels_alone(
    engine: Engine, store: MemoryMetadataStore, blobs: MemoryBlobStore
) -> None:
    counting = CountingStore(store)
    counted = Engine(counting, blobs)
    found = {}
    for size in (2, 12):
        multi = platforms(engine, DEV, f"{size}", count=size, seed=str(size))
        for number, child in enumerate(multi.children):
            attachment(engine, child, "first")
            referrer(engine, child, seed=f"{size} {number}")
        counting.reset()
        assert len(list(all_of(counted.inspect(multi.reference)))) == 1 + 3 * size
        found[size] = dict(counting.calls)
    assert found[2] == found[12]
