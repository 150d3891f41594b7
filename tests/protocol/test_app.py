"""The application under a server that is not ours: no supervisor, no sending of files."""

import asyncio
import threading

import pytest

import liftlock
from liftlock.blobs.disk import Disk
from liftlock.http import app as application
from liftlock.oci.reference import RepositoryName
from liftlock.uploads.upload import HeldUpload

SIZE = 1_000_000
CONTENT = bytes(number % 239 for number in range(SIZE))


class Client:
    """A server's side of ASGI, just enough of it."""

    def __init__(self, app):
        self.app = app
        self.life = asyncio.Queue()
        self.lived = asyncio.Queue()

    async def __aenter__(self):
        await self.life.put({"type": "lifespan.startup"})
        scope = {"type": "lifespan"}
        self.task = asyncio.create_task(self.app(scope, self.life.get, self.lived.put))
        self.started = await self.lived.get()
        return self

    async def __aexit__(self, *_):
        await self.life.put({"type": "lifespan.shutdown"})
        await self.task

    async def get(self, path, leave_after=None):
        return await self.ask("GET", path, leave_after=leave_after)

    async def ask(self, method, path, body=b"", leave_after=None):
        sent, left = [], asyncio.Event()
        asked = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive():
            message = next(asked, None)
            if message is None:
                await left.wait()
            return message or {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)
            if leave_after is not None and len(sent) >= leave_after:
                left.set()
            await asyncio.sleep(0)

        path, _, query = path.partition("?")
        scope = {"type": "http", "method": method, "raw_path": path.encode()}
        scope["query_string"] = query.encode()
        headers = [(b"content-length", b"%d" % len(body))] if body else []
        await self.app(scope | {"headers": headers}, receive, send)
        return sent


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with one blob; its path in the API."""
    name = RepositoryName("dev", "app")
    with liftlock.open(tmp_path / "store", create=True) as engine:
        engine.create_registry("dev", by="tests")
        digest = liftlock.Digest.of(CONTENT)
        with engine.hold_upload(name, engine.start_upload(name, by="tests")) as upload:
            upload.append(CONTENT)
            upload.commit(digest, by="tests")
    monkeypatch.setenv("LIFTLOCK_STORE__ROOT", str(tmp_path / "store"))
    return f"/v2/dev/app/blobs/{digest}"


def test_a_blob_is_streamed_where_the_server_cannot_send_files(store):
    async def run():
        async with Client(application.from_environment()) as client:
            assert client.started == {"type": "lifespan.startup.complete"}
            return await client.get(store)

    start, *bodies = asyncio.run(run())
    assert start["status"] == 200
    assert (b"content-length", b"%d" % SIZE) in start["headers"]
    assert b"".join(body["body"] for body in bodies) == CONTENT
    assert max(len(body["body"]) for body in bodies) <= 64 * 1024
    assert not bodies[-1].get("more_body", False)


def test_a_stream_ends_when_its_client_leaves(store):
    async def run():
        async with Client(application.from_environment()) as client:
            return await client.get(store, leave_after=2)

    sent = asyncio.run(run())
    assert sum(len(message.get("body", b"")) for message in sent) < SIZE
    assert sent[-1]["more_body"]


def test_a_store_that_cannot_be_opened_is_told_to_the_server(tmp_path):
    (tmp_path / "file").write_text("x")

    async def run():
        async with Client(application.create(tmp_path / "file")) as client:
            return client.started

    started = asyncio.run(run())
    assert started["type"] == "lifespan.startup.failed"
    assert str(tmp_path / "file") in started["message"]


SMALL = b"small" * 4000
"""A file, and ended together with others."""


@pytest.fixture
def hanging(monkeypatch):
    """Flushes of files hang, after they have said so, until they may go on."""
    hangs, goes_on = threading.Event(), threading.Event()
    fsync = Disk.fsync

    def hang(disk, file):
        hangs.set()
        assert goes_on.wait(30)
        fsync(disk, file)

    def begin():
        monkeypatch.setattr(Disk, "fsync", hang)
        return hangs, goes_on

    return begin


def test_who_leaves_while_its_upload_is_being_ended_has_left(tmp_path, hanging):
    async def run():
        async with Client(application.create(tmp_path / "store")) as client:
            engine = client.app._bridge.engine
            engine.create_registry("dev", by="tests")
            hangs, goes_on = hanging()
            digest = liftlock.Digest.of(SMALL)
            path = f"/v2/dev/app/blobs/uploads/?digest={digest}"
            push = asyncio.create_task(client.ask("POST", path, SMALL))
            await asyncio.to_thread(hangs.wait)
            push.cancel()
            await asyncio.wait([push])
            assert push.cancelled()
            goes_on.set()
        with liftlock.open(tmp_path / "store") as engine:
            assert engine.get_blob(RepositoryName("dev", "app"), digest).size == len(SMALL)
            assert list(engine._blobs.iter_sessions()) == []

    asyncio.run(run())


def test_a_flush_that_hangs_keeps_nobody_from_other_uploads(tmp_path, hanging):
    """Small uploads wait for the disk in one thread, and for nothing else in it."""

    async def run():
        async with Client(application.create(tmp_path / "store")) as client:
            client.app._bridge.engine.create_registry("dev", by="tests")
            hangs, goes_on = hanging()
            uploads = "/v2/dev/app/blobs/uploads/"
            locations = []
            for _ in range(3):
                start, _ = await client.ask("POST", uploads)
                locations.append(dict(start["headers"])[b"location"].decode())
            last = f"?digest={liftlock.Digest.of(SMALL)}"
            ends = [
                asyncio.create_task(client.ask("PUT", location + last, SMALL))
                for location in locations[:2]
            ]
            await asyncio.to_thread(hangs.wait)
            assert (await client.ask("POST", uploads))[0]["status"] == 202
            assert (await client.ask("PATCH", locations[2], SMALL))[0]["status"] == 202
            assert (await client.get(locations[2]))[0]["status"] == 204
            assert (await client.ask("DELETE", locations[2]))[0]["status"] == 204
            assert not any(end.done() for end in ends)
            goes_on.set()
            for end in ends:
                assert (await end)[0]["status"] == 201

    asyncio.run(run())


@pytest.mark.parametrize("other_process", [b"", b"has gone on with it"])
@pytest.mark.parametrize("is_remembered", [True, False])
def test_who_reads_a_session_again_keeps_no_small_upload_waiting(
    tmp_path, monkeypatch, other_process, is_remembered
):
    """Sessions that others have hashed may be large; small uploads share one thread."""
    name, readers = RepositoryName("dev", "app"), []
    rehashed = HeldUpload._rehashed

    def noted(upload, algorithm):
        readers.append(threading.current_thread().name)
        return rehashed(upload, algorithm)

    monkeypatch.setattr(HeldUpload, "_rehashed", noted)

    async def run():
        async with Client(application.create(tmp_path / "store")) as client:
            engine = client.app._bridge.engine
            engine.create_registry("dev", by="tests")
            session = engine.start_upload(name, by="tests")
            states = engine._uploads.states
            if other_process:
                engine._uploads.blobs.create_session(session)
                with engine._uploads.blobs.hold_session(session) as held:
                    held.append(other_process)
            if not is_remembered:
                states.forget(session)
            path = f"/v2/dev/app/blobs/uploads/{session}"
            start, _ = await client.ask("PATCH", path, b"a chunk")
            assert start["status"] == 202
            states.forget(session)
            start, _ = await client.ask(
                "PUT", f"{path}?digest={liftlock.Digest.of(other_process + b'a chunk')}"
            )
            assert start["status"] == 201

    asyncio.run(run())
    assert readers
    assert all("write" in reader for reader in readers)
