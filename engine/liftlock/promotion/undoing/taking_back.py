"""What an undo takes back of what a promotion linked: all that nobody has come to rely on since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from liftlock import links
from liftlock.config import Limits
from liftlock.history import Event, Item
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.records import Action, FoundRepository
from liftlock.promotion.graph.closure import Closure, Member, closure
from liftlock.promotion.graph.reaching import reached_by_tags
from liftlock.promotion.graph.unlinking import unneeded
from liftlock.promotion.undoing.values import Restoring


class TakingBack:
    """The decision about what one promotion linked."""

    def __init__(
        self,
        txn: ReadTxn,
        undone: Event,
        items: Sequence[Item],
        brought: Sequence[Item],
        repositories: Mapping[int, FoundRepository],
        names: Mapping[int, str],
        limits: Limits,
    ) -> None:
        self.txn, self.undone, self.items, self.brought = txn, undone, items, brought
        self.repositories, self.names, self.limits = repositories, names, limits

    def plan(
        self, restorings: list[Restoring]
    ) -> tuple[list[Restoring], tuple[tuple[FoundRepository, tuple[Member, ...]], ...]]:
        """Find what the promotion linked and nobody needs; leave alone what somebody does."""
        taken = []
        for number in sorted(self.repositories):
            made = [
                item.record.new
                for item in self.items
                if item.repository == number
                and item.record.action is not Action.MOVED_OUT
                and item.record.new is not None
            ]
            gone = set(unlinked(self.txn, number, made))
            roots = [digest for digest in made if digest not in gone]
            found = closure(self.txn, number, self.names[number], roots, self.limits)
            strays = self._strays(number, found)
            if strays:
                roots += strays
                found = closure(self.txn, number, self.names[number], roots, self.limits)
            relied_on = self._relied_on(number, found, restorings)
            kept_tags = {tag for member in relied_on for tag in found.attached.get(member, ())}
            restorings = [
                restoring
                for restoring in restorings
                if restoring.repository.id != number or restoring.tag not in kept_tags
            ]
            needless = self._needless(number, found, relied_on, restorings, strays)
            if needless:
                taken.append((self.repositories[number], tuple(needless)))
        return restorings, tuple(taken)

    def _strays(self, repository: int, found: Closure) -> list[bytes]:
        """Return what came for another's sake, and what the promotion set does not lead to.

        The same promotion put another attachment under its tag.
        """
        strays = [
            item.record.new
            for item in self.brought
            if item.repository == repository
            and item.record.new is not None
            and item.record.new not in found.members
        ]
        gone = set(unlinked(self.txn, repository, strays))
        return [digest for digest in strays if digest not in gone]

    def _relied_on(
        self, repository: int, found: Closure, restorings: Iterable[Restoring]
    ) -> set[bytes]:
        """Return what tags reach that were set after the promotion, with all that belongs to it."""
        own = {restoring.tag for restoring in restorings if restoring.repository.id == repository}
        own |= {tag for tags in found.attached.values() for tag in tags}
        reached = reached_by_tags(
            self.txn, repository, found.members, own, self.limits, since=self.undone.id
        )
        return found.reached_from(reached)

    def _needless(
        self,
        repository: int,
        found: Closure,
        relied_on: set[bytes],
        restorings: Iterable[Restoring],
        strays: Iterable[bytes],
    ) -> list[Member]:
        """Return what the promotion linked that nothing holds once the tags are back."""
        leaving = {
            (restoring.tag, restoring.now)
            for restoring in restorings
            if restoring.repository.id == repository and restoring.now != restoring.before
        }
        linked = {
            digest: member
            for digest, member in found.members.items()
            if member.event == self.undone.id and digest not in relied_on
        }
        held_at = links.held_at(self.txn, repository, [*map(keys.held_manifest, linked)])
        # What was promoted without a tag, or lost its tag at once, the promotion itself held.
        own_holds = {item.record.new for item in self.items if not item.tag} | {*strays}
        ours = {
            digest: linked[digest]
            for digest, at in zip(linked, held_at, strict=True)
            # With a hold of its own, it was pushed by its digest, or lost a tag, since.
            if at is None or (digest in own_holds and at <= self.undone.record.at)
        }
        digests = unneeded(
            self.txn,
            repository,
            ours,
            is_leaving=lambda tag, digest: (tag, digest) in leaving,
            limits=self.limits,
            by_subject=False,
        )
        return [ours[digest] for digest in digests]


def unlinked(txn: ReadTxn, repository: int, digests: Sequence[bytes]) -> list[bytes]:
    """Return those of some manifests that a repository does not have."""
    found = links.find_links(txn, repository, digests)
    return [digest for digest, link in zip(digests, found, strict=True) if link is None]
