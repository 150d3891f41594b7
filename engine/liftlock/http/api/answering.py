"""What several endpoints have in common: how they refuse, and what they say."""

from __future__ import annotations

from typing import Final

from liftlock import errors
from liftlock.http.api.endpoint import Headers

NO_REGISTRY: Final = (errors.NameInvalid, errors.RegistryUnknown)
NO_REPOSITORY: Final = (*NO_REGISTRY, errors.NameIncomplete, errors.RepositoryUnknown)
NO_MANIFEST: Final = (*NO_REPOSITORY, errors.DigestInvalid, errors.ManifestUnknown)
AGAIN: Final = "Done again, it is 404."
CONDITIONS: Final = Headers(conditions=True)
PAGED: Final = ("Link",)
