"""A manifest as JSON has it, before it means anything."""

from __future__ import annotations

import msgspec

from liftlock.errors import ManifestInvalid


class Platform(msgspec.Struct):
    """What an index's entry is made for."""

    os: str = ""
    architecture: str = ""
    variant: str = ""


class Entry(msgspec.Struct, rename="camel"):
    """A descriptor, nothing of it judged yet."""

    digest: str
    size: int
    media_type: str = ""
    artifact_type: str | None = None
    platform: Platform | None = None
    annotations: dict[str, str] | None = None


class Document(msgspec.Struct, rename="camel"):
    """An image, an index or an artifact; what is not known here is passed over."""

    schema_version: int | None = None
    media_type: str | None = None
    artifact_type: str | None = None
    config: Entry | None = None
    layers: list[Entry] | None = None
    blobs: list[Entry] | None = None
    manifests: list[Entry] | None = None
    subject: Entry | None = None
    annotations: dict[str, str] | None = None


_decoder = msgspec.json.Decoder(Document)


def decoded(body: bytes) -> Document:
    """Read a document, or raise ManifestInvalid."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ManifestInvalid(f"it cannot be read ({error})"[:300]) from error
