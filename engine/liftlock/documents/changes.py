"""Registries as people ask for them: a new one, and other settings for one."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from liftlock.complaints import read_form
from liftlock.config import Limits
from liftlock.documents.form import Comment, RegistryText
from liftlock.engine.asking import require_comment
from liftlock.errors import DocumentInvalid, LiftlockError, NameInvalid, TextInvalid
from liftlock.model import RegistrySettings, SettingsChange
from liftlock.oci.reference import parse_registry
from liftlock.promotion.deciding import refuse

_USUAL = RegistrySettings()


class SettingsChangeDocument(msgspec.Struct, forbid_unknown_fields=True):
    """Settings of a registry; what is left out stays, and of a new one is as usual."""

    allow_sparse: Annotated[
        bool | UnsetType,
        Meta(description="Whether manifests may name what their repository lacks. Usual: false."),
    ] = UNSET
    allow_delete: Annotated[
        bool | UnsetType,
        Meta(description="Whether anything in it can be deleted, and moves purge. Usual: true."),
    ] = UNSET


class NewRegistryDocument(msgspec.Struct, forbid_unknown_fields=True):
    """A registry that is to be made."""

    name: RegistryText
    settings: SettingsChangeDocument = msgspec.field(default_factory=SettingsChangeDocument)
    comment: Comment = ""


class RegistryChangeDocument(msgspec.Struct, forbid_unknown_fields=True):
    """What is to become of a registry."""

    settings: SettingsChangeDocument = msgspec.field(default_factory=SettingsChangeDocument)
    comment: Comment = ""


class NewRegistry(NamedTuple):
    """A registry that is to be made."""

    name: str
    settings: RegistrySettings
    comment: str


class RegistryChange(NamedTuple):
    """What is to become of a registry, and why."""

    settings: SettingsChange
    comment: str


def read_new_registry(document: object, limits: Limits) -> NewRegistry:
    """Read what registry is to be made.

    Raises:
        DocumentInvalid, NameInvalid, TextInvalid: with everything that is wrong in `violations`.
    """
    violations: list[LiftlockError] = []
    read = read_form(document, NewRegistryDocument, "a registry", violations, DocumentInvalid)
    if read is not None:
        try:
            parse_registry(read.name)
        except NameInvalid as error:
            violations.append(error)
        violations += _comment_faults(read.comment, limits)
    refuse(violations)
    assert read is not None
    settings = _change(read.settings).applied_to(_USUAL)
    return NewRegistry(read.name, settings, read.comment)


def read_registry_change(document: object, limits: Limits) -> RegistryChange:
    """Read what is to become of a registry.

    Raises:
        DocumentInvalid, TextInvalid: with everything that is wrong in `violations`.
    """
    violations: list[LiftlockError] = []
    what = "a registry's change"
    read = read_form(document, RegistryChangeDocument, what, violations, DocumentInvalid)
    if read is not None:
        violations += _comment_faults(read.comment, limits)
    refuse(violations)
    assert read is not None
    return RegistryChange(_change(read.settings), read.comment)


def _change(document: SettingsChangeDocument) -> SettingsChange:
    return SettingsChange(
        allow_sparse=_said(document.allow_sparse), allow_delete=_said(document.allow_delete)
    )


def _said(value: bool | UnsetType) -> bool | None:  # noqa: FBT001 - a field's value
    return None if value is UNSET else bool(value)


def _comment_faults(comment: str, limits: Limits) -> list[LiftlockError]:
    try:
        require_comment(comment, limits)
    except TextInvalid as error:
        return [error]
    return []
