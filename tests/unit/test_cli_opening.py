"""How a command comes to its engine, and what waits meanwhile."""

from __future__ import annotations

import os
import pwd
import signal
from pathlib import Path

import pytest

import liftlock
from liftlock.errors import StoreUnknown
from liftlock_cli import opening
from liftlock_cli.opening import Settings

SETTINGS = Settings()


def settings_of(root: Path) -> Settings:
    return Settings(flags={"store.root": (str(root), "--root")})


class Stub:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_a_missing_store_is_not_made(tmp_path):
    with pytest.raises(StoreUnknown), opening.writing(settings_of(tmp_path / "none")):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_waits_until_the_write_is_told(monkeypatch):
    told = []
    monkeypatch.setattr(liftlock, "open", lambda _, limits: Stub())

    def write():
        with opening.writing(SETTINGS):
            os.kill(os.getpid(), signal.SIGINT)
            told.append("promotion 1")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert told == ["promotion 1"]


def test_the_signals_are_as_before_also_after_an_error():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def fail():
        with opening.signals_held_back():
            assert signal.SIGTSTP in signal.pthread_sigmask(signal.SIG_BLOCK, ())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_the_actor_is_the_process_owner_whatever_the_environment_says(monkeypatch):
    monkeypatch.setenv("USER", "somebody")
    monkeypatch.setenv("LOGNAME", "somebody")
    assert opening.actor() == f"os:{pwd.getpwuid(os.getuid()).pw_name}"


def test_an_actor_without_a_name_is_a_number(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert opening.actor() == f"os:{2**31 - 7}"


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_long_work_is_interrupted_where_it_says_so(kind):
    """And the signal is there still, for whoever leaves the block."""
    did = []
    before = signal.signal(signal.SIGTERM, lambda *_: did.append("ended"))

    def work():
        with opening.signals_held_back():
            opening.take_signals()
            os.kill(os.getpid(), kind)
            did.append("a step")
            opening.take_signals()
            did.append("another step")

    try:
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert did == ["a step", *(["ended"] if kind == signal.SIGTERM else [])]


def test_long_work_is_stopped_where_it_says_so():
    did = []
    before = signal.signal(signal.SIGTSTP, lambda *_: did.append("stopped"))
    try:
        with opening.signals_held_back():
            os.kill(os.getpid(), signal.SIGTSTP)
            did.append("a step")
            opening.take_signals()
            did.append("another step")
            assert signal.SIGTSTP in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.signal(signal.SIGTSTP, before)
    assert did == ["a step", "stopped", "another step"]
