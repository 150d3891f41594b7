"""Settings of registries: kept, changed, told in the history; and deleting that is not allowed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from liftlock import Digest, Limits, Reference, RepositoryName
from liftlock.engine import Engine
from liftlock.errors import RegistryUnknown, Unsupported
from liftlock.metadata.records.settings import decode_settings, encode_settings
from liftlock.model import RegistrySettings, SettingsChange
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import image, upload

DEV = RepositoryName("dev", "app")
NO_DELETES = SettingsChange(allow_delete=False)
DELETES = SettingsChange(allow_delete=True)


def test_a_registry_begins_with_the_settings_it_is_given(engine: Engine) -> None:
    assert engine.get_registry("dev").settings == RegistrySettings()
    wanted = RegistrySettings(allow_sparse=True, allow_delete=False)
    assert engine.create_registry("loose", wanted, by="me").settings == wanted
    listed = {registry.name: registry.settings for registry in engine.list_registries().entries}
    assert listed["loose"] == wanted
    assert listed["dev"] == RegistrySettings()


def test_only_what_is_said_changes(engine: Engine) -> None:
    engine.update_registry("dev", SettingsChange(allow_sparse=True), by="me")
    changed = engine.update_registry("dev", NO_DELETES, by="me").settings
    assert changed == RegistrySettings(allow_sparse=True, allow_delete=False)
    assert engine.get_registry("prod").settings == RegistrySettings()


def test_a_change_is_in_the_history_with_what_was_before(engine: Engine, clock: FakeClock) -> None:
    clock.advance(1000)
    engine.update_registry("dev", NO_DELETES, by="ada", comment="audit")
    changed, created = engine.history("dev").entries
    assert (changed.kind, changed.action, changed.name) == ("configure", "configured", "dev")
    assert (changed.by, changed.comment, changed.at) == ("ada", "audit", clock.now)
    assert changed.old_settings == RegistrySettings()
    assert changed.new_settings == RegistrySettings(allow_delete=False)
    assert (created.kind, created.action, created.name) == ("create", "created", "dev")
    assert (created.old_settings, created.new_settings) == (None, RegistrySettings())


def test_the_same_again_is_no_event(engine: Engine) -> None:
    engine.update_registry("dev", NO_DELETES, by="me")
    before = engine.history("dev").entries
    engine.update_registry("dev", NO_DELETES, by="me")
    engine.update_registry("dev", SettingsChange(), by="me")
    assert engine.history("dev").entries == before


def test_a_change_stays_out_of_the_history_of_repositories(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    engine.update_registry("dev", NO_DELETES, by="me")
    for of in (DEV, Reference(DEV, "1"), Reference(DEV, None, app.digest)):
        assert {entry.kind for entry in engine.history(of).entries} == {"push"} | (
            {"create"} if of == DEV else set()
        )


def test_an_unknown_registry_has_no_settings(engine: Engine) -> None:
    with pytest.raises(RegistryUnknown):
        engine.update_registry("nope", NO_DELETES, by="me")


def test_settings_outlive_a_change_of_their_number() -> None:
    """One that is missing has its default; one that nobody knows is not passed over."""
    assert decode_settings(b"") == RegistrySettings()
    assert decode_settings(bytes((2, 1, 0))) == RegistrySettings(allow_delete=False)
    for body in (bytes((9, 1, 1)), bytes((1, 1, 2)), bytes((1, 2, 1, 1)), bytes((1, 1, 1)) * 2):
        with pytest.raises(ValueError, match="setting"):
            decode_settings(body)
    everything = RegistrySettings(allow_sparse=True, allow_delete=False)
    assert decode_settings(encode_settings(everything)) == everything


# --- deleting -------------------------------------------------------------------------------------


ABSENT = Digest.of(b"absent")
DELETIONS: dict[str, Callable[[Engine], object]] = {
    "tag": lambda engine: engine.delete_tag(DEV, "1", by="me"),
    "manifest": lambda engine: engine.delete_manifest(
        DEV, engine.get_manifest(Reference(DEV, "1")).digest, by="me"
    ),
    "blob": lambda engine: engine.delete_blob(DEV, Digest.of(b"loose"), by="me"),
    "repository": lambda engine: engine.delete_repository(DEV, by="me"),
    "registry": lambda engine: engine.delete_registry("dev", by="me", force=True),
    "absent tag": lambda engine: engine.delete_tag(DEV, "nope", by="me"),
    "absent manifest": lambda engine: engine.delete_manifest(DEV, ABSENT, by="me"),
    "absent blob": lambda engine: engine.delete_blob(DEV, ABSENT, by="me"),
    "absent repository": lambda engine: engine.delete_tag(
        RepositoryName("dev", "nope"), "1", by="me"
    ),
}


@pytest.mark.parametrize("deletion", DELETIONS)
def test_deleting_is_refused_where_it_is_not_allowed(engine: Engine, deletion: str) -> None:
    """E23: also of what is not there, so that nobody takes the refusal for an absence."""
    image(engine, DEV, "1")
    upload(engine, DEV, b"loose")
    usage = engine.get_registry("dev").usage
    engine.update_registry("dev", NO_DELETES, by="me")
    with pytest.raises(Unsupported, match="dev --allow-delete"):
        DELETIONS[deletion](engine)
    assert engine.get_registry("dev").usage == usage
    if not deletion.startswith("absent"):
        engine.update_registry("dev", DELETES, by="me")
        DELETIONS[deletion](engine)


def test_an_empty_registry_can_be_deleted_whatever_it_allows(engine: Engine) -> None:
    engine.update_registry("dev", NO_DELETES, by="me")
    engine.delete_registry("dev", by="me", force=True)
    with pytest.raises(RegistryUnknown):
        engine.delete_repository(DEV, by="me")


def test_overwriting_and_sweeping_go_on_where_deleting_is_not_allowed(
    engine: Engine, clock: FakeClock
) -> None:
    image(engine, DEV, "1")
    engine.delete_repository(DEV, by="me")
    engine.update_registry("dev", NO_DELETES, by="me")
    for seed in "ab":
        image(engine, DEV, "1", seed=seed)
    clock.advance(Limits().hold_ms + 1)
    assert engine.sweep().rows
    assert engine.get_repository(DEV).usage.manifests == 2
