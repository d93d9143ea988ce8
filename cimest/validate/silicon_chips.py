"""Published chips priced by their own descriptions: each published figure beside the parts of ours that make it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from cimest.config import load
from cimest.estimate.calibration import CONTROL, family
from cimest.estimate.uncertainty import LEAKAGE
from cimest.pricing import Priced, price_experiment
from cimest.validate.silicon_fit import TOTAL, Figure

SCALES = {"pJ": 1e-12, "fJ": 1e-15, "mm²": 1e-6, "µm²": 1e-12}
"""Units that figures are listed in, in SI."""


@dataclass(frozen=True)
class Throughput:
    """A published throughput beside ours, which follows from the clock or the cycle that the chip's description has.

    Parameters
    ----------
    chip, point : str
    ours, published : float
        [TOPS]
    """

    chip: str
    point: str
    ours: float
    published: float


@cache
def published() -> dict[str, Any]:
    """What silicon.yaml says."""
    with resources.files("cimest.validate").joinpath("silicon.yaml").open() as file:
        return yaml.safe_load(file)


def experiments() -> Path:
    """Folder of the chips' descriptions, which are examples as well."""
    return Path(str(resources.files("cimest.validate").joinpath("chips")))


def chips() -> tuple[list[Figure], list[Throughput]]:
    """All figures of all chips, and their throughputs."""
    figures: list[Figure] = []
    speeds: list[Throughput] = []
    for name, chip in published()["chips"].items():
        for point in chip["points"]:
            overrides = [f"{path}={value}" for path, value in point.get("set", {}).items()]
            described = point.get("experiment", name)
            priced = price_experiment(load(experiments() / f"{described}.yaml", overrides))
            figures += energies(name, chip, point, priced)
            if "tops" not in point:
                continue
            ours = 2e-12 * priced.network.macs * point.get("copies", 1) / macro_time(priced)
            speeds.append(Throughput(name, point["name"], ours, point["tops"]))
        figures += areas(name, chip, priced)
    return figures, speeds


def macro_time(priced: Priced) -> float:
    """Time of a product in what multiplies and accumulates; its operands wait in the macro. [s]"""
    estimate = priced.estimate
    return float(sum(time for (_, _, part), time in estimate.latency.items() if estimate.boundary[part] == "macro"))


def parts_of(chip: Mapping[str, Any], priced: Priced, components: Iterable[str]) -> tuple[list[str], bool]:
    """Our parts of some components of a paper, and whether control is among them.

    Raises
    ------
    ValueError
        If our chip has no part of a name that the figures ask for.
    """
    named = [part for component in components for part in chip["components"][component]]
    unknown = set(named) - set(priced.parts) - {CONTROL}
    if unknown:
        raise ValueError(
            f"{chip['source']}: our chip has no {', '.join(sorted(unknown))}; it has {', '.join(priced.parts)}"
        )
    return [part for part in named if part != CONTROL], CONTROL in named


def energies(name: str, chip: Mapping[str, Any], point: Mapping[str, Any], priced: Priced) -> list[Figure]:
    """The total and the components of one operating point. [J/OP]"""
    estimate, operated = priced.estimate, 2 * priced.network.macs
    spent: dict[str, float] = {}
    for (_, _, part), value in estimate.energy.items():
        spent[part] = spent.get(part, 0.0) + float(value) / operated
    leaked = {part: float(power * macro_time(priced)) / operated for part, power in estimate.leakage.items()}

    def by_family(parts: Iterable[str]) -> dict[str, float]:
        sums = {LEAKAGE: 0.0}
        for part in parts:
            of = family(part, priced.parts[part].component)
            sums[of] = sums.get(of, 0.0) + spent.get(part, 0.0)
            sums[LEAKAGE] += leaked[part]
        return sums

    whole = 1 / (point["tops_per_w"] * 1e12)
    listed = dict(point.get("energy", {}))
    scale = whole if "unit" not in listed else SCALES[listed.pop("unit")] / listed.pop("per")
    return [
        _figure(name, point["name"], "energy", of, value, chip, priced, by_family)
        for of, value in {TOTAL: whole, **{of: value * scale for of, value in listed.items()}}.items()
    ]


def _figure(
    name: str, point: str, quantity: str, of: str, value: float, chip: Mapping[str, Any], priced: Priced, by_family: Any
) -> Figure:
    """A figure of the total or of a component; control is a share of what the total has."""
    total = chip.get(f"{quantity}_total", chip["total"])
    parts, control = parts_of(chip, priced, total if of == TOTAL else [of])
    base = by_family(parts_of(chip, priced, total)[0]) if control else {}
    base.pop(LEAKAGE, None)
    return Figure(name, point, quantity, of, value, by_family(parts), base, tuple(parts))


def areas(name: str, chip: Mapping[str, Any], priced: Priced) -> list[Figure]:
    """The total and the components. [m²]"""
    listed = dict(chip.get("area", {}))
    if not listed:
        return []
    scale = SCALES[listed.pop("unit")]

    def by_family(parts: Iterable[str]) -> dict[str, float]:
        sums: dict[str, float] = {}
        for part in parts:
            of = family(part, priced.parts[part].component)
            sums[of] = sums.get(of, 0.0) + float(priced.estimate.area[part])
        return sums

    return [_figure(name, "", "area", of, value * scale, chip, priced, by_family) for of, value in listed.items()]
