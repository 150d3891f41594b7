"""Several processes on one store: who may, who may not, and that none sees what is of yesterday."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lmdb
import pytest
from rivals import WAIT_SECONDS, Rival, errors, tag

import liftlock
from liftlock import folder
from liftlock.blobs.disk import Disk
from liftlock.errors import StoreBusy, StoreExists
from liftlock.metadata.contract import Numbered, WriteTxn
from liftlock.metadata.lmdb import _COMMITS_BETWEEN_READER_CHECKS
from liftlock.testing import images

PROCESSES = 4
PAGE_BYTES = 4096


# --- opening at the same instant (L30) ------------------------------------------------------


def test_processes_that_open_and_close_at_once_are_never_refused(store: Path, rival) -> None:
    processes = [rival(engine=False) for _ in range(PROCESSES)]
    for process in processes:
        process.tell("open_often", times=40)
    assert [process.answer() for process in processes] == [[]] * PROCESSES
    with liftlock.open(store) as engine:
        assert errors(engine) == []


def test_processes_that_start_at_once_on_an_empty_folder_all_get_the_store(quick: Path) -> None:
    """As when a machine boots: whoever comes while another makes it waits, or finds it made."""
    for number in range(4):
        processes = [Rival(quick / f"new{number}") for _ in range(PROCESSES)]
        for process in processes:
            process.ask("stop", at="")  # it runs
        for process in processes:
            process.tell("open", create=True)
        assert [process.answer() for process in processes] == ["opened"] * PROCESSES
        for process in processes:
            process.ask("close")
            process.end()


def test_who_comes_while_a_store_is_made_waits_for_it(
    quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, disk, waits = quick / "new", HaltingDisk(), threading.Event()
    monkeypatch.setattr(folder.time, "sleep", lambda _: waits.set())
    monkeypatch.setattr(folder, "_MAKING_TRIES", 1_000_000)
    with ThreadPoolExecutor(2) as pool:
        making = pool.submit(liftlock.init, root, disk=disk)
        assert disk.halted.wait(WAIT_SECONDS)
        opening = pool.submit(liftlock.open, root, create=True)
        is_waiting = waits.wait(WAIT_SECONDS)
        disk.go_on.set()
        making.result()
        with opening.result() as engine:
            engine.create_registry("dev", by="me")
        assert is_waiting


class HaltingDisk(Disk):
    """Stops before its first file, which is the stamp, until the test lets it go on."""

    def __init__(self) -> None:
        self.halted, self.go_on = threading.Event(), threading.Event()

    def create(self, path: Path) -> int:
        self.halted.set()
        assert self.go_on.wait(WAIT_SECONDS)
        return super().create(path)


@pytest.mark.parametrize("failures", [1, 4])
def test_an_open_that_lmdb_refuses_for_a_moment_is_tried_again(
    store: Path, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    monkeypatch.setattr(lmdb, "open", refusing(failures))
    with liftlock.open(store) as engine:
        assert engine.list_registries().entries


def test_an_open_that_lmdb_refuses_for_good_is_store_busy(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(lmdb, "open", refusing(1000))
        with pytest.raises(StoreBusy):
            liftlock.open(store)
    liftlock.open(store).close()


def refusing(failures: int) -> Callable[..., lmdb.Environment]:
    """Make an `lmdb.open` that fails so many times, as it may when another opens or closes."""
    left, real = [None] * failures, lmdb.open

    def opened(*arguments: object, **named: object) -> lmdb.Environment:
        if left:
            left.pop()
            raise lmdb.LockError("Resource temporarily unavailable")
        return real(*arguments, **named)

    return opened


def test_a_store_that_is_made_between_look_and_making_is_opened(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is: by another process, after this one saw that there is none."""
    seen, exists = [], folder.exists

    def blind_at_first(root: Path) -> bool:
        seen.append(root)
        return len(seen) > 1 and exists(root)

    monkeypatch.setattr(folder, "exists", blind_at_first)
    liftlock.open(store, create=True).close()
    assert len(seen) > 1, "it looked again"


def test_a_store_in_use_is_not_made_anew(store: Path, rival) -> None:
    rival()
    with pytest.raises(StoreExists):
        liftlock.init(store)


# --- another host or PID namespace (L23) ----------------------------------------------------


def test_a_process_of_another_pid_namespace_is_refused_with_a_remedy(store: Path) -> None:
    """Both would be process 1, say, and wipe out each other's readers."""
    within = ("unshare", "--pid", "--fork", "--mount-proc")
    if not shutil.which(within[0]) or subprocess.run([*within, "true"], check=False).returncode:
        pytest.skip("this process may not make a PID namespace")
    stranger = Rival(store, within=within)
    with liftlock.open(store) as engine:
        answer = stranger.ask("open")
        assert answer["error"] == StoreBusy.__name__
        assert "PID namespace" in answer["text"]
        assert "docker exec" in answer["text"]
        engine.create_registry("more", by="me")
    # Once it is alone, it is as good as any; and then we are the strangers.
    assert stranger.ask("open") == "opened"
    with pytest.raises(StoreBusy, match="docker exec"):
        liftlock.open(store)
    stranger.ask("close")
    stranger.end()
    liftlock.open(store).close()


def test_who_finds_another_hosts_stamp_with_its_holder_is_refused(store: Path) -> None:
    """The same without the right to make namespaces: the lock is held, and the stamp is another."""
    with (store / "owner").open("r+b") as owner:
        fcntl.flock(owner, fcntl.LOCK_SH)
        owner.write(b"boot elsewhere, PID namespace 1".ljust(300))
        owner.flush()
        with pytest.raises(StoreBusy, match="elsewhere"):
            liftlock.open(store)
    # Its holder is gone, and what it left says nothing.
    liftlock.open(store).close()


def test_a_refused_process_leaves_no_lock(store: Path) -> None:
    with (store / "owner").open("r+b") as owner:
        fcntl.flock(owner, fcntl.LOCK_SH)
        owner.write(b"boot elsewhere".ljust(300))
        owner.flush()
        before = set(Path("/proc/self/fd").iterdir())
        with pytest.raises(StoreBusy):
            liftlock.open(store)
        assert set(Path("/proc/self/fd").iterdir()) == before
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)


# --- a server, and a command beside it ------------------------------------------------------


def test_a_server_and_commands_beside_it_see_each_others_work_at_once(store: Path, rival) -> None:
    """Nothing that was read is kept beyond its transaction."""
    server = rival()
    for number in range(10):
        with liftlock.open(store) as command:
            images.image(command, "dev/app", f"{number}", seed=f"{number}")
        assert f"{number}" in server.ask("tags", name="dev/app")
        moved = server.ask("promote", source=f"dev/app:{number}", target="prod", mode="move")
        with liftlock.open(store) as command:
            assert tag(command, f"dev/app:{number}") is None
            assert tag(command, f"prod/app:{number}")
            command.undo(moved, by="me")
        assert f"{number}" not in server.ask("tags", name="prod/app")
    with liftlock.open(store) as command:
        assert errors(command) == []


def test_two_servers_and_a_command_write_at_the_same_time(store: Path, rival) -> None:
    with liftlock.open(store) as command:
        for number in range(40):
            images.image(command, "dev/app", f"{number}", seed=f"{number}")
        servers = [rival(), rival()]
        for half, server in enumerate(servers):
            sources = [f"dev/app:{number}" for number in range(half, 40, 2)]
            server.tell("promote_all", sources=sources, target="prod")
        for number in range(40):
            images.image(command, "prod/own", f"{number}", seed=f"own{number}")
        numbers = [number for server in servers for number in server.answer()]
        assert sorted(numbers) == list(range(1, 41))
        assert errors(command) == []


def test_a_server_killed_in_a_read_transaction_holds_nobody_up(store: Path, rival) -> None:
    """Its slot in the reader table is freed at the next open, or the file would grow for ever."""
    rival()  # somebody has it open all the time: alone, LMDB would begin with an empty table
    server = rival()
    assert server.ask("read_and_wait") == "reading"
    server.kill()
    with liftlock.open(store) as command:
        assert command._store._env.reader_check() == 0, "opening has freed it"
        assert growth(store, command) < 100 * PAGE_BYTES, "old pages are used again"
        assert errors(command) == []


def test_a_server_that_goes_on_frees_what_another_left_in_the_reader_table(
    store: Path, rival
) -> None:
    """It may run for months without anybody opening the store (E77, L5)."""
    with liftlock.open(store) as command:
        server = rival()
        assert server.ask("read_and_wait") == "reading"
        server.kill()
        for _ in range(_COMMITS_BETWEEN_READER_CHECKS):
            command._store.write(put_number)
        assert growth(store, command) < 100 * PAGE_BYTES, "old pages are used again"


def put_number(txn: WriteTxn) -> None:
    txn.next_id(Numbered.OBJECT)


def growth(store: Path, engine: liftlock.Engine) -> int:
    """Return by how many bytes the metadata's file grows with 400 small commits."""
    file = store / "metadata" / "data.mdb"
    before = file.stat().st_size
    for _ in range(200):
        engine.create_registry("passing", by="me")
        engine.delete_registry("passing", by="me")
    return file.stat().st_size - before


def test_a_read_transaction_in_another_process_keeps_its_snapshot(store: Path, rival) -> None:
    server = rival()
    assert server.ask("read_and_wait") == "reading"
    with liftlock.open(store) as command:
        images.image(command, "dev/app", "1")
        server.go_on()
        assert server.answer() is True
