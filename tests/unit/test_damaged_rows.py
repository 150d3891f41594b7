"""Whatever became of a row, what is asked is answered, or refused with what is damaged."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from liftlock import Digest, Mode, PromotionRequest, Reference, RepositoryName
from liftlock.engine import Engine
from liftlock.errors import LiftlockError
from liftlock.metadata.contract import Table
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import SettingsChange
from liftlock.testing.images import attachment, image, index, platforms, referrer
from liftlock.testing.states import item, move, promote

NAMES = ("dev/a", "dev/b", "dev/s", "test/a", "prod/gone", "prod/b")


def fill(engine: Engine) -> Digest:
    """Leave rows in every table; return what has referrers."""
    engine.update_registry("dev", SettingsChange(allow_sparse=True), by="me")
    app = image(engine, "dev/a", "1", foreign=[b"windows"])
    attachment(engine, app, "signed")
    referrer(engine, app)
    index(engine, "dev/s", "1", [image(engine, "prod/elsewhere", seed="absent")])
    platforms(engine, "dev/b", "1")
    promote(engine, item("dev/a:1", "test"), key="once")
    promote(engine, item("dev/a", "prod/gone"))
    move(engine, item("dev/b", "prod/b"))
    engine.delete_repository(RepositoryName("prod", "gone"), by="me")
    return app.digest


def questions(engine: Engine, subject: Digest) -> list[Callable[[], object]]:
    """All that can be asked of an engine, of all that there is."""

    def plan(source: str, target: str, mode: Mode, tags: str | None, *, purge: bool) -> object:
        request = PromotionRequest((item(source, target, tags),), mode, None, purge, True)  # noqa: FBT003
        return engine.promote_all(request, by="me", dry_run=True)

    asked: list[Callable[[], object]] = [
        engine.list_registries,
        engine.list_promotions,
        engine.stats,
        lambda: engine.where(subject),
    ]
    for registry in ("dev", "test", "prod"):
        asked += [
            lambda r=registry: engine.get_registry(r),
            lambda r=registry: engine.list_repositories(r),
            lambda r=registry: engine.history(r),
        ]
    for text in NAMES:
        name = RepositoryName.parse(text)
        asked += [
            lambda n=name: engine.get_repository(n),
            lambda n=name: engine.list_tags(n),
            lambda n=name: engine.list_referrers(n, subject),
            lambda n=name: engine.get_manifest(Reference(n, "1")),
            lambda n=name: engine.inspect(Reference(n, "1")),
            lambda n=name: engine.history(n),
            lambda n=name: engine.history(Reference(n, "1")),
            lambda t=text: plan(f"{t}:1", "test/x", Mode.COPY, None, purge=False),
            lambda t=text: plan(t, "prod/x", Mode.COPY, "*", purge=False),
            lambda t=text: plan(t, "prod/b", Mode.MOVE, None, purge=False),
            lambda t=text: plan(f"{t}:1", "test/a", Mode.MOVE, None, purge=True),
        ]
    for number in (1, 2, 3):
        asked += [
            lambda n=number: engine.get_promotion(n),
            lambda n=number: engine.undo(n, by="me", dry_run=True),
        ]
    return asked


@pytest.mark.parametrize("table", sorted({*Table} - {Table.SEALS, Table.META, Table.COUNTERS}))
def test_what_is_asked_of_damaged_rows_is_answered_or_refused(
    unchecked: Engine, store: MemoryMetadataStore, table: Table
) -> None:
    asked = questions(unchecked, fill(unchecked))
    store._group._before_commit = lambda txn: None  # what is damaged is not sealed
    rows = store.read(lambda txn: list(txn.scan(table)))
    step = max(1, len(rows) // 8)
    assert rows
    for key, value in rows[::step]:
        for left in ([(key, value[: len(value) // 2])], []):
            store.write(lambda txn, k=key: txn.delete_many(table, [k]))
            store.write(lambda txn, some=left: txn.put_many(table, some))
            for ask in asked:
                with suppress(LiftlockError):
                    ask()
            store.write(lambda txn, row=(key, value): txn.put_many(table, [row]))
