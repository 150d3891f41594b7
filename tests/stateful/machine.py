"""Two engines that go the same way as the model, and what must be true of all three at any time."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from model import Model, ModelRepository
from replay import replayed

from liftlock import Digest, Reference, RepositoryName, names, seals
from liftlock.blobs.files import FileBlobStore
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.config import DAY_MS, Limits
from liftlock.engine import Engine
from liftlock.errors import (
    LiftlockError,
    NameTaken,
    NotFound,
    RegistryNotEmpty,
    RegistryUnknown,
    Unsupported,
)
from liftlock.metadata.lmdb import LmdbMetadataStore
from liftlock.metadata.lmdbread import LmdbReadTxn
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Outcome, Promotion, PromotionItem, RegistrySettings, SettingsChange
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import Built, read

REGISTRIES = ("dev", "prod")
PATHS = ("app", "team/app", "team/web")
REPOSITORIES = tuple(RepositoryName(registry, path) for registry in REGISTRIES for path in PATHS)
TAGS = ("1", "2", "10")
FOREIGN = b"windows"
SMALL_PARTS = Limits(part_pairs_max=2)

any_registry = st.sampled_from(REGISTRIES)
any_repository = st.sampled_from(REPOSITORIES)
any_tag = st.sampled_from(TAGS)
any_change = st.builds(
    SettingsChange,
    allow_sparse=st.sampled_from([None, True, True, False]),
    allow_delete=st.sampled_from([None, True, True, False]),
)
any_number = st.integers(0, 30)
"""Which of those that there are."""


class Machine(RuleBasedStateMachine):
    blobs: Path
    """Folders for blobs; to make them takes longer than all that an example does."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.folder = tempfile.TemporaryDirectory()
        self.engines: tuple[Engine, ...] = ()
        self.model = Model()

    @initialize(parts_on_disk=st.booleans())
    def open(self, *, parts_on_disk: bool) -> None:
        """One has its metadata in LMDB and its blobs in files, the other both in memory.

        One of them writes a promotion of more than two images part by part.
        """
        sizes = (SMALL_PARTS, Limits()) if parts_on_disk else (Limits(), SMALL_PARTS)
        on_disk = Engine(
            LmdbMetadataStore(Path(self.folder.name), self.clock, seals.seal),
            emptied(FileBlobStore(self.blobs)),
            clock=self.clock,
            limits=sizes[0],
        )
        in_memory = Engine(
            MemoryMetadataStore(self.clock, seals.seal),
            MemoryBlobStore(clock=self.clock),
            clock=self.clock,
            limits=sizes[1],
        )
        self.engines = (on_disk, in_memory)
        self.begin()

    def begin(self) -> None:
        for registry in REGISTRIES:
            self.create_registry(registry)
        self.change_settings(REGISTRIES[0], SettingsChange(allow_sparse=True))

    # --- both engines -----------------------------------------------------------------------

    def both(self, act: Callable[[Engine], object]) -> object:
        """Do it on both engines, which must answer alike; return the result or the error."""
        return self.answers(act)[0]

    def answers(self, act: Callable[[Engine], object]) -> list[object]:
        """Do it on both engines, which must answer alike; return what each said."""
        answers = [self.attempt(act, engine) for engine in self.engines]
        one, other = map(told, answers)
        assert one == other, (one, other)
        note(f"-> {told(answers[0])!r:.300}")
        return answers

    @staticmethod
    def attempt(act: Callable[[Engine], object], engine: Engine) -> object:
        try:
            return act(engine)
        except LiftlockError as error:
            return error

    def catch_up(
        self, there: ModelRepository, *, may_lose: set[Digest], may_gain: set[Digest]
    ) -> None:
        """Take over what the model leaves open: within bounds, and blobs that nothing names."""
        name = self.model.name_of(there)
        engine = self.engines[0]
        linked = {digest for digest in self.model.known if self.has_manifest(engine, name, digest)}
        assert there.linked - may_lose <= linked <= there.linked | may_gain
        gained = linked - there.linked
        there.linked = linked
        named = {blob for digest in may_gain & linked for blob in self.blobs_of(digest)}
        there.blobs = {blob for blob in there.blobs | named if self.has_blob(engine, name, blob)}
        self.model.joined(there, gained)

    def blobs_of(self, digest: Digest) -> frozenset[Digest]:
        return self.model.known[digest].blobs | self.model.known[digest].foreign

    @staticmethod
    def has_manifest(engine: Engine, name: RepositoryName, digest: Digest) -> bool:
        try:
            return engine.get_manifest(Reference(name, None, digest)).digest == digest
        except NotFound:
            return False

    @staticmethod
    def has_blob(engine: Engine, name: RepositoryName, blob: Digest) -> bool:
        try:
            return engine.get_blob(name, blob).digest == blob
        except NotFound:
            return False

    def learn(self, built: Built) -> None:
        """Take in what was pushed."""
        there = self.model.made(built.name)
        self.model.know(built.digest, built.body)
        fresh = {built.digest} - there.linked
        there.linked.add(built.digest)
        there.blobs |= {*built.blobs}
        self.model.joined(there, fresh)
        if built.tag is not None:
            there.tags[built.tag] = built.digest
        for blob in built.blobs:
            self.model.contents.setdefault(blob, read(self.engines[0], built.name, blob))

    def built(self, name: RepositoryName, digest: Digest) -> Built:
        body = self.model.known[digest].body
        return Built(name, None, digest, json.loads(body)["mediaType"], body)

    # --- registries and repositories --------------------------------------------------------

    @rule(ms=st.integers(-1000, 100_000))
    def let_time_pass(self, ms: int) -> None:
        self.clock.advance(ms)

    @rule(days=st.sampled_from([0, 8]))
    def sweep(self, days: int) -> None:
        """What was deleted goes for good; nothing that has a name does."""
        self.clock.advance(days * DAY_MS)
        self.both(lambda engine: engine.sweep())

    @rule(name=any_registry)
    def create_registry(self, name: str) -> None:
        answer = self.both(lambda engine: engine.create_registry(name, by="me"))
        assert isinstance(answer, NameTaken) is (name in self.model.registries)
        self.model.registries.setdefault(name, {})
        self.model.settings.setdefault(name, RegistrySettings())

    @rule(name=any_registry, change=any_change)
    def change_settings(self, name: str, change: SettingsChange) -> None:
        answer = self.both(lambda engine: engine.update_registry(name, change, by="me"))
        if name not in self.model.registries:
            assert isinstance(answer, RegistryUnknown)
            return
        self.model.settings[name] = change.applied_to(self.model.settings[name])
        assert answer.settings == self.model.settings[name]

    @rule(name=any_registry, force=st.booleans())
    def delete_registry(self, name: str, *, force: bool) -> None:
        answer = self.both(lambda engine: engine.delete_registry(name, by="me", force=force))
        if name not in self.model.registries:
            assert isinstance(answer, RegistryUnknown)
        elif self.model.registries[name] and not force:
            assert isinstance(answer, RegistryNotEmpty)
        elif self.model.registries[name] and not self.model.settings[name].allow_delete:
            assert isinstance(answer, Unsupported)
        else:
            assert answer is None
            del self.model.registries[name]
            del self.model.settings[name]

    @rule(name=any_repository)
    def delete_repository(self, name: RepositoryName) -> None:
        answer = self.both(lambda engine: engine.delete_repository(name, by="me"))
        if not self.model.allows_deletes(name):
            assert isinstance(answer, Unsupported)
        elif self.model.find(name) is None:
            assert isinstance(answer, NotFound)
        else:
            assert answer is None
            self.model.drop(name)

    # --- what always holds ------------------------------------------------------------------

    @invariant()
    def tags_are_the_models(self) -> None:
        for engine in self.engines:
            for registry, inside in self.model.registries.items():
                found = {r.name for r in engine.list_repositories(registry).entries}
                assert found == set(inside)
            for name, there in self.model.existing():
                tags = {tag.name: tag.digest for tag in engine.list_tags(name).entries}
                assert tags == there.tags

    @invariant()
    def exactly_what_is_linked_is_readable_and_as_it_was_pushed(self) -> None:
        """Isolation and byte-exactness: every known digest is asked for everywhere."""
        for engine in self.engines:
            for name in sorted(self.model.names):
                there = self.model.find(name) or ModelRepository()
                for digest, known in self.model.known.items():
                    answer = self.attempt(
                        lambda e, n=name, d=digest: e.get_manifest(Reference(n, None, d)), engine
                    )
                    if digest in there.linked:
                        assert getattr(answer, "body", None) == known.body
                    else:
                        assert isinstance(answer, NotFound), (name, digest)

    @invariant()
    def blobs_are_readable_where_they_are_needed_and_nowhere_else(self) -> None:
        for engine in self.engines:
            for name in sorted(self.model.names):
                there = self.model.find(name) or ModelRepository()
                for blob, content in self.model.contents.items():
                    answer = self.attempt(lambda e, n=name, b=blob: read(e, n, b), engine)
                    if blob in there.blobs:
                        assert answer == content
                    else:
                        assert isinstance(answer, NotFound), (name, blob)

    @invariant()
    def whatever_is_linked_is_whole(self) -> None:
        for _, there in self.model.existing():
            for digest in there.linked:
                assert there.linked | there.sparse >= {*self.model.known[digest].children}
                assert there.blobs | there.holes >= self.model.known[digest].blobs
            there.holes -= there.blobs  # what has come may not be absent once more
            assert there.linked >= set(there.tags.values())

    @invariant()
    def what_is_remembered_of_names_is_what_their_rows_say(self) -> None:
        def compare(txn: LmdbReadTxn) -> None:
            anew = LmdbReadTxn(txn._txn, txn._tables, {})
            for key, known in list(txn.memo.items()):
                if isinstance(key, str):
                    assert names.find_registry(anew, key) == known
                elif isinstance(key, tuple):
                    assert names.find_in(anew, *key) == known

        self.engines[0]._store.read(compare)

    def teardown(self) -> None:
        try:
            for engine in self.engines:
                findings = list(engine.check(content=True))
                assert not findings, findings
                tags = replayed(engine, REGISTRIES)
                for name, there in self.model.existing():
                    assert tags.pop(str(name), {}) == there.tags
                assert not any(tags.values()), "of what has no name any more"
        finally:
            for engine in self.engines:
                engine.close()
            self.folder.cleanup()


def pick(options: list, which: int) -> Any:  # Any: of whatever list
    return options[which % len(options)]


def emptied(blobs: FileBlobStore) -> FileBlobStore:
    for stored in blobs.iter_blobs():
        blobs.remove(stored.locator)
    return blobs


def told(answer: object) -> object:
    """Reduce an answer to what both engines must say alike, however they part their work."""
    if isinstance(answer, LiftlockError):
        return [(type(violation), str(violation)) for violation in answer.violations]
    if isinstance(answer, Promotion):
        return answer._replace(
            items=tuple(sorted(map(plain, answer.items), key=str)),
            manifests=(),
            referrers=(),
            records=0,
            plan="",
        )
    locator = getattr(answer, "locator", None)
    return (answer.digest, answer.size) if locator is not None else answer


def plain(item: PromotionItem) -> tuple[object, ...]:
    """An item without what depends on which other images are looked at together with it."""
    tally = item.tally
    is_same = item.action in {Outcome.EXTEND, Outcome.UNCHANGED}
    return (
        item.source,
        item.target,
        item.digest,
        item.previous_digest,
        Outcome.UNCHANGED if is_same else item.action,
        item.attachment,
        tally and tally._replace(extended=0, unchanged=tally.extended + tally.unchanged),
    )
