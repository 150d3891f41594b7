"""Threads that send files: each answers for the file that it was given, and for no other."""

import sys
from collections.abc import Iterator

import pytest

from liftlock.http.sending import FileThreads

FILES = 20_000


@pytest.fixture
def interrupted() -> Iterator[None]:
    """Threads are interrupted wherever they can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class File:
    """What a thread is given; here it tells which one it is."""

    def __init__(self, number: int) -> None:
        self.number = number

    def send_some(self, buffer: memoryview) -> int:
        assert buffer.nbytes
        return self.number


@pytest.mark.usefixtures("interrupted")
def test_a_thread_is_done_with_the_file_that_it_was_given():
    """If it were another's, a second thread would go on with a file that the first still sends."""
    threads = FileThreads(4)
    done = [threads.send_some(File(number)) for number in range(FILES)]
    assert [each.result() for each in done] == list(range(FILES))
    assert not threads.are_wanted
