"""Low, typical and high of an estimate: how far prices have been seen from silicon, carried into its figures.

The logarithm of what a chip takes is normal about our price. Converters have an error of their own, as wide as the
survey of published ones; everything else on the chip has one in common, as wide as the distance of our totals from
published chips; the DRAM's bits have that of their data. The three are independent, and the same in all layers and
passes. Their sum is taken as log-normal as well, with the variance that the parts have (fenton1960sum), and our price
as its median. What no published macro has, buffers and interconnect, is taken to err as the rest of the chip.

Low and high hold so much of it that a chip's own figure lies between them with the probability `COVERAGE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from cimest.config.calibration import Calibration
from cimest.estimate.calibration import factors, family, given, silicon
from cimest.estimate.estimate import Estimate
from cimest.estimate.metrics import MAC_PASSES
from cimest.mapping.part import BOUNDARIES, Part
from hwlib.component import Real
from hwlib.technology import Technology

COVERAGE = 0.8
"""Probability of the range (our choice: what ten and ninety percent of chips lie beyond)."""

NORMAL = 1.2815515655446004
"""Standard deviations on either side of a normal distribution's middle that hold `COVERAGE` of it."""

LEAKAGE = "leakage"

REST = "rest"
"""The error that all families have in common that have none of their own."""

SHARED = {"integrator": "converter"}
"""Families that have the error of another."""


def spread(choice: Calibration) -> dict[str, dict[str, float]]:
    """For `energy` and `area`, an error to the factor either way that holds `COVERAGE` of chips.

    Factors that somebody gives are as uncertain as none, since no chip has been priced with them.
    """
    return silicon()["spread"]["none" if given(choice) else choice.base]


def described(choice: Calibration) -> dict[str, Any]:
    """What a result says of its calibration: base, factors of its own, all as applied, and the spread of its range."""
    return {
        "base": choice.base,
        "given": list(given(choice)),
        "factors": asdict(factors(choice)),
        "spread": spread(choice),
    }


def half_width(sums: Mapping[str, Real], spreads: Mapping[str, float]) -> Real:
    """Logarithm of the factor between the middle of a sum and either end of its range.

    Parameters
    ----------
    sums : mapping
        Family to its part of the sum.
    spreads : mapping
        Families that have an error of their own, and `rest`, to the factor that holds `COVERAGE` of it.

    Returns
    -------
    float or array
        `NORMAL` standard deviations of the logarithm of the sum.
    """
    shares = shares_of_errors(sums, spreads)
    squared = sum(share**2 * np.expm1(deviation(spreads[error]) ** 2) for error, share in shares.items())
    return NORMAL * np.sqrt(np.log1p(squared))


def shares_of_errors(sums: Mapping[str, Real], spreads: Mapping[str, float]) -> dict[str, Real]:
    """Share of a sum that has each error; parameters as of `half_width`."""
    whole = np.maximum(sum(sums.values()), 1e-300)
    shares: dict[str, Real] = {}
    for name, value in sums.items():
        named = SHARED.get(name, name)
        error = named if named in spreads else REST
        shares[error] = shares.get(error, 0.0) + value / whole
    return shares


def deviation(factor: float) -> float:
    """Standard deviation of the logarithm of what lies within a factor either way with probability `COVERAGE`."""
    return float(np.log(factor) / NORMAL)


def families(estimate: Estimate) -> dict[str, dict[str, Real]]:
    """Energy per sample within each boundary by family, leakage as one of its own. [J]"""
    found: dict[str, dict[str, Real]] = {name: {} for name in BOUNDARIES}
    for (_, pass_, part), value in estimate.energy.items():
        of, smallest = family(part), BOUNDARIES.index(estimate.boundary[part])
        for boundary in BOUNDARIES[smallest:]:
            if boundary != "macro" or pass_ in MAC_PASSES:
                found[boundary][of] = found[boundary].get(of, 0.0) + value
    for boundary in BOUNDARIES[1:]:
        found[boundary][LEAKAGE] = estimate.leaked()
    return found


def memory_spread(dram: Part, tech: Technology) -> float:
    """Factor from the energy of a DRAM's bit to what its sources say at most or at least, whichever is further."""
    low, typical, high = (
        dram.component.cost(replace(tech, corner=corner), "read", bits=1.0).energy
        for corner in ("low", "typical", "high")
    )
    return float(max(high / typical, typical / low))


def ranges(
    estimate: Estimate, choice: Calibration, parts: Mapping[str, Part], tech: Technology, operated: Real
) -> dict[str, Any]:
    """Low, typical and high of energy, efficiency and area.

    Parameters
    ----------
    estimate : Estimate
        Calibrated as chosen.
    choice : Calibration
    parts : mapping
        The chip's inventory.
    tech : Technology
    operated : float
        Operations per sample.

    Returns
    -------
    dict
        `coverage`, and the keys of `metrics` that have a range, each with `low`, `typical` and `high`.
    """
    spreads = spreads_of(choice, parts, tech)
    energy, efficiency = {}, {}
    for boundary, sums in families(estimate).items():
        typical, half = sum(sums.values()), half_width(sums, spreads["energy"])
        energy[boundary] = _around(typical, half)
        efficiency[boundary] = _around(operated / typical / 1e12, half)
    areas = areas_by_family(estimate)
    return {
        "coverage": COVERAGE,
        "energy_per_sample_by_boundary_j": energy,
        "efficiency_tops_per_w": efficiency,
        "area_mm2": _around(sum(areas.values()), half_width(areas, spreads["area"])),
    }


def spreads_of(choice: Calibration, parts: Mapping[str, Part], tech: Technology) -> dict[str, dict[str, float]]:
    """As `spread`, with the DRAM of a chip that has one; parameters as of `ranges`."""
    spreads = spread(choice)
    own = {"dram": memory_spread(parts["dram"], tech)} if "dram" in parts else {}  # a bare macro has none
    return {**spreads, "energy": spreads["energy"] | own}


def areas_by_family(estimate: Estimate) -> dict[str, Real]:
    """Area on the chip by family. [mm²]"""
    areas: dict[str, Real] = {}
    for part, value in estimate.area.items():
        if estimate.boundary[part] != "system":
            areas[family(part)] = areas.get(family(part), 0.0) + value * 1e6
    return areas


def _around(typical: Real, half: Real) -> dict[str, Real]:
    return {"low": typical * np.exp(-half), "typical": typical, "high": typical * np.exp(half)}
