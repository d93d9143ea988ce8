"""Encodings, parallel updates, crossbar, ECRAM and capacitor cells: counts and energies by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwlib.components.array_lines import half_selected, lonely_pulses
from hwlib.components.capacitor_cell import CapacitorArray
from hwlib.components.cells import ResistiveArray
from hwlib.components.crosspoint import CrossbarArray
from hwlib.components.ecram import EcramArray
from hwlib.components.encoding import ENCODINGS, load_encoding
from hwlib.devices import load_device
from hwlib.provenance import record, source
from hwlib.registry import UnknownName
from hwlib.technology import load_technology
from hwlib.technology.gates import inverter, nand, nor
from hwlib.technology.transistors import off_current_n

TECH = load_technology("22nm")
NODE = 22e-9
RRAM = load_device("rram")
READ_LIKE_RRAM = {"on_resistance": 240e3, "off_resistance": 24e6, "read_voltage": 0.5}
QUIET = {"reference_columns": 0, "reference_rows": 0}
READ = {"active_rows": 64, "mean_conductance": 2e-6, "columns": 128}
TRAINS = {"train_length": 10, "row_probability": 0.4, "column_probability": 0.5, "coincidences": 2.0}
WRITE = {"cells_up": 10, "cells_down": 6, "pulses_up": 2, "pulses_down": 3, "longest_up": 5, "longest_down": 4}
PULSE = 16 * 2e-6 * 50e-9
"""Heat of 4 V over 2 µS for 50 ns, without series resistance. [J]"""


def crossbar(**changes):
    parameters = {"write_voltage": 4.0, "pulse_width": 50e-9, "selectivity": 2.0, **READ_LIKE_RRAM, **changes}
    return CrossbarArray(**{"rows": 128, "columns": 128, **parameters})


def ecram(**changes):
    return EcramArray(rows=128, columns=128, write_voltage=2.0, access_voltage=1.1, **READ_LIKE_RRAM, **changes)


def capacitor(**changes):
    parameters = {"capacitance": 1e-14, "swing": 0.4, "states": 400, "pulse_width": 1e-9, **READ_LIKE_RRAM, **changes}
    return CapacitorArray(**{"rows": 128, "columns": 128, **parameters})


def heat(array, **arguments):
    """Of one nanosecond of a read: 2 ns less 1 ns, so that lines drop out."""
    return (
        array.read(TECH, **READ, **arguments, sense_time=2e-9).energy
        - array.read(TECH, **READ, **arguments, sense_time=1e-9).energy
    )


# Encodings


def test_every_encoding_has_a_source():
    for encoding in ENCODINGS.values():
        assert source(encoding.source)["title"]
    with pytest.raises(UnknownName, match="differential_pair"):
        load_encoding("diferential_pair")


@pytest.mark.parametrize(("encoding", "cells"), [("reference_column", 129 * 129), ("differential_pair", 128 * 256)])
def test_cells_of_an_encoding(encoding, cells):
    """128 x 128 weights: one more line each way, or twice the columns and no reference; 16 F² each."""
    array = ResistiveArray.from_device(RRAM, 128, 128, encoding)
    assert array.cells == cells
    assert array.area(TECH) == pytest.approx(cells * 16 * NODE**2, rel=1e-12)


def test_a_pair_heats_twice_one_cell_and_a_reference_line_none():
    """0.25 V² · 2 µS / 1.03 · 64 rows · 256 columns · 1 ns; the same mean conductance in both cells of a pair."""
    pair = ResistiveArray.from_device(RRAM, 128, 128, "differential_pair")
    assert heat(pair) == pytest.approx(0.25 * 2e-6 / 1.03 * 64 * 256 * 1e-9, rel=1e-9)


def test_two_pairs_conduct_by_their_significance():
    """Two columns for 1 ns and two for F = 3 times 1 ns: as much heat as 8 columns, 4 times that of a pair."""
    pair = ResistiveArray.from_device(RRAM, 128, 128, "differential_pair")
    both = ResistiveArray.from_device(RRAM, 128, 128, "two_pairs", significance=3.0)
    assert heat(both) == pytest.approx(4 * heat(pair), rel=1e-9)
    plain = ResistiveArray.from_device(RRAM, 128, 128, "two_pairs")
    times = [array.read(TECH, **READ, sense_time=5e-9, groups=8).latency for array in (plain, both)]
    assert times[1] - times[0] == pytest.approx(8 * 2 * 5e-9, rel=1e-9)


def test_transposed_reads_drive_all_columns_of_a_weight():
    """The heat of 40 active weights is that of 80 columns of cells over 128 rows."""
    pair = ResistiveArray.from_device(RRAM, 128, 128, "differential_pair")
    energies = [
        pair.read_transposed(TECH, active_columns=40, mean_conductance=2e-6, rows=128, sense_time=time).energy
        for time in (1e-9, 2e-9)
    ]
    assert energies[1] - energies[0] == pytest.approx(0.25 * 2e-6 / 1.03 * 80 * 128 * 1e-9, rel=1e-9)


# Parallel updates


def test_half_a_pulse_by_hand():
    """(4 V / 2)² over 2 µS for 50 ns is a quarter of a pulse; with a selector of 10 it is a twentieth."""
    assert half_selected(4.0, 2e-6, 50e-9) == pytest.approx(PULSE / 4, rel=1e-12)
    assert half_selected(4.0, 2e-6, 50e-9, 10.0) == pytest.approx(PULSE / 20, rel=1e-12)


@given(
    rows=st.lists(st.booleans(), min_size=40, max_size=40),
    columns=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_lonely_pulses_are_those_of_exactly_one_line(rows, columns):
    """For any two trains: slots in which one line fires and the other does not, by counting them."""
    both = sum(row and column for row, column in zip(rows, columns, strict=True))
    one = sum(row != column for row, column in zip(rows, columns, strict=True))
    assert lonely_pulses(40, sum(rows) / 40, sum(columns) / 40, both) == pytest.approx(one, abs=1e-9)


def test_impossible_trains_are_refused():
    with pytest.raises(ValueError, match=r"coincidences \(5\) exceed.*4 = train_length"):
        lonely_pulses(10, 0.4, 0.5, 5.0)
    with pytest.raises(ValueError, match=r"between 0 and 1, not from 0\.4 to 1\.5"):
        lonely_pulses(10, 0.4, 1.5, 1.0)


def test_outer_product_on_a_resistive_array_by_hand():
    """Per cell 2 pulses and 4 + 5 - 2·2 = 5 half ones; 128 word lines up once, 4 pulses on each row and 5 on each
    column at 2 V; 10 slots of 50 ns."""
    array = ResistiveArray.from_device(RRAM, 128, 128, **QUIET)
    cost = array.pulse_outer_product(TECH, **TRAINS, mean_conductance=2e-6)
    lines = 128 * (4 * array.row_line_capacitance(TECH) + 5 * array.column_line_capacitance(TECH)) * 4
    word = 128 * array.word_line_capacitance(TECH) * 1.1**2
    assert cost.energy == pytest.approx(128**2 * (2 + 5 / 4) * PULSE / 1.03 + lines + word, rel=1e-9)
    assert cost.latency == pytest.approx(500e-9, rel=1e-12)


def test_a_reference_column_is_half_selected_by_the_rows():
    """128 cells at mid conductance get the 4 pulses of their rows at half voltage; the row of references is off.
    50 ns more of each pulse add nothing but heat."""
    array = ResistiveArray.from_device(RRAM, 128, 128)
    slow = ResistiveArray.from_device(RRAM, 128, 128, pulse_width=100e-9)
    more = (
        slow.pulse_outer_product(TECH, **TRAINS, mean_conductance=2e-6).energy
        - array.pulse_outer_product(TECH, **TRAINS, mean_conductance=2e-6).energy
    )
    middle = array.reference_conductance
    reference = 128 * 4 * 16 * middle / (1 + middle * 15e3) * 50e-9 / 4
    assert more == pytest.approx(128**2 * (2 + 5 / 4) * PULSE / 1.03 + reference, rel=1e-9)


def test_a_ferroelectric_is_not_turned_by_half_a_voltage():
    """Nothing but lines for no coincidence, whatever the conductance; then 2 · P A V / states per coincidence."""
    fefet = ResistiveArray.from_device(load_device("fefet_32_states"), 128, 128, **QUIET)
    none = {**TRAINS, "coincidences": 0.0}
    idle = [fefet.pulse_outer_product(TECH, **none, mean_conductance=g).energy for g in (1e-6, 4e-6)]
    assert idle[0] == idle[1]
    two = fefet.pulse_outer_product(TECH, **TRAINS, mean_conductance=1e-6).energy
    assert two - idle[0] == pytest.approx(128**2 * 2 * 2 * 0.2 * 2 * NODE**2 * 4 / 32, rel=1e-6)


# Crossbar


def test_half_selected_cells_of_a_row_write_by_hand():
    """38 pulses in 9 slots of a 129 x 129 crossbar: 128 · 38 other cells on pulsed columns and 9 · 129 - 38 on the
    row get a quarter pulse each. 50 ns more of each pulse add nothing but heat."""
    once, twice = (
        crossbar(pulse_width=time).write_row(TECH, **WRITE, mean_conductance=2e-6) for time in (50e-9, 100e-9)
    )
    expected = 38 * PULSE + (128 * 38 + 9 * 129 - 38) * PULSE / 4
    assert twice.energy - once.energy == pytest.approx(expected, rel=1e-9)
    assert once.latency == pytest.approx(450e-9, rel=1e-12)


def test_lines_of_a_crossbar_write_by_hand():
    """Without conductance: the row at 4 V in 9 slots; 128 rows in 9 slots and 9 · 129 - 38 columns at 2 V; a line is
    129 · 44 nm of wire at 0.2 fF/µm (peng2021neurosim_v2)."""
    line = 129 * 44e-9 * 0.2e-9
    cost = crossbar().write_row(TECH, **WRITE, mean_conductance=0.0)
    assert cost.energy == pytest.approx(line * (9 * 16 + (9 * 128 + 9 * 129 - 38) * 4), rel=1e-9)


def test_a_selector_spares_half_selected_cells():
    """A selectivity of 10 against 2 leaves a fifth of their heat, in both ways to write."""
    for action, arguments in (("write_row", WRITE), ("pulse_outer_product", TRAINS)):
        heats = [
            crossbar(selectivity=selectivity, **QUIET).cost(TECH, action, **arguments, mean_conductance=2e-6).energy
            - crossbar(selectivity=1e30, **QUIET).cost(TECH, action, **arguments, mean_conductance=2e-6).energy
            for selectivity in (2.0, 10.0)
        ]
        assert heats[1] == pytest.approx(heats[0] / 5, rel=1e-9)


def test_columns_of_a_crossbar_conduct_while_others_are_sensed():
    """8 groups: 8 times the heat of one, where the transistors of 1T1R cells would cut the others off."""
    array = crossbar(**QUIET)
    assert heat(array, groups=8) == pytest.approx(8 * 0.25 * 2e-6 * 64 * 128 * 1e-9, rel=1e-9)


def test_a_crossbar_takes_a_device_but_not_its_transistor():
    array = CrossbarArray.from_device(RRAM, 128, 128, "differential_pair", selectivity=10.0)
    assert array.area(TECH) == pytest.approx(128 * 256 * 4 * NODE**2, rel=1e-12)  # 2F x 2F (neurosim_v2_1)


# ECRAM


def test_ecram_update_by_hand():
    """1 fJ per pulse of a 100 nm x 100 nm channel (tang2018ecram), for 2 coincidences in each of 128² cells; lines
    apart, which an update without coincidences has alone. 10 slots of 5 ns."""
    with_, without = (
        ecram().pulse_outer_product(TECH, **{**TRAINS, "coincidences": count}, mean_conductance=2e-6)
        for count in (2.0, 0.0)
    )
    assert with_.energy - without.energy == pytest.approx(128**2 * 2 * 1e-15, rel=1e-9)
    assert with_.latency == pytest.approx(50e-9, rel=1e-12)
    array = ecram()
    lines = 128 * (4 * array.write_line_capacitance(TECH) * 4 + 5 * array.select_line_capacitance(TECH) * 1.1**2)
    assert without.energy == pytest.approx(lines, rel=1e-9)


def test_ecram_beyond_its_data_says_so():
    with record() as notes:
        ecram(pulse_width=1e-9, channel_area=(20e-9) ** 2).write_row(TECH, **WRITE, mean_conductance=0.0)
    assert len(notes.extrapolations) == 2
    with record() as notes:
        ecram().write_row(TECH, **WRITE, mean_conductance=0.0)
    assert not notes.extrapolations


# Capacitor cells


def test_area_of_a_capacitor_cell():
    """10 fF at 2 fF/µm² take 5 µm²; 0.1 fF lie above the transistors, NAND, NOR and one and a half inverters."""
    gates = nand(TECH).area + nor(TECH).area + 1.5 * inverter(TECH).area
    assert capacitor().area(TECH) == pytest.approx(129**2 * 5e-12, rel=1e-9)
    assert capacitor(capacitance=1e-16).area(TECH) == pytest.approx(129**2 * gates, rel=1e-9)


def test_charge_of_a_step_by_hand():
    """10 fF · 0.4 V / 400 = 10 aC, drawn at 0.85 V by the 20 pulses up; a pulse down draws none."""
    plain, large = (capacitor(capacitance=c, capacitance_density=1.0) for c in (1e-14, 2e-14))
    more = large.write_row(TECH, **WRITE, mean_conductance=0.0).energy
    less = plain.write_row(TECH, **WRITE, mean_conductance=0.0).energy
    assert more - less == pytest.approx(20 * 1e-17 * 0.85, rel=1e-6)


def test_retention_by_hand():
    """10 fF · 0.2 V / (1e-4 A/m · 1.319 · 44 nm) = 0.345 ms for the wider p-type (table of peng2021neurosim_v2, whose
    numbers have four digits); less than a tenth of it at 400 K."""
    assert capacitor().retention(TECH) == pytest.approx(2e-15 / (1e-4 * 1.319 * 44e-9), rel=1e-3)
    hot = load_technology("22nm", temperature=400.0)
    assert capacitor().retention(hot) < capacitor().retention(TECH) / 10


def test_write_transistors_of_ecram_leak():
    """One minimum transistor per cell under 0.5 V, references included."""
    assert ecram().leakage(TECH) == pytest.approx(129**2 * off_current_n(TECH, 44e-9) * 0.5, rel=1e-12)


@pytest.mark.parametrize("make", [crossbar, ecram, capacitor])
def test_updates_in_parallel_are_faster_and_cheaper_than_rows(make):
    """Two pulses in every cell: 10 slots at once against 128 rows of 2 slots, each of which charges all lines."""
    array = make(**QUIET)
    parallel = array.pulse_outer_product(TECH, **TRAINS, mean_conductance=0.0)
    row = {"cells_up": 128, "cells_down": 0, "pulses_up": 2, "pulses_down": 0, "longest_up": 2, "longest_down": 0}
    serial = array.write_row(TECH, **row, mean_conductance=0.0).times(128)
    assert parallel.latency < serial.latency / 20
    assert parallel.energy < serial.energy


def test_a_batch_of_designs_in_one_call():
    sizes = np.array([64, 128, 256])
    energies = crossbar(rows=sizes, columns=sizes).pulse_outer_product(TECH, **TRAINS, mean_conductance=2e-6).energy
    assert energies.shape == (3,)
    assert np.all(np.diff(energies) > 0)


def test_a_ferroelectric_row_charges_only_the_columns_of_pulsed_cells():
    """By hand: 10 cells of 2 and 6 of 3 pulses charge 38 columns; 9 slots raise the word line nine times."""
    array = ResistiveArray.from_device(load_device("fefet_32_states"), 128, 128)
    column, word_line = array.column_line_capacitance(TECH) * 4.0**2, array.word_line_capacitance(TECH) * 1.1**2
    expected = 38 * (column + array._pulse_energy(TECH, 2e-6)) + 9 * word_line
    assert array.write_row(TECH, **WRITE, mean_conductance=2e-6).energy == pytest.approx(expected, rel=1e-12)
