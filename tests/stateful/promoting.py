"""Promotions of all kinds, the same again, and their undoing."""

from __future__ import annotations

from typing import NamedTuple

from forecast import Change, Done, Forecast
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from machine import (
    REGISTRIES,
    TAGS,
    any_number,
    any_registry,
    any_repository,
    any_tag,
    pick,
)
from model import ModelRepository, is_attachment
from pushing import Pushing

from liftlock import Digest, Mode, PromotionRequest, RepositoryName, RequestItem, Target
from liftlock.errors import LiftlockError
from liftlock.model import Promotion, Side
from liftlock.oci.reference import Selection
from liftlock.testing.images import upload

any_mode = st.sampled_from(Mode)
any_side = st.sampled_from([None, None, *Side])
any_path = st.sampled_from([None, None, "app", "team/web", "new"])
any_glob = st.sampled_from(["*", "1*", "[2-9]", "sha256-*"])
any_tags = st.lists(st.sampled_from(TAGS), min_size=1, max_size=3, unique=True).map(tuple)
any_template = st.sampled_from([None, None, "{tag}-x", "now"])

any_sequel = st.sampled_from(["", "again", "undo"])


class Terms(NamedTuple):
    """How something is promoted, and what is done next."""

    mode: Mode
    side: Side | None
    purge: bool
    sparse: bool
    then: str

    def request(self, *items: RequestItem) -> PromotionRequest:
        is_purge = self.purge and self.mode is Mode.MOVE
        return PromotionRequest(items, self.mode, self.side, is_purge, self.sparse)


any_terms = st.builds(Terms, any_mode, any_side, st.booleans(), st.booleans(), any_sequel)


class Draw(NamedTuple):
    """What an item is made of, once it is known what there is."""

    kind: str
    which: int
    registry: str
    path: str | None
    tag: str | None
    tags: str | tuple[str, ...]
    retag: str | None


any_item = st.builds(
    Draw,
    st.sampled_from(["tag", "tag", "digest", "some", "some", "whole", "deep", "deep some"]),
    any_number,
    any_registry,
    any_path,
    st.sampled_from([None, None, *TAGS]),
    any_glob | any_tags,
    any_template,
)


class Promoting(Pushing):
    def __init__(self) -> None:
        super().__init__()
        self.done: dict[int, Done] = {}

    # --- requests ---------------------------------------------------------------------------

    @precondition(lambda self: self.model.tagged())
    @rule(
        which=any_number,
        registry=any_registry,
        path=any_path,
        tag=st.sampled_from([None, None, *TAGS]),
        terms=any_terms,
    )
    def promote_tag(
        self,
        which: int,
        registry: str,
        path: str | None,
        tag: str | None,
        terms: Terms,
    ) -> None:
        name, source_tag = pick(self.model.tagged(), which)
        source = Selection(name.registry, name.repository, tag=source_tag)
        item = RequestItem(source, Target(registry, path, tag))
        self.promote(terms.request(item), terms.then)

    @precondition(lambda self: self.model.linked())
    @rule(
        which=any_number,
        registry=any_registry,
        tag=st.none() | st.sampled_from(TAGS),
        sparse=st.booleans(),
    )
    def promote_digest(self, which: int, registry: str, tag: str | None, *, sparse: bool) -> None:
        name, digest = pick(self.model.linked(), which)
        source = Selection(name.registry, name.repository, digest=digest)
        items = (RequestItem(source, Target(registry, None, tag)),)
        self.promote(PromotionRequest(items, allow_sparse=sparse), "again")

    @precondition(lambda self: self.model.holes())
    @rule(
        which=any_number,
        filled=st.integers(0, 2),
        source=any_repository,
        tag=st.none() | any_tag,
        then=any_sequel,
    )
    def promote_what_lacks_less(
        self, which: int, filled: int, source: RepositoryName, tag: str | None, then: str
    ) -> None:
        """An image that lacks blobs at the target comes from where it has some of them."""
        target, blob = pick(self.model.holes(), which)
        digest = min(d for d in self.model.made(target).linked if blob in self.blobs_of(d))
        if source.registry not in self.model.registries:
            return
        blobs = sorted(self.blobs_of(digest) & self.model.contents.keys())
        for content in blobs[: filled + 1]:
            self.both(lambda engine, c=content: upload(engine, source, self.model.contents[c]))
            self.model.made(source).blobs.add(content)
        self.push_again(sorted(self.model.known).index(digest), source, [])
        if digest in self.model.made(source).linked:
            selection = Selection(source.registry, source.repository, digest=digest)
            item = RequestItem(selection, Target(target.registry, target.repository, tag))
            self.promote(PromotionRequest((item,), allow_sparse=True), then)

    @precondition(lambda self: self.model.existing())
    @rule(
        which=any_number,
        registry=any_registry,
        path=any_path,
        tags=any_glob | any_tags,
        retag=any_template,
        terms=any_terms,
    )
    def promote_tags(
        self,
        which: int,
        registry: str,
        path: str | None,
        tags: str | tuple[str, ...],
        retag: str | None,
        terms: Terms,
    ) -> None:
        item = self.item(Draw("some", which, registry, path, None, tags, retag))
        self.promote(terms.request(item), terms.then)

    @precondition(lambda self: self.model.existing())
    @rule(
        which=any_number,
        registry=any_registry,
        path=any_path,
        terms=any_terms,
    )
    def promote_whole(
        self,
        which: int,
        registry: str,
        path: str | None,
        terms: Terms,
    ) -> None:
        item = self.item(Draw("whole", which, registry, path, None, "*", None))
        self.promote(terms.request(item), terms.then)

    @precondition(lambda self: self.model.existing())
    @rule(draws=st.lists(any_item, min_size=1, max_size=3), terms=any_terms)
    def promote_set(self, draws: list[Draw], terms: Terms) -> None:
        request = terms._replace(purge=False).request(*map(self.item, draws))
        self.promote(request, terms.then)

    @precondition(lambda self: self.model.tagged())
    @rule(one=any_number, other=any_number, terms=any_terms)
    def swap(self, one: int, other: int, terms: Terms) -> None:
        """Each is judged against what was before, so two tags can change places."""
        tagged = self.model.tagged()
        (name, tag), (other_name, other_tag) = pick(tagged, one), pick(tagged, other)
        items = (
            RequestItem(
                Selection(name.registry, name.repository, tag=tag),
                Target(other_name.registry, other_name.repository, other_tag),
            ),
            RequestItem(
                Selection(other_name.registry, other_name.repository, tag=other_tag),
                Target(name.registry, name.repository, tag),
            ),
        )
        request = terms._replace(side=None, purge=False).request(*items)
        self.promote(request, terms.then)

    def item(self, draw: Draw) -> RequestItem:
        """Make an item about something that is there; what is not, the rules for errors try."""
        target = Target(draw.registry, draw.path)
        if draw.kind == "tag" and self.model.tagged():
            name, tag = pick(self.model.tagged(), draw.which)
            target = Target(draw.registry, draw.path, draw.tag)
            return RequestItem(Selection(name.registry, name.repository, tag=tag), target)
        if draw.kind == "digest" and self.model.linked():
            name, digest = pick(self.model.linked(), draw.which)
            target = Target(draw.registry, draw.path, draw.tag)
            return RequestItem(Selection(name.registry, name.repository, digest=digest), target)
        if draw.kind.startswith("deep"):
            registry = pick(REGISTRIES, draw.which)
            is_below = bool(draw.path)
            source = Selection(registry, "team" if is_below else None, is_deep=is_below)
            target = Target(draw.registry, "team" if draw.path == "new" else None)
            if draw.kind == "deep":
                return RequestItem(source, target)
            return RequestItem(source, target, draw.tags, draw.retag)
        name, there = pick(self.model.existing(), draw.which)
        source = Selection(name.registry, name.repository)
        if draw.kind == "whole":
            return RequestItem(source, target)
        tags = draw.tags
        if isinstance(tags, tuple):
            tags = tuple(tag for tag in tags if tag in there.tags) or "*"
        return RequestItem(source, target, tags, draw.retag)

    # --- promotion --------------------------------------------------------------------------

    def promote(self, request: PromotionRequest, then: str) -> None:
        forecast = Forecast(self.model, request)
        before = {name: (there, there.copy()) for name, there in self.model.existing()}
        done = self.run(request)
        if not isinstance(done, Promotion):
            expected = forecast.refusals or forecast.excusable
            named = {type(violation) for violation in done.violations}
            assert expected & named
            # What an earlier promotion has done of a chain is not judged once more.
            assert expected <= named or forecast.is_entangled
            return
        is_known = not done.changed and done.id in self.done and done.mode is request.mode
        if forecast.is_entangled and is_known:
            return  # a chain or a swap that was the last that happened is not done once more
        assert not forecast.refusals
        made = forecast.happen()
        self.compare(request, forecast, made, done)
        if done.changed:
            assert done.id is not None
            self.done[done.id] = made
        # Of several that select what is there, one may select what another has just made.
        is_settled = len(request.items) == 1 or not is_deep(request)
        if forecast.is_entangled:
            is_settled = all(item.source.is_image for item in request.items)
        if then == "again" and is_settled:
            self.run_again(request, forecast, done)
        elif then == "undo" and done.changed:
            self.undo_promotion(done.id, must=not (made.is_nothing or made.has_filled))
            self.compare_with_before(before, is_purged=request.purge)

    def run(self, request: PromotionRequest) -> object:
        """Do it, as a dry run said."""
        said = self.answers(lambda engine: engine.promote_all(request, by="me", dry_run=True))
        plans = iter([getattr(one, "plan", None) for one in said])
        done = self.answers(lambda engine: engine.promote_all(request, by="me", plan=next(plans)))
        for one, other in zip(said, done, strict=True):
            if isinstance(one, Promotion):
                assert isinstance(other, Promotion), other
                assert (one.items, one.linked, one.manifests, one.referrers, one.plan) == (
                    other.items,
                    other.linked,
                    other.manifests,
                    other.referrers,
                    other.plan,
                )
                assert one.records == other.records, (one, other)
                assert one.purged == other.purged, (one, other)
                assert (one.changed, one.absent) == (other.changed, other.absent)
        return done[0]

    def run_again(self, request: PromotionRequest, forecast: Forecast, done: Promotion) -> None:
        again = self.run(request)
        is_named = all(route.pairs for route in forecast.routes.values())
        if request.mode is Mode.MOVE and isinstance(again, LiftlockError):
            # Nothing is there any more of what was meant without being named.
            assert not is_named or is_deep(request)
            return
        assert isinstance(again, Promotion), again
        assert not again.changed
        assert again.id in {done.id, None} or not done.changed

    def compare(
        self, request: PromotionRequest, forecast: Forecast, made: Done, done: Promotion
    ) -> None:
        """See that the answer tells what was foreseen."""
        assert made.is_nothing or done.changed
        linked = [*made.linked.values(), *(there.linked for there in made.copied)]
        assert done.linked == sum(map(len, linked))
        if done.changed:
            assert {*done.absent} == set().union(*forecast.lacking.values())
        told = {item.target: item for item in done.items if item.tally is None}
        for route in forecast.routes.values():
            for pair in route.pairs:
                if pair.target_tag is not None:
                    item = told[f"{route.target}:{pair.target_tag}"]
                    assert item.digest == pair.digest
                    old = forecast.before.get(route.target)
                    assert item.previous_digest == (old.tags.get(pair.target_tag) if old else None)
        if request.mode is Mode.MOVE and forecast.is_entangled:
            self.accept_attachments(forecast)
        if request.purge:
            for route in forecast.routes.values():
                there = self.model.made(route.source)
                self.catch_up(there, may_lose=set(), may_gain=set())

    def accept_attachments(self, forecast: Forecast) -> None:
        """Where sources are targets, too, it is open whether attachments that leave also stay."""
        for name in {route.source for route in forecast.routes.values()}:
            there, before = self.model.made(name), forecast.before[name].tags
            found = {tag.name: tag.digest for tag in self.engines[0].list_tags(name).entries}
            for tag in {*found, *there.tags}:
                if is_attachment(tag) and found.get(tag) != there.tags.get(tag):
                    note(f"{name}:{tag} is open")
                    assert found.get(tag) in {None, before.get(tag)}
                    if tag in found:
                        there.tags[tag] = found[tag]
                    else:
                        del there.tags[tag]

    def compare_with_before(self, before: dict, *, is_purged: bool) -> None:
        """An undo right away leaves all as it was."""
        for name, there in self.model.existing():
            assert name in before or there.is_empty
        for name, (there, was) in before.items():
            assert self.model.find(name) is there
            assert there.tags == was.tags
            assert there.linked >= was.linked
            # What was purged comes back from the target, with what that has for it besides.
            assert is_purged or there.linked - was.linked <= self.filled(there, was)

    def filled(self, there: ModelRepository, was: ModelRepository) -> set[Digest]:
        """What indexes named that were there before, with its own children: it is needed now."""
        level, found = self.model.gaps(was.linked) & there.linked, set()
        while level:
            found |= level
            level = {c for d in level for c in self.model.known[d].children} - found
        return found

    # --- undo -------------------------------------------------------------------------------

    @precondition(lambda self: self.done)
    @rule(which=any_number)
    def undo(self, which: int) -> None:
        number = pick(sorted(self.done), -which - 1)
        self.undo_promotion(number, must=False)

    def undo_promotion(self, number: int, *, must: bool) -> None:
        made = self.done[number]
        said = self.both(lambda engine: engine.undo(number, by="me", dry_run=True))
        done = self.both(lambda engine: engine.undo(number, by="me"))
        if not isinstance(done, Promotion):
            assert not must, done
            assert isinstance(said, LiftlockError)
            return
        assert isinstance(said, Promotion)
        assert (said.items, said.linked, said.records) == (done.items, done.linked, done.records)
        assert (said.purged, said.warnings) == (done.purged, done.warnings)
        if done.changed:
            self.turn_back(made, {*done.manifests})

    def turn_back(self, made: Done, taken: set) -> None:
        returned: dict[ModelRepository, set[Digest]] = {}
        for here, there, digest in made.moved_from:
            if digest in there.linked:
                returned.setdefault(here, set()).update(self.model.closure(there, [digest]))
        for there in made.copied:
            self.model.drop(self.model.name_of(there))
        renamed = [(self.model.drop(self.model.name_of(t)), old) for t, old in made.renamed]
        for there, name in (*renamed, *made.dissolved):
            self.model.put(name, there)
        for change in made.changes:
            self.turn_tag_back(change)
        for there, linked in made.linked.items():
            if self.model.name_of(there) is not None:
                self.catch_up(there, may_lose=linked & taken, may_gain=set())
        for here, members in returned.items():
            self.catch_up(here, may_lose=set(), may_gain=members)

    def turn_tag_back(self, change: Change) -> None:
        there, tag, old, new = change
        name = self.model.name_of(there)
        assert name is not None
        found = {t.name: t.digest for t in self.engines[0].list_tags(name).entries}.get(tag)
        # An attachment of what somebody relies on by now stays with it.
        allowed = {old, new} if is_attachment(tag) else {old}
        assert there.tags.get(tag) == new
        assert found in allowed, (name, tag, found, allowed)
        if found is None:
            there.tags.pop(tag, None)
        else:
            there.tags[tag] = found


def is_deep(request: PromotionRequest) -> bool:
    return any(item.source.is_deep or item.source.repository is None for item in request.items)
