"""The static memory cell of six transistors that buffers and SRAM arrays are made of: sizes, capacitance, leakage."""

from __future__ import annotations

import numpy as np

from hwlib.component import Real
from hwlib.provenance import uses
from hwlib.technology import Technology
from hwlib.technology.gates import inverter
from hwlib.technology.transistors import drain_capacitance, gate_capacitance, off_current_n, off_current_p

PULL_DOWN, PULL_UP, ACCESS = 2.08, 1.23, 1.31
"""Widths of the transistors of a cell, in F (neurosim_v2_1)."""

WIDTH, HEIGHT = 20.0, 8.0
"""Size of a cell down to 22 nm, in F (neurosim_v2_1)."""

NODES, CELL_AREAS = (7.0, 10.0, 14.0, 22.0), (600.0, 400.0, 300.0, 160.0)
"""Area of a cell by node, nm and F²; 160 F² above 22 nm (neurosim_v2_1)."""


def cell_size(tech: Technology, transistors: float = 6.0) -> tuple[Real, Real]:
    """Width and height of a cell. [m]

    Our choice for cells with more transistors: the area grows with their number, the shape stays.
    """
    uses("neurosim_v2_1")
    area = np.interp(tech.node * 1e9, NODES, CELL_AREAS) * transistors / 6
    scale = np.sqrt(area / (WIDTH * HEIGHT)) * tech.node
    return WIDTH * scale, HEIGHT * scale


def computing_cell_size(tech: Technology, transistors: float) -> tuple[Real, Real]:
    """Width and height of a cell that computes with transistors of its own. [m]

    Our choice: the six that store follow the dense rules of memories, all further ones those of logic, half an
    inverter's area each; the shape is that of a memory cell.
    """
    width, height = cell_size(tech)
    grown = np.sqrt(1 + (transistors - 6) * inverter(tech).area / 2 / (width * height))
    return width * grown, height * grown


def cell_leakage(tech: Technology, access: float = 1.0) -> Real:
    """Of one transistor of each inverter and `access` off-transistors of the access width. [W]"""
    uses("neurosim_v2_1")
    inverters = off_current_n(tech, PULL_DOWN * tech.node) + off_current_p(tech, PULL_UP * tech.node)
    return (inverters + access * off_current_n(tech, ACCESS * tech.node)) * tech.vdd


def storage_capacitance(tech: Technology) -> Real:
    """Gates and drains of one inverter: what a cell charges when its bit changes. [F]"""
    uses("neurosim_v2_1")
    widths = (PULL_DOWN * tech.node, PULL_UP * tech.node)
    return sum(gate_capacitance(tech, width) + drain_capacitance(tech, width) for width in widths)
