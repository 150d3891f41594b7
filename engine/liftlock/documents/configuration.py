"""A configuration as a document: every key, its value, and where that comes from."""

from __future__ import annotations

import msgspec

from liftlock.configuring import Setting


class SettingDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One key of the configuration."""

    key: str
    """`section.key`, as `--setting` takes it."""
    value: str | int | float | bool
    source: str
    """`default`, `file`, `environment` or `flag`."""
    origin: str | None
    """The file, variable or flag; null of a default."""
    default: str | int | float | bool
    variable: str
    """The environment's variable for it."""
    unit: str | None
    """What its number counts, where the name says it."""
    expected: str
    """What a value must be."""
    meaning: str


def setting_document(setting: Setting) -> SettingDocument:
    """Return one key's document."""
    key = setting.key
    return SettingDocument(
        key=str(key),
        value=_plain(setting.value),
        source=setting.origin.source.value,
        origin=setting.origin.name or None,
        default=_plain(key.default),
        variable=key.variable,
        unit=key.unit,
        expected=key.expected,
        meaning=" ".join(key.meaning.split()),
    )


def _plain(value: object) -> str | int | float | bool:
    return value if isinstance(value, int | float) else str(value)
