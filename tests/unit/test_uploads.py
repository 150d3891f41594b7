"""Upload sessions: whom they belong to, and what a clock may do to them."""

from __future__ import annotations

import pytest

from liftlock import RepositoryName
from liftlock.config import DAY_MS
from liftlock.engine import Engine
from liftlock.errors import UploadUnknown
from liftlock.testing.clock import FakeClock
from liftlock.testing.images import image, read, upload

DEV = RepositoryName("dev", "app")


def test_one_commit_under_a_wrong_clock_does_not_stop_uploads(
    engine: Engine, clock: FakeClock
) -> None:
    """A transaction's time never goes back, so it is no measure for a file's age."""
    clock.advance(365 * DAY_MS)
    image(engine, DEV, "1")
    clock.advance(-365 * DAY_MS)
    digest = upload(engine, DEV, b"pushed after the clock was set right")
    assert read(engine, DEV, digest)


def test_a_session_does_not_outlive_its_registry(engine: Engine) -> None:
    session = engine.start_upload(DEV, by="me")
    with engine.hold_upload(DEV, session) as held:
        held.append(b"for the old one")
    engine.delete_registry("dev", by="me", force=True)
    engine.create_registry("dev", by="me")
    with pytest.raises(UploadUnknown), engine.hold_upload(DEV, session):
        pass
