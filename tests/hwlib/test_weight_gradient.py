"""The array of the weight-gradient unit: cell area, read current and write by hand."""

import numpy as np
import pytest

from hwlib.components.weight_gradient import SramCimArray
from hwlib.technology import load_technology
from hwlib.technology.gates import inverter

TECH = load_technology("22nm")
READ = {"active_rows": 64, "stored_ones": 0.5, "columns": 128, "sense_time": 1e-9}


@pytest.mark.parametrize(("node", "cell"), [("130nm", 160), ("22nm", 160), ("14nm", 300), ("10nm", 400), ("7nm", 600)])
def test_cell_area(node, cell):
    """F² of a six-transistor cell by node (neurosim_v2_1), 8/6 of it for the read port; write drivers apart."""
    tech = load_technology(node)
    cells = SramCimArray(128, 64).area(tech) - 3 * 64 * inverter(tech).area
    assert cells == pytest.approx(128 * 64 * cell * 8 / 6 * tech.node**2, rel=1e-9)


def test_read_resistance_by_hand():
    """43.2 kohm at 2F (published inverter); 0.2 · 43.2 · (2/1.31 + 2/2.08) = 21.5 kohm; table to 3 digits."""
    assert SramCimArray(128, 128).read_resistance(TECH) == pytest.approx(21.5e3, rel=3e-3)


def test_current_of_a_read_by_hand():
    """More time draws 0.85 V · 0.1 V / 21.49 kohm · 32 cells · 128 columns per second more."""
    sram = SramCimArray(128, 128)
    more = sram.read(TECH, **{**READ, "sense_time": 2e-9}).energy - sram.read(TECH, **READ).energy
    assert more == pytest.approx(0.85 * 0.1 / sram.read_resistance(TECH) * 32 * 128 * 1e-9, rel=1e-9)


def test_nothing_stored_draws_no_current():
    sram = SramCimArray(128, 128)
    idle = {**READ, "stored_ones": 0.0}
    assert sram.read(TECH, **idle).energy == sram.read(TECH, **{**idle, "sense_time": 1e-6}).energy


def test_writes_cost_the_lines_and_the_flips():
    """Energy is linear in flips, and most of it is the lines of 128 columns."""
    nothing, half, every = (SramCimArray(128, 128).write_row(TECH, flipped=f).energy for f in (0.0, 0.5, 1.0))
    assert every - half == pytest.approx(half - nothing, rel=1e-9)
    assert 0.5 * every < nothing < every


def test_longer_lines_are_slower():
    latency = SramCimArray(np.array([64, 128, 256]), 128).write_row(TECH).latency
    assert np.all(np.diff(latency) > 0)
