"""Figures of the study: accuracy against the energy of the training, and what each epoch reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cimest.explore.figures import scale_log
from cimest.report.figures import DOUBLE, SINGLE

Found = Mapping[Any, Any]
"""`Cell` to `Outcome` of the study; a cell without states is a reference."""

COLOURS = {
    "float": "#222222", "words": "#661100", "sgd": "#999999", "tiki_taka": "#882255", "tiki_taka_v2": "#0072B2",
    "chopped_tiki_taka": "#56B4E9", "agad": "#D55E00", "residual": "#44AA99", "residual_v2": "#009E73",
    "multi_tile": "#F0E442", "mixed_precision": "#CC79A7",
}  # fmt: skip
MARKS = {10: "v", 20: "o", 50: "s", 1200: "D"}
"""By states of the device; others are triangles."""


def energy_figure(found: Found) -> Any:
    """Accuracy against energy of the training: a colour for each rule, a mark for each device."""
    drawing = Figure(figsize=(DOUBLE, 0.55 * DOUBLE))
    axes = drawing.subplots()
    shown = [cell for cell in found if cell.states]
    for cell, one in found.items():
        mean, deviation = one.last
        if cell in shown:
            look = {"fmt": MARKS.get(cell.states, "^"), "color": COLOURS[cell.rule]}
            axes.errorbar(1e3 * one.energy, mean, np.nan_to_num(deviation), **look)
        else:
            axes.axhline(mean, color=COLOURS[cell.rule], linestyle="--", label=cell.rule)
    for name in {cell.rule: None for cell in shown}:
        axes.plot([], [], "s", color=COLOURS[name], label=name)
    for states in {cell.states: None for cell in shown}:
        axes.plot([], [], MARKS.get(states, "^"), color="black", markerfacecolor="none", label=f"{states} states")
    axes.set(xlabel="Energy of the training, with DRAM (mJ)", ylabel="Test accuracy (%)")
    scale_log(axes, "x")
    axes.grid(True)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return drawing


def epochs_figure(found: Found) -> Any:
    """Bits of the loss on test data over the epochs: a colour for each rule."""
    drawing = Figure(figsize=(SINGLE, 0.7 * SINGLE))
    axes = drawing.subplots()
    for cell, one in found.items():
        label = f"{cell.rule}, {cell.states} states" if cell.states else cell.rule
        line = "-" if cell.states else "--"
        axes.plot(range(1, one.bits.shape[1] + 1), one.bits.mean(axis=0), line, color=COLOURS[cell.rule], label=label)
    axes.set(xlabel="Epochs", ylabel="Loss on test data (bit)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(True)
    axes.legend()
    return drawing
