"""The server as a process: its one line, its refusals, its end."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

import liftlock


@pytest.fixture
def start(tmp_path, tools):
    """Start servers on `tmp_path`; whatever a test did, none outlives it."""
    started = []

    def starter(**settings):
        process = tools.launch(tmp_path / "store", **settings)
        started.append(process)
        return process

    yield starter
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def port_of(process):
    return int(process.stdout.readline().rsplit(":", 1)[1])


def ask(port, request=b"GET /v2/ HTTP/1.1\r\nHost: t\r\n\r\n"):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(10_000)


def test_it_makes_its_store_says_one_line_and_stops_at_a_signal(start, tmp_path):
    process = start()
    line = process.stdout.readline()
    port = int(line.rsplit(":", 1)[1])
    assert line == f"liftlock serves {tmp_path / 'store'} on http://127.0.0.1:{port}\n"
    assert ask(port).startswith(b"HTTP/1.1 200 OK")
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0
    with liftlock.open(tmp_path / "store") as engine:
        assert engine.list_registries().entries == ()


def test_an_interrupt_from_the_keyboard_ends_it_quietly(start):
    """The terminal sends it to parent and worker alike."""
    process = start()
    port_of(process)
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0


def test_a_port_in_use_is_refused_with_a_reason(start):
    """Also by another server of ours, with which granian would share the port."""
    first = start()
    port = port_of(first)
    second = start(port=port)
    out, complaint = second.communicate(timeout=10)
    assert out == ""
    said = f"Error: Cannot listen on 127.0.0.1:{port}: Address already in use. Another program"
    assert complaint.startswith(said)
    assert complaint.count("\n") == 1
    assert second.returncode == 6
    assert ask(port).startswith(b"HTTP/1.1 200 OK")


def test_a_folder_that_is_no_store_is_refused(start, tmp_path):
    (tmp_path / "store").write_text("a file")
    process = start()
    out, complaint = process.communicate(timeout=10)
    assert out == ""
    assert str(tmp_path / "store") in complaint
    assert process.returncode != 0


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_whose_parent_was_killed_give_up_port_and_store(start, workers):
    process = start(workers=workers)
    port = port_of(process)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                break
        time.sleep(0.02)
    again = start(port=port)
    assert port_of(again) == port


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT] * 4], ids=["one", "many"])
def test_a_request_under_way_is_finished_before_the_stop(start, tmp_path, signals):
    """However often somebody presses the keys: the terminal sends that to the workers too."""
    with liftlock.open(tmp_path / "store", create=True) as engine:
        engine.create_registry("dev", by="tests")
    process = start()
    port = port_of(process)
    digest = b"sha256:88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(
            b"POST /v2/dev/a/blobs/uploads/?digest=%s HTTP/1.1\r\nHost: t\r\n"
            b"Content-Length: 4\r\n\r\nab" % digest
        )
        time.sleep(0.2)  # so that the request has begun
        for each in signals:
            os.killpg(process.pid, each)
            time.sleep(0.1)
        client.sendall(b"cd")
        assert b" 201 " in client.recv(10_000)
    process.communicate(timeout=10)
    assert process.returncode == 0


def test_a_client_that_never_finishes_cannot_delay_the_stop_for_long(start, tmp_path):
    with liftlock.open(tmp_path / "store", create=True) as engine:
        engine.create_registry("dev", by="tests")
    process = start(stop_seconds=1)
    port = port_of(process)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(
            b"PUT /v2/dev/a/manifests/1 HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nab"
        )
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=5)
    with liftlock.open(tmp_path / "store") as engine:
        assert list(engine.check()) == []


def test_what_was_not_foreseen_is_500_with_an_id_and_logged(tmp_path, tools, start):
    """The id leads from the answer to the log; the answer says nothing else."""
    with liftlock.open(tmp_path / "store", create=True) as engine:
        engine.create_registry("dev", by="tests")
    process = start()
    port = port_of(process)
    uploads = tmp_path / "store" / "uploads"
    uploads.rename(tmp_path / "gone")
    uploads.write_text("in the way")
    target = f"/v2/dev/a/blobs/uploads/?digest={tools.digest_of(b'other')}"
    post = f"POST {target} HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbody".encode()
    answer = ask(port, post.replace(b"Host", b"X-Request-Id: find-me\r\nHost"))
    assert answer.startswith(b"HTTP/1.1 500")
    (entry,) = json.loads(answer.partition(b"\r\n\r\n")[2])["errors"]
    assert entry["code"] == "UNKNOWN"
    assert entry["detail"] == {"request": "find-me"}
    assert str(tmp_path) not in entry["message"]
    _, logged = tools.stop(process)
    assert "find-me" in logged
    assert "Traceback" in logged


def test_a_worker_has_one_descriptor_of_the_lock_file(start, tmp_path):
    """To look for its sockets it must not copy others: closing a copy would drop LMDB's locks."""
    process = start()
    port_of(process)
    (worker,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    time.sleep(0.3)  # so that it has looked
    opened = [str(entry.readlink()) for entry in Path(f"/proc/{worker}/fd").iterdir()]
    assert [name for name in opened if name.endswith("lock.mdb")] != []
    assert max(opened.count(name) for name in opened if name.endswith("lock.mdb")) == 1
