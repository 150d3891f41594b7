"""The history: who did what, when, from where, to what, and why. Appended to, never changed.

An *event* is one act; its *items* are the tags that it changed. Both are written in the
transaction of the change itself, and sealed in its commit (`seals.py`).
"""

from __future__ import annotations

from liftlock.history.appending import (
    Act,
    Change,
    Closed,
    append,
    append_items,
    close,
    next_event,
)
from liftlock.history.reading import (
    NUMBER_MAX,
    Event,
    Item,
    find_items,
    find_promotion,
    get_event,
    get_item,
    iter_items,
    iter_repository_events,
    iter_tag_events,
    iter_whole_items,
    latest_of_tag,
)

__all__ = [
    "NUMBER_MAX",
    "Act",
    "Change",
    "Closed",
    "Event",
    "Item",
    "append",
    "append_items",
    "close",
    "find_items",
    "find_promotion",
    "get_event",
    "get_item",
    "iter_items",
    "iter_repository_events",
    "iter_tag_events",
    "iter_whole_items",
    "latest_of_tag",
    "next_event",
]
