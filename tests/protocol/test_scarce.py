"""What there is little of, descriptors and memory, is not taken by who only asks."""

import resource
import signal
import socket
import time
from pathlib import Path
from threading import Thread

import pytest

import liftlock

GET = b"GET /v2/ HTTP/1.1\r\nHost: t\r\n\r\n"
LONG = b"GET /v2/ HTTP/1.1\r\nHost: t\r\nX: " + b"x" * 245_000 + b"\r\n\r\n"
CLIENTS = 8
MIB = 1 << 20
MORE = 6


def resident(pid):
    """How much memory a process has."""
    (line,) = [
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line
    ]
    return int(line.split()[1]) * 1024


def test_requests_that_wait_hold_little_memory(own_server, repo):
    """Each answer lets the client go on, but not to put another header behind the waiting ones."""
    content = bytes(20 * MIB)
    blob = f"GET /v2/{repo}/blobs/{own_server.push_blob(repo, content)} HTTP/1.1\r\nHost: t\r\n"
    first, last = f"{blob}Range: bytes=5-6\r\n\r\n".encode(), f"{blob}\r\n".encode()
    worker = own_server.worker()
    before = resident(worker)
    clients = []
    for _ in range(CLIENTS):
        client = own_server.connect()
        clients.append(client)
        Thread(target=send, args=(client, first * 29 + last + LONG * 60), daemon=True).start()
    for client in clients:
        received = b""
        while b"HTTP/1.1 200" not in received:  # the blob's header, and no more is taken
            received += client.recv(100)
        assert received.count(b"HTTP/1.1 206") == 29
    grown = resident(worker) - before
    for client in clients:
        client.shutdown(socket.SHUT_RDWR)
        client.close()
    assert grown < CLIENTS * 4 * MIB


def send(client, requests):
    """Send until the test has seen enough."""
    try:
        client.sendall(requests)
    except OSError:
        return


@pytest.fixture
def scant(tmp_path, tools):
    """A server, and its worker."""
    with liftlock.open(tmp_path / "store", create=True):
        pass
    process = tools.launch(tmp_path / "store", handover_seconds=0.5, look_seconds=0.1)
    port = int(process.stdout.readline().rsplit(":", 1)[1])
    (worker,) = tools.children(process.pid, "lift-worker-")
    yield process, port, worker
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_worker_without_descriptors_goes_on_and_says_so_now_and_then(scant, tools):
    """Who waits comes in as others leave; the log tells of it once a second, not for each."""
    process, port, worker = scant
    used = max(int(each.name) for each in Path(f"/proc/{worker}/fd").iterdir()) + 1
    _, most = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + MORE, most))
    begun = time.monotonic()
    clients = [socket.create_connection(("127.0.0.1", port), tools.WAIT_SECONDS) for _ in range(40)]
    for client in clients:
        client.sendall(GET)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        client.close()
    seconds = time.monotonic() - begun
    _, logged = tools.stop(process)
    assert process.returncode == 0
    told = logged.splitlines()
    assert all("no connection is accepted for 1 s: [Errno 24]" in line for line in told)
    assert 1 <= len(told) <= 2 + seconds


def test_a_worker_that_may_open_few_files_serves_fewer_connections(scant, tools):
    """And says so. One client that asks nothing does not keep another from pushing."""
    process, port, worker = scant
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (120, 120))
    process.send_signal(signal.SIGHUP)
    assert tools.becomes(lambda: Path(f"/proc/{worker}/cmdline").exists(), wanted=False)
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(150)]
    with socket.create_connection(("127.0.0.1", port), tools.WAIT_SECONDS) as client:
        client.sendall(GET)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    for each in idle:
        each.close()
    _, logged = tools.stop(process)
    told = logged.splitlines()
    assert "serves 20 connections at a time, not 1024 (connections_max)" in told[0]
    assert all("idle connections of 127.0.0.1" in line for line in told[1:])
