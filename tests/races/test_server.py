"""A server, the command and a process with an engine of its own promote at the same time (E63)."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rivals import WAIT_SECONDS, changes, errors

import liftlock
from liftlock.testing import images

TIMES = 15
TO = ["--to", "prod/app", "-o", "name"]
COMMAND = [sys.executable, "-m", "liftlock_cli"]


def test_promotions_by_server_command_and_engine_to_the_same_tags_take_turns(
    store: Path, rival, address: str, environment: dict[str, str]
) -> None:
    with liftlock.open(store) as engine:
        pushed = {
            source: images.image(engine, f"dev/{source}", tag, seed=source).digest
            for source in ("served", "commanded", "embedded")
            for tag in ("1", "2")
        }

    def served() -> list[int | None]:
        item = {"source": "dev/served", "target": "prod/app", "tags": "*"}
        numbers = []
        for _ in range(TIMES):
            # A new one each time, so that each of several workers comes to promote.
            connection = http.client.HTTPConnection(address, timeout=WAIT_SECONDS)
            connection.request(
                "POST",
                "/api/v1/promotions",
                json.dumps({"items": [item]}),
                {"Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            told = json.loads(answer.read())
            assert answer.status in {http.client.OK, http.client.CREATED}, told
            numbers.append(told["id"])
            connection.close()
        return numbers

    def commanded() -> list[int | None]:
        done = subprocess.run(
            [*COMMAND, "promote", "dev/commanded", "--all-tags", *TO],
            env=environment,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=True,
        )
        return [int(done.stdout)] if done.stdout.strip() else []

    other = rival()
    with ThreadPoolExecutor(2) as pool:
        how = {"source": "dev/embedded", "target": "prod/app", "tags": "*"}
        other.tell("select_often", times=TIMES, **how)
        futures = [pool.submit(served), *(pool.submit(commanded) for _ in range(3))]
        numbers = {number for future in futures for number in future.result()}
        numbers |= set(other.answer())
    with liftlock.open(store) as engine:
        told = [changes(engine, f"prod/app:{tag}") for tag in ("1", "2")]
        assert [c.promotion for c in told[0]] == [c.promotion for c in told[1]]
        assert {c.promotion for c in told[0]} == numbers - {None}
        assert {c.new_digest for c in told[0]} == set(pushed.values())
        assert errors(engine) == []
