"""Bar charts as SVG: one bar a contestant, its median, and its ratio to the chart's first.

Bars whose lengths differ by more than fifty are drawn on a logarithmic scale, and it says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import log10
from typing import Final

from outcome import Measured, Outcome, shown

_WIDTH: Final = 860
_LABELS: Final = 300
_BAR: Final = 300
_ROW: Final = 26
_THICK: Final = 20
_TITLE: Final = 46
_LOGARITHMIC_FROM: Final = 50
_COLOURS: Final = ("#9aa5b1", "#2f6f9f")
"""Of others, and of Liftlock."""
_OURS: Final = ("engine", "liftlock")


def draw(outcome: Outcome) -> str:
    """Draw all charts of a benchmark, one below the other."""
    parts: list[str] = []
    top = 0
    for title, bars in outcome.charts().items():
        parts += _chart(title, bars, top)
        top += _TITLE + _ROW * len(bars)
    style = "font-family='sans-serif' font-size='13' fill='#1f2933'"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{top + 10}' {style}>"
        f"<rect width='100%' height='100%' fill='#ffffff'/>{''.join(parts)}</svg>\n"
    )


def _chart(title: str, bars: Sequence[Measured], top: int) -> list[str]:
    values = [bar.median for bar in bars]
    logarithmic = min(values) > 0 and max(values) / min(values) > _LOGARITHMIC_FROM
    note = " (logarithmic)" if logarithmic else ""
    title = escape(f"{title}: {bars[0].unit}{note}")
    parts = [f"<text x='10' y='{top + 30}' font-weight='bold'>{title}</text>"]
    for row, bar in enumerate(bars):
        y = top + _TITLE + row * _ROW
        length = _length(bar.median, values, logarithmic=logarithmic)
        colour = _COLOURS[bar.label.lower().startswith(_OURS)]
        ratio = f" · {bar.median / values[0]:.2f} of the first" if row and values[0] else ""
        end = _LABELS + length + 8
        parts += [
            f"<text x='{_LABELS - 8}' y='{y + 15}' text-anchor='end'>{escape(bar.label)}</text>",
            f"<rect x='{_LABELS}' y='{y}' width='{length:.0f}' height='{_THICK}' fill='{colour}'/>",
            f"<text x='{end:.0f}' y='{y + 15}'>{shown(bar.median)}{ratio}</text>",
        ]
    return parts


def _length(value: float, values: Sequence[float], *, logarithmic: bool) -> float:
    if not logarithmic:
        return _BAR * value / (max(values) or 1)
    floor = log10(min(values)) - 0.3
    return _BAR * (log10(value) - floor) / (log10(max(values)) - floor)
