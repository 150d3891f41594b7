"""What the store should be, in dictionaries.

It knows which manifests are linked and where tags point; of blobs it knows which must be readable
and which must not (an undo may take others away or leave them).
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace

from liftlock import Digest, RepositoryName
from liftlock.model import RegistrySettings, Side
from liftlock.testing.images import attachment_tag

SUFFIXES = ("", ".sig", ".att")


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


@dataclass(eq=False)
class ModelRepository:
    """A repository, which stays itself when it is called otherwise."""

    tags: dict[str, Digest] = field(default_factory=dict)
    linked: set[Digest] = field(default_factory=set)
    blobs: set[Digest] = field(default_factory=set)
    """Granted once, and not certainly gone."""
    sparse: set[Digest] = field(default_factory=set)
    """What may be absent though an index names it: nobody has brought it in since."""

    holes: set[Digest] = field(default_factory=set)
    """As `sparse`, of blobs that a manifest names, but for foreign layers."""

    @property
    def is_empty(self) -> bool:
        return not (self.tags or self.linked)

    def copy(self) -> ModelRepository:
        return ModelRepository(
            {**self.tags}, {*self.linked}, {*self.blobs}, {*self.sparse}, {*self.holes}
        )


class Model:
    """All registries with their repositories, and every manifest and blob that was pushed."""

    def __init__(self) -> None:
        self.registries: dict[str, dict[RepositoryName, ModelRepository]] = {}
        self.settings: dict[str, RegistrySettings] = {}
        self.known: dict[Digest, Known] = {}
        self.contents: dict[Digest, bytes] = {}
        self.names: set[RepositoryName] = set()
        """All that there ever were."""

    def know(self, digest: Digest, body: bytes) -> None:
        self.known[digest] = Known.of(body)

    # --- repositories -----------------------------------------------------------------------

    def find(self, name: RepositoryName) -> ModelRepository | None:
        return self.registries.get(name.registry, {}).get(name)

    def made(self, name: RepositoryName) -> ModelRepository:
        found = self.registries[name.registry].setdefault(name, ModelRepository())
        self.names.add(name)
        return found

    def put(self, name: RepositoryName, there: ModelRepository) -> None:
        self.names.add(name)
        self.registries[name.registry][name] = there

    def drop(self, name: RepositoryName) -> ModelRepository:
        return self.registries[name.registry].pop(name)

    def name_of(self, there: ModelRepository) -> RepositoryName | None:
        return next((name for name, found in self.existing() if found is there), None)

    def existing(self) -> list[tuple[RepositoryName, ModelRepository]]:
        return [pair for inside in self.registries.values() for pair in sorted(inside.items())]

    def tagged(self) -> list[tuple[RepositoryName, str]]:
        return [(name, tag) for name, there in self.existing() for tag in sorted(there.tags)]

    def linked(self) -> list[tuple[RepositoryName, Digest]]:
        return [
            (name, digest) for name, there in self.existing() for digest in sorted(there.linked)
        ]

    def allows_deletes(self, name: RepositoryName) -> bool:
        """Whether a deletion is judged by what is there, and not refused for its registry."""
        return self.settings.get(name.registry, RegistrySettings()).allow_delete

    # --- what belongs together --------------------------------------------------------------

    def gaps(self, linked: Iterable[Digest]) -> set[Digest]:
        """The children that some manifests name and that are not among them."""
        return {child for digest in linked for child in self.known[digest].children} - {*linked}

    def absent(self) -> list[tuple[RepositoryName, Digest]]:
        return [
            (name, child)
            for name, there in self.existing()
            for child in sorted(self.gaps(there.linked))
        ]

    def named(self, digests: Iterable[Digest]) -> set[Digest]:
        """The blobs that some manifests name as their own."""
        return {blob for digest in digests for blob in self.known[digest].blobs}

    def joined(self, there: ModelRepository, fresh: set[Digest]) -> None:
        """What came is not absent any more; what it names may be, blobs that came aside."""
        there.sparse -= fresh
        there.sparse |= {c for d in fresh for c in self.known[d].children} - there.linked
        there.holes |= self.named(fresh) - there.blobs

    def holes(self) -> list[tuple[RepositoryName, Digest]]:
        return [
            (name, blob)
            for name, there in self.existing()
            for blob in sorted(self.named(there.linked) - there.blobs)
        ]

    def closure(
        self, there: ModelRepository, roots: Iterable[Digest], without: Container[str] = ()
    ) -> set[Digest]:
        """All that can be reached there, without following these attachment tags."""
        found: set[Digest] = set()
        ahead = list(roots)
        while ahead:
            digest = ahead.pop()
            if digest in found or digest not in there.linked:
                continue  # what is absent is not followed
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

    def attached(self, there: ModelRepository, digests: Iterable[Digest]) -> set[str]:
        return {tag for digest in digests for tag in self.attachments(there, digest)}

    def holders(self, there: ModelRepository, digest: Digest) -> Iterator[Digest]:
        """The indexes and the subject that hold a manifest."""
        for other in there.linked:
            if digest in self.known[other].children:
                yield other
        if self.known[digest].subject in there.linked:
            yield self.known[digest].subject

    def settle(self, theirs: Digest, ours: Digest | None, side: Side | None) -> bool | None:
        """Whether the source's attachment is taken; None if somebody must say."""
        if ours is None or side is Side.SOURCE:
            return True
        if side is Side.TARGET:
            return False
        mine, yours = self.known[ours].entries, self.known[theirs].entries
        if yours <= mine:
            return False
        return True if mine <= yours else None

    def attachments_leaving(
        self, here: ModelRepository, gone: Iterable[str], carried: set[str]
    ) -> set[str]:
        """The attachment tags of all that no tag reaches once `gone` are gone."""
        rest = replace(here, tags={t: at for t, at in here.tags.items() if t not in gone})
        staying = self.closure(rest, [at for t, at in rest.tags.items() if t not in carried])
        return carried - self.attached(rest, staying)

    def needless(
        self, here: ModelRepository, members: set[Digest], gone: Iterable[str]
    ) -> set[Digest]:
        """Those of `members` that nothing holds once the tags `gone` are gone."""
        kept = {at for tag, at in here.tags.items() if tag not in gone}
        found = members - kept
        while held := {d for d in found if {*self.holders(here, d)} - found}:
            found -= held
        return found


def is_attachment(tag: str) -> bool:
    return tag.startswith("sha256-")
