"""Cells and converters of published macros: hand calculations and how they scale with supply, size and bits."""

import numpy as np
import pytest

from hwlib.components.cco_adc import CcoAdc
from hwlib.components.charge_arrays import C2cSramArray, CapacitorSramArray, shared_charge
from hwlib.components.charge_decrement_adc import ChargeDecrementAdc
from hwlib.components.charge_sar_adc import ChargeSarAdc
from hwlib.components.digital_array import DigitalSramArray
from hwlib.components.drivers import WordLineDriver, WriteDriver
from hwlib.components.near_memory import NearMemoryDatapath
from hwlib.components.pulsed_array import PulsedSramArray
from hwlib.components.voltage_array import VoltageSensedArray
from hwlib.technology import load_technology

TECH = load_technology("65nm")
CELLS = {"active_rows": 128, "stored_ones": 0.5, "columns": 64}
BITS = {**CELLS, "used_rows": 256}


def voltage_array(**changes):
    """128 x 256 weights in pairs of rows, 25 kohm to 1 Mohm, 0.5 V."""
    values = {"on_resistance": 25e3, "off_resistance": 1e6, "read_voltage": 0.5, "access_voltage": 1.8}
    size = {"rows": 128, "columns": 256, "cells_per_weight": 2, "cell_width": 11.2, "cell_height": 11.2}
    return VoltageSensedArray(**{**values, **size, **changes})


def test_a_floating_column_takes_most_charge_when_half_of_it_is_driven():
    """By hand, without stray capacitance: k driven of N give k C (1 - k/N): N C / 4 at a half, none at the ends."""
    capacitance, cells = 2e-15, 100
    charge = shared_charge(capacitance, np.array([0, 50, 100]), cells, 0.0)
    np.testing.assert_allclose(charge, [0.0, cells * capacitance / 4, 0.0], rtol=1e-12, atol=1e-30)


def test_stray_capacitance_holds_the_column_back():
    """By hand: all N driven against a stray of N C leave the column at half, so that N C / 2 is drawn."""
    assert shared_charge(1e-15, 100, 100, 100e-15) == pytest.approx(50e-15, rel=1e-12)


@pytest.mark.parametrize(
    ("component", "action", "arguments"),
    [
        (CapacitorSramArray(256, 64), "read", BITS),
        (C2cSramArray(256, 64, 8, 2), "read", CELLS),
        (DigitalSramArray(256, 64, 4), "read", BITS),
        (ChargeSarAdc(8), "convert", {}),
        (NearMemoryDatapath(8, 4, 4), "finish", {}),
    ],
)
def test_energy_goes_with_the_square_of_the_supply(component, action, arguments):
    """Every node swings by the supply. Junctions shrink under more reverse bias, by up to a tenth from 0.9 to 1.2 V;
    what noise asks of a converter's capacitors shrinks as well."""
    low, high = (component.cost(load_technology("65nm", supply=v), action, **arguments).energy for v in (0.9, 1.2))
    assert high / low == pytest.approx((1.2 / 0.9) ** 2, rel=0.1)


def test_xnor_drives_every_row_and_and_the_ones_only():
    """With half of the bits one and half of the cells: xnor raises a line of all rows, `and` of half of them."""
    xnor, and_ = (CapacitorSramArray(256, 64, operation=name) for name in ("xnor", "and"))
    none = {**BITS, "active_rows": 0}
    assert xnor.read(TECH, **BITS).energy > 1.5 * and_.read(TECH, **BITS).energy
    assert xnor.read(TECH, **none).energy > 50 * and_.read(TECH, **none).energy  # the resets of columns are left
    with pytest.raises(ValueError, match="operation is 'or'"):
        CapacitorSramArray(2, 2, operation="or")


def test_columns_of_an_array_that_are_not_used_take_nothing():
    """Half of the columns, half of the energy: lines are charged along those in use."""
    for array in (CapacitorSramArray(256, 64), C2cSramArray(256, 64), DigitalSramArray(256, 64)):
        read = CELLS if isinstance(array, C2cSramArray) else BITS
        whole, half = (array.read(TECH, **{**read, "columns": n}).energy for n in (64, 32))
        assert half == pytest.approx(whole / 2, rel=1e-9)


def test_rows_without_an_input_drive_nothing():
    """By hand for xnor: zeros on 64 and on 32 of 256 rows raise a line and, where the cell stores a zero, a node of
    each; beyond that, no row adds charge but by what floats: h C (1 - h C / total) of h = 32 and 16 nodes. Cells of
    other rows load the column still."""
    array = CapacitorSramArray(256, 64)
    read = {"active_rows": 0, "stored_ones": 0.5, "columns": 64}
    found = array.read(TECH, **read, used_rows=64).energy - array.read(TECH, **read, used_rows=32).energy
    total = 256 * array.capacitance + array.column_capacitance(TECH)
    floating = array.capacitance * (32 - 16 - (32**2 - 16**2) * array.capacitance / total)
    charged = 32 * array.input_line_capacitance(TECH) + 64 * (16 * array.node_capacitance(TECH) + floating)
    assert found == pytest.approx(charged * TECH.vdd**2, rel=1e-9)


def test_a_digital_array_toggles_in_the_rows_in_use_only():
    """Half of the rows, of which as large a share is one: half of all that toggles. As few ones spread over all rows
    toggle more, since 2 p (1 - p) is concave."""
    array = DigitalSramArray(256, 64, 4)
    whole = array.read(TECH, **BITS).energy
    assert array.read(TECH, **{**BITS, "active_rows": 64, "used_rows": 128}).energy == pytest.approx(
        whole / 2, rel=1e-9
    )
    assert array.read(TECH, **{**BITS, "active_rows": 64}).energy > 1.1 * whole / 2


def test_words_that_wait_take_area_and_no_energy_but_that_of_longer_wires():
    one, eight = (C2cSramArray(64, 16, 8, words) for words in (1, 8))
    assert eight.area(TECH) > 2 * one.area(TECH)  # ladders and gates are the rest
    read = {"active_rows": 32, "stored_ones": 0.5, "columns": 16}
    assert one.read(TECH, **read).energy < eight.read(TECH, **read).energy < 3 * one.read(TECH, **read).energy


def test_a_digital_column_is_as_wide_as_its_sum_and_costs_nothing_without_products():
    """256 words of 4 bits: 12 bits. Products that never change switch nothing."""
    array = DigitalSramArray(256, 64, 4)
    assert array.sum_bits == 12
    assert array.read(TECH, **{**BITS, "active_rows": 0}).energy == 0.0


def test_the_converters_bank_and_its_limit_by_noise():
    """By hand: 63.5 unit capacitors switch for 8 bits; beyond what unit capacitors allow, noise asks for 4 times more
    a bit, which ends up in the bank and the comparator, whose number of decisions grows by a bit (15/14)."""
    unit = ChargeSarAdc(8).unit_capacitance(TECH)
    assert unit == 1e-15
    assert ChargeSarAdc(8).convert(TECH).energy > 63.5 * unit * TECH.vdd**2
    ratio = ChargeSarAdc(15).convert(TECH).energy / ChargeSarAdc(14).convert(TECH).energy
    assert 4.0 < ratio < 4.0 * 15 / 14


def test_voltage_sensing_heats_pairs():
    """By hand: what longer pulses add is 2 cells x rows x columns x G V² t, 128 x 256 x 2 x 10 uS x 0.25 V² x 10 ns."""
    array = voltage_array()
    read = {"active_rows": 128, "columns": 256, "mean_conductance": 1e-5}
    added = array.read(TECH, **read, pulse=2e-8).energy - array.read(TECH, **read, pulse=1e-8).energy
    assert added == pytest.approx(2 * 128 * 256 * 1e-5 * 0.25 * 1e-8, rel=1e-9)
    assert array.cells == 256 * 256


def test_a_neuron_draws_its_bias_all_the_time():
    """By hand for 8 bits at 0.5 V: 13 fF by noise, 9 of them settle within half of 0.27 us to 9 bits: about 1 uA; each
    step of 0.3 us takes that from the supply, and a conversion to m bits takes m + 1 steps."""
    tech = load_technology("130nm", supply=1.8)
    neuron = ChargeDecrementAdc(8)
    sampled = 12 * 1.380649e-23 * 300 * 4**8 / 0.25
    bias = 2 * 9 * sampled / (0.135e-6 / (9 * np.log(2))) / 10
    assert neuron.bias_current(tech) == pytest.approx(bias, rel=1e-9)
    assert neuron.convert(tech).latency == pytest.approx(9 * 0.3e-6, rel=1e-12)
    assert neuron.convert(tech).energy > 9 * bias * 1.8 * 0.3e-6
    few = ChargeDecrementAdc(3)
    assert few.bias_current(tech) == neuron.bias_current(tech)  # the circuit is the same, read to fewer bits
    assert few.convert(tech).energy / neuron.convert(tech).energy == pytest.approx(4 / 9, rel=1e-9)


def test_a_word_line_takes_its_own_charge():
    """C V² of each line, beyond what its driver takes."""
    lines, driver = WordLineDriver(128, 1.8, 2e-13), WriteDriver(128, 1.8, 2e-13)
    found = lines.pulse(TECH, lines_driven=10).energy - driver.pulse(TECH, lines_driven=10).energy
    assert found == pytest.approx(10 * 2e-13 * 1.8**2, rel=1e-9)


def test_holding_a_column_draws_half_of_its_current_from_the_supply():
    """By hand: 100 uA for 100 ns at 0.2 V heat the cells with 2 pJ; half of it from 0.8 V is 4 pJ: 2 pJ beyond."""
    held = {"current": 1e-4, "time": 1e-7}
    tech = load_technology("14nm", supply=0.8)
    assert CcoAdc(8).hold(tech, voltage=0.2, **held).energy == pytest.approx(2e-12, rel=1e-9)
    assert CcoAdc(8).hold(tech, voltage=0.5, **held).energy == 0.0


def test_pulses_and_ones_multiply_what_a_column_has_fallen():
    """By hand: all of 64 rows with 15 pulses on ones let the columns fall by half of the supply; a quarter of the ones
    and of the pulses lets them fall by a sixteenth of that, and word lines rise a quarter as often."""
    array = PulsedSramArray(64, 16, 4)
    words = 16 * array.word_capacitance(TECH) * 0.5 * TECH.vdd**2
    lines = 64 * 15 * array.input_line_capacitance(TECH) * TECH.vdd**2
    all_ = {"active_rows": 64, "columns": 16, "longest": 15, "pulses": 15, "stored_ones": 1.0}
    assert array.read(TECH, **all_).energy == pytest.approx(words + lines, rel=1e-9)
    some = array.read(TECH, **{**all_, "pulses": 15 / 4, "stored_ones": 0.25}).energy
    assert some == pytest.approx(words / 16 + lines / 4, rel=1e-9)


def test_the_near_memory_datapath_grows_with_what_it_joins():
    small, large = NearMemoryDatapath(8, 1, 1), NearMemoryDatapath(8, 8, 8)
    assert large.sum_bits == 24
    for action in ("accumulate", "finish"):
        assert large.cost(TECH, action).energy > small.cost(TECH, action).energy
