"""What an embedder writes, for mypy alone: it is not run.

`assert_type` fails when a type becomes another, or is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import assert_type

import liftlock
from liftlock import (
    ABSENT,
    Digest,
    Engine,
    Limits,
    Mode,
    Pieces,
    PromotionCall,
    PromotionRequest,
    Reference,
    RepositoryName,
    RequestItem,
    Selection,
    Target,
    Upload,
)
from liftlock.config import DAY_MS, MIB
from liftlock.errors import LiftlockError, PlanOutdated, TagMoved
from liftlock.http import Said, said
from liftlock.model import (
    BlobContent,
    Finding,
    Found,
    HistoryEntry,
    Inspection,
    ManifestContent,
    Page,
    Promotion,
    Pushed,
    Referrer,
    Registry,
    RegistrySettings,
    Repository,
    SettingsChange,
    Stats,
    Swept,
    Tag,
    Whereabouts,
)


def opening(now: int) -> None:
    limits = Limits(blob_bytes_max=100 * MIB, hold_ms=DAY_MS)
    with liftlock.open("images", create=True, limits=limits, clock=lambda: now) as engine:
        assert_type(engine, Engine)
    assert_type(liftlock.in_memory(limits=limits), Engine)
    liftlock.open("images", created=True)  # type: ignore[call-arg]  # no such argument


def registries(engine: Engine) -> None:
    made = engine.create_registry("dev", RegistrySettings(allow_sparse=True), by="me")
    assert_type(made, Registry)
    assert_type(
        engine.update_registry("dev", SettingsChange(allow_delete=False), by="me"), Registry
    )
    assert_type(engine.list_registries(limit=10), Page[Registry])
    assert_type(engine.list_repositories("dev"), Page[Repository])
    engine.create_registry("dev")  # type: ignore[call-arg]  # who did it must be said


def blobs(engine: Engine, name: RepositoryName, digest: Digest) -> None:
    blob = engine.put_blob(name, digest, [b"some", b"bytes"], by="me")
    assert_type(blob, BlobContent)
    assert_type(engine.read_blob(blob, 1, 2), Pieces)
    assert_type(engine.blob_path(blob), str | None)
    assert_type(engine.mount_blob(name, digest, source=None, by="me"), BlobContent | None)
    session = engine.start_upload(name, by="me")
    held = engine.hold_upload(name, session)
    assert_type(held, AbstractContextManager[Upload])
    with held as upload:
        upload.append(memoryview(b"bytes"), at=upload.size)
        assert_type(upload.commit(digest, by="me"), BlobContent)
    engine.put_blob(name, str(digest), b"", by="me")  # type: ignore[arg-type]  # a text is no digest


def manifests(engine: Engine, reference: Reference, digest: Digest) -> None:
    pushed = engine.put_manifest(
        reference, b"{}", media_type=None, by="me", tags=["1", "2"], expect=ABSENT
    )
    assert_type(pushed, Pushed)
    assert_type(engine.get_manifest(reference), ManifestContent)
    assert_type(engine.list_tags(reference.name), Page[Tag])
    assert_type(engine.list_referrers(reference.name, digest), Page[Referrer])
    assert_type(engine.delete_tag(reference.name, "1", by="me", expect=digest), Digest)


def promotions(engine: Engine) -> None:
    source, target = Selection.parse("dev/app:1"), Target.parse("prod")
    done = engine.promote(source, target, by="me", mode=Mode.MOVE, expect_target=ABSENT)
    assert_type(done, Promotion)
    assert_type(done.items[0].digest, Digest | None)
    request = PromotionRequest((RequestItem(source, target, tags=("1", "2")),))
    assert_type(engine.promote_all(request, by="me", key="7"), Promotion)
    assert_type(engine.submit_promotion(request, by="me"), Future[Promotion])
    calls = [PromotionCall(request, "me", "go")]
    assert_type(engine.promote_each(calls), list[Promotion | Exception])
    engine.promote("dev/app:1", target, by="me")  # type: ignore[arg-type]  # parsed at the edge


def views(engine: Engine, reference: Reference, digest: Digest) -> None:
    assert_type(engine.stats(), Stats)
    assert_type(engine.inspect(reference), Inspection)
    assert_type(engine.where(digest, after="cursor"), Found[Whereabouts])


def past_and_upkeep(engine: Engine, reference: Reference) -> None:
    assert_type(engine.history(reference), Page[HistoryEntry])
    assert_type(engine.undo(1, by="me"), Promotion)
    assert_type(engine.check(content=True), Iterator[Finding])
    assert_type(engine.sweep(), Swept)


def failures(error: LiftlockError) -> None:
    assert_type(error.violations, tuple[LiftlockError, ...])
    assert_type(said(error), Said)
    if isinstance(error, TagMoved):
        assert_type(error.found, str)
    if isinstance(error, PlanOutdated):
        new: Promotion = error.promotion
        assert_type(new.plan, str)
