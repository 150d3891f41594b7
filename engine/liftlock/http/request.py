"""A request as the nouns see it: its parsed target, its headers, its body, and who asks."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from liftlock.engine import Engine
from liftlock.errors import NameInvalid, UploadMalformed
from liftlock.http.answers import Receive, Scope
from liftlock.http.body import Body
from liftlock.http.bridge import Bridge
from liftlock.http.clients import Clients, client_of, peer_of
from liftlock.http.head import Head
from liftlock.http.parameters import Parameters, pairs_of, unreadable_in
from liftlock.http.settings import HttpSettings
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, RepositoryName, parse_tag

ANONYMOUS: Final = "anonymous"
_COUNT: Final = re.compile(r"[0-9]{1,19}")  # as many digits as any blob's size can have


class Request:
    """One request below /v2/; what is costly to read is read when asked for."""

    def __init__(
        self,
        scope: Scope,
        head: Head,
        receive: Receive,
        bridge: Bridge,
        settings: HttpSettings,
        clients: Clients,
    ) -> None:
        self.method: str = scope["method"]
        self.bridge = bridge
        self.head = head
        self.name_text = ""
        """The repository's name as it stood in the path; see `name`."""
        self.argument = ""
        """What follows the noun: a reference, a digest, a session id."""
        self.path: Mapping[str, str] = {}
        """Below /api/v1/, the parameters of the path."""
        self.methods: Collection[str] = ()
        """What the path takes, once it is found."""
        self._query: bytes = scope["query_string"]
        self._receive = receive
        self._settings = settings
        self.clients = clients
        self._peer = peer_of(scope)
        self._parameters: Parameters | None = None
        self._body: Body | None = None
        self._name: RepositoryName | None = None

    @property
    def client(self) -> str | None:
        """Whom the request is counted for; None if the server does not say."""
        return client_of(self._peer[0]) if self._peer else None

    @property
    def other_methods(self) -> list[str]:
        """What else may be asked of the same path."""
        return [method for method in self.methods if method != self.method]

    def public(self, path: str) -> str:
        """Return what an answer says of a path of ours: it begins where the client's paths do.

        Whatever makes a `Location` or a `Link` asks here.
        """
        return self._settings.public(path)

    @property
    def engine(self) -> Engine:
        """The engine, for calls that touch a few records; all others go over `bridge`."""
        return self.bridge.engine

    @property
    def actor(self) -> str:
        """Who asks. Nobody can say who they are yet, so everyone is the same."""
        return ANONYMOUS

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The query's parameters as they came; see `pairs_of`."""
        return pairs_of(self._query)

    @property
    def unreadable(self) -> str | None:
        """The first of the query's parameters that is not UTF-8."""
        return unreadable_in(self._query)

    @property
    def query(self) -> Parameters:
        """The query's parameters, where unknown ones do no harm.

        Raises:
            RequestRefused: one that can mean one thing comes twice, and means two.
        """
        if self._parameters is None:
            self._parameters = Parameters(self.pairs)
        return self._parameters

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing."""
        return self.method in {"GET", "HEAD"}

    @property
    def has_body(self) -> bool:
        """Whether the client sends one, if it be empty."""
        return b"content-length" in self.head or b"transfer-encoding" in self.head

    @property
    def body(self) -> Body:
        """The body; it can be read once."""
        if self._body is None:
            length = self.content_length if self.has_body else 0
            waits = (self.head.get(b"expect") or "").lower() == "100-continue"
            bridge = self.bridge
            self._body = Body(
                self._receive, bridge.limits, bridge.stalls, length=length, waits=waits
            )
        return self._body

    @property
    def content_length(self) -> int | None:
        """Content-Length, or None if there is none."""
        text = self.head.get(b"content-length")
        if text is None:
            return None
        if not _COUNT.fullmatch(text):
            raise UploadMalformed("its Content-Length is no length")
        return int(text)

    @property
    def name(self) -> RepositoryName:
        """The repository's name.

        Raises:
            NameInvalid, NameIncomplete: as the grammar says.
        """
        if self._name is None:
            self._name = RepositoryName.parse(self.name_text)
        return self._name

    @property
    def reference(self) -> Reference:
        """The tag or digest of the path, in its repository."""
        if ":" in self.argument:
            return Reference(self.name, digest=Digest.parse(self.argument))
        return Reference(self.name, tag=parse_tag(self.argument))

    @property
    def digest(self) -> Digest:
        """The digest of the path. The name is judged first, as the better hint."""
        _ = self.name
        return Digest.parse(self.argument)

    def has_etag(self, etag: str) -> bool:
        """Tell whether the client says that it has what `etag` names (If-None-Match)."""
        return any(
            candidate.strip().removeprefix("W/") in {etag, "*"}
            for line in self.head.every(b"if-none-match")
            for candidate in line.split(",")
        )


def path_segments(raw_path: bytes) -> list[str]:
    """Split a path at its slashes, *then* decode each segment, once.

    In this order no encoded slash can make another structure of a path than the one that a
    proxy in front has seen.

    Raises:
        NameInvalid: a segment holds an encoded slash, or is not UTF-8.
    """
    segments = decoded_segments(raw_path)
    if b"%2F" in raw_path.upper():
        for segment in segments:
            if "/" in segment:
                raise NameInvalid(segment, "it hides a slash in its percent-encoding")
    return segments


def decoded_segments(raw_path: bytes) -> list[str]:
    """Split a path at its slashes, then decode each segment, once; it can have slashes then.

    Raises:
        NameInvalid: a segment is not UTF-8.
    """
    if b"%" not in raw_path:
        try:
            return raw_path.decode("ascii").split("/")
        except UnicodeDecodeError as error:
            raise NameInvalid(
                raw_path.decode("latin-1"), "in a path, such characters are percent-encoded"
            ) from error
    return [_segment(raw) for raw in raw_path.split(b"/")]


def _segment(raw: bytes) -> str:
    try:
        return unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise NameInvalid(raw.decode("latin-1"), "its percent-encoding is not UTF-8") from error
