"""Spend per day as a stacked bar chart, drawn here as SVG: geometry in whole units, colors by class."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

WIDTH, TOP, HEIGHT, BOTTOM = 720, 28, 200, 30
MODELS_MAX = 5
OTHER = "Other"


class Bar(NamedTuple):
    """One model's part of a day, in units of the drawing. `series` 0 to 5 chooses the color."""

    x: int
    y: int
    width: int
    height: int
    series: int


class Tick(NamedTuple):
    """A day that is named below the chart; the last one always is."""

    x: int
    day: date


class Chart(NamedTuple):
    """What to draw. `models` in the order of their colors; `top`: the nanos that the full height shows."""

    models: tuple[str, ...]
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    top: int


def chart_of(days: Sequence[date], spent: Mapping[date, Mapping[str, int]]) -> Chart:
    """The chart of the charges by day and model, in nanos. Small models share one color; free ones are left out."""
    spent = {day: {model: nanos for model, nanos in parts.items() if nanos} for day, parts in spent.items()}
    models = _largest(spent)
    top = max((sum(parts.values()) for parts in spent.values()), default=0)
    step = max(WIDTH // max(len(days), 1), 2)
    bars = [
        bar for place, day in enumerate(days) for bar in _stack(place * step, step, spent.get(day, {}), models, top)
    ]
    every = max(len(days) // 6, 1)
    today = len(days) - 1
    ticks = tuple(Tick(place * step + step // 2, days[place]) for place in range(today % every, today + 1, every))
    return Chart(models, tuple(bars), ticks, top)


def _largest(spent: Mapping[date, Mapping[str, int]]) -> tuple[str, ...]:
    totals: dict[str, int] = {}
    for parts in spent.values():
        for model, nanos in parts.items():
            totals[model] = totals.get(model, 0) + nanos
    ordered = sorted(totals, key=lambda model: (-totals[model], model))
    return tuple(ordered) if len(ordered) <= MODELS_MAX else (*ordered[:MODELS_MAX], OTHER)


def _stack(x: int, step: int, parts: Mapping[str, int], models: Sequence[str], top: int) -> list[Bar]:
    """The parts of a day from the bottom up; what is drawn is rounded once, at the upper edge."""
    grouped = dict.fromkeys(models, 0)
    for model, nanos in parts.items():
        grouped[model if model in grouped else OTHER] += nanos
    bars, below = [], 0
    for series, model in enumerate(models):
        low, high = (_height(nanos, top) for nanos in (below, below + grouped[model]))
        below += grouped[model]
        if high > low:
            bars.append(Bar(x + 1, HEIGHT - high, step - 2 if step > 3 else 1, high - low, series))
    return bars


def _height(nanos: int, top: int) -> int:
    return nanos * HEIGHT // top if top else 0
