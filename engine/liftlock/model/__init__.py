"""The values that the engine takes and hands out: plain, frozen, complete."""

from __future__ import annotations

from liftlock.model.contents import (
    ABSENT,
    ANYTHING,
    Absent,
    Anything,
    BlobContent,
    Expected,
    Found,
    ManifestContent,
    Page,
    Pushed,
    Referrer,
    Registry,
    RegistrySettings,
    Repository,
    SettingsChange,
    Tag,
    Usage,
)
from liftlock.model.deletions import Deletion
from liftlock.model.expectations import Condition, Expectation, Places
from liftlock.model.promotions import (
    Mode,
    Outcome,
    Promotion,
    PromotionItem,
    PromotionSummary,
    Side,
    Tally,
)
from liftlock.model.reports import CheckStep, Finding, HistoryEntry, Severity, Swept
from liftlock.model.views import Attaching, Attachment, Inspection, Kind, Stats, Whereabouts

__all__ = [
    "ABSENT",
    "ANYTHING",
    "Absent",
    "Anything",
    "Attaching",
    "Attachment",
    "BlobContent",
    "CheckStep",
    "Condition",
    "Deletion",
    "Expectation",
    "Expected",
    "Finding",
    "Found",
    "HistoryEntry",
    "Inspection",
    "Kind",
    "ManifestContent",
    "Mode",
    "Outcome",
    "Page",
    "Places",
    "Promotion",
    "PromotionItem",
    "PromotionSummary",
    "Pushed",
    "Referrer",
    "Registry",
    "RegistrySettings",
    "Repository",
    "SettingsChange",
    "Severity",
    "Side",
    "Stats",
    "Swept",
    "Tag",
    "Tally",
    "Usage",
    "Whereabouts",
]
