"""Analog-to-digital converters: what all are told, and flash and successive approximation by fits for each node."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

import numpy as np
import yaml

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.provenance import check_range, uses
from hwlib.registry import suggestion
from hwlib.technology import Technology
from hwlib.technology.gates import chain_delay, inverter, switching_energy
from hwlib.technology.logic import Logic, logic
from hwlib.technology.transistors import minimum_width, off_current_n, off_current_p

TEMPERATURE_COEFFICIENT = 1.3e-3
"""Relative growth of a converter's power with temperature (neurosim_v2_1). [1/K]"""

SENSINGS = ("current", "voltage")


@cache
def _table() -> dict[str, Any]:
    with resources.files("hwlib.components").joinpath("data/adc.yaml").open() as file:
        return yaml.safe_load(file)


def fitted_power(tech: Technology, name: str) -> Real:
    """A coefficient of the power fits at the technology's node, roadmap and temperature. [W]

    The fits hold at the node's nominal supply; between nodes, log power is linear in log node (our choice).

    Parameters
    ----------
    tech : Technology
    name : str
        `flash_current`, `flash_voltage`, `sar_per_bit` or `sar_constant`.
    """
    table = _table()
    uses(table["source"])
    nanometres = tech.node * 1e9
    smallest, largest = table["range"]["node"]
    check_range("node of the converter", nanometres, smallest, largest, "nm")
    nodes, powers = np.array(table["nodes"][::-1]), np.array(table[name][tech.roadmap][::-1])
    at_node = np.exp(np.interp(np.log(nanometres), np.log(nodes), np.log(powers)))
    return 1e-6 * at_node * (1 + TEMPERATURE_COEFFICIENT * (tech.temperature - 300.0))


@dataclass(frozen=True)
class ConverterBehaviour:
    """How a converter behaves: what the simulator adds to its codes, and what a price by survey depends on.

    Parameters
    ----------
    sampling_rate : float or array
        Conversions in a second. [1/s]
    offset : float or array
        Standard deviation from converter to converter, in steps.
    nonlinearity : float or array
        Largest integral nonlinearity, in steps; the error is taken as uniform within ± this (our choice).
    noise : float or array
        Standard deviation from conversion to conversion, in steps.
    """

    sampling_rate: Real
    offset: Real = 0.0
    nonlinearity: Real = 0.0
    noise: Real = 0.0

    def effective_bits(self, bits: Real) -> Real:
        """Bits of an ideal converter with as much error: half a bit less for each doubling of its square.

        An ideal step has a squared error of 1/12; noise and nonlinearity add theirs, an offset is calibrated away.
        """
        added = 12 * np.square(self.noise) + 4 * np.square(self.nonlinearity)
        return bits - np.log2(1 + added) / 2


def transistors(name: str) -> tuple[Real, Real]:
    """N-type and p-type transistors of one comparator, `flash_current` or `flash_voltage` (neurosim_v2_1)."""
    each = _table()["transistors"][name]
    return each["n"], each["p"]


def transistor_area(tech: Technology, count_n: Real, count_p: Real) -> Real:
    """Of so many transistors, each in a cell as large as a minimum inverter's (neurosim_v2_1). [m²]"""
    uses(_table()["source"])
    return (count_n + count_p) * inverter(tech).area


def transistor_leakage(tech: Technology, count_n: Real, count_p: Real) -> Real:
    """Of so many transistors, of which half are off between the supplies. [W]

    Our choice: the sources book no leakage for converters.
    """
    uses(_table()["source"], "own_choice")
    width = minimum_width(tech)
    off = count_n * off_current_n(tech, width) + count_p * off_current_p(tech, tech.pn_ratio * width)
    return off / 2 * tech.vdd


@component("flash_adc")
@dataclass(frozen=True)
class FlashAdc(Component):
    """One comparator for each level but the first, and the encoder from thermometer code to binary.

    Parameters
    ----------
    bits : float or array
        Resolution; the data hold from 2 to 8.
    sensing : {"current", "voltage"}
        What the comparators compare.
    conversion_time : float or array
        Of the comparators. The fits are at 1 ns. [s]

    Raises
    ------
    ValueError
        For another `sensing`.

    Notes
    -----
    The encoder turns the code into one line by an inverter pair and a NAND per comparator, and that line into
    each output bit by a tree of NAND gates over half of the lines (our choice: one wide gate, which the
    sources count, cannot be built).
    """

    bits: Real
    sensing: Literal["current", "voltage"] = "current"
    conversion_time: Real = 1e-9

    def __post_init__(self) -> None:
        if self.sensing not in SENSINGS:
            raise ValueError(f"flash_adc: sensing is {self.sensing!r}; {suggestion(self.sensing, SENSINGS)}")

    @property
    def comparators(self) -> Real:
        """One less than the levels."""
        return 2.0 ** np.asarray(self.bits) - 1

    @property
    def sense_time(self) -> Real:
        """How long the array conducts for one conversion: all of it. [s]"""
        return self.conversion_time

    @property
    def _transistors(self) -> tuple[Real, Real]:
        count_n, count_p = transistors(f"flash_{self.sensing}")
        return count_n * self.comparators, count_p * self.comparators

    @property
    def _tree_depth(self) -> Real:
        """NAND gates in a row of an output bit's tree."""
        return np.maximum(np.asarray(self.bits) - 1, 0)

    def _encoder(self, tech: Technology) -> tuple[Real, Logic]:
        """Number of the encoder's inverters, and its NAND gates."""
        trees = self.bits * ((self.comparators + 1) / 2 - 1)
        return 2 * self.comparators, logic(tech, self.comparators + trees, 1 + self._tree_depth)

    def area(self, tech: Technology) -> Real:
        """Of comparators and encoder. [m²]"""
        inverters, trees = self._encoder(tech)
        return transistor_area(tech, *self._transistors) + inverters * inverter(tech).area + trees.area

    def leakage(self, tech: Technology) -> Real:
        """Of comparators and encoder. [W]"""
        inverters, trees = self._encoder(tech)
        return transistor_leakage(tech, *self._transistors) + inverters * inverter(tech).leakage + trees.leakage

    @action
    def convert(self, tech: Technology) -> Cost:
        """One conversion; the current of the column that it senses is charged in the array.

        In the encoder one inverter pair and one NAND change, and on average half of the trees along one path.
        """
        check_range("bits of a flash converter", self.bits, *_table()["range"]["flash_bits"])
        power = fitted_power(tech, f"flash_{self.sensing}") * self.comparators
        one, trees = inverter(tech), self._encoder(tech)[1]
        pair = 2 * switching_energy(tech, one.input_capacitance + one.output_capacitance)
        path = logic(tech, 1 + self.bits / 2 * self._tree_depth, 0).energy
        encoding = chain_delay([(one, one.input_capacitance)]) + trees.latency
        return Cost(power * self.conversion_time + pair + path, self.conversion_time + encoding)


@component("sar_adc")
@dataclass(frozen=True)
class SarAdc(Component):
    """Successive approximation: one cycle to sample and one for each bit.

    Parameters
    ----------
    bits : float or array
        Resolution; the data hold from 3 to 10.
    cycle : float or array
        The fits are at 1 ns. [s]
    """

    bits: Real
    cycle: Real = 1e-9

    @property
    def sense_time(self) -> Real:
        """How long the array conducts for one conversion: while it is sampled, one cycle (our choice). [s]"""
        return self.cycle

    @property
    def _transistors(self) -> tuple[Real, Real]:
        count = _table()["transistors"]["sar"]
        further = np.asarray(self.bits) - 1
        return count["n_base"] + count["n_per_bit"] * further, count["p_base"] + count["p_per_bit"] * further

    def area(self, tech: Technology) -> Real:
        """[m²]"""
        return transistor_area(tech, *self._transistors)

    def leakage(self, tech: Technology) -> Real:
        """[W]"""
        return transistor_leakage(tech, *self._transistors)

    @action
    def convert(self, tech: Technology) -> Cost:
        """One conversion; the current of the column that it samples is charged in the array."""
        check_range("bits of a successive-approximation converter", self.bits, *_table()["range"]["sar_bits"])
        power = fitted_power(tech, "sar_per_bit") * self.bits + fitted_power(tech, "sar_constant")
        latency = (np.asarray(self.bits) + 1) * self.cycle
        return Cost(power * latency, latency)


@dataclass(frozen=True)
class NoConverter(Component):
    """Stands where a study leaves the converter out: sums pass as they are, at no cost. No part that can be built.

    Parameters
    ----------
    bits : float or array
        Of the word that leaves it.
    """

    bits: Real

    @property
    def sense_time(self) -> Real:
        """How long the array conducts: as for successive approximation, one cycle (our choice). [s]"""
        return SarAdc(self.bits).sense_time

    def area(self, tech: Technology) -> Real:
        """None. [m²]"""
        return 0.0 * np.asarray(self.bits)

    def leakage(self, tech: Technology) -> Real:
        """None. [W]"""
        return 0.0 * np.asarray(self.bits)

    @action
    def convert(self, tech: Technology) -> Cost:
        """Nothing."""
        nothing = 0.0 * np.asarray(self.bits)
        return Cost(nothing, nothing)
