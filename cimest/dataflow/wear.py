"""Pulses that the cells of arrays get where nobody has measured them: what their energy was counted for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from cimest.actions import Action
from cimest.activity import Activity
from cimest.dataflow.design import Design
from hwlib.component import Real


def with_wear(design: Design, actions: Iterable[Action], activity: Activity) -> Activity:
    """The activity with `most_written` from the priced pulses, where updates are made in the arrays and not measured.

    All cells of an array are taken as equally busy (our choice, as the priced pulses are means): the most pulsed one
    has more, so that the lifetime which follows is a bound from above.
    """
    if design.chip.weight_gradient.unit != "in_array":
        return activity
    rows = list(actions)
    layers = dict(activity.layers)
    for placement in design.plan.placements:
        name, cells = placement.layer.name, placement.layer.weights * placement.copies
        pulsed = any(row.layer == name and row.action == "pulse_outer_product" for row in rows)
        if activity.origin != "default" and not (pulsed and layers[name].train_slots == 0):
            continue
        most = max_pulses((row for row in rows if row.layer == name), design)
        layers[name] = replace(layers[name], most_written=most * design.batch / cells)
    return replace(activity, layers=layers)


def max_pulses(rows: Iterable[Action], design: Design) -> Real:
    """Pulses of all cells of the part that gets most of them, for one sample."""
    array = design.chip.array
    sums: dict[str, Real] = {}
    for row in rows:
        of = row.arguments
        if row.action == "pulse_outer_product":
            pulses = of["coincidences"] * array.rows * array.columns
        elif row.action == "write_row" and "pulses_up" in of:
            pulses = of["cells_up"] * of["pulses_up"] + of["cells_down"] * of["pulses_down"]
        else:
            continue
        sums[row.part] = sums.get(row.part, 0.0) + row.count * pulses
    return np.max(np.stack(np.broadcast_arrays(*sums.values())), axis=0)
