"""A promotion of thousands of tags that is killed is there wholly or not at all (E48).

It is written part by part, in one transaction: the process dies at each part, around the commit,
and at moments of chance.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest
from big import DEEDS
from test_killed import restore

import liftlock
from liftlock import Digest, RepositoryName
from liftlock.errors import RepositoryUnknown
from liftlock.model import HistoryEntry
from liftlock.testing import images

pytestmark = [pytest.mark.parametrize("mortals", ["big.py"], indirect=True)]
DEV, PROD = RepositoryName("dev", "app"), RepositoryName("prod", "app")
IMAGES = 20
SMALL = {"tags": 300, "parts": 50, "chances": 3}
LARGE = pytest.param(
    {"tags": 10_000, "parts": 1000, "chances": 12},
    marks=[pytest.mark.long, pytest.mark.timeout(1800)],
)
Tags = dict[str, Digest]


def filled(store: Path, tags: int) -> None:
    """Have many tags of few images at the source, and some of others at the target."""
    limits = liftlock.Limits(batch_operations_max=1000)
    with liftlock.open(store, create=True, limits=limits) as engine:
        for registry in ("dev", "prod"):
            engine.create_registry(registry, by="me")
        built = [images.image(engine, DEV, seed=str(n), layers=1) for n in range(IMAGES)]
        images.referrer(engine, built[0])
        images.attachment(engine, built[1], "signed")
        other = images.image(engine, PROD, "extra", seed="other")
        for number in range(tags):
            images.push(engine, DEV, f"t{number}", built[number % IMAGES].body)
        for number in range(0, tags, 10):
            images.push(engine, PROD, f"t{number}", other.body)


@pytest.fixture(scope="module")
def templates(tmp_path_factory) -> dict[int, Path]:
    """Stores by how many tags they have, made when they are wanted."""
    return {0: tmp_path_factory.mktemp("big")}


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("deed", DEEDS)
def test_a_big_promotion_that_is_killed_is_there_wholly_or_not_at_all(
    mortals, templates: dict[int, Path], quick: Path, deed: str, size: dict[str, int]
) -> None:
    count, parts = size["tags"], size["parts"]
    if count not in templates:
        templates[count] = templates[0] / str(count)
        filled(templates[count], count)
    store = quick / "store"
    shutil.copytree(templates[count], store)
    before = tags_of(store)
    told = mortals.live(store, "", deed=deed, parts=parts)
    after = tags_of(store)
    assert after != before
    moments = [line for line in told if line.startswith("moment ")]
    assert moments.count("moment promotion: part written") >= count // parts
    random = Random(deed)
    deaths: list[dict[str, object]] = [{"kill_at": n} for n in range(1, len(moments) + 1)]
    longest = len(moments) * 0.02 + count / 20_000
    deaths += [{"kill_after": random.uniform(0, longest)} for _ in range(size["chances"])]
    for death in deaths:
        restore(templates[count], store)
        told = mortals.die(store, "", deed=deed, parts=parts, **death)
        is_acknowledged = told[-1].startswith("done")
        found = tags_of(store)
        assert found in ([after] if is_acknowledged else [before, after]), (death, told[-3:])
        assert_history_agrees(store, promoted=found == after)


def tags_of(store: Path) -> dict[str, Tags]:
    with liftlock.open(store) as engine:
        return {str(name): tags(engine, name) for name in (DEV, PROD)}


def tags(engine: liftlock.Engine, name: RepositoryName) -> Tags:
    found: Tags = {}
    after, more = "", True
    while more:
        try:
            page = engine.list_tags(name, after=after)
        except RepositoryUnknown:  # dissolved
            return {}
        found |= {tag.name: tag.digest for tag in page.entries}
        after, more = page.entries[-1].name if page.entries else "", page.more
    return found


def assert_history_agrees(store: Path, *, promoted: bool) -> None:
    """What is there is whole, its history says the same, and can be gone on with."""
    with liftlock.open(store) as engine:
        assert list(engine.check(content=True)) == []
        listed = engine.list_promotions().entries
        assert [entry.id for entry in listed] == ([1] if promoted else [])
        events: list[HistoryEntry] = list(engine.history(PROD, limit=1).entries)
        assert (events[0].promotion == 1) is promoted
        images.image(engine, PROD, "later", seed="later")
