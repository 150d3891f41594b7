"""The request itself is wrong."""

from __future__ import annotations

from liftlock.errors.base import LiftlockError, shown


class Invalid(LiftlockError):
    """The request cannot be right, whatever the store holds."""


class NameInvalid(Invalid):
    """A registry, repository or tag name breaks the grammar or a length limit."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{shown(name)} is not a valid name: {reason}.")
        self.name = name
        self.reason = reason


class DigestInvalid(Invalid):
    """A digest is malformed, of an unknown algorithm, or not the content's."""

    def __init__(self, digest: str, reason: str) -> None:
        super().__init__(f"Digest {shown(digest)} is refused: {reason}.")
        self.digest = digest
        self.reason = reason


class SizeInvalid(Invalid):
    """Content has another length than announced, or is longer than a limit allows."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The length is refused: {reason}.")
        self.reason = reason


class ManifestInvalid(Invalid):
    """A manifest is not the JSON that its media type promises."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The manifest is refused: {reason}.")
        self.reason = reason


class ManifestTooLarge(Invalid):
    """A manifest is longer than `Limits.manifest_bytes_max`."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The manifest is larger than the limit of {limit} bytes (manifest_bytes_max)."
        )
        self.limit = limit


class TagsTooMany(Invalid):
    """A push names more tags than `Limits.put_tags_max`."""

    def __init__(self, tags: int, limit: int) -> None:
        super().__init__(
            f"The push names {tags} tags, more than the limit of {limit} (put_tags_max). None was "
            "set; spread them over several pushes of the manifest."
        )
        self.tags = tags
        self.limit = limit


class ChunkOutOfOrder(Invalid):
    """An upload chunk does not start where the session ends; the session lives on."""

    def __init__(self, session_id: str, offset: int, start: int) -> None:
        super().__init__(
            f"The chunk starts at byte {start}, but the upload stands at {offset}; "
            f"go on from {offset}."
        )
        self.session_id = session_id
        self.offset = offset
        self.start = start


class UploadMalformed(Invalid):
    """An upload request's headers contradict each other or cannot be read; nothing was taken."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The upload request is refused: {reason}.")
        self.reason = reason


class Unsupported(Invalid):
    """The request is understood, and is not done."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


class PageInvalid(Invalid):
    """A paging parameter is neither a count from 0 up nor a place that a page before named."""

    def __init__(
        self, text: str, fault: str = "no number of entries: give a whole number from 0 up"
    ) -> None:
        super().__init__(f"{shown(text)} is {fault}.")
        self.text = text


class TextInvalid(Invalid):
    """A comment or an actor's name cannot be stored."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what.capitalize()} is refused: {reason}.")
        self.what = what
        self.reason = reason


class ParameterInvalid(Invalid):
    """A parameter of a query is unknown, comes twice, or is not what it has to be."""

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"Query parameter {shown(parameter)} is refused: {reason}.")
        self.parameter = parameter
        self.reason = reason


class DocumentInvalid(Invalid):
    """What was sent does not have the form that is asked for."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The request is refused: {reason}.")
        self.reason = reason


class PromotionInvalid(Invalid):
    """A promotion's references, tags or names do not fit together."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The promotion is refused: {reason}.")
        self.reason = reason


class KeyReused(Invalid):
    """An idempotency key came again, with another request than the first."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Idempotency key {shown(key)} was used for another request within the last day. "
            "Use a new key for a new request."
        )
        self.key = key
