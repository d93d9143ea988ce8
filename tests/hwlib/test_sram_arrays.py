"""SRAM arrays that compute: cell sizes, currents and the transposed port, by hand."""

import pytest

from hwlib.components.sram_arrays import Sram6tArray, Sram8tArray
from hwlib.components.sram_cell import cell_leakage, cell_size
from hwlib.technology import load_technology
from hwlib.technology.gates import inverter

TECH = load_technology("22nm")
READ = {"columns": 128, "sense_time": 1e-9}


@pytest.mark.parametrize(("kind", "cell"), [(Sram6tArray, 160), (Sram8tArray, 160 * 8 / 6)])
def test_area_by_hand(kind, cell):
    """160 F² at 22 nm (neurosim_v2_1), 8/6 of it with the second pair; three inverters per column for writes."""
    cells = kind(128, 64).area(TECH) - 3 * 64 * inverter(TECH).area
    assert cells == pytest.approx(128 * 64 * cell * TECH.node**2, rel=1e-9)


def test_a_cell_is_as_wide_and_high_as_published():
    """20 F x 8 F at 22 nm (neurosim_v2_1)."""
    assert cell_size(TECH) == pytest.approx((20 * 22e-9, 8 * 22e-9), rel=1e-9)


def test_cell_leakage_by_hand():
    """(2.08 F · n + 1.23 F · p + 1.31 F · n) of 1e-4 A/m at 0.85 V."""
    assert cell_leakage(TECH) == pytest.approx(4.62 * 22e-9 * 1e-4 * 0.85, rel=1e-3)  # off-currents to four digits


def test_cell_current_by_hand():
    """0.85 V over 43.2 kohm at 2F (published inverter) times 2/1.31 + 2/2.08: 7.91 µA; table to 3 digits."""
    assert Sram6tArray(128, 128).cell_current(TECH) == pytest.approx(7.91e-6, rel=3e-3)


def test_every_cell_of_an_active_row_draws_current():
    """1 ns more: 0.85 V · current · 64 rows · 128 columns."""
    array = Sram6tArray(128, 128)
    once, twice = (array.read(TECH, **{**READ, "sense_time": t}, active_rows=64).energy for t in (1e-9, 2e-9))
    assert twice - once == pytest.approx(0.85 * array.cell_current(TECH) * 64 * 128 * 1e-9, rel=1e-9)


def test_the_second_port_reads_the_other_way_round():
    """Same currents from both sides of a square array, over lines of different length: cells are wider than high."""
    array = Sram8tArray(128, 128)
    arguments = {"sense_time": 1e-9}
    forward = array.read(TECH, active_rows=64, columns=128, **arguments)
    back = array.read_transposed(TECH, active_columns=64, rows=128, **arguments)
    assert back.energy == pytest.approx(forward.energy, rel=0.05)  # lines are a few percent of the current
    assert back.energy != forward.energy
    assert back.latency > forward.latency  # its bit lines are the long ones


def test_only_the_transposable_cell_reads_both_ways():
    assert "read_transposed" in Sram8tArray.actions()
    assert "read_transposed" not in Sram6tArray.actions()
