"""How a few typical circuits scale from 130 to 7 nm."""

from __future__ import annotations

from typing import TypedDict

from hwlib.component import Cost, Real
from hwlib.components.adc import SarAdc
from hwlib.components.adder_tree import Adder
from hwlib.components.cells import ResistiveArray
from hwlib.components.interconnect import Bus
from hwlib.devices import load_device
from hwlib.technology import Technology, load_technology, technology_names
from hwlib.technology.gates import chain_delay, inverter, switching_energy

SIDE = 128
"""Rows and columns of the array."""

WIRE = 1e-3
"""Length of the wire. [m]"""


class Row(TypedDict):
    """One circuit at one node: [m], [J], [s], [m²], [W]."""

    node: float
    circuit: str
    energy: float
    delay: float
    area: float
    leakage: float


def _inverter(tech: Technology) -> tuple[Cost, Real, Real]:
    """Minimum inverter with a fan-out of four, from a step."""
    one = inverter(tech)
    load = 4 * one.input_capacitance
    energy = switching_energy(tech, one.output_capacitance + load)
    return Cost(energy, chain_delay([(one, load)])), one.area, one.leakage


def _array_read(tech: Technology) -> tuple[Cost, Real, Real]:
    """Half of the rows of an array of the default resistive device active at mid conductance, all columns sensed."""
    array = ResistiveArray.from_device(load_device("rram"), SIDE, SIDE)
    converter = SarAdc(6)
    cost = array.read(
        tech,
        active_rows=SIDE / 2,
        mean_conductance=array.reference_conductance,
        columns=SIDE,
        sense_time=converter.sense_time,
    )
    return cost, array.area(tech), array.leakage(tech)


def _circuits(tech: Technology) -> dict[str, tuple[Cost, Real, Real]]:
    adder, converter, wire = Adder(8), SarAdc(6), Bus(WIRE, 1)
    return {
        "inverter": _inverter(tech),
        "adder_8_bit": (adder.add(tech), adder.area(tech), adder.leakage(tech)),
        "sar_adc_6_bit": (converter.convert(tech), converter.area(tech), converter.leakage(tech)),
        "array_read_128": _array_read(tech),
        "wire_1_mm": (wire.transfer(tech), wire.area(tech), wire.leakage(tech)),
    }


def table(roadmap: str = "lstp", temperature: float = 300.0, corner: str = "typical") -> list[Row]:
    """Energy, delay, area and leakage of five circuits at every node, smallest node first.

    The circuits are an inverter with a fan-out of four, an 8-bit adder, a 6-bit converter, one read of a 128 x 128
    resistive array and one bit over 1 mm of repeated wire, all at the node's own supply.

    Parameters
    ----------
    roadmap, temperature, corner
        As for `load_technology`.

    Raises
    ------
    UnknownName
        For an unknown roadmap or corner.

    Notes
    -----
    Not everything falls with the node, as the data do not: supplies fall slowly and thresholds hardly, off-currents
    at 300 K are the same at all nodes by the roadmaps' definition, and the resistance of wires grows.
    """
    rows: list[Row] = []
    for name in technology_names():
        tech = load_technology(name, roadmap, temperature, corner=corner)
        for circuit, (cost, area, leakage) in _circuits(tech).items():
            rows.append(
                {
                    "node": tech.node,
                    "circuit": circuit,
                    "energy": float(cost.energy),
                    "delay": float(cost.latency),
                    "area": float(area),
                    "leakage": float(leakage),
                }
            )
    return rows
