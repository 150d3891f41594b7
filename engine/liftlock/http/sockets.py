"""This process's sockets, which the server below us opens and shows to nobody: found in /proc."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_DESCRIPTORS: Final = Path("/proc/self/fd")


def count_descriptors() -> int:
    """Return how many descriptors this process has open."""
    return sum(1 for _ in _DESCRIPTORS.iterdir())


def iter_sockets() -> Iterator[socket.socket]:
    """Yield this process's internet sockets, each as a descriptor of its own until the next.

    A number may have been closed and given to another meanwhile: ask the socket who it is.
    """
    for entry in _DESCRIPTORS.iterdir():
        number = int(entry.name)
        try:
            # Of files no copy is made: to close one would drop LMDB's locks on its file.
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            descriptor = os.dup(number)
        except OSError as error:  # closed meanwhile
            if error.errno != errno.EBADF:
                raise
            continue
        with socket.socket(fileno=descriptor) as copy:
            if copy.family in {socket.AF_INET, socket.AF_INET6}:
                yield copy


def is_listener(one: socket.socket) -> bool:
    """Tell whether connections come in at a socket."""
    return bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
