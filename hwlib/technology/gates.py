"""Logic gates of a technology: capacitance, resistance, delay, area, leakage.

All equations are those that peng2021neurosim_v2 uses, checked against its table of minimum gates.

One of that table's numbers is not followed: for 14 to 7 nm its gates load their inputs as if each transistor
had twice the fins (and a NAND again other numbers) of those that give its own resistance and leakage. Here
the same fins serve for all three.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hwlib.component import Real
from hwlib.provenance import uses
from hwlib.technology.technology import Technology
from hwlib.technology.transistors import (
    LINEAR_REGION,
    drain_capacitance,
    fins,
    gate_capacitance,
    gate_pitch,
    minimum_width,
    off_current_n,
    off_current_p,
    on_resistance_n,
    on_resistance_p,
)

CELL_HEIGHT = 28.0
"""Height of a standard cell, in F (neurosim_v2_1)."""

_PN_GAP_AND_ENDS = 3.5 + 3.6
"""Part of the cell height that no transistor can take, in F (neurosim_v2_1)."""


@dataclass(frozen=True)
class Gate:
    """One logic gate.

    Parameters
    ----------
    area : float or array
        [m²]
    input_capacitance : float or array
        Load of one input. [F]
    output_capacitance : float or array
        Own load of the output. [F]
    resistance : float or array
        Effective resistance of the slower transition, worst input. [ohm]
    leakage : float or array
        Power, averaged over the inputs. [W]
    """

    area: Real
    input_capacitance: Real
    output_capacitance: Real
    resistance: Real
    leakage: Real


@dataclass(frozen=True)
class FlipFlop:
    """One D flip-flop.

    Parameters
    ----------
    area : float or array
        [m²]
    clock_energy : float or array
        Of one clock period, whether the value changes or not. [J]
    switch_energy : float or array
        Besides, if the value changes. [J]
    latency : float or array
        Half a clock period. [s]
    leakage : float or array
        [W]
    """

    area: Real
    clock_energy: Real
    switch_energy: Real
    latency: Real
    leakage: Real


def switching_energy(tech: Technology, capacitance: Real) -> Real:
    """Drawn from the supply when a node rises from 0 to vdd; its fall draws nothing. [J]"""
    return capacitance * tech.vdd**2


def horowitz(time_constant: Real, slope: Real = np.inf) -> tuple[Real, Real]:
    """Delay of a stage and the slope that it hands on (Horowitz, with threshold and gain factor one half).

    Parameters
    ----------
    time_constant : float or array
        Resistance times load. [s]
    slope : float or array
        Slope of the input over the supply; by default a step. [1/s]

    Returns
    -------
    delay, slope : float or array
        [s], [1/s]
    """
    delay = time_constant * np.sqrt(np.log(0.5) ** 2 + 0.5 / (slope * time_constant))
    return delay, 0.5 / delay


def chain_delay(stages: Iterable[tuple[Gate, Real]]) -> Real:
    """Delay of gates in a row after a step, each given with the load on its output [F]. [s]"""
    total: Real = 0.0
    slope: Real = np.inf
    for gate, load in stages:
        delay, slope = horowitz(gate.resistance * (gate.output_capacitance + load), slope)
        total = total + delay
    return total


def wire_delay(tech: Technology, length: Real, resistance: Real = 0.0, load: Real = 0.0) -> Real:
    """Time to half the step at the end of a wire: ln 2 times its Elmore delay. [s]

    Parameters
    ----------
    tech : Technology
    length : float or array
        [m]
    resistance : float or array
        Of the driver. [ohm]
    load : float or array
        At the far end. [F]
    """
    uses("peng2021neurosim_v2")
    wire_r, wire_c = tech.wire_resistance * length, tech.wire_capacitance * length
    return np.log(2.0) * (resistance * (wire_c + load) + wire_r * (wire_c / 2 + load))


def _fingers(tech: Technology, width_n: Real, width_p: Real) -> Real:
    """Fingers into which a pair of transistors is folded to fit the height of a cell."""
    room = (CELL_HEIGHT - _PN_GAP_AND_ENDS) * tech.node
    room_n, room_p = room / (1 + tech.pn_ratio), room * tech.pn_ratio / (1 + tech.pn_ratio)
    if tech.finfet:
        most_n, most_p = np.floor(room_n / tech.fin_pitch), np.floor(room_p / tech.fin_pitch)
        folds = np.maximum(fins(tech, width_n) / most_n, fins(tech, width_p) / most_p)
    else:
        folds = np.maximum(width_n / room_n, width_p / room_p)
    return np.ceil(folds - 1e-9)


def _area(tech: Technology, width_n: Real, width_p: Real, inputs: Real) -> Real:
    """Of a static gate in a standard cell: one gate pitch for each finger, and one for the ends. [m²]"""
    pitches = inputs * _fingers(tech, width_n, width_p) + 1
    return pitches * gate_pitch(tech) * CELL_HEIGHT * tech.node


def inverter(tech: Technology, size: Real = 1.0) -> Gate:
    """Inverter whose transistors are `size` times the minimum."""
    width_n = minimum_width(tech) * np.asarray(size)
    width_p = tech.pn_ratio * width_n
    return Gate(
        area=_area(tech, width_n, width_p, 1),
        input_capacitance=gate_capacitance(tech, width_n) + gate_capacitance(tech, width_p),
        output_capacitance=drain_capacitance(tech, width_n) + drain_capacitance(tech, width_p),
        resistance=np.maximum(on_resistance_n(tech, width_n), on_resistance_p(tech, width_p)),
        leakage=(off_current_n(tech, width_n) + off_current_p(tech, width_p)) / 2 * tech.vdd,
    )


def nand(tech: Technology, inputs: Real = 2) -> Gate:
    """NAND of minimum drive: the n-type stack is widened to make up for its height.

    The output loads itself with the diffusion of the whole stack and the p-type drains, shared in pairs.
    The leakage is 0.96 off-currents of one p-type with 2 inputs and 0.93 with 3; for more inputs the latter
    is our choice.
    """
    inputs = np.asarray(inputs)
    width_n = minimum_width(tech) * inputs
    width_p = tech.pn_ratio * minimum_width(tech)
    return Gate(
        area=_area(tech, width_n, width_p, inputs),
        input_capacitance=gate_capacitance(tech, width_n) + gate_capacitance(tech, width_p),
        output_capacitance=drain_capacitance(tech, width_n, inputs) + _paired_drains(tech, width_p, inputs),
        resistance=np.maximum(inputs * on_resistance_n(tech, width_n), on_resistance_p(tech, width_p)),
        leakage=np.where(inputs <= 2, 0.96, 0.93) * off_current_p(tech, width_p) * tech.vdd,
    )


def nor(tech: Technology, inputs: Real = 2) -> Gate:
    """NOR of minimum drive: the p-type stack is widened to make up for its height.

    Output load and leakage as in `nand`, with 1.90 off-currents of one n-type with 2 inputs and 1.86 with more.
    """
    inputs = np.asarray(inputs)
    width_n = minimum_width(tech)
    width_p = tech.pn_ratio * minimum_width(tech) * inputs
    return Gate(
        area=_area(tech, width_n, width_p, inputs),
        input_capacitance=gate_capacitance(tech, width_n) + gate_capacitance(tech, width_p),
        output_capacitance=drain_capacitance(tech, width_p, inputs) + _paired_drains(tech, width_n, inputs),
        resistance=np.maximum(on_resistance_n(tech, width_n), inputs * on_resistance_p(tech, width_p)),
        leakage=np.where(inputs <= 2, 1.90, 1.86) * off_current_n(tech, width_n) * tech.vdd,
    )


def _paired_drains(tech: Technology, width: Real, count: Real) -> Real:
    """Capacitance of the drains of `count` transistors in parallel, two of which share one drain. [F]

    A shared drain has a gate on either side, so no sidewall there; the source counts one channel of the two.
    """
    edge = fins(tech, width) * tech.fin_width if tech.finfet else width
    return np.ceil(count / 2) * (drain_capacitance(tech, width) - tech.sidewall_capacitance * edge)


def transmission_gate(tech: Technology, width: Real | None = None) -> Gate:
    """Pass gate of an n-type of a drawn `width` [m], by default the minimum, and its p-type partner.

    The input is the control terminal (both gates), the output one side (both drains), the resistance that of
    passing a small voltage. It leaks nothing, as it does not lie between the supplies.
    """
    width_n = minimum_width(tech) if width is None else np.asarray(width)
    width_p = tech.pn_ratio * width_n
    conductance = 1 / on_resistance_n(tech, width_n) + 1 / on_resistance_p(tech, width_p)
    return Gate(
        area=_area(tech, width_n, width_p, 1),
        input_capacitance=gate_capacitance(tech, width_n) + gate_capacitance(tech, width_p),
        output_capacitance=drain_capacitance(tech, width_n) + drain_capacitance(tech, width_p),
        resistance=LINEAR_REGION / conductance,
        leakage=0.0 * conductance,
    )


def transmission_gate_width(tech: Technology, resistance: Real) -> Real:
    """Drawn width of the n-type of the smallest pass gate of at most this resistance [ohm]. [m]"""
    smallest = transmission_gate(tech)
    size = smallest.resistance / resistance
    return minimum_width(tech) * np.maximum(1.0, np.ceil(size - 1e-9) if tech.finfet else size)


def d_flip_flop(tech: Technology) -> FlipFlop:
    """D flip-flop of minimum gates: as large as 12 inverters, leaking as 8 of them."""
    one, gate = inverter(tech), transmission_gate(tech)
    clocked = 4 * (one.input_capacitance + one.output_capacitance) + 2 * gate.input_capacitance
    switched = (
        (3 * gate.output_capacitance + one.input_capacitance)
        + (gate.output_capacitance + one.output_capacitance)
        + (one.input_capacitance + one.output_capacitance)
    )
    return FlipFlop(
        area=12 * one.area,
        clock_energy=switching_energy(tech, clocked),
        switch_energy=switching_energy(tech, switched),
        latency=0.5 / tech.clock,
        leakage=8 * one.leakage,
    )
