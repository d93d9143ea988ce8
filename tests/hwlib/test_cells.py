"""The resistive array: energies and times by hand, what adds up, and what does not fit."""

from dataclasses import replace

import numpy as np
import pytest

from hwlib.components.cells import ResistiveArray, joule, path_conductance, switched_polarisation
from hwlib.devices import load_device
from hwlib.technology import load_technology
from hwlib.technology.gates import off_current_n

TECH = load_technology("22nm")
NODE = 22e-9
QUIET = {"reference_columns": 0, "reference_rows": 0}
READ = {"active_rows": 64, "mean_conductance": 2e-6, "columns": 128, "sense_time": 1e-9}
WRITE = {"cells_up": 10, "cells_down": 6, "pulses_up": 2, "pulses_down": 3, "longest_up": 5, "longest_down": 4}


def array(device="rram", rows=128, columns=128, **references):
    return ResistiveArray.from_device(load_device(device), rows, columns, **references)


def test_joule_and_polarisation_by_hand():
    """0.5² V² · 4 µS · 10 ns = 10 fJ; 2 · 0.2 C/m² · 1e-15 m² · 4 V / 32 = 5e-17 J; 1 µS behind 1 Mohm is 0.5 µS."""
    assert joule(0.5, 4e-6, 10e-9) == pytest.approx(10e-15, rel=1e-12)
    assert switched_polarisation(0.2, 1e-15, 4.0, 32) == pytest.approx(5e-17, rel=1e-12)
    assert path_conductance(1e-6, 1e6) == pytest.approx(0.5e-6, rel=1e-12)


def test_area_by_hand():
    """129 x 129 cells of 4F x 4F at F = 22 nm, the reference column and row included."""
    assert array().area(TECH) == pytest.approx(129 * 129 * 16 * NODE**2, rel=1e-12)
    assert array().cells == 129 * 129


def test_heat_of_a_read_by_hand():
    """9 ns more add nothing but heat: 0.25 V² · 2 µS / (1 + 2 µS · 15 kohm) · 64 rows · 128 columns · 9 ns."""
    quiet = array(**QUIET)
    more = quiet.read(TECH, **{**READ, "sense_time": 10e-9}).energy - quiet.read(TECH, **READ).energy
    assert more == pytest.approx(0.25 * 2e-6 / 1.03 * 64 * 128 * 9e-9, rel=1e-9)


def test_lines_of_a_read_by_hand():
    """Without heat: 64 word lines to 1.1 V and 128 columns to 0.5 V; a word line is 128 · 88 nm of wire at 0.2 fF/µm
    and 128 gates of 44 nm at 5.245e-10 + 8.004e-10 + 1.049e-10 F/m (table of peng2021neurosim_v2)."""
    quiet = array(**QUIET)
    word = 128 * (88e-9 * 0.2e-9 + 44e-9 * (5.245e-10 + 8.004e-10 + 1.049e-10))
    assert quiet.word_line_capacitance(TECH) == pytest.approx(word, rel=1e-6)
    energy = quiet.read(TECH, **{**READ, "sense_time": 0}).energy
    column = quiet.column_line_capacitance(TECH)
    assert energy == pytest.approx(64 * word * 1.1**2 + 128 * column * 0.5**2, rel=1e-6)


@pytest.mark.parametrize("read", ["read", "read_transposed"])
def test_references_cost_a_line_each(read):
    """One reference line at mid conductance among 128 data lines at the same conductance: the heat grows by 1/128."""
    device = load_device("rram")
    middle = (device.conductance_max + device.conductance_min) / 2
    inputs, outputs = ("active_rows", "columns") if read == "read" else ("active_columns", "rows")

    def heat(chip):
        times = {inputs: 64, outputs: 128, "mean_conductance": middle}
        return (
            chip.cost(TECH, read, **times, sense_time=2e-9).energy - chip.cost(TECH, read, **times, sense_time=0).energy
        )

    assert heat(array()) / heat(array(**QUIET)) == pytest.approx(129 / 128, rel=1e-9)


def test_a_square_array_heats_alike_from_both_sides():
    chip = array()
    forward = chip.read(TECH, active_rows=40, mean_conductance=2e-6, columns=128, sense_time=1e-6).energy
    back = chip.read_transposed(TECH, active_columns=40, mean_conductance=2e-6, rows=128, sense_time=1e-6).energy
    assert back == pytest.approx(forward, rel=1e-2)  # lines are below 1 % of the heat of a whole microsecond


def test_settling_by_hand():
    """0.2 of a column's capacitance times mid resistance over half of its cells; the wires' own delay is below 1 %."""
    quiet = array(**QUIET)
    cell = 0.25 * 240e3 + (240e3 + 24e6) / 2
    expected = 0.2 * quiet.column_line_capacitance(TECH) * cell / 64
    assert quiet.read(TECH, **READ).latency == pytest.approx(expected, rel=1e-2)
    assert quiet.read(TECH, **READ, groups=8).latency == pytest.approx(8 * expected, rel=1e-2)


def test_write_time_and_heat_by_hand():
    """Time 9 slots of 50 ns. Heat: 38 pulses of 16 V² · 2 µS / 1.03 · 50 ns; the rest is 9 charges of the lines."""
    quiet = array(**QUIET)
    cost = quiet.write_row(TECH, **WRITE, mean_conductance=2e-6)
    lines = quiet.word_line_capacitance(TECH) * 1.1**2 + 128 * quiet.column_line_capacitance(TECH) * 16
    assert cost.latency == pytest.approx(9 * 50e-9, rel=1e-12)
    assert cost.energy == pytest.approx(38 * 16 * 2e-6 / 1.03 * 50e-9 + 9 * lines, rel=1e-9)


def test_a_ferroelectric_write_moves_charge_not_current():
    """A full sweep of 32 pulses: 2 · 0.2 C/m² · 2 F² · 4 V = 1.5488 fJ, whatever the conductance, and its column."""
    quiet = array("fefet_32_states", **QUIET)
    slots = {"longest_up": 1, "longest_down": 0, "cells_down": 0, "pulses_down": 0, "mean_conductance": 2e-6}
    sweep = quiet.write_row(TECH, cells_up=1, pulses_up=32, **slots).energy
    nothing = quiet.write_row(TECH, cells_up=0, pulses_up=0, **slots).energy
    column = 32 * quiet.column_line_capacitance(TECH) * 4.0**2
    assert sweep - nothing - column == pytest.approx(2 * 0.2 * 2 * NODE**2 * 4, rel=1e-6)
    other = quiet.write_row(TECH, cells_up=1, pulses_up=32, **{**slots, "mean_conductance": 1e-6}).energy
    assert other == sweep


def test_idle_lines_leak_through_every_cell():
    """One off-transistor of minimum width per cell under 0.5 V."""
    assert array().leakage(TECH) == pytest.approx(129 * 129 * off_current_n(TECH, 44e-9) * 0.5, rel=1e-12)


def test_an_access_transistor_wider_than_its_cell_is_refused():
    """At 1.5 kohm · 0.25 the transistor of 22 nm needs 0.2 · 86.4 kohm·F / 375 ohm = 46 F; a cell has 4."""
    small = ResistiveArray.from_device(load_device("rram", {"on_resistance": 1500}), 128, 128)
    with pytest.raises(ValueError, match=r"1500 ohm.*46.* F at 22nm.*cell_width \(4 F\).*wider cell"):
        small.area(TECH)


def test_mixed_kinds_in_one_call():
    """A sweep over polarisation prices each design by its own write mechanism."""
    chip = array()
    both = replace(chip, polarisation=np.array([0.0, 0.2])).write_row(TECH, **WRITE, mean_conductance=2e-6).energy
    assert both[0] == chip.write_row(TECH, **WRITE, mean_conductance=2e-6).energy
    assert both[1] < both[0]
