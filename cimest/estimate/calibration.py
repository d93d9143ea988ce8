"""Calibration: factors of stated meaning between the physics of hwlib and measured chips, applied to families of parts.

The physics stays as it is; factors multiply what counts times costs give. Latency and leakage have none: a published
macro's clock is an input of its description, and nobody publishes leakage by component.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import resources
from typing import Any

import yaml

from cimest.config.calibration import Calibration
from cimest.estimate.estimate import Estimate
from cimest.mapping.part import Part
from hwlib.component import Component, Real
from hwlib.components.analog_array import AnalogArray
from hwlib.components.cco_adc import CcoAdc
from hwlib.components.charge_decrement_adc import ChargeDecrementAdc
from hwlib.provenance import uses

FAMILIES: dict[str, tuple[str, ...]] = {
    "array": ("array",),
    "driver": ("driver", "decoder", "mux", "pulse_generator", "trains"),
    "dac": ("dac",),
    "converter": ("adc",),
    "memory": ("buffer", "memory", "interconnect"),
    "dram": ("dram",),
}
"""Family to the endings of the names of its parts; every other part is of the family `digital`.

Arrays of devices are a family of their own, `device`: their current, voltage and cell are data of the device's
record and no sum of transistors, so that they have no factor. The current of a DAC's resistors is given as well, but
its area is a sum of circuits. Memory and DRAM have no factor, since no published macro has them.
"""

INTEGRATORS = (ChargeDecrementAdc, CcoAdc)
"""Converters that are a family of their own, `integrator`: what they take is the current of amplifiers and oscillators
that are always on, which noise, settling or a measured gain ask for, and no charge that is moved at each step."""

CIRCUITS = ("driver", "dac", "converter", "integrator")
"""Families that are drawn for a chip, transistor by transistor, around its arrays."""

CONTROL = "control"
"""Name of what calibration adds: the sequencing and clocks of what multiplies and accumulates."""


def family(part: str, component: Component | None = None) -> str:
    """The family of a part by its name, whose longest ending decides, and by what it is made of."""
    if isinstance(component, AnalogArray):
        return "device"
    if isinstance(component, INTEGRATORS):
        return "integrator"
    found = [(len(ending), name) for name, endings in FAMILIES.items() for ending in endings if part.endswith(ending)]
    return max(found)[1] if found else "digital"


@dataclass(frozen=True)
class Factors:
    """One set of factors; see `cimest.config.calibration.Calibration` for what each means.

    Parameters
    ----------
    activity, wiring, converter, layout, circuit_layout : float or array
        Multiply; 1 leaves the physics as it is.
    control, control_layout : float or array
        Shares on top of what lies within the macro; 0 leaves it as it is.
    """

    activity: Real = 1.0
    wiring: Real = 1.0
    converter: Real = 1.0
    control: Real = 0.0
    layout: Real = 1.0
    circuit_layout: Real = 1.0
    control_layout: Real = 0.0

    def energy(self, family_: str) -> Real:
        """Factor on the dynamic energy of a family."""
        named = {"array": self.wiring, "driver": self.wiring, "converter": self.converter, "digital": self.activity}
        return named.get(family_, 1.0)

    def area(self, family_: str) -> Real:
        """Factor on the area of a family; digital logic has none, as standard cells are laid out in the library."""
        return self.layout if family_ == "array" else self.circuit_layout if family_ in CIRCUITS else 1.0


NONE = Factors()


@cache
def silicon() -> dict[str, Any]:
    """What was fitted to published chips: `factors` and `spread`; see `cimest.validate.fit`, which makes the file."""
    with resources.files("cimest.estimate").joinpath("silicon.yaml").open() as file:
        return yaml.safe_load(file)


def given(choice: Calibration) -> dict[str, Real]:
    """The factors that an experiment gives itself."""
    every = {entry.name: getattr(choice, entry.name) for entry in fields(Factors)}
    return {name: value for name, value in every.items() if value is not None}


def factors(choice: Calibration) -> Factors:
    """The factors that an experiment asks for."""
    if choice.base == "silicon":
        uses(*silicon()["sources"])
    base = Factors(**silicon()["factors"]) if choice.base == "silicon" else NONE
    return replace(base, **changes) if (changes := given(choice)) else base


def calibrated(estimate: Estimate, using: Factors, parts: Mapping[str, Part]) -> Estimate:
    """The estimate with factors on its energies and areas, and a component `control` where that has a share.

    Parameters
    ----------
    estimate : Estimate
        As `price` gives it.
    using : Factors
    parts : mapping
        The chip's inventory.

    Returns
    -------
    Estimate
        The same one with `NONE`.
    """
    if using is NONE:
        return estimate
    families = {name: family(name, part.component) for name, part in parts.items()}
    energy = {cell: value * using.energy(families[cell[2]]) for cell, value in estimate.energy.items()}
    area = {part: value * using.area(families[part]) for part, value in estimate.area.items()}
    within = {part for part, boundary in estimate.boundary.items() if boundary == "macro"}
    spent: dict[tuple[str, str], Real] = {}
    for (layer, pass_, part), value in energy.items():
        if part in within:
            spent[layer, pass_] = spent.get((layer, pass_), 0.0) + value
    energy |= {(*place, CONTROL): using.control * value for place, value in spent.items()}
    area[CONTROL] = using.control_layout * sum(area[part] for part in within)
    return replace(
        estimate,
        energy=energy,
        area=area,
        boundary={**estimate.boundary, CONTROL: "macro"},
        leakage={**estimate.leakage, CONTROL: 0.0},
    )
