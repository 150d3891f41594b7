"""Sources of one request that would be one target."""

from __future__ import annotations

from typing import NamedTuple

from liftlock.errors import LiftlockError, TargetsCollide
from liftlock.oci.digest import Digest
from liftlock.oci.reference import RepositoryName
from liftlock.promotion.values import ExpectedPair, Pair, Route


class _Origin(NamedTuple):
    name: RepositoryName
    tag: str
    digest: bytes

    def __str__(self) -> str:
        return f"{self.name}:{self.tag}" if self.tag else f"{self.name}@{Digest(self.digest)}"


def collisions(routes: list[Route]) -> list[LiftlockError]:
    """Return an error for each target with several sources; drop what is asked for twice alike."""
    origins: dict[tuple[RepositoryName, str], dict[_Origin, None]] = {}
    said: set[tuple[RepositoryName, str, _Origin]] = set()
    for route in routes:
        kept: list[Pair] = []
        expectations: dict[int, ExpectedPair] = {}
        for place, pair in enumerate(route.pairs):
            origin = _Origin(route.source_name, pair.source_tag, pair.digest)
            if pair.target_tag:
                key = route.target_name, pair.target_tag
                origins.setdefault(key, {})[origin] = None
            if (route.target_name, pair.target_tag, origin) in said:
                continue
            said.add((route.target_name, pair.target_tag, origin))
            if place in route.expectations:
                expectations[len(kept)] = route.expectations[place]
            kept.append(pair)
        route.pairs, route.expectations = kept, expectations
    return [
        TargetsCollide(f"{name}:{tag}", map(str, sources))
        for (name, tag), sources in origins.items()
        if len(sources) > 1
    ]
