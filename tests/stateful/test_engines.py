"""Two engines and a model of dictionaries go the same way, and must stay alike.

`machine` has the engines and what must always hold, `model` the dictionaries, `forecast` the rules
of a promotion, `pushing` and `promoting` what is done, `replay` what the history says of it.
"""

from __future__ import annotations

import pytest
from hypothesis import settings
from promoting import Promoting

from liftlock.blobs.files import create

pytestmark = pytest.mark.timeout(900)  # to find the shortest way to a failure takes minutes


@pytest.fixture(autouse=True, scope="module")
def _blobs(tmp_path_factory: pytest.TempPathFactory) -> None:
    Promoting.blobs = tmp_path_factory.mktemp("store")
    create(Promoting.blobs)


class TestEngines(Promoting.TestCase):
    settings = settings(stateful_step_count=30)
