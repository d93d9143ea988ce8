"""The figures of merit that a sweep tabulates: name, unit, which way is better, and where an estimate has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """One column of a sweep.

    Parameters
    ----------
    text : str
        What it is, for people.
    unit : str
        Empty for a plain number.
    better : {"min", "max"}
    path : tuple of str
        Keys that lead to it in `cimest.estimate.metrics`; empty if it comes from elsewhere.
    """

    text: str
    unit: str
    better: str
    path: tuple[str, ...] = ()


def _boundaries(name: str, key: str, text: str, unit: str, better: str) -> dict[str, Metric]:
    return {
        name.format(boundary): Metric(f"{text}, {boundary}", unit, better, (key, boundary))
        for boundary in ("macro", "chip", "system")
    }


COST: dict[str, Metric] = {
    **_boundaries("energy_{}_j", "energy_per_sample_by_boundary_j", "Energy per training sample", "J", "min"),
    "latency_per_sample_s": Metric("Time per training sample", "s", "min", ("latency_per_sample_s",)),
    "area_mm2": Metric("Area", "mm²", "min", ("area_mm2",)),
    "leakage_w": Metric("Leakage", "W", "min", ("leakage_w",)),
    "power_average_w": Metric("Average power", "W", "min", ("power_w", "average")),
    "power_peak_w": Metric("Peak power", "W", "min", ("power_w", "peak")),
    "throughput_tops": Metric("Throughput", "TOPS", "max", ("throughput_tops",)),
    "density_tops_per_mm2": Metric("Throughput per area", "TOPS/mm²", "max", ("density_tops_per_mm2",)),
    **_boundaries("efficiency_{}_tops_per_w", "efficiency_tops_per_w", "Efficiency", "TOPS/W", "max"),
    "training_energy_j": Metric("Energy of the training", "J", "min", ("training_energy_j",)),
    "training_time_s": Metric("Time of the training", "s", "min", ("training_time_s",)),
    "lifetime_samples": Metric("Samples until the endurance is used up", "", "max", ("lifetime_samples",)),
}
"""Of an estimate."""

OTHERS: dict[str, Metric] = {
    "utilisation": Metric("Arrays that hold weights", "", "max"),
    "compute_tops": Metric("Throughput if transfers took no time", "TOPS", "max"),
    "ops_per_dram_byte": Metric("Operations per byte of DRAM traffic", "OP/byte", "max"),
}
"""Of the floor plan and the action counts behind an estimate."""

LEARNT: dict[str, Metric] = {
    "accuracy": Metric("Test accuracy", "", "max"),
    "accuracy_std": Metric("Standard deviation of the test accuracy over the repeats", "", "min"),
    "epochs": Metric("Epochs of training", "", "min"),
}
"""Of training; not a number where a point was not trained."""

METRICS: dict[str, Metric] = COST | OTHERS | LEARNT


def at(tree: dict[str, Any], path: tuple[str, ...]) -> Any:
    """The value of nested mappings at a path."""
    for key in path:
        tree = tree[key]
    return tree
