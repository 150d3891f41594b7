"""Two engines and a model of dictionaries go the same way, and must stay alike.

One engine keeps its metadata in LMDB and its blobs in files, the other both in memory. The model
knows which manifests are linked and where tags point; of blobs it knows which must be readable
and which must not (an undo may take others away or leave them).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from liftlock import Digest, Mode, Reference, RepositoryName, Target, history
from liftlock.blobs.files import FileBlobStore, create
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.errors import (
    AttachmentsDiffer,
    BlobUnknown,
    LiftlockError,
    ManifestUnknown,
    NameTaken,
    NotFound,
    RegistryNotEmpty,
    RegistryUnknown,
    Unsupported,
)
from liftlock.metadata.lmdb import LmdbMetadataStore
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.model import Promotion, Side
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import (
    Built,
    attachment,
    attachment_tag,
    image,
    index,
    read,
    referrer,
    upload,
)

pytestmark = pytest.mark.timeout(900)  # to find the shortest way to a failure takes minutes

REGISTRIES = ("dev", "prod")
REPOSITORIES = tuple(
    RepositoryName(registry, name) for registry in REGISTRIES for name in ("app", "web")
)
TAGS = ("1", "2")
FOREIGN = b"windows"
SUFFIXES = ("", ".sig", ".att")

any_registry = st.sampled_from(REGISTRIES)
any_repository = st.sampled_from(REPOSITORIES)
any_tag = st.sampled_from(TAGS)
any_number = st.integers(0, 30)
"""Which of those that there are."""


@dataclass(frozen=True)
class Known:
    """What the model knows of a manifest, read from its bytes by itself."""

    body: bytes
    children: tuple[Digest, ...]
    blobs: frozenset[Digest]
    foreign: frozenset[Digest]
    subject: Digest | None

    @classmethod
    def of(cls, body: bytes) -> Known:
        document = json.loads(body)
        named = [*document.get("layers", ())]
        if "config" in document:
            named.append(document["config"])
        is_foreign = {d["digest"]: "nondistributable" in d["mediaType"] for d in named}
        subject = document.get("subject")
        return cls(
            body,
            tuple(Digest.parse(d["digest"]) for d in document.get("manifests", ())),
            frozenset(Digest.parse(d) for d, foreign in is_foreign.items() if not foreign),
            frozenset(Digest.parse(d) for d, foreign in is_foreign.items() if foreign),
            Digest.parse(subject["digest"]) if subject else None,
        )

    @property
    def entries(self) -> set[object]:
        """What it lists, as an attachment."""
        if self.children:
            return set(self.children)
        layers = json.loads(self.body).get("layers", ())
        return {Digest.parse(layer["digest"]) for layer in layers}


@dataclass
class ModelRepository:
    tags: dict[str, Digest] = field(default_factory=dict)
    linked: set[Digest] = field(default_factory=set)
    blobs: set[Digest] = field(default_factory=set)
    """Granted once, and not certainly gone."""


@dataclass(frozen=True)
class ModelPromotion:
    source: RepositoryName
    target: RepositoryName
    changes: tuple[tuple[RepositoryName, str, Digest | None, Digest | None], ...]
    """Repository, tag, where it was, where it went."""
    linked: frozenset[Digest]


class Engines(RuleBasedStateMachine):
    blobs: Path
    """Folders for blobs; to make them takes longer than all that an example does."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.folder = tempfile.TemporaryDirectory()
        on_disk = Engine(
            LmdbMetadataStore(Path(self.folder.name), self.clock, history.seal),
            emptied(FileBlobStore(self.blobs)),
            clock=self.clock,
        )
        in_memory = Engine(
            MemoryMetadataStore(self.clock, history.seal),
            MemoryBlobStore(clock=self.clock),
            clock=self.clock,
        )
        self.engines = (on_disk, in_memory)
        self.registries: dict[str, dict[RepositoryName, ModelRepository]] = {}
        self.born: dict[str, int] = {}
        self.known: dict[Digest, Known] = {}
        self.contents: dict[Digest, bytes] = {}
        self.promotions: dict[int, ModelPromotion] = {}

    @initialize()
    def begin(self) -> None:
        for registry in REGISTRIES:
            self.create_registry(registry)
        for seed in "ab":
            self.push_image(REPOSITORIES[0], None, seed, foreign=False)
        self.push_index(0, 2, TAGS[0])

    # --- both engines -----------------------------------------------------------------------

    def both(self, act: Callable[[Engine], object]) -> object:
        """Do it on both engines, which must answer alike; return the result or the error."""
        answers = [self.attempt(act, engine) for engine in self.engines]
        assert told(answers[0]) == told(answers[1])
        note(f"-> {told(answers[0])!r:.300}")
        return answers[0]

    @staticmethod
    def attempt(act: Callable[[Engine], object], engine: Engine) -> object:
        try:
            return act(engine)
        except LiftlockError as error:
            return error

    # --- the model --------------------------------------------------------------------------

    def find(self, name: RepositoryName) -> ModelRepository | None:
        return self.registries.get(name.registry, {}).get(name)

    def made(self, name: RepositoryName) -> ModelRepository:
        return self.registries[name.registry].setdefault(name, ModelRepository())

    def existing(self) -> list[tuple[RepositoryName, ModelRepository]]:
        return [pair for inside in self.registries.values() for pair in sorted(inside.items())]

    def tagged(self) -> list[tuple[RepositoryName, str]]:
        return [(name, tag) for name, there in self.existing() for tag in sorted(there.tags)]

    def linked(self) -> list[tuple[RepositoryName, Digest]]:
        return [
            (name, digest) for name, there in self.existing() for digest in sorted(there.linked)
        ]

    def closure(
        self, there: ModelRepository, roots: Iterable[Digest], without: Container[str] = ()
    ) -> set[Digest]:
        """All that can be reached there, without following these attachment tags."""
        found: set[Digest] = set()
        ahead = list(roots)
        while ahead:
            digest = ahead.pop()
            if digest in found:
                continue
            found.add(digest)
            ahead += self.known[digest].children
            ahead += [other for other in there.linked if self.known[other].subject == digest]
            tags = self.attachments(there, digest)
            ahead += [there.tags[tag] for tag in tags if tag not in without]
        return found

    @staticmethod
    def attachments(there: ModelRepository, digest: Digest) -> list[str]:
        tags = (attachment_tag(digest, suffix) for suffix in SUFFIXES)
        return [tag for tag in tags if tag in there.tags]

    def learn(self, built: Built) -> None:
        """Take in what was pushed."""
        there = self.made(built.name)
        self.known[built.digest] = Known.of(built.body)
        there.linked.add(built.digest)
        there.blobs |= {*built.blobs}
        if built.tag is not None:
            there.tags[built.tag] = built.digest
        for engine in self.engines:
            for blob in built.blobs:
                self.contents.setdefault(blob, read(engine, built.name, blob))

    # --- rules ------------------------------------------------------------------------------

    @rule(ms=st.integers(-1000, 100_000))
    def let_time_pass(self, ms: int) -> None:
        self.clock.advance(ms)

    @rule(name=any_registry)
    def create_registry(self, name: str) -> None:
        answer = self.both(lambda engine: engine.create_registry(name, by="me"))
        assert isinstance(answer, NameTaken) is (name in self.registries)
        if name not in self.registries:
            self.registries[name] = {}
            (entry,) = self.engines[0].history(name, limit=1).entries
            self.born[name] = entry.event

    @rule(name=any_registry, force=st.booleans())
    def delete_registry(self, name: str, *, force: bool) -> None:
        answer = self.both(lambda engine: engine.delete_registry(name, by="me", force=force))
        if name not in self.registries:
            assert isinstance(answer, RegistryUnknown)
        elif self.registries[name] and not force:
            assert isinstance(answer, RegistryNotEmpty)
        else:
            assert answer is None
            del self.registries[name]

    @rule(name=any_repository)
    def upload_foreign(self, name: RepositoryName) -> None:
        answer = self.both(lambda engine: upload(engine, name, FOREIGN))
        if name.registry in self.registries:
            self.made(name).blobs.add(Digest.of(FOREIGN))
            self.contents[Digest.of(FOREIGN)] = FOREIGN
        else:
            assert isinstance(answer, RegistryUnknown)

    @rule(
        name=any_repository,
        tag=st.none() | any_tag,
        seed=st.sampled_from("abc"),
        foreign=st.booleans(),
    )
    def push_image(
        self,
        name: RepositoryName,
        tag: str | None,
        seed: str,
        *,
        foreign: bool,
    ) -> None:
        named = [FOREIGN] if foreign else []
        answer = self.both(
            lambda engine: image(engine, name, tag, seed=seed, layers=1, foreign=named)
        )
        if name.registry in self.registries:
            assert isinstance(answer, Built)
            self.learn(answer)
        else:
            assert isinstance(answer, RegistryUnknown)

    @precondition(lambda self: self.linked())
    @rule(first=any_number, count=st.integers(1, 2), tag=st.none() | any_tag)
    def push_index(self, first: int, count: int, tag: str | None) -> None:
        name, _ = pick(self.linked(), first)
        inside = sorted(self.made(name).linked)
        children = [self.built(name, pick(inside, first + step)) for step in range(count)]
        answer = self.both(lambda engine: index(engine, name, tag, children))
        assert isinstance(answer, Built)
        self.learn(answer)

    @precondition(lambda self: self.linked())
    @rule(subject=any_number, name=any_repository, here=st.booleans(), seed=st.sampled_from("xy"))
    def push_referrer(
        self,
        subject: int,
        name: RepositoryName,
        seed: str,
        *,
        here: bool,
    ) -> None:
        where, digest = pick(self.linked(), subject)
        name = where if here else name
        described = self.built(where, digest)
        answer = self.both(lambda engine: referrer(engine, described, name=name, seed=seed))
        if name.registry in self.registries:
            assert isinstance(answer, Built)
            self.learn(answer)

    @precondition(lambda self: self.linked())
    @rule(
        subject=any_number,
        entries=st.sets(st.sampled_from("pq"), min_size=1),
        suffix=st.sampled_from(SUFFIXES),
    )
    def push_attachment(self, subject: int, entries: set[str], suffix: str) -> None:
        where, digest = pick(self.linked(), subject)
        described = self.built(where, digest)
        answer = self.both(
            lambda engine: attachment(engine, described, *sorted(entries), suffix=suffix)
        )
        assert isinstance(answer, Built)
        self.learn(answer)

    @precondition(lambda self: self.linked())
    @rule(which=any_number, tag=any_tag)
    def tag_again(self, which: int, tag: str) -> None:
        name, digest = pick(self.linked(), which)
        body = self.known[digest].body
        media_type = json.loads(body)["mediaType"]
        self.both(
            lambda engine: engine.put_manifest(
                Reference(name, tag), body, media_type=media_type, by="me"
            )
        )
        self.made(name).tags[tag] = digest

    @precondition(lambda self: self.tagged())
    @rule(which=any_number)
    def delete_tag(self, which: int) -> None:
        name, tag = pick(self.tagged(), which)
        answer = self.both(lambda engine: engine.delete_tag(name, tag, by="me"))
        assert answer == self.made(name).tags.pop(tag)

    @precondition(lambda self: self.linked())
    @rule(which=any_number)
    def delete_manifest(self, which: int) -> None:
        name, digest = pick(self.linked(), which)
        there = self.made(name)
        answer = self.both(lambda engine: engine.delete_manifest(name, digest, by="me"))
        if any(digest in self.known[parent].children for parent in there.linked):
            assert isinstance(answer, Unsupported)
            return
        assert answer is None
        there.linked.remove(digest)
        there.tags = {tag: at for tag, at in there.tags.items() if at != digest}

    @precondition(lambda self: self.known)
    @rule(which=any_number, name=any_repository)
    def delete_what_may_not_be_there(self, which: int, name: RepositoryName) -> None:
        digest = pick(sorted(self.known), which)
        there = self.find(name)
        if there is None or digest not in there.linked:
            answer = self.both(lambda engine: engine.delete_manifest(name, digest, by="me"))
            assert isinstance(answer, NotFound)

    @precondition(lambda self: self.contents)
    @rule(which=any_number, name=any_repository, source=any_repository)
    def mount(self, which: int, name: RepositoryName, source: RepositoryName) -> None:
        blob = pick(sorted(self.contents), which)
        answer = self.both(lambda engine: engine.mount_blob(name, blob, source=source, by="me"))
        if name.registry not in self.registries:
            assert isinstance(answer, RegistryUnknown)
        elif answer is not None:
            assert blob in self.made(source).blobs
            self.made(name).blobs.add(blob)

    # --- promotion --------------------------------------------------------------------------

    @precondition(lambda self: self.tagged())
    @rule(
        which=any_number,
        registry=any_registry,
        repository=st.sampled_from([None, None, "app", "web"]),
        tag=st.sampled_from([None, None, *TAGS]),
        mode=st.sampled_from(Mode),
        side=st.sampled_from([None, None, *Side]),
        again=st.booleans(),
    )
    def promote_tag(
        self,
        which: int,
        registry: str,
        repository: str | None,
        tag: str | None,
        mode: Mode,
        side: Side | None,
        *,
        again: bool,
    ) -> None:
        name, source_tag = pick(self.tagged(), which)
        source, target = Reference(name, source_tag), Target(registry, repository, tag)
        done = self.promote(source, target, mode, side)
        if again and isinstance(done, Promotion):
            repeated = self.promote(source, target, mode, side)
            assert isinstance(repeated, Promotion)
            assert not repeated.changed
            assert repeated.id == done.id or not done.changed

    @precondition(lambda self: self.linked())
    @rule(which=any_number, registry=any_registry, tag=st.none() | any_tag)
    def promote_digest(self, which: int, registry: str, tag: str | None) -> None:
        name, digest = pick(self.linked(), which)
        self.promote(Reference(name, None, digest), Target(registry, None, tag), Mode.COPY, None)

    def promote(self, source: Reference, target: Target, mode: Mode, side: Side | None) -> object:
        def run(engine: Engine, *, dry_run: bool) -> Promotion:
            return engine.promote(
                source,
                target,
                mode=mode,
                by="me",
                attachments=side,
                dry_run=dry_run,
            )

        said = self.both(lambda engine: run(engine, dry_run=True))
        done = self.both(lambda engine: run(engine, dry_run=False))
        if isinstance(said, Promotion):
            assert isinstance(done, Promotion)
            assert (said.items, said.manifests, said.records) == (
                done.items,
                done.manifests,
                done.records,
            )
        else:
            assert told(said) == told(done)
        return self.follow(source, target, mode, side, done)

    def follow(
        self, source: Reference, target: Target, mode: Mode, side: Side | None, done: object
    ) -> object:
        """Do it on the model, and compare."""
        name = RepositoryName(target.registry, target.repository or source.name.repository)
        tag = target.tag or source.tag
        if target.registry not in self.registries:
            assert isinstance(done, RegistryUnknown)
            return done
        here = self.made(source.name)
        if source.tag is not None and source.tag not in here.tags:
            # Gone by a move, perhaps by this very one.
            assert isinstance(done, ManifestUnknown) or (
                isinstance(done, Promotion) and not done.changed
            )
            return done
        digest = source.digest or here.tags[source.tag or ""]
        there = self.find(name)
        old = {} if there is None else dict(there.tags)
        members = self.closure(here, [digest])
        carried = sorted(t for member in members for t in self.attachments(here, member))
        carried = carried if name != source.name else []
        verdicts = self.verdicts(here, old, [t for t in carried if t != tag], side)
        outdone = [t for t, verdict in verdicts.items() if verdict is False]
        reached = self.closure(here, [digest], outdone)
        brought = {t for member in reached for t in self.attachments(here, member)}
        if isinstance(done, AttachmentsDiffer):
            assert None in verdicts.values()
            return done
        assert all(verdicts[t] is not None for t in verdicts if t in brought)
        wanted = {t: here.tags[t] for t in verdicts if t in brought and verdicts[t]}
        if tag is not None:
            wanted[tag] = digest
        assert isinstance(done, Promotion), done
        changes = [(name, t, old.get(t), to) for t, to in wanted.items() if old.get(t) != to]
        there = self.made(name)
        fresh = frozenset(reached - there.linked) if name != source.name else frozenset()
        assert {*done.manifests} == fresh
        there.linked |= fresh
        for member in fresh:
            there.blobs |= self.known[member].blobs
        for member in reached:
            there.blobs |= self.known[member].foreign & here.blobs
        there.tags |= wanted
        onto_itself = name == source.name and tag == source.tag
        if mode is Mode.MOVE and source.tag is not None and not onto_itself:
            gone = self.leaving(here, source.tag, carried)
            changes += [(source.name, t, here.tags.pop(t), None) for t in sorted(gone)]
        if changes:
            assert done.changed
        if done.changed:
            assert done.id is not None
            self.promotions[done.id] = ModelPromotion(source.name, name, tuple(changes), fresh)
        return done

    def verdicts(
        self,
        here: ModelRepository,
        old: dict[str, Digest],
        carried: list[str],
        side: Side | None,
    ) -> dict[str, bool | None]:
        """Whether the source's counts, for each attachment tag that differs."""
        differing = (tag for tag in carried if here.tags[tag] != old.get(tag))
        return {tag: self.settle(here.tags[tag], old.get(tag), side) for tag in differing}

    def settle(self, theirs: Digest, ours: Digest | None, side: Side | None) -> bool | None:
        """Whether the source's attachment is taken; None if somebody must say."""
        if ours is None or side is Side.SOURCE:
            return True
        if side is Side.TARGET:
            return False
        mine, yours = self.known[ours].entries, self.known[theirs].entries
        if mine <= yours:
            return True
        return False if yours <= mine else None

    def leaving(self, here: ModelRepository, tag: str, carried: list[str]) -> set[str]:
        """The moved tag, and the attachment tags of all that no remaining tag reaches."""
        rest = replace(here, tags={t: at for t, at in here.tags.items() if t != tag})
        staying = self.closure(rest, [at for t, at in rest.tags.items() if t not in carried])
        kept = {t for member in staying for t in self.attachments(rest, member)}
        return {tag, *carried} - kept

    @precondition(lambda self: self.promotions)
    @rule(which=any_number)
    def undo(self, which: int) -> None:
        number = pick(sorted(self.promotions), -which - 1)
        promotion = self.promotions[number]
        done = self.both(lambda engine: engine.undo(number, by="me"))
        if not isinstance(done, Promotion):
            return
        if not done.changed:
            return
        there = self.made(promotion.target)
        here = self.find(promotion.source) or ModelRepository()  # a copy's source may be deleted
        for name, tag, old, new in promotion.changes:
            found = self.made(name).tags
            assert found.get(tag) == new
            if name == promotion.source and old is not None and old not in here.linked:
                fresh = self.closure(there, [old]) - here.linked
                here.linked |= fresh
                for member in fresh:
                    here.blobs |= self.known[member].blobs
                for member in self.closure(there, [old]):
                    here.blobs |= self.known[member].foreign & there.blobs
        for name, tag, old, _ in promotion.changes:
            if old is None:
                del self.made(name).tags[tag]
            else:
                self.made(name).tags[tag] = old
        taken = {*done.manifests}
        assert taken <= promotion.linked
        there.linked -= taken
        there.blobs = {blob for blob in there.blobs if self.is_readable(promotion.target, blob)}

    def is_readable(self, name: RepositoryName, blob: Digest) -> bool:
        try:
            return self.engines[0].get_blob(name, blob).digest == blob
        except BlobUnknown:
            return False

    # --- what always holds ------------------------------------------------------------------

    @invariant()
    def tags_are_the_models(self) -> None:
        for engine in self.engines:
            for registry in REGISTRIES:
                if registry not in self.registries:
                    continue
                names = {r.name for r in engine.list_repositories(registry).entries}
                assert names == set(self.registries[registry])
            for name, there in self.existing():
                tags = {tag.name: tag.digest for tag in engine.list_tags(name).entries}
                assert tags == there.tags

    @invariant()
    def exactly_what_is_linked_is_readable_and_as_it_was_pushed(self) -> None:
        """Isolation and byte-exactness: every known digest is asked for everywhere."""
        for engine in self.engines:
            for name in REPOSITORIES:
                there = self.find(name) or ModelRepository()
                for digest, known in self.known.items():
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
            for name in REPOSITORIES:
                there = self.find(name) or ModelRepository()
                for blob, content in self.contents.items():
                    answer = self.attempt(lambda e, n=name, b=blob: read(e, n, b), engine)
                    if blob in there.blobs:
                        assert answer == content
                    else:
                        assert isinstance(answer, NotFound), (name, blob)

    @invariant()
    def whatever_is_linked_is_whole(self) -> None:
        for _, there in self.existing():
            for digest in there.linked:
                assert there.linked >= {*self.known[digest].children}
                assert there.blobs >= self.known[digest].blobs
            assert there.linked >= set(there.tags.values())

    def teardown(self) -> None:
        try:
            for engine in self.engines:
                assert list(engine.check(content=True)) == []
                for name, there in self.existing():
                    assert self.replayed(engine, name) == there.tags
        finally:
            for engine in self.engines:
                engine.close()
            self.folder.cleanup()

    def replayed(self, engine: Engine, name: RepositoryName) -> dict[str, Digest]:
        """Where the tags would be if nothing were known but the history."""
        tags: dict[str, Digest] = {}
        for entry in reversed(engine.history(name).entries):
            path, _, tag = entry.name.partition(":")
            if entry.event < self.born[name.registry] or path != str(name):
                continue
            if "@" in path or not tag or entry.action == "taken":
                continue
            assert tags.get(tag) == entry.old_digest
            if entry.new_digest is None:
                tags.pop(tag, None)
            else:
                tags[tag] = entry.new_digest
        return tags

    def built(self, name: RepositoryName, digest: Digest) -> Built:
        body = self.known[digest].body
        return Built(name, None, digest, json.loads(body)["mediaType"], body)


def pick(options: list, which: int):
    return options[which % len(options)]


def emptied(blobs: FileBlobStore) -> FileBlobStore:
    for stored in blobs.iter_blobs():
        blobs.remove(stored.locator)
    return blobs


def told(answer: object) -> object:
    """Reduce an answer to what both engines must say alike."""
    if isinstance(answer, LiftlockError):
        return [(type(violation), str(violation)) for violation in answer.violations]
    locator = getattr(answer, "locator", None)
    return (answer.digest, answer.size) if locator is not None else answer


@pytest.fixture(autouse=True, scope="module")
def _blobs(tmp_path_factory: pytest.TempPathFactory) -> None:
    Engines.blobs = tmp_path_factory.mktemp("store")
    create(Engines.blobs)


class TestEngines(Engines.TestCase):
    settings = settings(stateful_step_count=30)
