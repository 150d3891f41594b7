"""Something named is not there."""

from __future__ import annotations

from collections.abc import Iterable

from liftlock.errors.base import LiftlockError, shown


class NotFound(LiftlockError):
    """Something that the request names is not there."""


class RegistryUnknown(NotFound):
    """No registry bears this name."""

    def __init__(self, registry: str) -> None:
        super().__init__(
            f"There is no registry {shown(registry)}. "
            f"Create it with `liftlock registry create {registry}`."
        )
        self.registry = registry


class RepositoryUnknown(NotFound):
    """The registry has no repository of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no repository {shown(name)}. It comes into being with its first push."
        )
        self.name = name


class NameIncomplete(NotFound):
    """A name of one component, which can name no repository here."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{shown(name)} names no repository: names are <registry>/<repository>.")
        self.name = name


class BlobUnknown(NotFound):
    """The repository does not have this blob, or its file is damaged and wants a new push."""

    def __init__(self, repository: str, digest: str) -> None:
        super().__init__(f"{repository} has no blob {digest}.")
        self.repository = repository
        self.digest = digest


class ManifestUnknown(NotFound):
    """The repository does not have this tag or manifest."""

    def __init__(self, repository: str, reference: str) -> None:
        super().__init__(f"{repository} has no manifest {reference}.")
        self.repository = repository
        self.reference = reference


class NothingSelected(NotFound):
    """A promotion's source is there, and selects nothing."""

    def __init__(self, source: str, what: str, above: str) -> None:
        super().__init__(f"{source} has {what}. See what is there with `liftlock ls {above}`.")
        self.source = source


class ManifestBlobUnknown(NotFound):
    """A manifest names content that its repository does not have; all of it is listed."""

    def __init__(self, repository: str, missing: Iterable[str]) -> None:
        self.repository = repository
        self.missing: tuple[str, ...] = tuple(missing)
        super().__init__(
            f"The manifest names {len(self.missing)} digest(s) that {repository} does not have: "
            f"{', '.join(self.missing)}. Push them first."
        )


class UploadUnknown(NotFound):
    """No open upload session of this repository bears this id."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"There is no open upload {shown(session_id)} here: it was finished, cancelled, "
            "has expired, or was lost in a power cut. Start a new one."
        )
        self.session_id = session_id


class PromotionUnknown(NotFound):
    """No promotion bears this number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"There is no promotion {number}.")
        self.number = number


class StoreUnknown(NotFound):
    """The folder holds no store."""

    def __init__(self, root: str) -> None:
        super().__init__(f"There is no store at {root}. Make one with `liftlock init`.")
        self.root = root
