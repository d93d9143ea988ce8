"""Figures of a compute-in-memory macro by itself: what is within its boundary, for matrix-vector products alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from cimest.actions import Action
from cimest.estimate.estimate import Estimate
from cimest.estimate.metrics import inferred_operations
from cimest.network import Network
from hwlib.component import Real

MACRO = "metrics.macro"
PARTS = f"{MACRO}.components.*"

FORMULAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "metrics.ops_per_sample": ("2 × multiply-accumulates of an inference", ("network.macs",)),
    "metrics.executed_ops_per_sample": ("all operations: no product is skipped", ("metrics.ops_per_sample",)),
    "metrics.energy_per_sample_by_boundary_j.macro": (
        "dynamic energy of arrays, drivers, converters and accumulators",
        ("breakdown.component.*.energy_j",),
    ),
    "metrics.latency_of_one_sample_s": ("time with no other sample on the chip", ("breakdown.pass.forward.latency_s",)),
    f"{MACRO}.ops_per_sample": ("2 × multiply-accumulates", ("network.macs",)),
    f"{MACRO}.vectors_per_sample": ("matrix-vector products of all layers", ("network.macs",)),
    f"{MACRO}.conversions_per_sample": (
        "vectors × bits that are converted × columns × blocks of rows",
        (f"{MACRO}.vectors_per_sample", "experiment.chip.input_bits", "experiment.chip.inference.weight_bits"),
    ),
    f"{MACRO}.energy_per_conversion_j": (
        "dynamic and leakage energy of all of the macro's parts / conversions",
        (f"{PARTS}.energy_j", f"{PARTS}.leakage_energy_j", f"{MACRO}.conversions_per_sample"),
    ),
    f"{MACRO}.energy_per_vector_j": (
        "dynamic and leakage energy of the macro's parts / products",
        (f"{PARTS}.energy_j", f"{PARTS}.leakage_energy_j", f"{MACRO}.vectors_per_sample"),
    ),
    f"{MACRO}.time_per_vector_s": (
        "time of the macro's parts, or the cycle that is given, / products",
        ("experiment.chip.inference.cycle", f"{MACRO}.vectors_per_sample"),
    ),
    f"{MACRO}.energy_per_op_j": (
        "dynamic and leakage energy of the macro's parts / operations",
        (f"{PARTS}.energy_j", f"{PARTS}.leakage_energy_j", f"{MACRO}.ops_per_sample"),
    ),
    f"{MACRO}.throughput_tops": (
        "operations / (time of a product × products) / 1e12",
        (f"{MACRO}.ops_per_sample", f"{MACRO}.time_per_vector_s", f"{MACRO}.vectors_per_sample"),
    ),
    f"{MACRO}.efficiency_tops_per_w": ("1 / energy per operation / 1e12", (f"{MACRO}.energy_per_op_j",)),
    f"{MACRO}.density_tops_per_mm2": ("throughput / area", (f"{MACRO}.throughput_tops", f"{MACRO}.area_mm2")),
    f"{MACRO}.area_mm2": ("sum over the macro's parts", (f"{PARTS}.area_mm2",)),
}
"""Where nothing is trained: path in a result to its formula and the paths of its inputs."""


def part_formula(name: str, quantity: str) -> tuple[str, tuple[str, ...]]:
    """Formula and inputs of a figure of one of the macro's parts."""
    here, there = f"{MACRO}.components.{name}", f"breakdown.component.{name}"
    return {
        "energy_j": ("dynamic energy per sample", (f"{there}.energy_j",)),
        "area_mm2": ("area of all instances", (f"{there}.area_mm2",)),
        "leakage_energy_j": (
            "leakage power × time of the macro, not of the whole sample",
            (f"{there}.leakage_energy_j", f"{MACRO}.time_per_vector_s", f"{MACRO}.vectors_per_sample"),
        ),
        "energy_share": (
            "its dynamic and leakage energy / that of all parts",
            (f"{here}.energy_j", f"{here}.leakage_energy_j", f"{MACRO}.energy_per_vector_j"),
        ),
        "area_share": ("its area / that of all parts", (f"{here}.area_mm2", f"{MACRO}.area_mm2")),
    }[quantity]


def macro(estimate: Estimate, network: Network, actions: Iterable[Action]) -> dict[str, Any]:
    """Energy, time and area of what is within the macro boundary, and the share of each component.

    Operations are two for each multiply-accumulate. Time is that of the
    macro's own parts, one vector after the other, and leakage is theirs for so long. A chip with copies or several
    layers works on more vectors at once; its own throughput is in the metrics.

    Returns
    -------
    dict
        `ops_per_sample`, `vectors_per_sample`; `energy_per_vector_j`, `time_per_vector_s`, their means over all
        vectors; `energy_per_op_j`; `conversions_per_sample` and `energy_per_conversion_j`, of all parts together, None
        where sums need no converter; `throughput_tops`, `efficiency_tops_per_w`, `density_tops_per_mm2`, `area_mm2`;
        and `components`, name to `energy_j` (per sample), `leakage_energy_j`, `area_mm2`, `energy_share`,
        `area_share`.
    """
    spent = {part for (_, _, part), value in estimate.energy.items() if np.any(np.asarray(value) > 0)}
    inside = [
        name
        for name, boundary in estimate.boundary.items()
        if boundary == "macro" and (name in spent or np.any(np.asarray(estimate.area[name]) > 0))
    ]
    operated = inferred_operations(network)
    rows = [row.count for row in actions if (row.part, row.action) == ("adc", "convert")]
    conversions: Real | None = sum(rows) if rows else None
    vectors = sum(layer.positions for layer in network.matrices)
    time: Real = sum(value for (_, _, part), value in estimate.alone.items() if part in inside)
    energy: dict[str, Real] = dict.fromkeys(inside, 0.0)
    for (_, _, part), value in estimate.energy.items():
        if part in energy:
            energy[part] = energy[part] + value
    leaked = {name: estimate.leakage[name] * time for name in inside}
    area = {name: estimate.area[name] * 1e6 for name in inside}
    total = sum(energy.values()) + sum(leaked.values())
    size, throughput = sum(area.values()), operated / time / 1e12
    return {
        "ops_per_sample": operated,
        "vectors_per_sample": vectors,
        "energy_per_vector_j": total / vectors,
        "time_per_vector_s": time / vectors,
        "energy_per_op_j": total / operated,
        "conversions_per_sample": conversions,
        "energy_per_conversion_j": None if conversions is None else total / conversions,
        "throughput_tops": throughput,
        "efficiency_tops_per_w": operated / total / 1e12,
        "density_tops_per_mm2": throughput / size,
        "area_mm2": size,
        "components": {
            name: {
                "energy_j": energy[name],
                "leakage_energy_j": leaked[name],
                "area_mm2": area[name],
                "energy_share": (energy[name] + leaked[name]) / total,
                "area_share": area[name] / size,
            }
            for name in inside
        },
    }
