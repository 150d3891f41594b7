"""Write what was measured into docs/benchmarks.md, between its markers: no number by hand.

    <!-- measured: promotions -->
    …rewritten…
    <!-- end -->

Each benchmark's picture is put beside the page. Results of trials with small sizes are refused.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from outcome import RESULTS, Measured, Outcome, shown

_DOCS: Final = Path(__file__).parents[1] / "docs"
_PICTURES: Final = "pictures"
_NOTHING: Final = "*Not measured yet: `make bench`, then `python benchmarks/run.py --report`.*"


def write(names: Iterable[str]) -> None:
    """Rewrite the part of every benchmark; one that has no result says so."""
    page = _DOCS / "benchmarks.md"
    text = page.read_text()
    for name in names:
        block = re.compile(rf"(<!-- measured: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not block.search(text):
            raise SystemExit(f"docs/benchmarks.md has no place for {name}")
        measured = _measured(name)
        text = block.sub(lambda found, put=measured: f"{found[1]}{put}\n{found[2]}", text)
    page.write_text(text)


def _measured(name: str) -> str:
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return _NOTHING
    outcome = Outcome.load(path)
    if outcome.is_small:
        raise SystemExit(f"the result of {name} is a trial's; run it in full first")
    pictures = _DOCS / _PICTURES
    pictures.mkdir(exist_ok=True)
    picture = f"bench-{name}.svg"
    shutil.copyfile(RESULTS / f"{name}.svg", pictures / picture)
    return "\n".join(
        [
            f"![{outcome.question}]({_PICTURES}/{picture})",
            "",
            "| claim | demanded | measured | |",
            "| --- | --- | --- | --- |",
            *(
                f"| {claim.text} | {claim.demand} | **{shown(claim.value)}** "
                f"| {'holds' if claim.holds else '**does not hold**'} |"
                for claim in outcome.claims
            ),
            "",
            "| | median | lowest to highest | of the first |",
            "| --- | --- | --- | --- |",
            *(line for title, bars in outcome.charts().items() for line in _lines(title, bars)),
            "",
            *(f"- {name}: {fact}" for name, fact in outcome.facts.items()),
            f"- Machine: {'; '.join(f'{key} {value}' for key, value in outcome.machine.items())}.",
        ]
    )


def _lines(title: str, bars: list[Measured]) -> Iterable[str]:
    yield f"| *{title}, {bars[0].unit}* | | | |"
    for bar in bars:
        ratio = f"{bar.median / bars[0].median:.2f}" if bars[0].median else ""
        spread = f"{shown(min(bar.runs))} to {shown(max(bar.runs))}"
        yield f"| {bar.label} | {shown(bar.median)} | {spread} | {ratio} |"
