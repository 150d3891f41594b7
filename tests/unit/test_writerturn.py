"""One process at a time writes, and who waits does not wait for ever (L34)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from liftlock.config import Limits
from liftlock.errors import StoreBusy
from liftlock.metadata import writerturn
from liftlock.metadata.contract import Table
from liftlock.metadata.lmdb import LmdbMetadataStore
from liftlock.metadata.writerturn import WriterTurn
from liftlock.testing.clock import FakeClock


def test_one_has_the_turn_until_it_gives_it_up(tmp_path: Path) -> None:
    # Two open files: to the kernel they are as those of two processes.
    first, second = (WriterTurn(tmp_path / "lock", wait_ms_max=20) for _ in range(2))
    with first, pytest.raises(StoreBusy):
        second.take()
    with second, pytest.raises(StoreBusy):
        first.take()
    first.close()
    second.close()


def test_who_waits_asks_again_soon_for_as_long_as_it_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the one who has the turn has it again and again, and nobody has it in between."""
    now, pauses = [0.0], []

    def pass_time(seconds: float) -> None:
        pauses.append((now[0], seconds))
        now[0] += seconds

    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=pass_time)
    monkeypatch.setattr(writerturn, "time", clock)
    first, second = (WriterTurn(tmp_path / "lock", wait_ms_max=3_000) for _ in range(2))
    with first, pytest.raises(StoreBusy):
        second.take()
    assert 3 < now[0] < 3.01
    for waited, pause in pauses:
        assert pause == pytest.approx(min(max(0.0002, waited / 100), 0.005))
    assert pauses[-1][1] == 0.005, "a long write is not disturbed"
    first.close()
    second.close()


def test_the_turn_goes_with_the_file_that_held_it(tmp_path: Path) -> None:
    first, second = (WriterTurn(tmp_path / "lock", wait_ms_max=20) for _ in range(2))
    first.take()
    first.close()
    second.take()
    second.close()
    second.close()


def test_a_writer_that_stands_still_leaves_the_others_an_answer(tmp_path: Path) -> None:
    """All that is queued is told, not one after the other; and reading goes on."""
    store = LmdbMetadataStore(tmp_path, FakeClock(), limits=Limits(writer_wait_ms_max=200))
    standing = WriterTurn(tmp_path / "writer.lock", wait_ms_max=20)
    standing.take()
    waiting = [store.submit(lambda txn: txn.put_many(Table.TAGS, [(b"k", b"")])) for _ in range(9)]
    for future in waiting:
        assert isinstance(future.exception(timeout=10), StoreBusy)
    assert store.read(lambda txn: txn.get(Table.TAGS, b"k")) is None
    standing.give_up()
    store.write(lambda txn: txn.put_many(Table.TAGS, [(b"k", b"")]))
    assert store.read(lambda txn: txn.get(Table.TAGS, b"k")) == b""
    store.close()
    standing.close()
