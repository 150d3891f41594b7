"""`serve`: a store, a port, and a granian server between them, until a signal ends it.

The parent process only supervises (`liftlock.http.supervisor`); each worker opens the engine
itself, after the fork.
"""

from __future__ import annotations

import errno
import http.client
import os
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

import liftlock
from liftlock.config import Limits
from liftlock.http import app
from liftlock.http.limits import HttpLimits
from liftlock.http.settings import HttpSettings
from liftlock.http.supervisor import Losses, Supervisor

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
        "_granian": {"handlers": ["stderr"], "propagate": False},
        "liftlock": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
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
        SystemExit: a worker was lost too often (`HttpLimits.worker_losses_max`).
    """
    engine_limits = engine_limits or Limits()
    limits = limits or HttpLimits()
    root = root.absolute()
    try:
        address, port = _free_address(host, port)
    except OSError as error:
        why, todo = error.strerror or str(error), _ADDRESS_REMEDIES.get(error.errno or 0, _OWN)
        sys.stderr.write(f"Error: Cannot listen on {host}:{port}: {why}. {todo}\n")
        return EXIT_ADDRESS
    # Here the reasons why a store cannot be opened still reach the caller as what they are. It
    # is closed again before the fork: an engine belongs to the process that opened it.
    liftlock.open(root, create=True, limits=engine_limits).close()
    url = f"http://{f'[{address}]' if ':' in address else address}:{port}"
    server = _supervisor(address, port, workers, limits)
    server.on_started = partial(_announce, f"liftlock serves {root} on {url}", address, port)
    load = partial(
        app.create,
        root,
        engine_limits=engine_limits,
        limits=limits,
        settings=settings,
        supervisor=os.getpid(),
    )
    server.serve(target_loader=load, wrap_loader=False)
    return 0


def _supervisor(address: str, port: int, workers: int, limits: HttpLimits) -> Supervisor:
    server = Supervisor(
        target="liftlock.http.app:create",
        address=address,
        port=port,
        interface=Interfaces.ASGI,
        workers=workers,
        http=HTTPModes.http1,
        websockets=False,
        backlog=limits.backlog,
        backpressure=limits.connections_max,
        http1_settings=HTTP1Settings(
            header_read_timeout=limits.header_seconds * 1000,
            max_buffer_size=limits.receive_bytes,
        ),
        workers_kill_timeout=limits.stop_seconds,
        respawn_interval=limits.handover_seconds,
        log_level=LogLevels.warning,
        runtime_blocking_threads=limits.file_threads,
        log_dictconfig=_LOGGING,
    )
    server.losses = Losses(limits.worker_losses_max, limits.worker_losses_seconds)
    return server


def _free_address(host: str, port: int) -> tuple[str, int]:
    """Resolve `host`, and find a port if none is given; OSError if it cannot be bound.

    Granian binds with SO_REUSEPORT, which would let two servers share a port and split its
    requests at random. Binding without it first finds every other listener.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        bound = probe.getsockname()
    return str(bound[0]), int(bound[1])


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
