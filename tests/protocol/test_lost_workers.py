"""A worker is killed: the others go on, another takes its place, and nothing acknowledged is lost.

What a worker does when it is killed is not left to chance: it is stopped (SIGSTOP), looked at, and
killed only if it stands where the test wants it.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from random import Random
from threading import Event

import pytest

import liftlock
from liftlock.oci.reference import RepositoryName

WORKERS = 3
CONTENT = Random(2).randbytes(4_000_000)
PAGE_BYTES = 4096
WRITERS = 4
BROKEN = (ConnectionError, http.client.HTTPException)
"""What a client sees of a worker that is killed; one that waits in vain sees another error."""


class Pool:
    """A server of several workers, and its processes as the kernel sees them."""

    def __init__(self, process, root: Path, tools) -> None:
        self.process = process
        self.root = root
        self.tools = tools
        self.port = int(process.stdout.readline().rsplit(":", 1)[1])
        self.opened = []

    def lines(self, workers: int = WORKERS):
        """A connection to each worker."""
        found = self.tools.lines(self.port, workers)
        self.opened += found
        return found

    def workers(self) -> set[int]:
        return self.tools.children(self.process.pid, "lift-worker-")

    def promoters(self) -> set[int]:
        """Return the processes that promote for workers: one, but while it is replaced."""
        return self.tools.children(self.process.pid, "lift-promoter")

    def worker_of(self, line) -> int:
        """Return the process that has the other end of a connection."""
        far = f":{self.port:04X}", f":{line.connection.sock.getsockname()[1]:04X}"
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()]
        (inode,) = [row[9] for row in rows if (row[1][8:], row[2][8:]) == far]
        (worker,) = [
            pid
            for pid in self.workers()
            if f"socket:[{inode}]" in map(os.readlink, Path(f"/proc/{pid}/fd").iterdir())
        ]
        return worker

    def kill(self, pid: int) -> None:
        """Kill a worker; return when another is there and all of them answer."""
        before = self.workers()
        os.kill(pid, signal.SIGKILL)
        assert self.tools.becomes(lambda: len(self.workers() - before), 1)
        for line in self.lines():
            line.close()

    def close(self) -> None:
        for line in self.opened:
            line.close()

    def stop(self) -> list[str]:
        """End the server; return what it logged."""
        self.close()
        _, logged = self.tools.stop(self.process)
        assert self.process.returncode == 0
        return logged.splitlines()


@pytest.fixture
def start(tmp_path, tools):
    """Start servers on `tmp_path`; whatever a test did, none outlives it."""
    started = []

    def starter(**settings) -> Pool:
        root = tmp_path / "store"
        with liftlock.open(root, create=True) as engine:
            for registry in ("dev", "prod"):
                engine.create_registry(registry, by="tests")
        process = tools.launch(root, **{"workers": WORKERS, **settings})
        started.append(Pool(process, root, tools))
        return started[-1]

    yield starter
    for pool in started:
        pool.close()
        if pool.process.poll() is None:
            os.killpg(pool.process.pid, signal.SIGKILL)
        pool.process.communicate()


@pytest.fixture
def pool(start) -> Iterator[Pool]:
    """Three workers; at the end the store must be whole, and only losses be in the log."""
    pool = start()
    pool.lines()
    yield pool
    only_losses(pool)


def only_losses(pool: Pool) -> None:
    """End a server: the store must be whole, and nothing else be in the log."""
    logged = pool.stop()
    assert [line for line in logged if "was ended by signal 9" not in line] == []
    with liftlock.open(pool.root) as engine:
        assert [str(found) for found in engine.check(content=True)] == []


def push_image(line, tools, repository: str, tag: str) -> bytes:
    layer = f"a layer of {repository}:{tag}".encode()
    for blob in (b"{}", layer):
        target = f"/v2/{repository}/blobs/uploads/?digest={tools.digest_of(blob)}"
        assert line.ask("POST", target, blob).status == 201
    body = tools.manifest(tools.digest_of(b"{}"), [(tools.digest_of(layer), len(layer))])
    assert put(line, tools, repository, tag, body) == 201
    return body


def put(line, tools, repository: str, tag: str, body: bytes) -> int:
    target = f"/v2/{repository}/manifests/{tag}"
    return line.ask("PUT", target, body, {"Content-Type": tools.OCI_MANIFEST}).status


def promote(line, source: str, target: str) -> int:
    body = json.dumps({"items": [{"source": source, "target": target}]}).encode()
    return line.ask("POST", "/api/v1/promotions", body, {"Content-Type": "application/json"}).status


@contextmanager
def repeated(action: Callable[[int], object]) -> Iterator[None]:
    """Do something again and again in a thread, until its connection breaks or the block ends."""
    over = Event()

    def repeat() -> None:
        number = 0
        while not over.is_set():
            number += 1
            try:
                action(number)
            except BROKEN:
                return

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(repeat)
        try:
            yield
        finally:
            over.set()
    done.result()


def stop_where(pid: int, is_there: Callable[[], bool], seconds: float) -> None:
    """Stop a worker again and again, until it stands where it should be."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        os.kill(pid, signal.SIGSTOP)
        wait_until_stopped(pid)
        if is_there():
            return
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.001)
    pytest.fail("it never came there")


def wait_until_stopped(pid: int) -> None:
    while any(
        task.read_text().rpartition(")")[2].split()[0] != "T"
        for task in Path(f"/proc/{pid}/task").glob("*/stat")
    ):
        time.sleep(0.0005)


# --- what it was doing ----------------------------------------------------------------------


def test_an_idle_worker_that_is_killed_is_replaced(pool, tools):
    first, second, third = pool.lines()
    body = push_image(first, tools, "dev/app", "1")
    pid = pool.worker_of(first)
    os.kill(pid, signal.SIGKILL)
    for line in (second, third):  # at once, before anybody is replaced
        assert line.ask("GET", "/v2/dev/app/manifests/1").body == body
    assert tools.becomes(lambda: len(pool.workers() - {pid}), WORKERS)
    for line in pool.lines():
        assert line.ask("GET", "/v2/dev/app/manifests/1").body == body
        push_image(line, tools, "dev/app", line.worker)


def test_an_upload_goes_on_in_another_worker_where_the_killed_one_left_it(pool, tools):
    """What was acknowledged is there; of the chunk under way any part may be."""
    first, second, third = pool.lines()
    known, sent = 1_000_000, 3_000_000
    location = first.ask("POST", "/v2/dev/app/blobs/uploads/").headers["location"]
    assert first.ask("PATCH", location, CONTENT[:known]).status == 202
    holder, pid = first.connection, pool.worker_of(first)
    holder.putrequest("PATCH", location)
    holder.putheader("Content-Length", str(len(CONTENT) - known))
    holder.endheaders(CONTENT[known:sent])
    stood = f"0-{known - 1}"
    assert tools.becomes(lambda: second.ask("GET", location).headers["range"] != stood, wanted=True)
    assert second.ask("PATCH", location, b"x").status == 409
    pool.kill(pid)
    size = int(second.ask("GET", location).headers["range"].partition("-")[2]) + 1
    assert known < size <= sent
    rest = {"Content-Range": f"{size}-{len(CONTENT) - 1}"}
    assert second.ask("PATCH", location, CONTENT[size:], rest).status == 202
    digest = tools.digest_of(CONTENT)
    assert third.ask("PUT", f"{location}?digest={digest}").status == 201
    for line in pool.lines():
        assert line.ask("GET", f"/v2/dev/app/blobs/{digest}").body == CONTENT


def test_a_worker_killed_in_a_read_transaction_leaves_no_reader(pool, tools):
    """E77, L5: its slot in the reader table is freed, or the metadata would grow for ever."""
    first, second, _ = pool.lines()
    push_image(first, tools, "dev/app", "1")
    pid = pool.worker_of(first)
    with liftlock.open(pool.root) as engine:
        environment = engine._store._env

        def reads() -> bool:
            rows = [row.split() for row in environment.readers().splitlines()]
            return any(row[0] == str(pid) and row[2].isdigit() for row in rows[1:])

        with repeated(lambda _: first.ask("GET", "/v2/dev/app/tags/list")):
            stop_where(pid, reads, tools.WAIT_SECONDS)
            pool.kill(pid)
        assert not reads()
        metadata = pool.root / "metadata" / "data.mdb"
        body = push_image(second, tools, "dev/app", "2")
        before = metadata.stat().st_size
        for number in range(150):
            assert put(second, tools, "dev/app", f"n{number % 5}", body) == 201
        assert metadata.stat().st_size - before < 100 * PAGE_BYTES, "old pages are used again"


def test_a_worker_killed_with_the_writers_turn_holds_nobody_up(pool, tools):
    """L33: of what it was about to commit all is there or nothing; what it said is there."""
    first, second, third = pool.lines()
    body = push_image(first, tools, "dev/app", "1")
    pid, told = pool.worker_of(first), []

    def go_on(number: int) -> None:
        assert put(first, tools, "dev/app", f"{number}", body) == 201
        told.append(f"{number}")

    with repeated(go_on), ThreadPoolExecutor(1) as thread:
        stop_where(pid, partial(has_turn, pool, pid), tools.WAIT_SECONDS)
        waiting = thread.submit(put, second, tools, "dev/app", "other", body)
        assert third.ask("GET", "/v2/dev/app/manifests/1").status == 200, "reading goes on"
        assert not waiting.done()
        pool.kill(pid)
        assert waiting.result(tools.WAIT_SECONDS) == 201
    for line in pool.lines():
        tags = set(line.ask("GET", "/v2/dev/app/tags/list?n=1000").json()["tags"]) - {"other"}
        assert {"1", *told} <= tags <= {"1", *told, str(len(told) + 1)}
        assert put(line, tools, "dev/app", "other", body) == 201


def has_turn(pool: Pool, pid: int) -> bool:
    """Tell whether a process may write."""
    turn = f":{(pool.root / 'metadata' / 'writer.lock').stat().st_ino} "
    locks = Path("/proc/locks").read_text().splitlines()
    return any(turn in lock and f" {pid} " in lock and "->" not in lock for lock in locks)


@pytest.mark.parametrize("kills", [8, pytest.param(400, marks=pytest.mark.long)])
def test_workers_that_are_killed_under_load_take_nothing_acknowledged_along(start, tools, kills):
    """Wherever it hits them: no push is lost, and nobody waits for one that is gone."""
    pool, random, over = start(worker_losses_max=kills), Random(3), Event()
    body = push_image(pool.lines()[0], tools, "dev/app", "1")

    def push_on(writer: int) -> int:
        """Push a tag's next version again and again; return the last that was acknowledged."""
        version = 0
        while not over.is_set():
            with suppress(*BROKEN), closing(tools.Line(pool.port)) as line:
                while not over.is_set():
                    following = body[:-1] + b', "annotations": {"n": "%d"}}' % (version + 1)
                    assert put(line, tools, "dev/app", f"w{writer}", following) == 201
                    version += 1
        return version

    with ThreadPoolExecutor(WRITERS) as threads:
        pushed = [threads.submit(push_on, writer) for writer in range(WRITERS)]
        for _ in range(kills):
            time.sleep(random.uniform(0.05, 0.5))
            os.kill(random.choice(sorted(pool.workers())), signal.SIGKILL)
        over.set()
    for line in pool.lines():
        for writer in range(WRITERS):
            found = line.ask("GET", f"/v2/dev/app/manifests/w{writer}").json()["annotations"]
            acknowledged = pushed[writer].result()
            # Of the one that was being pushed, its writer may not have heard.
            assert int(found["n"]) in {acknowledged, acknowledged + 1}
    only_losses(pool)


# --- the supervisor -------------------------------------------------------------------------


def test_a_stop_right_after_a_loss_is_as_any_other(start, tools):
    """E78: the new worker is told to stop while it has no signal handlers of its own yet."""
    pool = start(stop_seconds=tools.WAIT_SECONDS)
    pool.lines()
    before = pool.workers()
    os.kill(min(before), signal.SIGKILL)
    while not (new := pool.workers() - before):
        pass
    (pid,) = new
    os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    pool.process.terminate()
    assert tools.becomes(lambda: is_told_to_stop(pid), wanted=True)
    os.kill(pid, signal.SIGCONT)
    pool.process.wait(tools.WAIT_SECONDS)
    assert time.monotonic() - begun < tools.WAIT_SECONDS / 2
    only_losses(pool)


def is_told_to_stop(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    pending = status.partition("ShdPnd:")[2].split()[0]
    return bool(int(pending, 16) >> (signal.SIGTERM - 1) & 1)


def test_a_worker_that_took_anothers_place_ends_with_a_killed_server_too(start, tools):
    pool = start()
    pool.kill(min(pool.workers()))
    workers = pool.workers()
    pool.process.kill()
    pool.process.communicate()
    ended = tools.becomes(lambda: [p for p in workers if Path(f"/proc/{p}/cmdline").exists()], [])
    assert ended


def test_a_server_whose_workers_cannot_start_any_more_gives_up_and_says_why(start):
    pool = start(worker_losses_max=2)
    pool.lines()
    (pool.root / "metadata" / "data.mdb").rename(pool.root / "gone")
    os.kill(min(pool.workers()), signal.SIGKILL)
    _, logged = pool.process.communicate(timeout=20)
    assert pool.process.returncode == 1
    assert logged.count("its metadata (metadata/data.mdb)") == 2
    assert logged.count("ended with exit code 1") == 2
    assert "worker 1 was lost more than 2 times within 300 s: the server gives up" in logged


def test_who_connects_to_a_worker_that_is_lost_is_answered_by_the_next(start, tools):
    """The socket at which it listened is still there: what waits at it is not lost with it."""
    pool = start(workers=1)
    (pid,) = pool.workers()
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(5) as threads:
        asked = [threads.submit(tools.Line, pool.port) for _ in range(5)]
        assert tools.becomes(lambda: waiting_at(pool.port), 5)
        os.kill(pid, signal.SIGKILL)
        for line in asked:
            line.result().close()
    only_losses(pool)


def waiting_at(port: int) -> int:
    """How many connections no worker has accepted yet."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (row,) = [row for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"]
    return int(row[4].partition(":")[2], 16)


def test_a_hangup_loses_nobody_who_asks_meanwhile(start, tools):
    """Each over a connection of its own, again and again."""
    pool = start(workers=2, handover_seconds=0.3)
    over = Event()

    def replace() -> None:
        before = pool.workers()
        pool.process.send_signal(signal.SIGHUP)
        assert tools.becomes(lambda: len(pool.workers() - before), 2)
        assert tools.becomes(lambda: len(pool.workers()), 2)

    def ask_on() -> int:
        number = 0
        while not over.is_set():
            line = tools.Line(pool.port)
            line.close()
            number += 1
        return number

    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(ask_on) for _ in range(4)]
        try:
            replace()
            replace()
        finally:
            over.set()
    assert all(each.result() for each in asked)
    assert pool.stop() == []


def test_a_hangup_replaces_every_worker(start, tools):
    pool = start(workers=2, handover_seconds=0.5)
    before = pool.workers()
    line = pool.lines(2)[0]
    location = line.ask("POST", "/v2/dev/app/blobs/uploads/").headers["location"]
    pool.process.send_signal(signal.SIGHUP)
    assert tools.becomes(lambda: len(pool.workers() - before), 2)
    assert tools.becomes(lambda: len(pool.workers()), 2)
    digest = tools.digest_of(b"x")
    for other in pool.lines(2):
        assert other.ask("GET", location).status == 204
    assert other.ask("PUT", f"{location}?digest={digest}", b"x").status == 201
    assert pool.stop() == []


# --- the promoter ---------------------------------------------------------------------------


def test_all_workers_promote_through_one_promoter(start, tools):
    pool = start()
    lines = pool.lines()
    push_image(lines[0], tools, "dev/app", "1")
    (promoter,) = pool.promoters()
    os.kill(promoter, signal.SIGSTOP)
    with ThreadPoolExecutor(WORKERS) as threads:
        asked = [
            threads.submit(promote, line, "dev/app:1", f"prod/app:{line.worker}") for line in lines
        ]
        for line in pool.lines():
            assert line.ask("GET", "/v2/dev/app/manifests/1").status == 200, "reading goes on"
            assert put_config(line, tools, "dev/app") == 201, "and so does writing"
        assert not any(each.done() for each in asked)
        os.kill(promoter, signal.SIGCONT)
        assert [each.result(tools.WAIT_SECONDS) for each in asked] == [201] * WORKERS
    only_losses(pool)


def put_config(line, tools, repository: str) -> int:
    target = f"/v2/{repository}/blobs/uploads/?digest={tools.digest_of(b'{}')}"
    return line.ask("POST", target, b"{}").status


def test_what_the_promoter_refuses_its_worker_says(start, tools):
    """An error comes over the line as what it is, with all the others."""
    pool = start(workers=1)
    (line,) = pool.lines(1)
    items = [{"source": "dev/none:1", "target": "prod"}, {"source": "dev/none:2", "target": "no"}]
    body = json.dumps({"items": items}).encode()
    answer = line.ask("POST", "/api/v1/promotions", body, {"Content-Type": "application/json"})
    assert answer.status == 404
    rules = {violation["rule"] for violation in answer.json()["violations"]}
    assert rules == {"repository-unknown", "registry-unknown"}
    only_losses(pool)


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.long)])
def test_promoters_killed_while_they_write_take_nothing_acknowledged_along(start, tools, kills):
    """E48, L33: what is not acknowledged is all there or nothing, and its client is told so."""
    pool = start(workers=2, worker_losses_max=kills)
    push_image(pool.lines(2)[0], tools, "dev/app", "1")
    workers, over, unknown = pool.workers(), Event(), []

    def promote_on(writer: int) -> int:
        number = 0
        with closing(tools.Line(pool.port)) as line:
            while not over.is_set():
                tag = f"{writer}-{number + 1}"
                # What was done already, and not said, is unchanged: 200.
                status = promote(line, "dev/app:1", f"prod/app:{tag}")
                assert status in {200, 201, 503}
                if status == 503:
                    unknown.append(tag)
                else:
                    number += 1
        return number

    with ThreadPoolExecutor(WRITERS + 1) as threads:
        logged = threads.submit(pool.process.stderr.read)  # in a full pipe, the server would wait
        promoting = [threads.submit(promote_on, writer) for writer in range(WRITERS)]
        try:
            for _ in range(kills):
                kill_writing_promoter(pool, tools)
            assert pool.workers() == workers, "what else they do goes on"
        finally:
            over.set()
            told = [each.result() for each in promoting]
            pool.process.terminate()
    assert pool.process.wait(tools.WAIT_SECONDS) == 0
    assert logged.result().count("the promoter (process") == kills
    assert unknown
    with liftlock.open(pool.root) as engine:
        tags = {*all_tags(engine, tools.name("prod/app"))}
        for writer, most in enumerate(told):
            done = {f"{writer}-{number + 1}" for number in range(most)}
            assert done <= tags
            assert {tag for tag in tags - done if tag.startswith(f"{writer}-")} <= {*unknown}
        assert [str(found) for found in engine.check(content=True)] == []


def all_tags(engine: liftlock.Engine, repository: RepositoryName) -> Iterator[str]:
    page = engine.list_tags(repository)
    while page.entries:
        yield from (tag.name for tag in page.entries)
        page = engine.list_tags(repository, after=page.entries[-1].name)


def kill_writing_promoter(pool: Pool, tools) -> None:
    """Kill a promoter that has the writer's turn; return when there is another."""
    (promoter,) = pool.promoters()
    stop_where(promoter, partial(has_turn, pool, promoter), tools.WAIT_SECONDS)
    os.kill(promoter, signal.SIGKILL)
    assert tools.becomes(lambda: len(pool.promoters() - {promoter}), 1)


def ask_to_promote(line, target: str, **headers: str) -> None:
    """Send a promotion of dev/app:1; its answer may take a while."""
    body = json.dumps({"items": [{"source": "dev/app:1", "target": target}]}).encode()
    headers = {"Content-Type": "application/json", **headers}
    line.connection.request("POST", "/api/v1/promotions", body, headers)


def test_who_was_promised_nothing_is_told_so_and_who_has_a_key_is_answered(start, tools):
    pool = start(workers=1)
    plain, keyed, other = (tools.Line(pool.port) for _ in range(3))
    push_image(plain, tools, "dev/app", "1")
    assert promote(plain, "dev/app:1", "prod/app:0") == 201
    (promoter,) = pool.promoters()
    os.kill(promoter, signal.SIGSTOP)
    ask_to_promote(plain, "prod/app:1")
    ask_to_promote(keyed, "prod/app:2", **{"Idempotency-Key": "mine"})
    assert other.ask("GET", "/v2/").status == 200, "who comes after them is answered"
    os.kill(promoter, signal.SIGKILL)
    refused = plain.connection.getresponse()
    assert refused.status == 503
    assert refused.headers["retry-after"] is None, "no client shall repeat it by itself"
    assert json.load(refused)["title"] == "Outcome unknown"
    assert keyed.connection.getresponse().status == 201
    for line in (plain, keyed, other):
        line.close()
    assert len(pool.stop()) == 3, "the loss, that the worker has seen it, and whom it refused"


def lose_promoter(pool: Pool, tools) -> None:
    """Kill the promoter, and keep the supervisor from starting another."""
    (promoter,) = pool.promoters()
    pool.process.send_signal(signal.SIGSTOP)
    os.kill(promoter, signal.SIGKILL)
    stat = Path(f"/proc/{promoter}/stat")
    # Only then are its sockets closed.
    assert tools.becomes(lambda: stat.read_text().rpartition(")")[2].split()[0], "Z")


def test_what_comes_up_without_a_promoter_waits_for_the_next_one(start, tools):
    pool = start(workers=1)
    asking, other = (tools.Line(pool.port) for _ in range(2))
    push_image(asking, tools, "dev/app", "1")
    assert promote(asking, "dev/app:1", "prod/app:0") == 201
    lose_promoter(pool, tools)
    assert other.ask("GET", "/v2/dev/app/manifests/1").status == 200
    ask_to_promote(asking, "prod/app:1")
    assert other.ask("GET", "/v2/prod/app/manifests/1").status == 404
    pool.process.send_signal(signal.SIGCONT)
    assert asking.connection.getresponse().status == 201
    for line in (asking, other):
        line.close()
    assert len(pool.stop()) == 2


def test_a_stop_without_a_promoter_keeps_nobody_waiting(start, tools):
    """E78: nobody is left who could find the line; so who waits is told, and the server ends."""
    pool = start(workers=1, stop_seconds=tools.WAIT_SECONDS)
    asking, other = (tools.Line(pool.port) for _ in range(2))
    push_image(asking, tools, "dev/app", "1")
    lose_promoter(pool, tools)
    ask_to_promote(asking, "prod/app:1")
    assert other.ask("GET", "/v2/prod/app/manifests/1").status == 404
    pool.process.terminate()
    pool.process.send_signal(signal.SIGCONT)
    assert asking.connection.getresponse().status == 503
    for line in (asking, other):
        line.close()
    begun = time.monotonic()
    pool.process.wait(tools.WAIT_SECONDS)
    assert time.monotonic() - begun < tools.WAIT_SECONDS / 2
    assert pool.process.returncode == 0


def test_a_promoter_lost_in_a_handover_is_replaced_at_once(start, tools):
    pool = start(workers=2, handover_seconds=tools.WAIT_SECONDS)
    line = pool.lines(2)[0]
    push_image(line, tools, "dev/app", "1")
    workers, (promoter,) = pool.workers(), pool.promoters()
    pool.process.send_signal(signal.SIGHUP)
    assert tools.becomes(lambda: len(pool.workers() - workers), 1)
    assert pool.promoters() == {promoter}, "it stays"
    os.kill(promoter, signal.SIGKILL)
    begun = time.monotonic()
    assert tools.becomes(lambda: len(pool.promoters() - {promoter}), 1)
    assert time.monotonic() - begun < tools.WAIT_SECONDS / 2
    assert promote(line, "dev/app:1", "prod/app:1") == 201
    only_losses(pool)


def test_a_server_whose_promoter_is_lost_again_and_again_gives_up(start, tools):
    pool = start(worker_losses_max=2)
    for _ in range(3):
        (promoter,) = pool.promoters()
        os.kill(promoter, signal.SIGKILL)
        assert tools.becomes(lambda gone=promoter: gone in pool.promoters(), wanted=False)
        assert tools.becomes(lambda: len(pool.promoters()) or pool.process.poll(), 1)
    _, logged = pool.process.communicate(timeout=tools.WAIT_SECONDS)
    assert pool.process.returncode == 1
    assert "the promoter was lost more than 2 times within 300 s: the server gives up" in logged


def test_a_promotion_under_way_at_a_stop_is_done_and_answered(start, tools):
    """E78: the promoter stays until the workers have gone."""
    pool = start(workers=1, stop_seconds=tools.WAIT_SECONDS)
    (line,) = pool.lines(1)
    push_image(line, tools, "dev/app", "1")
    (promoter,) = pool.promoters()
    os.kill(promoter, signal.SIGSTOP)
    ask_to_promote(line, "prod/app:1")
    tools.Line(pool.port).close()  # who comes after it is answered: it has come up
    pool.process.terminate()
    assert tools.becomes(lambda: refuses(pool.port), wanted=True)
    os.kill(promoter, signal.SIGCONT)
    assert line.connection.getresponse().status == 201
    line.close()
    only_losses(pool)


def refuses(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return False
    return True


def test_a_promoter_ends_with_a_killed_server(start, tools):
    pool = start()
    (promoter,) = pool.promoters()
    pool.process.kill()
    pool.process.communicate()
    assert tools.becomes(lambda: Path(f"/proc/{promoter}/cmdline").exists(), wanted=False)
