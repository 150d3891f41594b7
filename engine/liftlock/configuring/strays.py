"""Variables that begin like ours and are not: what they probably are.

Kubernetes tells each container of every service of its namespace: beside one that is named
`liftlock`, a pod has LIFTLOCK_PORT=tcp://10.0.0.1:5000 and LIFTLOCK_SERVICE_HOST. So a name alone
is no fault. Our own variables have two underscores in them, and no such name has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from liftlock.configuring.declaration import BETWEEN, VARIABLE_PREFIX, Declaration
from liftlock.configuring.faults import nearest

_CLOSE: Final = 0.85
_KUBERNETES: Final = re.compile(
    r"SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?"
)
_KUBERNETES_VALUE: Final = re.compile(r"(?:tcp|udp|sctp)://")


@dataclass(frozen=True, slots=True)
class Stray:
    """A variable that nobody reads."""

    variable: str
    meant: str | None
    """Which variable was probably meant."""
    is_kubernetes: bool = False

    def __str__(self) -> str:
        if self.is_kubernetes:
            return (
                f"{self.variable} is not read: Kubernetes sets it for a service of that name; "
                "`enableServiceLinks: false` in the pod's spec keeps it away"
            )
        hint = f"; did you mean {self.meant}?" if self.meant else ""
        return f"{self.variable} is not read{hint}"


def strays(
    declared: Declaration, environment: Mapping[str, str], ours: tuple[str, ...]
) -> Iterator[Stray]:
    """Yield the variables that begin like ours and are neither a key's nor one of `ours`."""
    for name, value in sorted(environment.items()):
        rest = name.removeprefix(VARIABLE_PREFIX)
        if rest == name or BETWEEN in name or name in ours:
            continue
        # A service may have a longer name, such as liftlock-server.
        if _KUBERNETES.search(rest) or (rest.endswith("PORT") and _KUBERNETES_VALUE.match(value)):
            yield Stray(name, None, is_kubernetes=True)
        else:
            yield Stray(name, _meant(declared, name, rest, ours))


def _meant(declared: Declaration, name: str, rest: str, ours: tuple[str, ...]) -> str | None:
    for key in declared:
        if rest in {key.name.upper(), f"{key.section}_{key.name}".upper()}:
            return key.variable
    return nearest(name, [*ours, *(key.variable for key in declared)], cutoff=_CLOSE)
