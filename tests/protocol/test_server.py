"""The server as a process: its one line, its refusals, its end."""

import json
import os
import signal
import socket
import time
from contextlib import ExitStack

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
    """Also by another server of ours, with which it could share the port."""
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


SIZE = 30_000_000
CONTENT = bytes(number % 249 for number in range(1000)) * (SIZE // 1000)


def push(port, tools):
    """Push `CONTENT`; return where it is."""
    digest = tools.digest_of(CONTENT)
    head = (
        f"POST /v2/dev/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: t\r\n"
        f"Content-Length: {SIZE}\r\n\r\n"
    )
    assert b" 201 " in ask(port, head.encode() + CONTENT)
    return f"/v2/dev/a/blobs/{digest}"


def everything(client):
    received = bytearray()
    while piece := client.recv(1_000_000):
        received += piece
    return bytes(received)


def test_who_has_just_connected_is_answered_before_the_stop(start, tools):
    """Its request may be on the way; but it is not waited for as long as a header is."""
    process = start()
    port = port_of(process)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as client,
        socket.create_connection(("127.0.0.1", port), timeout=10) as silent,
    ):
        process.send_signal(signal.SIGTERM)
        assert tools.becomes(lambda: is_refused(port), wanted=True)
        client.sendall(b"GET /v2/ HTTP/1.1\r\nHost: t\r\n\r\n")
        answer = everything(client)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"\r\nconnection: close\r\n" in answer
        assert silent.recv(1) == b""
    assert process.communicate(timeout=10) == ("", "")


@pytest.mark.parametrize("range_", ["", "Range: bytes=0-\r\n"], ids=["whole", "range"])
def test_a_large_pull_is_finished_before_the_stop(start, tmp_path, tools, range_):
    make_registry(tmp_path)
    process = start()
    port = port_of(process)
    target = push(port, tools)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: t\r\n{range_}\r\n".encode())
        received = client.recv(1000)
        process.send_signal(signal.SIGTERM)
        assert tools.becomes(lambda: is_refused(port), wanted=True)
        received += everything(client)
    assert received.partition(b"\r\n\r\n")[2] == CONTENT
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0


def test_a_large_push_is_finished_before_the_stop(start, tmp_path, tools):
    make_registry(tmp_path)
    process = start()
    port, digest = port_of(process), tools.digest_of(CONTENT)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(
            f"POST /v2/dev/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: t\r\n"
            f"Content-Length: {SIZE}\r\n\r\n".encode()
        )
        client.sendall(CONTENT[: SIZE // 2])
        process.send_signal(signal.SIGTERM)
        assert tools.becomes(lambda: is_refused(port), wanted=True)
        client.sendall(CONTENT[SIZE // 2 :])
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 201")
    assert b"connection: close" in answer
    assert process.communicate(timeout=10) == ("", "")


def test_a_file_that_is_cut_while_it_is_sent_ends_the_connection(start, tmp_path, tools):
    """The client has fewer bytes than it was told, and the log has a reason."""
    make_registry(tmp_path)
    process = start()
    port = port_of(process)
    target = push(port, tools)
    (file,) = (tmp_path / "store" / "blobs").rglob(f"{target[-64:]}*")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
        received = client.recv(1000)
        os.truncate(file, SIZE - 1)
        received += everything(client)
    assert len(received.partition(b"\r\n\r\n")[2]) == SIZE - 1
    assert ask(port).startswith(b"HTTP/1.1 200 OK")
    _, logged = tools.stop(process)
    assert f"has {SIZE - 1} bytes, not {SIZE}" in logged


def test_more_connections_than_it_serves_wait_for_their_turn(start, tools):
    """In the kernel: none is refused, and each is answered once others have ended."""
    process = start(connections_max=4, client_connections_max=0)
    port = port_of(process)
    request = b"GET /v2/ HTTP/1.1\r\nHost: t\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(3):  # again and again: a place that is not given back would be missed
            served = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
                for _ in range(4)
            ]
            for client in served:
                client.sendall(request)
                assert client.recv(10_000).startswith(b"HTTP/1.1 200")
            waiting = socket.create_connection(("127.0.0.1", port), timeout=10)
            waiting.sendall(request)
            waiting.settimeout(0.2)
            with pytest.raises(TimeoutError):
                waiting.recv(1)
            served[0].close()
            waiting.settimeout(10)
            assert waiting.recv(10_000).startswith(b"HTTP/1.1 200")
            waiting.close()
            for client in served[1:]:
                client.close()
    assert tools.stop(process) == ("", "")


def make_registry(tmp_path):
    with liftlock.open(tmp_path / "store", create=True) as engine:
        engine.create_registry("dev", by="tests")


def is_refused(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
