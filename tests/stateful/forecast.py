"""What a promotion must do to the model: the rules as people are told them, and no others.

Everything is judged against what was there before; then all of it happens at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from model import Model, ModelRepository, is_attachment

from liftlock import Digest, Mode, PromotionRequest, RepositoryName, RequestItem
from liftlock.errors import (
    AttachmentsDiffer,
    LiftlockError,
    ManifestUnknown,
    NothingSelected,
    PromotionInvalid,
    PurgeRefused,
    RegistryUnknown,
    RepositoryUnknown,
    SparseManifest,
    SparseRefused,
    TargetsCollide,
)


class Pair(NamedTuple):
    source_tag: str | None
    target_tag: str | None
    digest: Digest


@dataclass
class Route:
    source: RepositoryName
    target: RepositoryName
    pairs: dict[Pair, None] = field(default_factory=dict)
    loose: dict[str, Digest] = field(default_factory=dict)
    """Attachment tags that were selected by a glob."""
    is_whole: bool = False

    @property
    def is_inside(self) -> bool:
        return self.source == self.target


class Whole(NamedTuple):
    source: RepositoryName
    target: RepositoryName


class Change(NamedTuple):
    there: ModelRepository
    tag: str
    old: Digest | None
    new: Digest | None


@dataclass
class Done:
    """What a promotion did, so that it can be undone."""

    changes: list[Change] = field(default_factory=list)
    linked: dict[ModelRepository, set[Digest]] = field(default_factory=dict)
    renamed: list[tuple[ModelRepository, RepositoryName]] = field(default_factory=list)
    """With what it was called before."""
    copied: list[ModelRepository] = field(default_factory=list)
    dissolved: list[tuple[ModelRepository, RepositoryName]] = field(default_factory=list)
    moved_from: list[tuple[ModelRepository, ModelRepository, Digest]] = field(default_factory=list)
    """Source, target and what was moved."""
    has_filled: bool = False
    """Whether something came that an index had named before: that stays, whatever is undone."""

    @property
    def is_nothing(self) -> bool:
        return not (
            self.changes
            or any(self.linked.values())
            or self.renamed
            or self.copied
            or self.dissolved
        )


class Forecast:
    """A request, judged; `refusals` are kinds of errors of which each must be named."""

    def __init__(self, model: Model, request: PromotionRequest) -> None:
        self.model, self.request = model, request
        self.is_move = request.mode is Mode.MOVE
        self.refusals: set[type[LiftlockError]] = set()
        self.excusable: set[type[LiftlockError]] = set()
        """Why it is refused unless an earlier move was the same: what it names is not there."""
        self.routes: dict[Whole, Route] = {}
        self.wholes: dict[Whole, None] = {}
        self.merges: list[Route] = []
        is_at_fault = self.is_move and any(
            item.source.digest and not item.source.tag for item in request.items
        )
        if is_at_fault:
            self.refusals.add(PromotionInvalid)
        for item in () if is_at_fault else request.items:
            self.take(item)
        self.renames: list[Whole] = []
        self.copies: list[Whole] = []
        self.choose_ways()
        self.all_routes = [*self.routes.values(), *self.merges]
        if self.has_collisions():
            self.refusals.add(TargetsCollide)
        self.before = {name: there.copy() for name, there in model.existing()}
        self.arrivals: dict[RepositoryName, dict[str, Digest]] = {}
        self.plans = [self.follow(route) for route in self.all_routes]
        self.lacking: dict[RepositoryName, set[Digest]] = {}
        """What targets will lack of that which indexes name that are new there."""
        self.judge_gaps()
        self.judge_purge()

    # --- selecting --------------------------------------------------------------------------

    def take(self, item: RequestItem) -> None:
        source, target = item.source, item.target
        missing = {source.registry, target.registry} - self.model.registries.keys()
        if missing:
            self.refusals.add(RegistryUnknown)
            return
        if source.is_deep or source.repository is None:
            self.take_deep(item)
            return
        leg = Whole(
            RepositoryName(source.registry, source.repository),
            RepositoryName(target.registry, target.repository or source.repository),
        )
        here = self.model.find(leg.source)
        if here is None:
            self.miss(RepositoryUnknown)
        elif source.is_image:
            self.take_image(item, leg, here)
        elif not self.take_repository(item, leg, here):
            self.miss(NothingSelected)

    def miss(self, error: type[LiftlockError]) -> None:
        (self.excusable if self.is_move else self.refusals).add(error)

    def take_image(self, item: RequestItem, leg: Whole, here: ModelRepository) -> None:
        tag = item.source.tag
        if tag is not None and tag not in here.tags:
            self.miss(ManifestUnknown)
            return
        digest = item.source.digest if tag is None else here.tags[tag]
        self.route(leg).pairs[Pair(tag, item.target.tag or tag, digest)] = None

    def take_deep(self, item: RequestItem) -> None:
        path = "" if item.source.repository is None else f"{item.source.repository}/"
        taken = False
        for name, here in sorted(self.model.registries[item.source.registry].items()):
            if name.repository.startswith(path):
                rest = name.repository.removeprefix(path)
                to = f"{item.target.repository}/{rest}" if item.target.repository else None
                target = RepositoryName(item.target.registry, to or name.repository)
                taken |= self.take_repository(item, Whole(name, target), here)
        if not taken:
            self.miss(NothingSelected)

    def take_repository(self, item: RequestItem, leg: Whole, here: ModelRepository) -> bool:
        if item.tags is None:
            self.wholes[leg] = None
            return True
        if isinstance(item.tags, str):
            found = [tag for tag in sorted(here.tags) if fnmatchcase(tag, item.tags)]
        else:
            found = [tag for tag in dict.fromkeys(item.tags) if tag in here.tags]
        for tag in found:
            if isinstance(item.tags, str) and is_attachment(tag):
                self.route(leg).loose[tag] = here.tags[tag]
            else:
                to = item.retag.replace("{tag}", tag) if item.retag else tag
                self.route(leg).pairs[Pair(tag, to, here.tags[tag])] = None
        return bool(found)

    def route(self, leg: Whole) -> Route:
        return self.routes.setdefault(leg, Route(*leg))

    # --- wholes -----------------------------------------------------------------------------

    def choose_ways(self) -> None:
        """By another name, by a copy, or by merging."""
        leaving = {whole.source for whole in self.wholes} if self.is_move else set()
        targets = Counter(whole.target for whole in self.wholes)
        targets.update(leg.target for leg in self.routes)
        touched = {name for leg in self.routes for name in leg}
        for whole in self.wholes:
            is_alone = targets[whole.target] == 1
            is_there = self.model.find(whole.target) is not None
            if whole.source == whole.target:
                continue
            if not self.is_move:
                if is_alone and not is_there:
                    self.copies.append(whole)
                else:
                    self.merge(whole)
            elif whole.source in touched:
                self.refusals.add(PromotionInvalid)
            elif is_alone and (not is_there or whole.target in leaving):
                self.renames.append(whole)
            elif whole.target in leaving:
                self.refusals.add(PromotionInvalid)
            else:
                self.merge(whole)
        if self.is_move and len(leaving) < len(self.wholes):
            self.refusals.add(PromotionInvalid)

    def merge(self, whole: Whole) -> None:
        route = Route(*whole, is_whole=True)
        here = self.model.find(whole.source)
        for tag, digest in sorted(here.tags.items()):
            if is_attachment(tag):
                route.loose[tag] = digest
            else:
                route.pairs[Pair(tag, tag, digest)] = None
        for digest in sorted(here.linked - {*here.tags.values()}):
            if not any(self.model.holders(here, digest)):
                route.pairs[Pair(None, None, digest)] = None
        self.merges.append(route)

    def has_collisions(self) -> bool:
        origins: dict[object, set[object]] = {}
        for route in self.all_routes:
            for pair in route.pairs:
                if pair.target_tag is not None:
                    origin = route.source, pair.source_tag, pair.digest
                    origins.setdefault((route.target, pair.target_tag), set()).add(origin)
        return any(len(found) > 1 for found in origins.values())

    @property
    def is_entangled(self) -> bool:
        """Whether something is a source and a target, so that the same again means another.

        A repository that stays where it is makes nothing of anything else.
        """
        wholes = [whole for whole in self.wholes if whole.source != whole.target]
        sources = {leg.source for leg in (*self.routes, *wholes)}
        return not sources.isdisjoint(leg.target for leg in (*self.routes, *wholes))

    # --- following --------------------------------------------------------------------------

    def follow(self, route: Route) -> tuple[dict[str, Digest], set[Digest], set[str]]:
        """Return the tags to be set, all that comes along, and the attachment tags looked at."""
        wanted = {pair.target_tag: pair.digest for pair in route.pairs if pair.target_tag}
        if route.is_inside:
            return wanted, set(), set()
        model, here = self.model, self.before[route.source]
        self.before.setdefault(route.target, ModelRepository())
        side, target = self.request.attachments, route.target
        named = {
            pair.target_tag: pair.digest
            for other in self.all_routes
            if other.target == route.target
            for pair in other.pairs
        }
        roots = [pair.digest for pair in route.pairs]
        members = model.closure(here, [*roots, *route.loose.values()])
        carried = model.attached(here, members) | route.loose.keys()
        verdicts = {
            tag: model.settle(here.tags[tag], self.arrived(target, tag), side)
            for tag in carried - named.keys()
            if here.tags[tag] != self.arrived(target, tag)
        }
        # What is named comes for itself; another of its name stays behind.
        outdone = {tag for tag, verdict in verdicts.items() if verdict is False}
        outdone |= {tag for tag in carried & named.keys() if here.tags[tag] != named[tag]}
        roots += [at for tag, at in route.loose.items() if tag not in outdone]
        reached = model.closure(here, roots, outdone)
        brought = model.attached(here, reached) | route.loose.keys()
        if any(verdicts.get(tag, True) is None for tag in brought):
            self.refusals.add(AttachmentsDiffer)
        attachments = {tag: here.tags[tag] for tag in brought if verdicts.get(tag)}
        self.arrivals.setdefault(target, {}).update(attachments)
        return wanted | attachments, reached, carried

    def arrived(self, target: RepositoryName, tag: str) -> Digest | None:
        """Where an attachment tag of a target is by now."""
        return self.arrivals.get(target, {}).get(tag, self.before[target].tags.get(tag))

    # --- settings ---------------------------------------------------------------------------

    def judge_gaps(self) -> None:
        """What is lacked must be meant, and the target's registry must allow it."""
        fresh: dict[RepositoryName, set[Digest]] = {}
        blobs: dict[RepositoryName, set[Digest]] = {}
        for route, (_, reached, _) in zip(self.all_routes, self.plans, strict=True):
            if not route.is_inside:
                there = self.before[route.target]
                fresh.setdefault(route.target, set()).update(reached - there.linked)
                arriving = self.arriving(route, reached)
                blobs.setdefault(route.target, {*there.blobs}).update(arriving)
        for target, linked in fresh.items():
            self.lacking[target] = self.model.gaps(linked) - self.before[target].linked
            self.lacking[target] |= self.model.named(linked) - blobs[target]
        for whole in (*self.copies, *self.renames):
            is_inside = whole.source.registry == whole.target.registry
            if whole in self.copies or not is_inside:
                here = self.before[whole.source]
                lacked = self.model.gaps(here.linked) | (self.model.named(here.linked) - here.blobs)
                self.lacking[whole.target] = lacked
        for target, lacked in self.lacking.items():
            if lacked and not self.request.allow_sparse:
                self.refusals.add(SparseManifest)
            if lacked and not self.model.settings[target.registry].allow_sparse:
                self.refusals.add(SparseRefused)

    def arriving(self, route: Route, reached: set[Digest]) -> set[Digest]:
        """The blobs that a route brings: what its images name, as far as the source has it."""
        here = self.before[route.source]
        blobs = named_blobs(self.model, reached) & here.blobs
        if route.is_whole:
            blobs |= here.blobs - named_blobs(self.model, here.linked)
        return blobs

    def judge_purge(self) -> None:
        sources = {leg.source for leg in (*self.routes, *self.wholes)}
        if self.request.purge and not all(map(self.model.allows_deletes, sources)):
            self.refusals.add(PurgeRefused)

    # --- happening --------------------------------------------------------------------------

    def happen(self) -> Done:
        """Do it all to the model."""
        done = Done()
        self.rename_and_copy(done)
        sets: dict[tuple[ModelRepository, str], Change] = {}
        for route, (wanted, reached, _) in zip(self.all_routes, self.plans, strict=True):
            there = self.model.made(route.target)
            for tag, digest in wanted.items():
                old = self.before.get(route.target, ModelRepository()).tags.get(tag)
                sets[there, tag] = Change(there, tag, old, digest)
            self.bring(route, there, reached, done)
        done.changes += [change for change in sets.values() if change.old != change.new]
        for change in sets.values():
            change.there.tags[change.tag] = change.new
        if self.is_move:
            for source in dict.fromkeys(route.source for route in self.routes.values()):
                self.leave(source, done)
        return done

    def rename_and_copy(self, done: Done) -> None:
        """What is merged away gives up its name before another takes it."""
        for route in self.merges if self.is_move else ():
            done.dissolved.append((self.model.drop(route.source), route.source))
        for whole in self.copies:
            copied = self.before[whole.source].copy()
            self.model.put(whole.target, copied)
            done.copied.append(copied)
        renamed = [(self.model.drop(whole.source), whole) for whole in self.renames]
        for there, whole in renamed:
            self.model.put(whole.target, there)
            done.renamed.append((there, whole.source))

    def bring(self, route: Route, there: ModelRepository, reached: set[Digest], done: Done) -> None:
        fresh = reached - there.linked
        done.linked.setdefault(there, set()).update(fresh)
        done.has_filled |= not fresh.isdisjoint(self.model.gaps(there.linked))
        there.linked |= fresh
        there.blobs |= self.arriving(route, reached)
        self.model.joined(there, fresh)

    def leave(self, source: RepositoryName, done: Done) -> None:
        """Take from the source what a move takes."""
        here, before = self.model.made(source), self.before[source]
        routes = [
            (route, plan)
            for route, plan in zip(self.all_routes, self.plans, strict=True)
            if route.source == source and not route.is_whole
        ]
        outwards = [(route, plan) for route, plan in routes if not route.is_inside]
        mains = {pair.source_tag for route, _ in routes for pair in route.pairs}
        stays = {
            pair.target_tag
            for route in self.all_routes
            if route.target == source
            for pair in route.pairs
        }
        loose = {tag for route, _ in outwards for tag in route.loose}
        carried = {tag for _, (_, _, found) in outwards for tag in found}
        attached = self.model.attachments_leaving(before, (mains - stays) | loose, carried)
        gone = {*mains, *attached, *loose} - stays
        for tag in sorted(gone):
            at = here.tags.pop(tag)
            done.changes.append(Change(here, tag, at, None))
        done.moved_from += [
            (here, self.model.made(route.target), before.tags[tag])
            for route, _ in outwards
            for tag in sorted(gone)
        ]
        for route, _ in outwards if self.request.purge else ():
            roots = [pair.digest for pair in route.pairs]
            members = self.model.closure(before, [*roots, *route.loose.values()])
            here.linked -= self.model.needless(before, members, gone)


def named_blobs(model: Model, linked: Iterable[Digest]) -> set[Digest]:
    return {
        blob
        for digest in linked
        for blob in model.known[digest].blobs | model.known[digest].foreign
    }
