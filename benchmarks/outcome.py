"""What a benchmark leaves: measurements, claims judged by them, and facts; as text and as JSON."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from anonymous_memory import CLAIM_MIB, MIB

RESULTS: Final = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Measured:
    """One bar of a chart: the same thing measured several times."""

    label: str
    unit: str
    runs: tuple[float, ...]
    chart: str = ""
    """Bars of one chart are compared to its first."""

    @property
    def median(self) -> float:
        return statistics.median(self.runs)


@dataclass(frozen=True)
class Claim:
    """A number that must be at least, or at most, another."""

    text: str
    value: float
    bound: float
    at_least: bool

    @property
    def holds(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    @property
    def demand(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {shown(self.bound)}"


def at_least(bound: float, value: float, text: str) -> Claim:
    return Claim(text, value, bound, at_least=True)


def at_most(bound: float, value: float, text: str) -> Claim:
    return Claim(text, value, bound, at_least=False)


def memory_claim(most_bytes: int, what: str) -> Claim:
    """Claim 6 of the docs, for what one benchmark's engines or servers had."""
    return at_most(CLAIM_MIB, most_bytes / MIB, f"MiB of anonymous memory, {what}")


@dataclass
class Outcome:
    """All that one benchmark found."""

    name: str
    question: str
    measured: list[Measured] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    """Sizes, counts and whatever else a reader needs to judge the numbers."""
    machine: dict[str, str] = field(default_factory=dict)
    is_small: bool = False
    """Whether it was a trial with small sizes, whose numbers mean nothing."""

    def charts(self) -> dict[str, list[Measured]]:
        """Return the measurements by chart."""
        charts: dict[str, list[Measured]] = {}
        for each in self.measured:
            charts.setdefault(each.chart or self.question, []).append(each)
        return charts

    def print(self) -> None:
        for title, bars in self.charts().items():
            print(f"  {title}")
            width = max(len(bar.label) for bar in bars)
            for bar in bars:
                spread = f"{shown(min(bar.runs))} to {shown(max(bar.runs))}"
                ratio = f"{bar.median / bars[0].median:.2f} of the first" if bars[0].median else ""
                median = f"{shown(bar.median):>9} {bar.unit:14}"
                print(f"    {bar.label:{width}}  {median} ({spread})  {ratio}")
        for name, fact in self.facts.items():
            print(f"  {name}: {fact}")
        for claim in self.claims:
            verdict = "holds" if claim.holds else "DOES NOT HOLD"
            print(f"  {verdict}: {claim.text}: {shown(claim.value)} ({claim.demand})")

    def save(self) -> None:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}.json"
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        document: dict[str, Any] = json.loads(path.read_text())
        measured = [
            Measured(**each | {"runs": tuple(each["runs"])}) for each in document.pop("measured")
        ]
        claims = [Claim(**each) for each in document.pop("claims")]
        return cls(measured=measured, claims=claims, **document)


def shown(number: float) -> str:
    """Write a number with as many digits as mean something."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"
