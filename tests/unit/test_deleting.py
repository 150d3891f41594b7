"""`Engine.delete`: a dry run and a deletion judge by the same rules, and say the same."""

from __future__ import annotations

import json

import pytest

from liftlock import Digest, Limits, Reference, RepositoryName
from liftlock.engine import Engine
from liftlock.errors import (
    LiftlockError,
    ManifestUnknown,
    RegistryUnknown,
    RepositoryUnknown,
    TagMoved,
    Unsupported,
)
from liftlock.model import ANYTHING, Deletion, SettingsChange
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import image, platforms
from liftlock.testing.states import item, promote, tags_of

DEV = RepositoryName("dev", "app")
HOLD = Limits().hold_ms
OTHER = Digest.of(b"other")


def deleted(engine: Engine, of: Reference | RepositoryName, expect=ANYTHING) -> Deletion:
    """Foresee, delete, and require that both say the same."""
    foreseen = engine.delete(of, by="you", expect=expect, dry_run=True)
    assert engine.delete(of, by="you", expect=expect) == foreseen
    return foreseen


def test_a_deleted_tag_comes_back_by_its_digest(engine: Engine, clock: FakeClock) -> None:
    digest = image(engine, "dev/app", "1").digest
    deletion = deleted(engine, Reference(DEV, "1"), digest)
    assert deletion == Deletion(Reference(DEV, "1"), digest, ("1",), None, clock() + HOLD)
    assert tags_of(engine, "dev/app") == {}
    clock.advance(HOLD - 1)
    engine.sweep()
    assert engine.get_manifest(Reference(DEV, None, digest)).digest == digest
    promote(engine, item(f"dev/app@{digest}", "dev/app:1"))
    assert tags_of(engine, "dev/app") == {"1": digest}


def test_a_manifest_goes_with_its_tags(engine: Engine) -> None:
    digest = image(engine, "dev/app", "1").digest
    promote(engine, item("dev/app:1", "dev/app:2"))
    kept = image(engine, "dev/app", "3", seed="other").digest
    deletion = deleted(engine, Reference(DEV, None, digest))
    assert (deletion.digest, deletion.tags) == (digest, ("1", "2"))
    assert tags_of(engine, "dev/app") == {"3": kept}
    with pytest.raises(ManifestUnknown):
        engine.get_manifest(Reference(DEV, None, digest))


def test_a_repository_goes_with_all_it_has(engine: Engine) -> None:
    image(engine, "dev/app", "1")
    usage = engine.get_repository(DEV).usage
    deletion = deleted(engine, DEV)
    assert (deletion.digest, deletion.tags, deletion.usage) == (None, (), usage)
    with pytest.raises(RepositoryUnknown):
        engine.get_repository(DEV)


def test_a_dry_run_changes_nothing(engine: Engine) -> None:
    digest = image(engine, "dev/app", "1").digest
    before = engine.history("dev").entries, engine.get_repository(DEV)
    for of in (Reference(DEV, "1"), Reference(DEV, None, digest), DEV):
        engine.delete(of, by="you", dry_run=True)
    assert (engine.history("dev").entries, engine.get_repository(DEV)) == before


def test_a_comment_is_in_the_history(engine: Engine) -> None:
    image(engine, "dev/app", "1")
    engine.delete(Reference(DEV, "1"), by="you", comment="wrong")
    entry = engine.history(DEV).entries[0]
    assert (entry.kind, entry.by, entry.comment) == ("delete", "you", "wrong")


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("of", "expect", "error"),
    [
        (Reference(DEV, "none"), ANYTHING, ManifestUnknown),
        (Reference(DEV, None, OTHER), ANYTHING, ManifestUnknown),
        (Reference(DEV, "1"), OTHER, TagMoved),
        (Reference(DEV, "1", OTHER), ANYTHING, TagMoved),
        (RepositoryName("dev", "none"), ANYTHING, RepositoryUnknown),
        (RepositoryName("none", "app"), ANYTHING, RegistryUnknown),
        (Reference(RepositoryName("none", "app"), "1"), ANYTHING, RegistryUnknown),
    ],
)
def test_what_cannot_be_deleted_is_refused(
    engine: Engine, of, expect, error: type[LiftlockError], *, dry_run: bool
) -> None:
    digest = image(engine, "dev/app", "1").digest
    with pytest.raises(error):
        engine.delete(of, by="you", expect=expect, dry_run=dry_run)
    assert tags_of(engine, "dev/app") == {"1": digest}


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_an_index_needs_stays(engine: Engine, *, dry_run: bool) -> None:
    multi = platforms(engine, "dev/app", "1", count=2).digest
    index = json.loads(engine.get_manifest(Reference(DEV, None, multi)).body)
    digest = Digest.parse(index["manifests"][0]["digest"])
    with pytest.raises(Unsupported, match="is needed by index"):
        engine.delete(Reference(DEV, None, digest), by="you", dry_run=dry_run)


@pytest.mark.parametrize("dry_run", [True, False])
def test_where_deleting_is_not_allowed_nothing_is(engine: Engine, *, dry_run: bool) -> None:
    digest = image(engine, "dev/app", "1").digest
    engine.update_registry("dev", SettingsChange(allow_delete=False), by="tests")
    for of in (Reference(DEV, "1"), Reference(DEV, None, digest), DEV):
        with pytest.raises(Unsupported, match="allow_delete"):
            engine.delete(of, by="you", dry_run=dry_run)
