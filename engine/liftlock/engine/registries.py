"""The engine's registries and repositories: made, changed, listed, deleted."""

from __future__ import annotations

from liftlock import catalog, registries, removal
from liftlock.engine.asking import act_of, entries_of
from liftlock.engine.opened import Opened
from liftlock.model import Page, Registry, RegistrySettings, Repository, SettingsChange
from liftlock.oci.reference import RepositoryName, parse_registry


class RegistryEngine(Opened):
    """What `Engine` can do with registries and repositories."""

    def create_registry(
        self,
        name: str,
        settings: RegistrySettings = RegistrySettings(),
        *,
        by: str,
        comment: str = "",
    ) -> Registry:
        """Make a registry.

        Raises:
            NameInvalid: the name breaks the grammar or its limit.
            NameTaken: there is one of this name.
            TextInvalid: `by` or `comment` cannot be stored.
        """
        act = act_of(by, comment, self.limits)
        parse_registry(name)
        self._store.write(lambda txn: registries.create_registry(txn, name, settings, act))
        return self.get_registry(name)

    def update_registry(
        self, name: str, change: SettingsChange, *, by: str, comment: str = ""
    ) -> Registry:
        """Change a registry's settings; what was accepted before stays, and so does the rest.

        It holds from the next transaction on, in every process, and is in the registry's history.

        Raises:
            RegistryUnknown: there is none of this name.
            TextInvalid: `by` or `comment` cannot be stored.
        """
        act = act_of(by, comment, self.limits)
        self._store.write(lambda txn: registries.update_registry(txn, name, change, act))
        return self.get_registry(name)

    def delete_registry(
        self, name: str, *, by: str, comment: str = "", force: bool = False
    ) -> None:
        """Delete a registry; with `force`, with all that it has, at once. Its history stays.

        Raises:
            RegistryUnknown: there is none of this name.
            RegistryNotEmpty: it has repositories, and `force` is false.
            Unsupported: it has repositories, and does not allow deleting.
            TextInvalid: `by` or `comment` cannot be stored.
        """
        act = act_of(by, comment, self.limits)
        self._store.write(lambda txn: removal.delete_registry(txn, name, act, force=force))

    def get_registry(self, name: str) -> Registry:
        """Return a registry.

        Raises:
            RegistryUnknown: there is none of this name.
        """
        return self._store.read(lambda txn: catalog.get_registry(txn, name))

    def list_registries(self, *, after: str = "", limit: int | None = None) -> Page[Registry]:
        """Return registries beyond `after`, by name.

        Args:
            after: the last name of the page before; empty: from the first on.
            limit: so many at most; None, or more: `Limits.page_entries_max`.

        Raises:
            PageInvalid: `limit` is negative.
        """
        most = entries_of(limit, self.limits)
        return self._store.read(lambda txn: catalog.list_registries(txn, after, most))

    def get_repository(self, name: RepositoryName) -> Repository:
        """Return a repository.

        Raises:
            RegistryUnknown, RepositoryUnknown: it is not there.
        """
        return self._store.read(lambda txn: catalog.get_repository(txn, name))

    def delete_repository(self, name: RepositoryName, *, by: str, comment: str = "") -> None:
        """Delete a repository with all that it has, at once, whatever its size.

        Its history stays; what it had is swept after the hold time.

        Raises:
            RegistryUnknown, RepositoryUnknown: it is not there.
            Unsupported: its registry does not allow deleting.
            TextInvalid: `by` or `comment` cannot be stored.
        """
        act = act_of(by, comment, self.limits)
        self._store.write(lambda txn: removal.delete_repository(txn, name, act))

    def list_repositories(
        self, registry: str, *, after: str = "", limit: int | None = None
    ) -> Page[Repository]:
        """Return a registry's repositories beyond `after`, by name.

        Args:
            registry: the registry's name.
            after: `RepositoryName.repository` of the last one of the page before; empty: from
                the first on.
            limit: so many at most; None, or more: `Limits.page_entries_max`.

        Raises:
            RegistryUnknown: there is no such registry.
            PageInvalid: `limit` is negative.

        Source: distribution (CNCF), "Listing Repositories"; the specification has no catalog.
        """
        most = entries_of(limit, self.limits)
        return self._store.read(lambda txn: catalog.list_repositories(txn, registry, after, most))
