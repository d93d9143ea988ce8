"""`Part`: instances of a component on the chip; and the converters and technology that parts are made with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from cimest.config.chip import Chip
from hwlib.component import Component, Real
from hwlib.components import COMPONENTS
from hwlib.components.adc import FlashAdc, NoConverter, SarAdc
from hwlib.components.interconnect import Bus
from hwlib.registry import UnknownName
from hwlib.technology import Technology, load_technology

Boundary = Literal["macro", "chip", "system"]

BOUNDARIES: tuple[Boundary, ...] = ("macro", "chip", "system")
"""From the arrays outwards; each includes those before it."""


@dataclass(frozen=True)
class Part:
    """Instances of one component that play one role.

    Parameters
    ----------
    component : Component
    count : float or array
        Instances on the chip.
    boundary : {"macro", "chip", "system"}
        The smallest boundary that includes it: arrays, converters and accumulators; the whole chip; its DRAM too.
    """

    component: Component
    count: Real
    boundary: Boundary


TILE_PARTS = frozenset(
    {
        *("array", "wordline_driver", "bitline_driver", "input_register", "error_register"),
        *("mux", "adc", "shift_add", "backward_mux", "backward_adc", "backward_shift_add", "adder_tree"),
        *("dac", "backward_dac", "input_dac", "input_driver", "near_memory_datapath"),
        *("tile_buffer", "tile_interconnect", "tile_accumulator"),
    }
)
"""Parts that each layer's tiles have to themselves; all others serve the whole chip."""

SPARE_BITS = 4
"""By which accumulators are wider than what they sum: room for sixteen tiles, blocks or products (our choice)."""


def technology(chip: Chip) -> Technology:
    """The chip's technology at its temperature, supply and clock."""
    return load_technology(chip.technology, chip.roadmap, chip.temperature, chip.supply, chip.clock, chip.corner)


def across(parts: Mapping[str, Part], chip: Chip, tech: Technology) -> Part:
    """A bus as long as the side of a square with these parts, from one side of it to the other.

    A digital unit lies beside the memory that it works with (our choice), so that a word's way is that over the unit.
    """
    area = sum(part.count * part.component.area(tech) for part in parts.values())
    return Part(Bus(np.sqrt(area), chip.bus_bits), 1, "chip")


COMMON_ADCS: dict[str, type] = {"flash": FlashAdc, "sar": SarAdc, "ideal": NoConverter}
"""Found without importing all components."""


def adc_kinds() -> list[str]:
    """Kinds of converters that an experiment can name: the registered components whose names end in `_adc`."""
    return ["ideal", *(name.removesuffix("_adc") for name in COMPONENTS.names() if name.endswith("_adc"))]


def adc(kind: str, bits: Real, noise: Real = 0.0, nonlinearity: Real = 0.0) -> Component:
    """A converter of a kind.

    Its noise and nonlinearity [steps] are priced where the component's model knows what they save. `ideal` is no
    converter at all: it costs nothing, and a result says so.

    Raises
    ------
    UnknownName
        If there is no such kind; the message names the closest one.
    """
    if kind in COMMON_ADCS:
        return COMMON_ADCS[kind](bits=bits)
    if kind not in adc_kinds():
        raise UnknownName("kind of ADC", kind, adc_kinds())
    found: Any = COMPONENTS.get(f"{kind}_adc")
    usual = found(bits=bits)
    if not hasattr(usual, "behaviour"):
        return usual
    return replace(usual, behaviour=replace(usual.behaviour, noise=noise, nonlinearity=nonlinearity))
