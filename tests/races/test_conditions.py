"""Clients change the same tags over HTTP at the same time, by compare-and-set and by several."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from rivals import WAIT_SECONDS, changes, errors

import liftlock
from liftlock import Digest, RepositoryName
from liftlock.testing import images

CLIENTS = 6
ROUNDS = 12
TIMES = 8
APP = RepositoryName("dev", "app")
TAG = "/v2/dev/app/manifests/1"
DONE = {http.client.CREATED, http.client.ACCEPTED}


class Answer(NamedTuple):
    status: int
    etag: str
    body: bytes


class Client:
    def __init__(self, address: str) -> None:
        self.connection = http.client.HTTPConnection(address, timeout=WAIT_SECONDS)

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        self.connection.request(method, target, body, named)
        answer = self.connection.getresponse()
        return Answer(answer.status, answer.headers.get("ETag", ""), answer.read())


@contextmanager
def client(address: str) -> Iterator[Client]:
    one = Client(address)
    yield one
    one.connection.close()


@pytest.fixture
def manifest(store: Path) -> Callable[..., bytes]:
    """Manifests of what the repository has, told apart by their annotations."""
    with liftlock.open(store) as engine:
        document = json.loads(images.image(engine, APP).body)

    def manifest(**annotations: object) -> bytes:
        texts = {name: str(value) for name, value in annotations.items()}
        return json.dumps(document | {"annotations": texts}).encode()

    return manifest


def all_at_once(work: Callable[[int], object]) -> list:
    with ThreadPoolExecutor(CLIENTS) as pool:
        return [future.result() for future in [pool.submit(work, n) for n in range(CLIENTS)]]


def test_of_those_who_saw_the_same_one_changes_the_tag(
    store: Path, address: str, manifest: Callable[..., bytes]
) -> None:
    """Creating, moving and deleting it; the others are told, and have changed nothing."""
    together = threading.Barrier(CLIENTS, timeout=WAIT_SECONDS)

    def compete(number: int) -> list[tuple[str, int]]:
        told = []
        with client(address) as one:
            for turn in range(ROUNDS):
                together.wait()
                seen = one.ask("HEAD", TAG).etag
                together.wait()
                if seen and number < CLIENTS // 3:
                    done = one.ask("DELETE", TAG, If_Match=seen)
                else:
                    condition = {"If_Match": seen} if seen else {"If_None_Match": "*"}
                    done = one.ask("PUT", TAG, manifest(turn=turn, by=number), **condition)
                told.append((seen, done.status))
        return told

    for turn in zip(*all_at_once(compete), strict=True):
        assert len({seen for seen, _ in turn}) == 1
        statuses = [status for _, status in turn]
        assert sum(status in DONE for status in statuses) == 1, statuses
        assert set(statuses) <= {*DONE, http.client.PRECONDITION_FAILED, http.client.NOT_FOUND}
    with liftlock.open(store) as engine:
        assert len(changes(engine, "dev/app:1")) == ROUNDS
        assert errors(engine) == []


def test_no_increment_is_lost(store: Path, address: str, manifest: Callable[..., bytes]) -> None:
    def count(number: int) -> int:
        lost = 0
        with client(address) as one:
            for _ in range(TIMES):
                while True:
                    seen = one.ask("GET", TAG)
                    value = int(json.loads(seen.body)["annotations"]["count"])
                    body = manifest(count=value + 1, by=number)
                    done = one.ask("PUT", TAG, body, If_Match=seen.etag)
                    if done.status == http.client.CREATED:
                        break
                    assert done.status == http.client.PRECONDITION_FAILED
                    lost += 1
        return lost

    with client(address) as one:
        assert one.ask("PUT", TAG, manifest(count=0)).status == http.client.CREATED
        assert sum(all_at_once(count)) > 0, "they met"
        value = json.loads(one.ask("GET", TAG).body)["annotations"]["count"]
    assert int(value) == CLIENTS * TIMES
    with liftlock.open(store) as engine:
        assert len(changes(engine, "dev/app:1")) == CLIENTS * TIMES + 1
        assert errors(engine) == []


def test_tags_of_one_push_are_seen_together(
    store: Path, address: str, manifest: Callable[..., bytes]
) -> None:
    """E18: in every snapshot all of them are at the same manifest."""
    tags = [f"t{number}" for number in range(10)]

    def push(number: int) -> None:
        with client(address) as one:
            for turn in range(ROUNDS):
                body = manifest(turn=turn, by=number)
                query = "&".join(f"tag={tag}" for tag in tags)
                target = f"/v2/dev/app/manifests/{Digest.of(body)}?{query}"
                assert one.ask("PUT", target, body).status == http.client.CREATED

    seen = set()
    with liftlock.open(store) as engine, ThreadPoolExecutor(CLIENTS) as pool:
        pushing = [pool.submit(push, number) for number in range(CLIENTS)]
        while not all(future.done() for future in pushing):
            found = engine.list_tags(APP).entries
            assert len(found) in {0, len(tags)}
            assert len({tag.digest for tag in found}) <= 1
            seen |= {tag.digest for tag in found}
        for future in pushing:
            future.result()
        assert len(seen) > 1
        told = [[entry.event for entry in changes(engine, f"dev/app:{tag}")] for tag in tags]
        assert told == [told[0]] * len(tags)
        assert len(told[0]) == CLIENTS * ROUNDS
        assert errors(engine) == []
