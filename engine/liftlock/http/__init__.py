"""The front end: the OCI distribution API over an `Engine`; one module per noun.

Who embeds the engine in a registry of their own finds here how its errors are said.
"""

from __future__ import annotations

from liftlock.http.errors import Said, said

__all__ = ["Said", "said"]
