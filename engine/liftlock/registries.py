"""Registries: made, and set to what they accept (docs/decisions/0016).

Whatever a setting forbids is refused here or where it would be done, with the setting's name. A
change is an event in the registry's history, with the settings before and after it.
"""

from __future__ import annotations

from liftlock import history, names, naming
from liftlock.errors import NameTaken, Unsupported
from liftlock.history import Act, Change
from liftlock.metadata import keys
from liftlock.metadata.contract import Numbered, ReadTxn, Table, WriteTxn
from liftlock.metadata.counts import ONE_REGISTRY
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import Action, Kind, Naming, RegistryRecord, encode_settings
from liftlock.model import RegistrySettings, SettingsChange


def create_registry(txn: WriteTxn, name: str, settings: RegistrySettings, act: Act) -> None:
    """Make a registry.

    Raises:
        NameTaken: there is one of this name.
    """
    if names.find_registry(txn, name) is not None:
        raise NameTaken(name)
    draft, event = Draft(), history.next_event(txn)
    number = txn.next_id(Numbered.OBJECT)
    naming.draft_name(draft, keys.NO_REGISTRY, name, number, event, Naming.CREATED)
    _draft(draft, number, RegistryRecord(event, settings, name))
    draft.add(keys.NO_REGISTRY, ONE_REGISTRY)
    change = Change(number, "", Action.CONFIGURED, None, encode_settings(settings))
    history.append(draft, event, Kind.CREATE, act, txn.at, (change,))
    draft.write(txn)


def update_registry(txn: WriteTxn, name: str, wanted: SettingsChange, act: Act) -> None:
    """Change a registry's settings. What is as wanted already is no change, and no event.

    What was accepted under the settings before stays.

    Raises:
        RegistryUnknown: there is none of this name.
    """
    number = names.get_registry(txn, name)
    record = names.registry_record(txn, number)
    settings = wanted.applied_to(record.settings)
    if settings == record.settings:
        return
    draft, event = Draft(), history.next_event(txn)
    _draft(draft, number, record._replace(settings=settings))
    before, after = encode_settings(record.settings), encode_settings(settings)
    change = Change(number, "", Action.CONFIGURED, before, after)
    history.append(draft, event, Kind.CONFIGURE, act, txn.at, (change,))
    draft.write(txn)


def settings_of(txn: ReadTxn, name: str) -> RegistrySettings:
    """Return a registry's settings.

    Raises:
        RegistryUnknown: there is none of this name.
    """
    return names.registry_record(txn, names.get_registry(txn, name)).settings


def require_deletes(txn: ReadTxn, name: str) -> None:
    """Require that a registry lets things be deleted, whether or not they are there.

    Raises:
        RegistryUnknown: there is none of this name.
        Unsupported: it does not.
    """
    if not settings_of(txn, name).allow_delete:
        raise Unsupported(
            f"Registry {name} does not allow deleting (allow_delete). "
            f"Allow it with `liftlock registry update {name} --allow-delete`."
        )


def _draft(draft: Draft, number: int, record: RegistryRecord) -> None:
    draft.put(Table.REGISTRIES, keys.id_key(number), record.encode())
