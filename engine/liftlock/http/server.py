"""`serve`: a store, a port, and workers between them, until a signal ends it.

The parent process only supervises (`liftlock.http.supervisor`); each worker opens the engine
itself, after the fork.
"""

from __future__ import annotations

import errno
import http.client
import logging.config
import os
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import liftlock
from liftlock.config import Limits
from liftlock.http import app, promoter
from liftlock.http.limits import MOST, HttpLimits
from liftlock.http.settings import HttpSettings
from liftlock.http.supervisor import Supervisor
from liftlock.http.worker import work

EXIT_ADDRESS: Final = 6
"""The address cannot be listened on: as the CLI's "it may work later"."""

_OWN: Final = "The host must be an address or name of this machine; 0.0.0.0 is all of them."
_ADDRESS_REMEDIES: Final[Mapping[int, str]] = {
    errno.EADDRINUSE: "Another program listens there (`ss -ltnp` tells which). Stop it, or take "
    "another port.",
    errno.EACCES: "Ports below 1024 are for root, or need CAP_NET_BIND_SERVICE. Take another port.",
}

_POLL_SECONDS: Final = 0.02
_ANSWER_SECONDS: Final = 5

_LOGGING: Final[dict[str, Any]] = {  # Any: the form that logging.config.dictConfig takes
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        # stdout belongs to the one line that says where the server is.
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "stream": "ext://sys.stderr",
        }
    },
    "loggers": {
        "asyncio": {"handlers": ["stderr"], "propagate": False},
        "liftlock": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
    },
}


def serve(
    root: Path,
    host: str = "127.0.0.1",
    port: int = 5000,
    *,
    workers: int = 1,
    engine_limits: Limits | None = None,
    limits: HttpLimits | None = None,
    settings: HttpSettings | None = None,
) -> int:
    """Serve the store at `root` until SIGTERM or SIGINT; make it if it is absent.

    Once requests are accepted, one line on stdout says where. All else goes to stderr. Must be
    called in the main thread. With port 0 the kernel chooses one.

    Returns:
        The exit code: 0 after a signal, `EXIT_ADDRESS` if the address cannot be had.

    Raises:
        LiftlockError: the store cannot be opened; nothing was served.
        SystemExit: a worker, or the promoter, was lost too often (`HttpLimits.worker_losses_max`).
    """
    engine_limits = engine_limits or Limits()
    limits = limits or HttpLimits()
    root = root.absolute()
    try:
        listening = _listen(host, port, workers, limits)
    except OSError as error:
        why, todo = error.strerror or str(error), _ADDRESS_REMEDIES.get(error.errno or 0, _OWN)
        sys.stderr.write(f"Error: Cannot listen on {host}:{port}: {why}. {todo}\n")
        return EXIT_ADDRESS
    # Here the reasons why a store cannot be opened still reach the caller as what they are. It
    # is closed again before the fork: an engine belongs to the process that opened it.
    liftlock.open(root, create=True, limits=engine_limits).close()
    logging.config.dictConfig(_LOGGING)
    address, port = listening[0].getsockname()[:2]
    url = f"http://{f'[{address}]' if ':' in address else address}:{port}"
    application = app.create(root, engine_limits=engine_limits, limits=limits, settings=settings)
    Supervisor(
        partial(work, application, limits, os.getpid()),
        partial(promoter.run, root, engine_limits),
        listening,
        limits,
    ).serve(on_started=partial(_announce, f"liftlock serves {root} on {url}", address, port))
    return 0


def _listen(host: str, port: int, workers: int, limits: HttpLimits) -> list[socket.socket]:
    """Listen at a socket for each worker; the kernel spreads connections over them.

    Raises:
        OSError: the address cannot be had, or not alone.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    # With SO_REUSEPORT two servers could share a port, and split its requests at random. To bind
    # without it first finds every other listener.
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        address = probe.getsockname()
    return [_listen_too(family, address, limits) for _ in range(workers)]


def _listen_too(family: int, address: Any, limits: HttpLimits) -> socket.socket:  # noqa: ANN401 - a form of each family
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # These two go over to the connections. A client that takes nothing for so long is dropped by
    # the kernel: neither the loop nor a thread waits for it.
    milliseconds = min(int(limits.idle_seconds * 1000), MOST)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.bind(address)
    listening.listen(limits.backlog)
    return listening


def _announce(line: str, address: str, port: int) -> None:
    """Print `line` once a request is answered; whatever else could be observed is a guess."""
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - compared
    while not _answers(own, port):
        time.sleep(_POLL_SECONDS)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _answers(address: str, port: int) -> bool:
    with (
        suppress(OSError, http.client.HTTPException),
        closing(http.client.HTTPConnection(address, port, timeout=_ANSWER_SECONDS)) as connection,
    ):
        connection.request("GET", "/v2/")
        with connection.getresponse() as response:
            return response.status == http.client.OK
    return False
