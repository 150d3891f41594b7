"""What a registry's settings mean over HTTP, also while they change under a running server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from liftlock.model import SettingsChange


@contextmanager
def changed(server, registry: str, **settings: bool) -> Iterator[None]:
    """Settings of a registry for some time; the other tests share it."""
    server.engine.update_registry(registry, SettingsChange(**settings), by="tests")
    yield
    back = {name: not value for name, value in settings.items()}
    server.engine.update_registry(registry, SettingsChange(**back), by="tests")


@pytest.mark.parametrize("what", ["manifests/1", "manifests/{}", "blobs/{}", "manifests/nope"])
def test_where_deleting_is_not_allowed_it_is_405_whatever_is_there(server, repo, what):
    """E23."""
    image = server.push_image(repo, "1")
    path = f"/v2/{repo}/{what}".format(
        image.digest if what.startswith("manifests") else image.config
    )
    with changed(server, "dev", allow_delete=False):
        for target in (path, path.replace(repo, "dev/nope")):
            answer = server.http.delete(target)
            (entry,) = server.refused(answer, 405, "UNSUPPORTED")
            assert "allow_delete" in entry["message"]
            assert "DELETE" not in answer.headers["allow"]
        server.refused(server.http.delete(path.replace("dev", "nope")), 404, "NAME_UNKNOWN")
        assert server.http.get(f"/v2/{repo}/manifests/1").status_code == 200
