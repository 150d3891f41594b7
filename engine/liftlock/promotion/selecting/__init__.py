"""From what is asked to what there is: images on routes, and repositories as wholes.

`items` takes in what a request names, `resolving` looks its names up, each once; `repeating` and
`chaining` find moves that were done before.
"""

from __future__ import annotations

from liftlock.promotion.selecting.items import Selecting, select

__all__ = ["Selecting", "select"]
