"""What clients push, mount and delete."""

from __future__ import annotations

import json

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from machine import (
    FOREIGN,
    REPOSITORIES,
    TAGS,
    Machine,
    any_number,
    any_repository,
    any_tag,
    pick,
)
from model import SUFFIXES, ModelRepository

from liftlock import ANYTHING, Digest, Reference, RepositoryName
from liftlock.errors import (
    ManifestBlobUnknown,
    NotFound,
    RegistryUnknown,
    TagMoved,
    Unsupported,
)
from liftlock.model import Condition, Expectation
from liftlock.testing.images import (
    Built,
    attachment,
    image,
    index,
    layer_of,
    push,
    referrer,
    upload,
)

any_side = st.sampled_from(["", "any", "one", "none"])
"""Of an expectation: nothing said, anything, one digest, or none at all."""


class Pushing(Machine):
    def begin(self) -> None:
        super().begin()
        for seed in "ab":
            self.push_image(REPOSITORIES[0], None, seed, "no")
        self.push_index(0, 2, TAGS[0])
        image_ = next(d for d in sorted(self.model.known) if self.model.known[d].blobs)
        self.push_again(sorted(self.model.known).index(image_), REPOSITORIES[1], [TAGS[1]])

    @rule(name=any_repository)
    def upload_foreign(self, name: RepositoryName) -> None:
        answer = self.both(lambda engine: upload(engine, name, FOREIGN))
        if name.registry in self.model.registries:
            self.model.made(name).blobs.add(Digest.of(FOREIGN))
            self.model.contents[Digest.of(FOREIGN)] = FOREIGN
        else:
            assert isinstance(answer, RegistryUnknown)

    @rule(
        name=any_repository,
        tag=st.none() | any_tag,
        seed=st.sampled_from("abc"),
        windows=st.sampled_from(["no", "foreign", "own"]),
    )
    def push_image(self, name: RepositoryName, tag: str | None, seed: str, windows: str) -> None:
        """Perhaps with a layer that some name as foreign, and others as their own."""
        layers = [layer_of(seed), *([FOREIGN] if windows == "own" else [])]
        foreign = [FOREIGN] if windows == "foreign" else []
        answer = self.both(
            lambda engine: image(engine, name, tag, seed=seed, contents=layers, foreign=foreign)
        )
        if name.registry in self.model.registries:
            assert isinstance(answer, Built)
            self.learn(answer)
        else:
            assert isinstance(answer, RegistryUnknown)

    @precondition(lambda self: self.model.linked())
    @rule(
        first=any_number,
        count=st.integers(1, 2),
        tag=st.none() | any_tag,
        stranger=st.none() | any_number,
    )
    def push_index(
        self, first: int, count: int, tag: str | None, stranger: int | None = None
    ) -> None:
        """Of what is there and, perhaps, of something that is elsewhere, or nowhere any more."""
        name, _ = pick(self.model.linked(), first)
        inside = sorted(self.model.made(name).linked)
        chosen = [pick(inside, first + step) for step in range(count)]
        if stranger is not None:
            chosen.append(pick(sorted(self.model.known), stranger))
        children = [self.built(name, digest) for digest in chosen]
        answer = self.both(lambda engine: index(engine, name, tag, children))
        self.learn_or_miss(name, answer, {*chosen})

    @precondition(lambda self: self.model.absent())
    @rule(which=any_number)
    def push_what_is_absent(self, which: int) -> None:
        name, digest = pick(self.model.absent(), which)
        known, there = self.model.known[digest], self.model.made(name)
        for blob in sorted(known.blobs):
            self.both(lambda engine, b=blob: upload(engine, name, self.model.contents[b]))
            there.blobs.add(blob)
        media_type = json.loads(known.body)["mediaType"]
        answer = self.both(
            lambda engine: push(engine, name, None, known.body, media_type=media_type)
        )
        self.learn_or_miss(name, answer, {*known.children})

    @precondition(lambda self: self.model.holes())
    @rule(which=any_number)
    def upload_what_is_absent(self, which: int) -> None:
        name, blob = pick(self.model.holes(), which)
        self.both(lambda engine: upload(engine, name, self.model.contents[blob]))
        self.model.made(name).blobs.add(blob)

    def learn_or_miss(self, name: RepositoryName, answer: object, named: set[Digest]) -> None:
        """Take in an index; it is refused if something is absent and must not be."""
        missing = named - self.model.made(name).linked
        if missing and not self.model.settings[name.registry].allow_sparse:
            assert isinstance(answer, ManifestBlobUnknown)
            assert set(answer.missing) == {str(digest) for digest in missing}
        else:
            assert isinstance(answer, Built)
            self.learn(answer)

    @precondition(lambda self: self.model.linked())
    @rule(subject=any_number, name=any_repository, here=st.booleans(), seed=st.sampled_from("xy"))
    def push_referrer(
        self,
        subject: int,
        name: RepositoryName,
        seed: str,
        *,
        here: bool,
    ) -> None:
        where, digest = pick(self.model.linked(), subject)
        name = where if here else name
        described = self.built(where, digest)
        answer = self.both(lambda engine: referrer(engine, described, name=name, seed=seed))
        if name.registry in self.model.registries:
            assert isinstance(answer, Built)
            self.learn(answer)

    @precondition(lambda self: self.model.linked())
    @rule(
        subject=any_number,
        entries=st.sets(st.sampled_from("pq"), min_size=1),
        suffix=st.sampled_from(SUFFIXES),
    )
    def push_attachment(self, subject: int, entries: set[str], suffix: str) -> None:
        where, digest = pick(self.model.linked(), subject)
        described = self.built(where, digest)
        answer = self.both(
            lambda engine: attachment(engine, described, *sorted(entries), suffix=suffix)
        )
        assert isinstance(answer, Built)
        self.learn(answer)

    @precondition(lambda self: self.model.linked())
    @rule(which=any_number, tag=st.none() | any_tag, tags=st.lists(any_tag, max_size=4))
    def tag_again(self, which: int, tag: str | None, tags: list[str]) -> None:
        """Under its digest or a tag, and further tags, of which some may be named twice."""
        name, digest = pick(self.model.linked(), which)
        self.put(Reference(name, tag, None if tag else digest), digest, tags)
        self.model.made(name).tags |= dict.fromkeys([*([tag] if tag else ()), *tags], digest)

    @precondition(lambda self: self.model.known)
    @rule(which=any_number, name=any_repository, tags=st.lists(any_tag, max_size=4))
    def push_again(self, which: int, name: RepositoryName, tags: list[str]) -> None:
        """Under several tags, where it may be new, or lack what it names; then no tag is set.

        Unless that is allowed: so images come to be of which blobs are absent.
        """
        digest = pick(sorted(self.model.known), which)
        answer = self.put(Reference(name, None, digest), digest, tags)
        if name.registry not in self.model.registries:
            assert isinstance(answer, RegistryUnknown)
            return
        known, there = self.model.known[digest], self.model.find(name) or ModelRepository()
        missing = ({*known.children} - there.linked) | (known.blobs - there.blobs)
        is_allowed = self.model.settings[name.registry].allow_sparse
        if missing and digest not in there.linked and not is_allowed:
            assert isinstance(answer, ManifestBlobUnknown)
            assert set(answer.missing) == {str(each) for each in missing}
            return
        assert answer.tags == tuple(dict.fromkeys(tags))
        there = self.model.made(name)
        fresh = {digest} - there.linked
        there.linked.add(digest)
        self.model.joined(there, fresh)
        there.tags |= dict.fromkeys(tags, digest)

    @precondition(lambda self: self.model.linked())
    @rule(which=any_number, tag=any_tag, seen=any_number, at=any_side, not_at=any_side)
    def tag_if(self, which: int, tag: str, seen: int, at: str, not_at: str) -> None:
        """Where the tag is as it was seen, wherever that was."""
        name, digest = pick(self.model.linked(), which)
        expected, holds = self.expectation(name, tag, seen, at, not_at)
        answer = self.put(Reference(name, tag), digest, [], expected)
        assert isinstance(answer, TagMoved) is not holds
        if holds:
            self.model.made(name).tags[tag] = digest

    @precondition(lambda self: self.model.tagged())
    @rule(which=any_number, seen=any_number, at=any_side, not_at=any_side)
    def delete_tag_if(self, which: int, seen: int, at: str, not_at: str) -> None:
        name, tag = pick(self.model.tagged(), which)
        expected, holds = self.expectation(name, tag, seen, at, not_at)
        answer = self.both(lambda engine: engine.delete_tag(name, tag, by="me", expect=expected))
        if not self.model.allows_deletes(name):
            assert isinstance(answer, Unsupported)
            return
        assert isinstance(answer, TagMoved) is not holds
        if holds:
            assert answer == self.model.made(name).tags.pop(tag)

    def expectation(
        self, name: RepositoryName, tag: str, seen: int, at: str, not_at: str
    ) -> tuple[Expectation, bool]:
        """What is expected of a tag, and whether it is so."""
        found = self.model.made(name).tags.get(tag)
        digest = pick(sorted(self.model.known), seen)
        sides = {"": None, "any": ANYTHING, "one": frozenset((digest,)), "none": frozenset()}
        is_met = {"": True, "any": found is not None, "one": found == digest, "none": False}
        is_broken = {"": False, "any": found is not None, "one": found == digest, "none": False}
        return Expectation(sides[at], sides[not_at]), is_met[at] and not is_broken[not_at]

    def put(
        self,
        reference: Reference,
        digest: Digest,
        tags: list[str],
        expected: Condition = ANYTHING,
    ) -> object:
        body = self.model.known[digest].body
        media_type = json.loads(body)["mediaType"]
        return self.both(
            lambda engine: engine.put_manifest(
                reference, body, media_type=media_type, by="me", tags=tags, expect=expected
            )
        )

    @precondition(lambda self: self.model.tagged())
    @rule(which=any_number)
    def delete_tag(self, which: int) -> None:
        name, tag = pick(self.model.tagged(), which)
        answer = self.both(lambda engine: engine.delete_tag(name, tag, by="me"))
        if not self.model.allows_deletes(name):
            assert isinstance(answer, Unsupported)
            return
        assert answer == self.model.made(name).tags.pop(tag)

    @precondition(lambda self: self.model.linked())
    @rule(which=any_number)
    def delete_manifest(self, which: int) -> None:
        name, digest = pick(self.model.linked(), which)
        there = self.model.made(name)
        answer = self.both(lambda engine: engine.delete_manifest(name, digest, by="me"))
        is_needed = any(digest in self.model.known[parent].children for parent in there.linked)
        if is_needed or not self.model.allows_deletes(name):
            assert isinstance(answer, Unsupported)
            return
        assert answer is None
        there.linked.remove(digest)
        there.tags = {tag: at for tag, at in there.tags.items() if at != digest}

    @precondition(lambda self: self.model.known)
    @rule(which=any_number, name=any_repository)
    def delete_what_may_not_be_there(self, which: int, name: RepositoryName) -> None:
        digest = pick(sorted(self.model.known), which)
        there = self.model.find(name)
        if there is None or digest not in there.linked:
            answer = self.both(lambda engine: engine.delete_manifest(name, digest, by="me"))
            assert isinstance(answer, NotFound if self.model.allows_deletes(name) else Unsupported)

    @precondition(lambda self: self.model.contents)
    @rule(which=any_number, name=any_repository, source=any_repository)
    def mount(self, which: int, name: RepositoryName, source: RepositoryName) -> None:
        blob = pick(sorted(self.model.contents), which)
        answer = self.both(lambda engine: engine.mount_blob(name, blob, source=source, by="me"))
        if name.registry not in self.model.registries:
            assert isinstance(answer, RegistryUnknown)
        elif answer is not None:
            assert blob in self.model.made(source).blobs
            self.model.made(name).blobs.add(blob)
