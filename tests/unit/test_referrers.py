"""Referrers by subject and by the referrers tag, as one list (E15-E17)."""

from __future__ import annotations

import pytest

from liftlock import Digest, Limits, RepositoryName, Target
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.metadata import keys
from liftlock.metadata.contract import Table
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Referrer
from liftlock.oci.mediatype import DOCKER_LIST, OCI_INDEX
from liftlock.testing.counting import CountingStore
from liftlock.testing.images import (
    Built,
    attachment,
    attachment_tag,
    fallback_index,
    image,
    index,
    push,
    referrer,
)

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")


def listed(
    engine: Engine,
    subject: Digest,
    *,
    name: RepositoryName = DEV,
    artifact_type: str | None = None,
    limit: int | None = None,
) -> list[Referrer]:
    """All of them, page by page; each page but the last is full."""
    found: list[Referrer] = []
    while True:
        page = engine.list_referrers(
            name,
            subject,
            artifact_type=artifact_type,
            after=found[-1].position if found else "",
            limit=limit,
        )
        found += page.entries
        if not page.more:
            return found
        assert len(page.entries) == limit


def digests(engine: Engine, subject: Built) -> set[Digest]:
    found = listed(engine, subject.digest)
    assert len({entry.digest for entry in found}) == len(found)
    return {entry.digest for entry in found}


def artifact(engine: Engine, seed: str, artifact_type: str = "application/a") -> Built:
    """Something without a subject."""
    return image(engine, DEV, seed=seed, artifact_type=artifact_type)


def test_what_the_tag_lists_is_listed(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    entry = artifact(engine, "entry")
    assert digests(engine, app) == set()
    fallback_index(engine, app, [entry])
    assert digests(engine, app) == {entry.digest}
    engine.delete_tag(DEV, attachment_tag(app.digest), by="me")
    assert digests(engine, app) == set()


def test_who_is_known_both_ways_is_listed_once(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    signed = referrer(engine, app, seed="signed")
    both = referrer(engine, app, seed="both")
    tagged = artifact(engine, "tagged")
    fallback_index(engine, app, [tagged, both])
    assert digests(engine, app) == {signed.digest, both.digest, tagged.digest}


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("artifact_type", [None, "application/a", "application/b"])
def test_both_are_one_list_in_one_order(
    engine: Engine, limit: int, artifact_type: str | None
) -> None:
    """E16: no page has an entry of another, and none falls between two."""
    app = image(engine, DEV, "1")
    by_type: dict[str, set[Digest]] = {"application/a": set(), "application/b": set()}
    tagged: list[Built] = []
    for kind, ours in by_type.items():
        for number in range(4):
            seed = f"{kind} {number}"
            theirs = artifact(engine, f"tagged {seed}", kind)
            signed = referrer(engine, app, seed=seed, artifact_type=kind)
            tagged += [theirs, signed] if number % 2 else [theirs]
            ours |= {theirs.digest, signed.digest}
    fallback_index(engine, app, tagged)
    found = listed(engine, app.digest, artifact_type=artifact_type, limit=limit)
    wanted = by_type[artifact_type] if artifact_type else set[Digest]().union(*by_type.values())
    assert len(found) == len(wanted)
    assert {entry.digest for entry in found} == wanted
    assert [entry.position for entry in found] == sorted(entry.position for entry in found)


def test_a_manifest_speaks_for_itself(engine: Engine) -> None:
    """What the index says of it counts for nothing."""
    app = image(engine, DEV, "1")
    entry = image(
        engine, DEV, seed="entry", artifact_type="application/a", annotations={"true": "yes"}
    )
    plain = index(engine, DEV, None, [])
    lies = {"artifactType": "application/b", "annotations": {"true": "no"}, "size": 1}
    entries = [built.descriptor | lies for built in (entry, plain)]
    document = {"schemaVersion": 2, "manifests": entries}
    push(engine, DEV, attachment_tag(app.digest), document, media_type=DOCKER_LIST)
    found = {described.digest: described for described in listed(engine, app.digest)}
    described = found[entry.digest]
    assert described.artifact_type == "application/a"
    assert described.annotations == {"true": "yes"}
    assert described.size == len(entry.body)
    assert found[plain.digest].artifact_type is None
    assert listed(engine, app.digest, artifact_type="application/b") == []


def test_who_names_another_subject_is_not_listed(engine: Engine) -> None:
    app, other = image(engine, DEV, "1"), image(engine, DEV, "2", seed="other")
    theirs = referrer(engine, other)
    fallback_index(engine, app, [theirs])
    assert digests(engine, app) == set()
    assert digests(engine, other) == {theirs.digest}


def test_a_manifest_does_not_refer_to_itself(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    fallback_index(engine, app, [app])
    assert digests(engine, app) == set()


def test_naming_a_manifest_grants_nothing(unchecked: Engine, store: MemoryMetadataStore) -> None:
    """Of what the index names, only that is listed which the repository has."""
    app = image(unchecked, DEV, "1")
    here, elsewhere = artifact(unchecked, "here"), artifact(unchecked, "elsewhere")
    unchecked.promote(elsewhere.by_digest, Target("prod"), by="me")
    fallback_index(unchecked, app, [here, elsewhere])
    repository = next(
        int.from_bytes(key[:8], "big")
        for key, _ in store.read(lambda txn: list(txn.scan(Table.TAGS)))
    )
    lost = keys.link_key(repository, elsewhere.digest.key)
    assert store.read(lambda txn: txn.get(Table.LINKS, lost))
    store.write(lambda txn: txn.delete_many(Table.LINKS, [lost]))
    assert digests(unchecked, app) == {here.digest}


def test_an_image_under_that_tag_says_nothing_of_referrers(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    signed = referrer(engine, app)
    attachment(engine, app, "first", suffix="")
    assert digests(engine, app) == {signed.digest}


@pytest.mark.parametrize("is_there", [True, False])
def test_an_index_that_cannot_be_read_is_passed_over(
    unchecked: Engine,
    store: MemoryMetadataStore,
    is_there: bool,  # noqa: FBT001
) -> None:
    app = image(unchecked, DEV, "1")
    signed = referrer(unchecked, app)
    broken = fallback_index(unchecked, app, [artifact(unchecked, "entry")])
    row = (broken.digest.key, b"what is this")
    store.write(lambda txn: txn.delete_many(Table.MANIFESTS, [row[0]]))
    if is_there:
        store.write(lambda txn: txn.put_many(Table.MANIFESTS, [row]))
    assert digests(unchecked, app) == {signed.digest}


def test_the_tag_of_a_longer_digest_is_cut(engine: Engine) -> None:
    app = image(engine, DEV, algorithm="sha512")
    entry = artifact(engine, "entry")
    document = {"schemaVersion": 2, "manifests": [entry.descriptor]}
    push(engine, DEV, f"sha512-{app.digest.hex[:64]}", document, media_type=OCI_INDEX)
    assert digests(engine, app) == {entry.digest}


def test_a_subject_need_not_be_there(engine: Engine) -> None:
    image(engine, DEV, "1")
    entry = artifact(engine, "entry")
    absent = Digest.of(b"absent")
    push(
        engine,
        DEV,
        attachment_tag(absent),
        {"schemaVersion": 2, "manifests": [entry.descriptor]},
        media_type=DOCKER_LIST,
    )
    assert [found.digest for found in listed(engine, absent)] == [entry.digest]


def test_what_the_tag_lists_is_promoted_and_listed_there(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    fallback_index(engine, app, [artifact(engine, "one"), artifact(engine, "two")])
    engine.promote(app.reference, Target("prod"), by="me")
    assert listed(engine, app.digest, name=PROD) == listed(engine, app.digest)
    assert len(listed(engine, app.digest, name=PROD)) == 2


def test_of_a_long_index_the_beginning_is_looked_at(
    store: MemoryMetadataStore, blobs: MemoryBlobStore, engine: Engine
) -> None:
    """`tagged_referrers_max`; those with a subject are known without it."""
    app = image(engine, DEV, "1")
    entries = [artifact(engine, str(number)) for number in range(4)]
    last = referrer(engine, app)
    fallback_index(engine, app, [*entries, last])
    strict = Engine(store, blobs, limits=Limits(tagged_referrers_max=3))
    found = {entry.digest for entry in listed(strict, app.digest, limit=2)}
    assert found == {last.digest, *(entry.digest for entry in entries[:3])}


def test_look_ups_do_not_grow_with_the_index(
    store: MemoryMetadataStore, blobs: MemoryBlobStore, engine: Engine
) -> None:
    counting = CountingStore(store)
    counted = Engine(counting, blobs)
    made = []
    for size in (2, 12):
        app = image(engine, DEV, seed=f"{size}")
        fallback_index(engine, app, [artifact(engine, f"{size} {n}") for n in range(size)])
        counting.reset()
        assert len(listed(counted, app.digest)) == size
        made.append(dict(counting.calls))
    assert made[0] == made[1]
