"""Transistors and gates against the table of minimum gates of the source, and by hand."""

import numpy as np
import pytest

from hwlib.technology import load_technology
from hwlib.technology.gates import (
    chain_delay,
    d_flip_flop,
    horowitz,
    inverter,
    nand,
    nor,
    transmission_gate,
    transmission_gate_width,
    wire_delay,
)
from hwlib.technology.logic import logic, path_delay
from hwlib.technology.transistors import (
    drain_capacitance,
    fins,
    gate_capacitance,
    off_current_n,
    on_resistance_n,
    on_resistance_p,
    transconductance,
)

# Minimum gates as peng2021neurosim_v2 evaluates them: inverter area µm², input and output aF, resistance n and p
# kohm, leakage nA; NAND2 area µm², input and output aF. Three to four digits, hence 1 % below.
TABLE = """
130nm hp   3.596   1101  646.2 8.28 8.28 41.17    5.394   1449  916.7
130nm lstp 3.596   2478  626.3 25.6 25.6 0.03902  5.394   3305  904.9
90nm  hp   1.724   670.1 400.8 9.6  9.6  26.91    2.586   894.8 558.6
90nm  lstp 1.724   562.5 383   34.1 34.1 0.02461  2.586   768.6 549.3
65nm  hp   0.8991  375.6 259   11.6 11.6 16.91    1.349   520.1 366.6
65nm  lstp 0.8991  832.5 262.5 37.4 37.4 0.01743  1.349   1144  368.1
45nm  hp   0.4309  193.2 161.4 13.5 13.5 9.802    0.6464  282   234.4
45nm  lstp 0.4309  469.7 175.6 39.3 39.3 0.01202  0.6464  645.8 240
32nm  hp   0.2179  127.4 112.9 15.4 15.4 6.912    0.3269  186.5 161.3
32nm  lstp 0.2179  270.6 119.6 41.5 41.5 0.00801  0.3269  378.8 163.6
22nm  hp   0.103   79.68 76.26 19.8 19.8 4.709    0.1545  117   107.4
22nm  lstp 0.103   145.9 78.55 43.2 43.2 0.005103 0.1545  208.8 108.1
14nm  hp   0.05817 281.6 49.92 12.8 13.9 5.588    0.08726 352   80.75
14nm  lstp 0.05817 236.8 49.92 28.2 30.7 0.005659 0.08726 296   80.75
10nm  hp   0.02968 232.9 36.87 12.4 13.5 2.595    0.04452 291.2 59.74
10nm  lstp 0.02968 192.1 36.87 29.5 32.8 0.005107 0.04452 240.2 59.74
7nm   hp   0.01454 180.4 26.34 12.3 14   4.261    0.02181 270.6 42.68
7nm   lstp 0.01454 146.1 26.34 34.3 38.2 0.00432  0.02181 219.2 42.68
"""
ROWS = [(name, roadmap, *map(float, numbers)) for name, roadmap, *numbers in map(str.split, TABLE.strip().splitlines())]

TOLERANCE = 0.01


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_minimum_gates_are_the_sources(row):
    name, roadmap, area, load, own, r_n, r_p, leak, nand_area, nand_load, nand_own = row
    tech = load_technology(name, roadmap)
    one, two, width = inverter(tech), nand(tech, 2), 2 * tech.node
    assert one.area * 1e12 == pytest.approx(area, rel=TOLERANCE)
    assert two.area * 1e12 == pytest.approx(nand_area, rel=TOLERANCE)
    assert one.output_capacitance * 1e18 == pytest.approx(own, rel=TOLERANCE)
    assert on_resistance_n(tech, width) / 1e3 == pytest.approx(r_n, rel=TOLERANCE)
    assert on_resistance_p(tech, tech.pn_ratio * width) / 1e3 == pytest.approx(r_p, rel=TOLERANCE)
    assert one.resistance / 1e3 == pytest.approx(max(r_n, r_p), rel=TOLERANCE)
    if (name, roadmap) != ("10nm", "hp"):  # a datum replaced, see the note beside it
        assert one.leakage / tech.vdd * 1e9 == pytest.approx(leak, rel=TOLERANCE)
    if tech.finfet:  # the source counts the fins of input loads twice
        assert one.input_capacitance * 1e18 == pytest.approx(load / 2, rel=TOLERANCE)
    elif (name, roadmap) != ("90nm", "lstp"):  # a datum replaced, see the note beside it
        assert one.input_capacitance * 1e18 == pytest.approx(load, rel=TOLERANCE)
        assert two.input_capacitance * 1e18 == pytest.approx(nand_load, rel=TOLERANCE)
    if not tech.finfet:
        assert two.output_capacitance * 1e18 == pytest.approx(nand_own, rel=TOLERANCE)


@pytest.fixture
def tech():
    return load_technology("22nm")


def test_drain_by_hand(tech):
    # W = 44 nm, L = 2.8 x 22 = 61.6 nm: 7.171e-4 W L + 2.007e-10 (W + 2 L) + 0.2 x 2.007e-10 W
    # = 1.9437 + 33.557 + 1.7662 aF = 37.27 aF; four digits of the inputs, 0.1 %
    assert drain_capacitance(tech, 44e-9) == pytest.approx(37.27e-18, rel=1e-3)


def test_leakage_of_two_and_three_inputs(tech):
    # 0.48 x 2 and 0.31 x 3 off-currents of a p-type, 0.95 x 2 and 0.62 x 3 of an n-type (peng2021neurosim_v2)
    off_p, off_n = 1e-4 * 1.319 * 44e-9 * 0.85, 1e-4 * 44e-9 * 0.85
    assert nand(tech, np.array([2, 3])).leakage == pytest.approx([0.96 * off_p, 0.93 * off_p], rel=1e-9)
    assert nor(tech, np.array([2, 3])).leakage == pytest.approx([1.90 * off_n, 1.86 * off_n], rel=1e-9)


def test_stacks_keep_the_drive_of_the_minimum_inverter(tech):
    # widened stacks, by construction
    for count in (2, 3, 4):
        assert nand(tech, count).resistance == pytest.approx(inverter(tech).resistance, rel=1e-9)
        assert nor(tech, count).resistance == pytest.approx(inverter(tech).resistance, rel=1e-9)


def test_wide_inverters_fold(tech):
    # Room for the n-type: 20.9 F / (1 + 1.319) = 9.01 F, so 20 F (size 10) takes 3 fingers and 4 pitches of 3.8 F.
    assert inverter(tech, 10).area == pytest.approx(4 * 3.8 * 28 * 22e-9**2, rel=1e-9)
    assert inverter(tech, 10).input_capacitance == pytest.approx(10 * inverter(tech).input_capacitance, rel=1e-9)
    assert inverter(tech, 10).resistance == pytest.approx(inverter(tech).resistance / 10, rel=1e-9)


def test_fins_come_whole():
    tech = load_technology("14nm")
    assert list(fins(tech, 28e-9 * np.array([0.3, 1.0, 1.01, 3.0]))) == [1, 1, 2, 3]
    # 3 fins of 2 x 23 + 10 nm, at 1.057e-9 F/m: exact arithmetic
    assert gate_capacitance(tech, 3 * 28e-9) == pytest.approx(3 * 56e-9 * 1.057e-9, rel=1e-9)
    assert off_current_n(tech, 28e-9) == pytest.approx(56e-9 * 9.979e-5, rel=1e-9)


def test_horowitz_limits():
    # A step gives ln 2 time constants; a ramp of slope 1/tau gives sqrt(0.480453 + 0.5) = 0.990178.
    delay, slope = horowitz(1e-9)
    assert delay == pytest.approx(0.693147e-9, rel=1e-6)
    assert slope == pytest.approx(0.5 / 0.693147e-9, rel=1e-6)
    assert horowitz(1e-9, 1e9)[0] == pytest.approx(0.990178e-9, rel=1e-6)


def test_long_paths_settle(tech):
    # The delay of one more gate in a long chain, worked out gate by gate, is what path_delay takes for each.
    gate = nand(tech)
    stages = [(gate, 2 * gate.input_capacitance)] * 30
    assert chain_delay(stages) - chain_delay(stages[1:]) == pytest.approx(path_delay(tech, 1), rel=1e-6)
    assert logic(tech, 7, 3).latency == pytest.approx(3 * path_delay(tech, 1))
    assert logic(tech, 7, 3).area == pytest.approx(7 * gate.area)


def test_wire_by_hand(tech):
    # 100 µm: 2318 ohm and 20 fF; 0.6931 (1000 x 25e-15 + 2318 x 15e-15) = 41.4 ps with 1 kohm and 5 fF
    assert wire_delay(tech, 100e-6, 1000.0, 5e-15) == pytest.approx(41.4e-12, rel=5e-3)  # three digits


def test_pass_gate_width_is_the_smallest_that_will_do():
    for name in ("22nm", "14nm"):
        tech = load_technology(name)
        wanted = np.array([20e3, 1e3, 150.0])
        width = transmission_gate_width(tech, wanted)
        reached = transmission_gate(tech, width).resistance
        assert np.all(reached <= wanted * (1 + 1e-9))
        one_fin_less = transmission_gate(tech, np.maximum(width - 2 * tech.node, 2 * tech.node)).resistance
        assert np.all((one_fin_less > wanted) | (width <= 2 * tech.node * (1 + 1e-9)))


def test_pass_gate_by_hand(tech):
    # n and p of 43.19 kohm each in parallel, a fifth of it in the linear region: 4.319 kohm
    assert transmission_gate(tech).resistance == pytest.approx(4319, rel=1e-3)


def test_flip_flop_by_hand(tech):
    # C_in 145.9 aF, C_out 78.55 aF, pass gate the same: clocked 4 x 224.45 + 2 x 145.9 = 1189.6 aF;
    # switched (3 x 78.55 + 145.9) + 2 x 78.55 + 224.45 = 763.1 aF; times 0.7225 V². Four digits, 0.1 %.
    cell = d_flip_flop(tech)
    assert cell.clock_energy == pytest.approx(1189.6e-18 * 0.7225, rel=1e-3)
    assert cell.switch_energy == pytest.approx(763.1e-18 * 0.7225, rel=1e-3)
    assert cell.area == pytest.approx(12 * 0.10300e-12, rel=1e-3)
    assert cell.leakage == pytest.approx(8 * 0.005103e-9 * 0.85, rel=1e-3)
    assert cell.latency == 0.5e-9


def test_transconductance_is_the_slope_of_the_drive_current(tech):
    # numerical derivative of the on-current over the supply
    step = 1e-4
    high, low = load_technology("22nm", supply=0.85 + step), load_technology("22nm", supply=0.85 - step)
    slope = (high.on_current_n - low.on_current_n) / (2 * step) * 1e-6
    assert transconductance(tech, 1e-6) == pytest.approx(slope, rel=1e-5)  # second order in the step


def test_arrays_equal_a_loop():
    tech = load_technology("14nm", temperature=np.array([300.0, 400.0]))
    both = nand(tech, np.array([[2], [3]]))
    for j, temperature in enumerate((300.0, 400.0)):
        for i, count in enumerate((2, 3)):
            one = nand(load_technology("14nm", temperature=temperature), count)
            assert both.resistance[i, j] == pytest.approx(one.resistance)
            assert both.leakage[..., i, j] == pytest.approx(one.leakage)
