"""A small registry client: push and pull over HTTP, with nothing but the standard library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPConnection
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlencode, urlsplit

from liftlock.oci.digest import Digest
from liftlock.oci.mediatype import OCI_INDEX, OCI_MANIFEST
from liftlock_cli.demo.images import Content, Image

_TIMEOUT_SECONDS: Final = 60
_OK, _CREATED, _ACCEPTED = 200, 201, 202


class UnexpectedAnswer(Exception):
    """The registry answered otherwise than the distribution spec has it."""


class Client:
    """One connection to a registry."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    def push(self, name: str, image: Image) -> None:
        """Upload all of `image` to repository `name` and set its tag; last, what refers to it."""
        for blob in image.blobs:
            self._push_blob(name, blob)
        for manifest in image.children:
            self._push_manifest(name, manifest, str(manifest.digest))
        self._push_manifest(name, image.top, image.tag)
        for manifest in image.referrers:
            self._push_manifest(name, manifest, str(manifest.digest))

    def pull(self, name: str, image: Image) -> Image:
        """Download from repository `name` what `image` consists of, as it is there."""
        top = self.get_manifest(name, image.tag)
        entries = self._referrers(name, top.digest)
        return Image(
            image.tag,
            top,
            tuple(self.get_manifest(name, str(child.digest)) for child in image.children),
            tuple(self.get_manifest(name, entry) for entry in entries),
            tuple(
                Content(blob.media_type, self._get(f"/v2/{name}/blobs/{blob.digest}")[1])
                for blob in image.blobs
            ),
        )

    def get_manifest(self, name: str, reference: str) -> Content:
        """Download a manifest."""
        headers, body = self._get(
            f"/v2/{name}/manifests/{reference}", {"Accept": f"{OCI_INDEX}, {OCI_MANIFEST}"}
        )
        content = Content(headers["content-type"], body)
        if headers["docker-content-digest"] != str(content.digest):
            raise UnexpectedAnswer(f"{name} {reference}: the digest is not that of the content.")
        return content

    def _push_blob(self, name: str, blob: Content) -> None:
        if self._ask("HEAD", f"/v2/{name}/blobs/{blob.digest}")[0] == _OK:
            return
        _, headers, _ = self._expect(_ACCEPTED, "POST", f"/v2/{name}/blobs/uploads/")
        session = urlsplit(headers["location"])
        query = "&".join(filter(None, (session.query, urlencode({"digest": str(blob.digest)}))))
        self._expect(
            _CREATED,
            "PUT",
            f"{session.path}?{query}",
            blob.body,
            {"Content-Type": "application/octet-stream"},
        )

    def _push_manifest(self, name: str, manifest: Content, reference: str) -> None:
        path = f"/v2/{name}/manifests/{reference}"
        self._expect(_CREATED, "PUT", path, manifest.body, {"Content-Type": manifest.media_type})

    def _referrers(self, name: str, subject: Digest) -> list[str]:
        _, body = self._get(f"/v2/{name}/referrers/{subject}")
        return [entry["digest"] for entry in json.loads(body)["manifests"]]

    def _get(
        self, path: str, headers: Mapping[str, str] | None = None
    ) -> tuple[Mapping[str, str], bytes]:
        _, found, body = self._expect(_OK, "GET", path, headers=headers)
        return found, body

    def _expect(
        self,
        status: int,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        answer = self._ask(method, path, body, headers)
        if answer[0] != status:
            said = answer[2][:500].decode(errors="replace")
            raise UnexpectedAnswer(f"{method} {path}: {answer[0]}, not {status}. {said}")
        return answer

    def _ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        self._connection.request(method, path, body, dict(headers or {}))
        response = self._connection.getresponse()
        content = response.read()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, content
