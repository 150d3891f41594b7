"""The history as people ask for it, and the chain that seals it."""

from __future__ import annotations

import pytest

from liftlock import Digest, Mode, Reference, RepositoryName, Target, history, seals
from liftlock.engine import Engine
from liftlock.errors import LiftlockError, ManifestUnknown, RegistryUnknown, RepositoryUnknown
from liftlock.metadata.contract import Table, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.metadata.records import Kind
from liftlock.model import HistoryEntry, Page
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import attachment, image, platforms, referrer

DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")


def promote(
    engine: Engine, source: str = "dev/app:1", target: str = "prod", mode: Mode = Mode.COPY
) -> None:
    engine.promote(Reference.parse(source), Target.parse(target), by="me", mode=mode, comment="why")


def told(page: Page[HistoryEntry]) -> list[tuple[str, str, str, str | None]]:
    return [(entry.kind, entry.action, entry.name, entry.other) for entry in page.entries]


def tag(text: str) -> Reference:
    return Reference.parse(text)


# --- both sides -------------------------------------------------------------------------------


def test_a_copy_is_told_on_both_sides(engine: Engine, clock: FakeClock) -> None:
    app = image(engine, DEV, "1")
    clock.advance(1000)
    promote(engine)
    came, *rest = engine.history(tag("prod/app:1")).entries
    assert rest == []
    assert (came.kind, came.action) == ("promote", "created")
    assert (came.name, came.other) == ("prod/app:1", "dev/app:1")
    assert (came.old_digest, came.new_digest) == (None, app.digest)
    assert (came.by, came.at, came.comment, came.promotion) == ("me", clock.now, "why", 1)
    taken, pushed = engine.history(tag("dev/app:1")).entries
    assert (taken.kind, taken.action) == ("promote", "taken")
    assert (taken.name, taken.other) == ("dev/app:1", "prod/app:1")
    assert (pushed.kind, pushed.action, pushed.new_digest) == ("push", "created", app.digest)


def test_what_was_taken_is_the_sources_digest(engine: Engine) -> None:
    """Not what the target was before: the source's tag did not change."""
    app = image(engine, DEV, "1")
    image(engine, PROD, "1", seed="old")
    promote(engine)
    taken = engine.history(tag("dev/app:1")).entries[0]
    assert taken.action == "taken"
    assert (taken.old_digest, taken.new_digest) == (app.digest, app.digest)


def test_a_move_is_told_once_on_each_side(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    promote(engine, mode=Mode.MOVE)
    assert told(engine.history(tag("prod/app:1"))) == [
        ("move", "created", "prod/app:1", "dev/app:1")
    ]
    assert told(engine.history(tag("dev/app:1"))) == [
        ("move", "moved_out", "dev/app:1", "prod/app:1"),
        ("push", "created", "dev/app:1", None),
    ]
    gone = engine.history(tag("dev/app:1")).entries[0]
    assert (gone.old_digest, gone.new_digest) == (app.digest, None)


def test_a_move_within_a_repository_is_told_on_both_tags(engine: Engine) -> None:
    image(engine, DEV, "1")
    promote(engine, target="dev:2", mode=Mode.MOVE)
    assert told(engine.history(tag("dev/app:2"))) == [("move", "created", "dev/app:2", "dev/app:1")]
    assert told(engine.history(tag("dev/app:1")))[0] == (
        "move",
        "moved_out",
        "dev/app:1",
        "dev/app:2",
    )
    assert [action for _, action, _, _ in told(engine.history(DEV))] == [
        "moved_out",
        "created",
        "created",
        "created",
    ]


def test_everything_that_happens_to_a_tag_is_told(engine: Engine) -> None:
    first, second = image(engine, DEV, "1", seed="1"), image(engine, DEV, "2", seed="2")
    image(engine, PROD, "live", seed="0")
    promote(engine, "dev/app:1", "prod:live")
    referrer(engine, first)
    promote(engine, "dev/app:1", "prod:live")
    promote(engine, "dev/app:2", "prod:live")
    engine.undo(3, by="me")
    engine.delete_tag(PROD, "live", by="me", comment="away")
    entries = engine.history(tag("prod/app:live")).entries
    assert [(entry.kind, entry.action) for entry in reversed(entries)] == [
        ("push", "created"),
        ("promote", "updated"),
        ("promote", "extended"),
        ("promote", "updated"),
        ("undo", "updated"),
        ("delete", "deleted"),
    ]
    digests = [entry.new_digest for entry in reversed(entries)]
    assert digests[1:] == [first.digest, first.digest, second.digest, first.digest, None]
    for earlier, later in zip(entries[1:], entries, strict=False):
        assert later.old_digest == earlier.new_digest
    assert [entry.event for entry in entries] == sorted(
        (entry.event for entry in entries), reverse=True
    )
    assert entries[0].comment == "away"


def test_attachments_are_told_of_too(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    signature = attachment(engine, app, "first")
    promote(engine)
    assert told(engine.history(Reference(PROD, signature.tag))) == [
        ("promote", "created", f"prod/app:{signature.tag}", f"dev/app:{signature.tag}")
    ]


def test_a_repository_tells_of_all_its_tags(engine: Engine) -> None:
    image(engine, DEV, "1")
    image(engine, DEV, "2", seed="2")
    promote(engine)
    engine.delete_tag(DEV, "1", by="me")
    assert told(engine.history(DEV)) == [
        ("delete", "deleted", "dev/app:1", None),
        ("promote", "taken", "dev/app:1", "prod/app:1"),
        ("push", "created", "dev/app:2", None),
        ("push", "created", "dev/app:1", None),
        ("create", "created", "dev/app", None),
    ]


def test_a_registry_tells_of_all_its_repositories_and_itself(engine: Engine) -> None:
    image(engine, DEV, "1")
    image(engine, "dev/web", "1")
    promote(engine)
    entries = told(engine.history("dev"))
    assert ("create", "created", "dev", None) in entries
    assert ("push", "created", "dev/app:1", None) in entries
    assert ("push", "created", "dev/web:1", None) in entries
    assert ("promote", "taken", "dev/app:1", "prod/app:1") in entries
    assert not any(name.startswith("prod") for _, _, name, _ in entries)


def test_a_digest_tells_where_it_went(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    image(engine, DEV, "2", seed="other")
    promote(engine)
    assert {entry.name for entry in engine.history(app.by_digest).entries} == {"dev/app:1"}
    assert told(engine.history(Reference(PROD, None, app.digest))) == [
        ("promote", "created", "prod/app:1", "dev/app:1")
    ]


def test_a_deleted_digest_tells_of_its_tags(engine: Engine) -> None:
    app = image(engine, DEV, "1")
    engine.delete_manifest(DEV, app.digest, by="me")
    entry = engine.history(tag("dev/app:1")).entries[0]
    assert (entry.action, entry.old_digest, entry.new_digest) == ("deleted", app.digest, None)
    names = {entry.name for entry in engine.history(app.by_digest).entries}
    assert names == {"dev/app:1", f"dev/app@{app.digest}"}


@pytest.mark.parametrize(
    ("of", "error"),
    [
        ("none", RegistryUnknown),
        (RepositoryName("none", "app"), RegistryUnknown),
        (RepositoryName("dev", "none"), RepositoryUnknown),
        (Reference(RepositoryName("dev", "none"), "1"), RepositoryUnknown),
    ],
)
def test_what_never_was_has_no_history(
    engine: Engine, of: object, error: type[LiftlockError]
) -> None:
    with pytest.raises(error):
        engine.history(of)  # type: ignore[arg-type] # one of each


def test_a_tag_that_never_was_has_no_history(engine: Engine) -> None:
    image(engine, DEV, "1")
    promote(engine)
    with pytest.raises(ManifestUnknown):
        engine.history(tag("dev/app:none"))
    assert engine.history(tag("dev/app:1"), before=1).entries == ()


# --- pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", ["dev", DEV, tag("dev/app:1")])
def test_pages_add_up_to_the_whole(engine: Engine, of: Reference | RepositoryName | str) -> None:
    app = platforms(engine, DEV, "1")
    attachment(engine, app, "first")
    for number in range(5):
        promote(engine, target=f"prod:{number}", mode=Mode.COPY)
        image(engine, DEV, "1", seed=str(number))
    promote(engine, mode=Mode.MOVE)
    whole = engine.history(of).entries
    assert not engine.history(of).more
    found: list[HistoryEntry] = []
    before = None
    for _ in range(100):
        page = engine.history(of, before=before, limit=2)
        found += page.entries
        if not page.more:
            break
        assert len(page.entries) >= 2
        before = page.entries[-1].event
    assert tuple(found) == whole
    assert engine.history(of, before=whole[-1].event).entries == ()


# --- names come and go ------------------------------------------------------------------------


def test_a_deleted_registry_keeps_its_history(engine: Engine) -> None:
    image(engine, DEV, "1")
    promote(engine)
    engine.delete_registry("dev", by="you", comment="obsolete", force=True)
    assert told(engine.history(tag("dev/app:1")))[-1] == ("push", "created", "dev/app:1", None)
    newest = engine.history("dev").entries[0]
    assert (newest.kind, newest.action, newest.name, newest.by, newest.comment) == (
        "delete",
        "deleted",
        "dev",
        "you",
        "obsolete",
    )
    assert told(engine.history(tag("prod/app:1"))) == [
        ("promote", "created", "prod/app:1", "dev/app:1")
    ]


def test_a_name_that_was_given_again_tells_of_both_bearers(engine: Engine) -> None:
    old = image(engine, DEV, "1", seed="old")
    engine.delete_registry("dev", by="me", force=True)
    engine.create_registry("dev", by="me")
    with pytest.raises(RepositoryUnknown):
        engine.list_tags(DEV)
    assert told(engine.history(DEV)) == [
        ("delete", "deleted", "dev/app", None),
        ("push", "created", "dev/app:1", None),
        ("create", "created", "dev/app", None),
    ]
    new = image(engine, DEV, "1", seed="new")
    assert [
        (entry.action, entry.old_digest, entry.new_digest)
        for entry in engine.history(tag("dev/app:1")).entries
    ] == [
        ("created", None, new.digest),
        ("deleted", old.digest, None),
        ("created", None, old.digest),
    ]
    assert [kind for kind, _, name, _ in told(engine.history("dev")) if name == "dev"] == [
        "create",
        "delete",
        "create",
    ]
    with pytest.raises(LiftlockError):
        engine.get_manifest(Reference(DEV, None, old.digest))


def test_a_given_up_name_tells_nothing_of_what_came_later(engine: Engine) -> None:
    """A promotion from the old bearer is not of the new one, and the other way round."""
    image(engine, DEV, "1", seed="old")
    promote(engine)
    engine.delete_registry("prod", by="me", force=True)
    engine.create_registry("prod", by="me")
    image(engine, PROD, "1", seed="new")
    engine.delete_registry("prod", by="me", force=True)
    of_prod = [entry.action for entry in engine.history(tag("prod/app:1")).entries]
    assert of_prod == ["deleted", "created", "deleted", "created"]
    assert len(engine.history(tag("dev/app:1")).entries) == 2


# --- seals ------------------------------------------------------------------------------------


def newest_seal(store: MemoryMetadataStore) -> int:
    return store.read(lambda txn: seals.last_seal(txn)[0])


def test_each_commit_with_an_event_has_one_seal(engine: Engine, store: MemoryMetadataStore) -> None:
    before = newest_seal(store)
    image(engine, DEV, "1")
    pushed = newest_seal(store)
    assert pushed > before
    promote(engine)
    assert newest_seal(store) == pushed + 1
    promote(engine)  # changes nothing
    assert newest_seal(store) == pushed + 1
    engine.undo(1, by="me")
    assert newest_seal(store) == pushed + 2


def test_a_seal_closes_all_events_of_its_commit(engine: Engine, store: MemoryMetadataStore) -> None:
    app = image(engine, DEV, "1")
    before = newest_seal(store)
    group = store._group
    with group._turn:
        futures = [
            store.submit(lambda txn, n=number: _push_event(txn, n, app.digest))
            for number in range(5)
        ]
    for future in futures:
        future.result(10)
    assert newest_seal(store) == before + 1
    record = store.read(lambda txn: seals.last_seal(txn)[1])
    assert record is not None
    assert record.last_event - record.first_event == 4
    assert store.read(lambda txn: list(seals.broken_seals(txn))) == []


def _push_event(txn: WriteTxn, number: int, digest: Digest) -> None:
    draft = Draft()
    event = history.next_event(txn)
    act = history.Act("me", f"{number} {digest}")
    history.append(draft, event, Kind.CREATE, act, txn.at, ())
    draft.write(txn)


def test_the_history_only_grows(engine: Engine, store: MemoryMetadataStore) -> None:
    """Append-only: no act changes or removes a row of what was."""
    tables = (Table.EVENTS, Table.ITEMS, Table.TAG_HISTORY, Table.NAMES_LOG, Table.SEALS)

    def rows() -> set[tuple[Table, bytes, bytes]]:
        return store.read(
            lambda txn: {(table, *row) for table in tables for row in txn.scan(table)}
        )

    app = image(engine, DEV, "1")
    attachment(engine, app, "first")
    steps = (
        lambda: promote(engine),
        lambda: promote(engine, mode=Mode.MOVE),
        lambda: engine.undo(2, by="me"),
        lambda: engine.delete_tag(DEV, "1", by="me"),
        lambda: engine.delete_manifest(DEV, app.digest, by="me"),
        lambda: engine.delete_registry("dev", by="me", force=True),
        lambda: engine.create_registry("dev", by="me"),
    )
    before = rows()
    for step in steps:
        step()
        after = rows()
        assert before < after
        before = after
