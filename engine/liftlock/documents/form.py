"""What all documents share: how instants, digests and names are written.

What is said here and at the fields of documents is what the API's description says of them. A
bound that is read by more than its form (a name's grammar, say) stands beside the type as a mere
description: whoever reads it has the better words for what is wrong.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from msgspec import Meta

from liftlock.config import Limits
from liftlock.oci.digest import Digest
from liftlock.oci.reference import (
    COMPONENT_PATTERN,
    NAME_CHARACTERS_MAX,
    REGISTRY_CHARACTERS_MAX,
    TAG_PATTERN,
)

DIGEST_PATTERN: Final = "(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})"
REPOSITORY_PATTERN: Final = f"{COMPONENT_PATTERN}(?:/{COMPONENT_PATTERN})+"
IMAGE_PATTERN: Final = (
    f"{REPOSITORY_PATTERN}(?::{TAG_PATTERN}(?:@{DIGEST_PATTERN})?|@{DIGEST_PATTERN})"
)
EXAMPLE_DIGEST: Final = f"sha256:{'1f' * 32}"
_REFERENCE_CHARACTERS_MAX: Final = 1024

Instant = Annotated[
    str,
    Meta(
        description="An instant: RFC 3339, in UTC, to the millisecond.",
        examples=["2026-07-01T12:00:00.000Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
DigestText = Annotated[
    str,
    Meta(
        description="A digest: `sha256:` or `sha512:` and lower-case hex.",
        examples=[EXAMPLE_DIGEST],
        extra_json_schema={"pattern": f"^{DIGEST_PATTERN}$"},
    ),
]
RegistryText = Annotated[
    str,
    Meta(
        description="A registry's name: one path component.",
        examples=["dev"],
        extra_json_schema={
            "pattern": f"^{COMPONENT_PATTERN}$",
            "maxLength": REGISTRY_CHARACTERS_MAX,
        },
    ),
]
RepositoryText = Annotated[
    str,
    Meta(
        description="A repository's name: `registry/repository`.",
        examples=["dev/team/app"],
        extra_json_schema={
            "pattern": f"^{REPOSITORY_PATTERN}$",
            "maxLength": NAME_CHARACTERS_MAX,
        },
    ),
]
TagText = Annotated[
    str,
    Meta(description="A tag.", examples=["1.2"], extra_json_schema={"pattern": f"^{TAG_PATTERN}$"}),
]
ImageText = Annotated[
    str,
    Meta(
        description="An image: `registry/repository[:tag][@digest]`, with a tag, a digest or both, "
        "which must then agree.",
        examples=["dev/team/app:1.2"],
        extra_json_schema={
            "pattern": f"^{IMAGE_PATTERN}$",
            "maxLength": _REFERENCE_CHARACTERS_MAX,
        },
    ),
]
NameText = Annotated[
    str,
    Meta(
        description="A name: `registry[/repository][:tag][@digest]`.",
        examples=["dev/team/app:1.2"],
        extra_json_schema={
            "pattern": f"^(?:{COMPONENT_PATTERN}|{REPOSITORY_PATTERN}|{IMAGE_PATTERN})$",
            "maxLength": _REFERENCE_CHARACTERS_MAX,
        },
    ),
]
Comment = Annotated[
    str,
    Meta(
        description="Why; for the history.",
        examples=["release 1.2"],
        extra_json_schema={"maxLength": Limits().comment_characters_max},
    ),
]
Actor = Annotated[str, Meta(description="Who did it.", examples=["anonymous"])]
MediaType = Annotated[
    str, Meta(description="A media type.", examples=["application/vnd.oci.image.manifest.v1+json"])
]
Bytes = Annotated[int, Meta(description="Bytes.", examples=[1048576])]
Cursor = Annotated[
    str | None,
    Meta(description="The `after` of the next page; null: that was all. `Link` says the same."),
]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant(milliseconds: int) -> str:
    """Return a time as RFC 3339 in UTC, to the millisecond."""
    at = _EPOCH + timedelta(milliseconds=milliseconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def whole(digest: Digest | None) -> str | None:
    """Return a digest as text, if there is one."""
    return str(digest) if digest else None
