"""Decoder, switch matrix, write driver, mux and pulse generator: what can be counted by hand."""

import numpy as np
import pytest

from hwlib.components.decoders import RowDecoder
from hwlib.components.drivers import SwitchMatrix, WriteDriver
from hwlib.components.mux import ColumnMux
from hwlib.components.pulse_generator import PulseGenerator
from hwlib.technology import load_technology
from hwlib.technology.gates import d_flip_flop, inverter, nand, nor, transmission_gate

TECH = load_technology("22nm")


def test_gates_of_a_decoder():
    """128 lines, 7 address bits: 7 inverters, 12 NAND2 (3 pairs), 128 times a 4-input NOR and 2 triple inverters."""
    line = nor(TECH, 4).area + 2 * inverter(TECH, 3.0).area
    expected = 7 * inverter(TECH).area + 12 * nand(TECH).area + 128 * line
    assert RowDecoder(128).area(TECH) == pytest.approx(expected, rel=1e-12)
    assert RowDecoder(np.array([1, 2, 3, 128, 129])).address_bits.tolist() == [1, 1, 2, 7, 8]


def test_a_longer_line_takes_longer_to_drive():
    assert RowDecoder(128, load=1e-13).decode(TECH).latency > RowDecoder(128).decode(TECH).latency


def test_energy_of_a_switch_matrix_by_hand():
    """Plain: 3 drains at 0.5 V and one pair of gates; word lines: 5 drains at 0.5 V, 2 at 1.1 V, 3 pairs of gates;
    both: every flip-flop clocked, those of active lines switched (counts of neurosim_v2_1)."""
    gate, bit = transmission_gate(TECH), d_flip_flop(TECH)
    drain, control = gate.output_capacitance, gate.input_capacitance * 0.85**2
    plain = 128 * bit.clock_energy + 10 * (bit.switch_energy + 3 * drain * 0.25 + control)
    word = 128 * bit.clock_energy + 10 * (bit.switch_energy + 5 * drain * 0.25 + 2 * drain * 1.21 + 3 * control)
    assert SwitchMatrix(128, 0.5).drive(TECH, active_lines=10).energy == pytest.approx(plain, rel=1e-12)
    assert SwitchMatrix(128, 0.5, 1.1).drive(TECH, active_lines=10).energy == pytest.approx(word, rel=1e-12)


def test_delay_of_a_driven_line_by_hand():
    """Half a clock period of 1 GHz, then ln 2 · R of the pass gate · 3 drains and the line's 10 fF."""
    gate = transmission_gate(TECH)
    expected = 0.5e-9 + np.log(2) * gate.resistance * (3 * gate.output_capacitance + 10e-15)
    assert SwitchMatrix(128, 0.5, load=10e-15).drive(TECH, active_lines=1).latency == pytest.approx(expected, rel=1e-12)


def test_programming_voltage_costs_area_and_energy():
    """At the supply a shifter is 4 inverters; at twice the supply 1 + 3 · 2²; energy of 4 V grows past V² of 2 V
    by the thicker transistors: between 4 and 8 times."""
    assert WriteDriver(1, TECH.vdd).area(TECH) == pytest.approx(4 * inverter(TECH).area, rel=1e-12)
    assert WriteDriver(1, 2 * TECH.vdd).area(TECH) == pytest.approx(13 * inverter(TECH).area, rel=1e-12)
    high, low = (WriteDriver(8, volts).pulse(TECH, lines_driven=8).energy for volts in (4.0, 2.0))
    assert 4 * low < high < 8 * low


def test_mux_passes_a_quarter_of_the_line_resistance():
    """Selection takes 2.3 · 2R · (C_drain + C_gate/2) after decoding; R is a quarter of 240 kohm / 128."""
    mux = ColumnMux(128, 8, 240e3 / 128, 0.5)
    narrow = transmission_gate(TECH)
    size = narrow.resistance / (0.25 * 240e3 / 128)  # capacitances grow as the width, so R C stays
    time = 2.3 * 2 * narrow.resistance * (narrow.output_capacitance + narrow.input_capacitance / 2)
    load = 16 * narrow.input_capacitance * size
    assert mux.outputs == 16
    assert mux.select(TECH).latency == pytest.approx(time + RowDecoder(8, load).decode(TECH).latency, rel=1e-9)


def test_longer_pulses_keep_the_timer_running():
    """100 ns against 50 ns: 50 more clock periods of 6 or 7 timer bits, and nothing more per line."""
    bit = d_flip_flop(TECH)
    more = PulseGenerator(64, 100e-9).pulse(TECH).energy - PulseGenerator(64, 50e-9).pulse(TECH).energy
    assert more == pytest.approx((100 * 7 - 50 * 6) * bit.clock_energy + 50 * 2 * bit.switch_energy, rel=1e-9)
