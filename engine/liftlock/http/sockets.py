"""This process's sockets, which the server below us opens and shows to nobody: found in /proc."""

from __future__ import annotations

import errno
import os
import socket
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
        try:
            copy = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError as error:  # closed meanwhile, or no socket
            if error.errno not in {errno.EBADF, errno.ENOTSOCK}:
                raise
            continue
        with copy:
            if copy.family in {socket.AF_INET, socket.AF_INET6}:
                yield copy


def is_listener(one: socket.socket) -> bool:
    """Tell whether connections come in at a socket."""
    return bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
