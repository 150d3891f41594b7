"""Several tags in one push: all or none, one event, each once."""

from __future__ import annotations

import pytest

from liftlock import Digest, Limits, Reference, RepositoryName
from liftlock.engine import Engine
from liftlock.errors import (
    ManifestBlobUnknown,
    ManifestUnknown,
    NameInvalid,
    RepositoryUnknown,
    TagsTooMany,
)
from liftlock.model import HistoryEntry, Pushed
from liftlock.testing.images import Built, image, index

DEV = RepositoryName("dev", "app")
MOST = Limits().put_tags_max


def put(engine: Engine, built: Built, *tags: str, tag: str | None = None) -> Pushed:
    """Push again what was built, by its digest or under `tag`."""
    reference = Reference(DEV, tag, None if tag else built.digest)
    return engine.put_manifest(
        reference, built.body, media_type=built.media_type, by="me", tags=tags
    )


def tags_of(engine: Engine) -> dict[str, Digest]:
    return {tag.name: tag.digest for tag in engine.list_tags(DEV).entries}


def last_event(engine: Engine) -> list[HistoryEntry]:
    entries = engine.history(DEV).entries
    return [entry for entry in entries if entry.event == entries[0].event]


def test_all_tags_are_set_by_one_event_with_an_item_each(engine: Engine) -> None:
    """E18."""
    old = image(engine, DEV, "b", seed="old")
    app = image(engine, DEV)
    version = engine.get_repository(DEV).version
    assert put(engine, app, "c", "a", "b").tags == ("c", "a", "b")
    assert tags_of(engine) == dict.fromkeys("abc", app.digest)
    told = {(e.name, e.action, e.old_digest, e.new_digest) for e in last_event(engine)}
    assert told == {
        ("dev/app:a", "created", None, app.digest),
        ("dev/app:b", "updated", old.digest, app.digest),
        ("dev/app:c", "created", None, app.digest),
    }
    repository = engine.get_repository(DEV)
    assert repository.version == version + 1
    assert repository.usage.tags == engine.get_registry("dev").usage.tags == 3
    assert engine.get_manifest(old.by_digest).body == old.body, "what tags left is held"


def test_the_tag_of_the_reference_is_one_of_them(engine: Engine) -> None:
    app = image(engine, DEV)
    assert put(engine, app, "2", "3", tag="1").tags == ("1", "2", "3")
    assert tags_of(engine) == dict.fromkeys("123", app.digest)


def test_a_manifest_that_is_new_comes_with_all_its_tags(engine: Engine) -> None:
    """One event, and not one more of the manifest itself."""
    child = image(engine, DEV)
    built = index(engine, DEV, None, [child])
    engine.delete_manifest(DEV, built.digest, by="me")
    put(engine, built, "1", "2")
    assert [entry.name for entry in last_event(engine)] == ["dev/app:1", "dev/app:2"]


def test_a_tag_named_twice_is_one(engine: Engine) -> None:
    app = image(engine, DEV)
    assert put(engine, app, "2", "1", "2", tag="1").tags == ("1", "2")
    assert len(last_event(engine)) == engine.get_repository(DEV).usage.tags == 2


def test_what_is_there_is_no_news(engine: Engine) -> None:
    """Repeating changes nothing; adding a tag is an event of that tag alone."""
    app = image(engine, DEV)
    first = put(engine, app, "1", "2")
    before, version = engine.history(DEV), engine.get_repository(DEV).version
    assert put(engine, app, "1", "2") == first
    assert engine.history(DEV) == before
    assert engine.get_repository(DEV).version == version
    assert put(engine, app, "1", "2", "3").tags == ("1", "2", "3")
    assert [entry.name for entry in last_event(engine)] == ["dev/app:3"]


def test_another_media_type_is_news_of_every_tag_that_was_named(engine: Engine) -> None:
    """Each of them now answers with another Content-Type."""
    typed = image(engine, DEV)
    body = typed.body.replace(b'"mediaType": "' + typed.media_type.encode() + b'", ', b"", 1)
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    for media_type in (typed.media_type, docker):
        engine.put_manifest(Reference(DEV), body, media_type=media_type, by="me", tags=["1", "2"])
    told = {(entry.name, entry.action) for entry in last_event(engine)}
    assert told == {("dev/app:1", "updated"), ("dev/app:2", "updated")}
    assert engine.get_manifest(Reference(DEV, "2")).media_type == docker


def test_one_bad_tag_and_none_is_set(engine: Engine) -> None:
    """E18: every bad one is told."""
    app = image(engine, DEV)
    before = engine.history(DEV)
    with pytest.raises(NameInvalid) as refused:
        put(engine, app, "1", "-x", "2", "", "a" * 129)
    named = [violation.name for violation in refused.value.violations]
    assert named == ["-x", "", "a" * 129]
    assert tags_of(engine) == {}
    assert engine.history(DEV) == before


def test_what_is_missing_leaves_every_tag_where_it_was(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    elsewhere = image(engine, "dev/other", seed="other")
    with pytest.raises(ManifestBlobUnknown):
        put(engine, elsewhere, "1", "2")
    assert tags_of(engine) == {"1": app.digest}


def test_the_limit_counts_each_tag_once_and_is_named(engine: Engine) -> None:
    """The distribution spec asks for at least 10."""
    assert MOST >= 10
    app = image(engine, DEV)
    many = [f"t{number}" for number in range(MOST)]
    with pytest.raises(TagsTooMany, match=f"{MOST + 1} tags.* {MOST} .put_tags_max"):
        put(engine, app, *many, "one-more")
    with pytest.raises(TagsTooMany) as refused:
        put(engine, app, *many, "-x", "")
    number, *bad = refused.value.violations
    assert isinstance(number, TagsTooMany)
    assert [fault.name for fault in bad if isinstance(fault, NameInvalid)] == ["-x", ""]
    assert tags_of(engine) == {}
    assert put(engine, app, *many, *many).tags == tuple(many)
    assert len(tags_of(engine)) == MOST


def test_a_refused_push_makes_no_repository(engine: Engine) -> None:
    app = image(engine, "prod/app")
    with pytest.raises(NameInvalid):
        put(engine, app, "1", "!")
    with pytest.raises(RepositoryUnknown):
        engine.get_repository(DEV)


def test_the_tags_go_with_their_manifest(engine: Engine) -> None:
    """E22."""
    app = image(engine, DEV)
    put(engine, app, "1", "2", "3")
    engine.delete_manifest(DEV, app.digest, by="me")
    for tag in "123":
        with pytest.raises(ManifestUnknown):
            engine.get_manifest(Reference(DEV, tag))
    assert engine.get_repository(DEV).usage.tags == 0
