"""Where all tags would be if nothing were known but the history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from operator import attrgetter

from liftlock import Digest
from liftlock.engine import Engine
from liftlock.model import HistoryEntry

Tags = dict[str, Digest]

SOURCE_OF = {
    "copied": attrgetter("other"),
    "renamed": attrgetter("other"),
    "dissolved": attrgetter("name"),
}
"""Which repository had the tags before, where that is another than the one told of."""


def replayed(engine: Engine, registries: Iterable[str]) -> dict[str, Tags]:
    """Return the tags of every repository, by the name that it bears in the end."""
    entries: set[HistoryEntry] = set()
    for registry in registries:
        before, more = None, True
        while more:
            page = engine.history(registry, before=before)
            entries.update(page.entries)
            before, more = page.entries[-1].event if page.entries else None, page.more
    replay = Replay(lambda number: engine.get_promotion(number).undoes)
    for _, of_one in groupby(sorted(entries, key=attrgetter("event")), attrgetter("event")):
        replay.follow(list(of_one))
    return replay.there


class Replay:
    def __init__(self, undone_by: Callable[[int], int | None]) -> None:
        self.undone_by = undone_by
        self.there: dict[str, Tags] = {}
        self.gone: dict[tuple[int | None, str], Tags] = {}
        """What was dissolved, by the promotion and its last name; an undo may bring it back."""

    def follow(self, entries: list[HistoryEntry]) -> None:
        """Take in all of one event: first what happened to whole repositories, then to tags."""
        wholes = [entry for entry in entries if ":" not in entry.name and "@" not in entry.name]
        leaving = {SOURCE_OF[entry.action](entry) for entry in wholes if entry.action in SOURCE_OF}
        # What never had a tag, no entry of a tag has told of.
        before = {name: self.there.get(name, {}) for name in (*self.there, *leaving)}
        for entry in wholes:
            if entry.action in {"renamed", "dissolved"}:
                self.there.pop(SOURCE_OF[entry.action](entry), None)
        for entry in wholes:
            self.follow_whole(entry, before)
        for entry in entries:
            name, colon, tag = entry.name.partition(":")
            if colon and "@" not in name and entry.action != "taken":
                self.follow_tag(entry, self.there.setdefault(name, {}), tag)

    def follow_whole(self, entry: HistoryEntry, before: dict[str, Tags]) -> None:
        if entry.action == "renamed":
            self.there[entry.name] = before[entry.other]
        elif entry.action == "copied":
            self.there[entry.name] = dict(before[entry.other])
        elif entry.action == "dissolved":
            self.gone[entry.promotion, entry.name] = before[entry.name]
        elif entry.action == "revived":
            self.there[entry.name] = self.gone.pop((self.undone_by(entry.promotion), entry.name))
        elif entry.action in {"deleted", "removed"}:
            below = f"{entry.name}/" if "/" not in entry.name else "no name begins like this"
            for name in [n for n in self.there if n == entry.name or n.startswith(below)]:
                del self.there[name]

    @staticmethod
    def follow_tag(entry: HistoryEntry, tags: Tags, tag: str) -> None:
        assert tags.get(tag) == entry.old_digest, entry
        if entry.new_digest is None:
            tags.pop(tag, None)
        else:
            tags[tag] = entry.new_digest
