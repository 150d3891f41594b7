"""The collector stands still inside, for however many threads, and is as it was afterwards."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest

from liftlock.metadata.gcpause import COLLECTOR_PAUSE, CollectorPause


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    yield
    gc.enable()


def test_it_is_as_it_was_when_the_last_one_has_left() -> None:
    pause = CollectorPause()
    with pause:
        with pause:
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_who_had_it_off_keeps_it_off() -> None:
    gc.disable()
    with CollectorPause():
        pass
    assert not gc.isenabled()


def test_an_error_ends_it() -> None:
    with pytest.raises(KeyError), CollectorPause():
        raise KeyError
    assert gc.isenabled()


def test_a_child_that_is_forked_meanwhile_collects() -> None:
    with COLLECTOR_PAUSE:
        child = os.fork()
        if child == 0:
            os._exit(0 if gc.isenabled() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert gc.isenabled()
