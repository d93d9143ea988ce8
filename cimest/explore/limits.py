"""The limits of a sweep: which designs each of them leaves out, and how near these come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cimest.explore.figures import counted, with_unit
from cimest.explore.metrics import METRICS

if TYPE_CHECKING:
    from cimest.explore.sweep import Limit

BOUNDS = {"min": "at least", "max": "at most"}


def beyond(limits: Mapping[str, Limit], table: Mapping[str, np.ndarray], refused: np.ndarray) -> list[dict[str, Any]]:
    """What each bound leaves out of the designs that are not refused.

    Returns
    -------
    list of dict
        `metric`, `bound` (`min` or `max`), its `value`, the number of `designs` beyond it, the `nearest` value among
        those (None if there are none), and of how many designs the metric is `unknown`, which leaves them out too.
    """
    found = []
    for name, limit in limits.items():
        values = np.asarray(table[name] if name in table else np.full(refused.shape, np.nan), float)[refused == 0]
        for bound, value in limit.model_dump(exclude_none=True).items():
            outside = values[values > value] if bound == "max" else values[values < value]
            nearest = float(outside[np.abs(outside - value).argmin()]) if outside.size else None
            entry = {"metric": name, "bound": bound, "value": value, "designs": int(outside.size), "nearest": nearest}
            found.append(entry | {"unknown": int(np.isnan(values).sum())})
    return found


def in_words(entry: Mapping[str, Any], designs: int) -> str:
    """What a bound leaves out of so many designs, as a sentence."""
    name = entry["metric"]
    text = f"{METRICS[name].text} {BOUNDS[entry['bound']]} {with_unit(name, entry['value'])} leaves out "
    text += f"{entry['designs']} of {counted(designs, 'design')}"
    if entry["nearest"] is not None:
        text += f", the nearest with {with_unit(name, float(entry['nearest']))}"
    return text + (f"; not known of {entry['unknown']}" if entry["unknown"] else "")


def sentences(summary: Mapping[str, Any]) -> list[str]:
    """What each bound leaves out of a sweep's designs."""
    designs = summary["points"] - sum(summary["refused"].values())
    return [in_words(entry, designs) for entry in summary.get("beyond_limits", ())]


def without_front(summary: Mapping[str, Any]) -> str:
    """Why no design of a sweep is on the front."""
    if summary["feasible"]:
        return "no design has a number in every objective"
    if sum(summary["refused"].values()) == summary["points"]:
        return "every design is refused"
    return f"no design keeps all limits: {'; '.join(sentences(summary))}"
