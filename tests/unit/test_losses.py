"""When a server gives up replacing workers."""

from __future__ import annotations

from liftlock.http.losses import Losses


def test_as_many_losses_as_are_allowed_are_not_too_many() -> None:
    losses = Losses(2, 10)
    assert [losses.are_too_many(0, now) for now in (1, 2, 3)] == [False, False, True]


def test_what_is_long_ago_does_not_count() -> None:
    losses = Losses(2, 10)
    assert [losses.are_too_many(0, now) for now in (0, 5, 10, 15, 16)] == [
        False,
        False,
        False,
        False,
        True,
    ]


def test_each_worker_counts_alone() -> None:
    """Or losing all of many at once would end a server that can be mended."""
    losses = Losses(1, 10)
    assert not any(losses.are_too_many(worker, 1) for worker in range(9))
    assert all(losses.are_too_many(worker, 2) for worker in range(9))
