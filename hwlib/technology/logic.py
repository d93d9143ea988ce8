"""Blocks of synthesised logic, counted in two-input NAND gates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwlib.component import Real
from hwlib.technology.gates import nand, switching_energy
from hwlib.technology.technology import Technology

FAN_OUT = 2
"""Inputs that a gate of a block drives. Our choice: in the adder of nine NAND gates 18 inputs hang on 9 outputs."""


@dataclass(frozen=True)
class Logic:
    """A block of combinational logic.

    Parameters
    ----------
    area : float or array
        [m²]
    energy : float or array
        If the output of every gate rose once. [J]
    latency : float or array
        Along the longest path. [s]
    leakage : float or array
        [W]
    """

    area: Real
    energy: Real
    latency: Real
    leakage: Real


def path_delay(tech: Technology, depth: Real) -> Real:
    """Delay of `depth` NAND gates in a row. [s]

    After a few equal stages, Horowitz's equation repeats the delay t of the stage before, t² - τt = (τ ln 2)²,
    which is taken for all of them.
    """
    gate = nand(tech)
    time_constant = gate.resistance * (gate.output_capacitance + FAN_OUT * gate.input_capacitance)
    return depth * time_constant * (1 + np.sqrt(1 + 4 * np.log(2.0) ** 2)) / 2


def logic(tech: Technology, gates: Real, depth: Real) -> Logic:
    """Block of `gates` NAND gates of which at most `depth` lie in a row."""
    gate = nand(tech)
    load = gate.output_capacitance + FAN_OUT * gate.input_capacitance
    return Logic(
        area=gates * gate.area,
        energy=gates * switching_energy(tech, load),
        latency=path_delay(tech, depth),
        leakage=gates * gate.leakage,
    )
