"""Technology data and how they move with temperature and supply."""

import itertools
from dataclasses import fields

import numpy as np
import pytest

from hwlib.provenance import record, source
from hwlib.registry import UnknownName
from hwlib.technology import load_technology, technology_names

EVERY = list(itertools.product(technology_names(), ("hp", "lstp")))


def test_names_run_from_7_to_130_nm():
    assert technology_names() == ["7nm", "10nm", "14nm", "22nm", "32nm", "45nm", "65nm", "90nm", "130nm"]


@pytest.mark.parametrize(("name", "roadmap"), EVERY)
def test_every_technology_loads_and_is_physical(name, roadmap):
    with record() as found:
        tech = load_technology(name, roadmap)
    assert tech.node == pytest.approx(float(name.removesuffix("nm")) * 1e-9)
    assert all(source(key) for key in found.sources)
    assert found.sources == {"peng2021neurosim_v2"}
    assert found.extrapolations == set()
    assert 0 < tech.vth < tech.vdd
    assert 0 < tech.off_current_p < 1e-3 * tech.on_current_p
    assert 0 < tech.off_current_n < 1e-3 * tech.on_current_n
    assert tech.finfet == (tech.fin_height > 0) == (tech.node < 20e-9)


# Resistance per length [ohm/µm] printed in the wire table of peng2021neurosim_v2; two to four digits, so 1.5 %.
@pytest.mark.parametrize(
    ("name", "expected"),
    [("130nm", 0.29), ("90nm", 0.29), ("65nm", 1.19), ("45nm", 6.68), ("32nm", 13.26), ("22nm", 23.18), ("14nm", 55.9),
     ("7nm", 180.5)],
)  # fmt: skip
def test_wire_resistance_is_the_sources(name, expected):
    assert load_technology(name).wire_resistance * 1e-6 == pytest.approx(expected, rel=0.015)


def test_interpolated_wire_of_10_nm_lies_between_its_neighbours():
    small, middle, large = (load_technology(name) for name in ("7nm", "10nm", "14nm"))
    for field in ("wire_width", "wire_aspect_ratio", "wire_resistivity", "wire_resistance"):
        low, high = sorted((getattr(small, field), getattr(large, field)))
        assert low < getattr(middle, field) < high


@pytest.mark.parametrize(
    ("name", "small", "large"), [("28nm", "22nm", "32nm"), ("40 nm", "32nm", "45nm"), ("12nm", "10nm", "14nm")]
)
@pytest.mark.parametrize("roadmap", ["hp", "lstp"])
def test_a_node_without_data_lies_between_its_neighbours_and_says_so(name, small, large, roadmap):
    with record() as found:
        middle = load_technology(name, roadmap)
    (note,) = found.extrapolations
    assert note == f"{middle.name} has no data of its own: interpolated between {small} and {large}"
    one, other = (load_technology(each, roadmap) for each in (small, large))
    assert middle.finfet == one.finfet
    for field in fields(middle):
        values = [getattr(each, field.name) for each in (one, middle, other)]
        if isinstance(values[0], float):
            low, high = sorted((values[0], values[2]))
            assert low * (1 - 1e-12) <= values[1] <= high * (1 + 1e-12), field.name  # but for rounding
    share = np.log(middle.node / one.node) / np.log(other.node / one.node)
    assert middle.vdd == pytest.approx(one.vdd * (other.vdd / one.vdd) ** share)


@pytest.mark.parametrize("name", ["16nm", "5nm", "180nm", "28", "twenty"])
def test_nodes_beyond_the_data_or_between_planar_transistors_and_fins_are_refused(name):
    with pytest.raises(UnknownName, match="technology"):
        load_technology(name)


def test_replaced_data_fit_their_neighbours():
    # The three values of the source that its other nodes contradict; the replacements have three or four digits.
    hp10, hp14, hp7 = (load_technology(name, "hp") for name in ("10nm", "14nm", "7nm"))
    assert hp10.off_current_p == pytest.approx(np.sqrt(hp14.off_current_p * hp7.off_current_p), rel=0.001)
    gates = [load_technology(name).gate_capacitance_ideal for name in ("65nm", "90nm", "130nm")]
    assert gates == sorted(gates)
    hot = load_technology("22nm", temperature=400.0)
    hot32 = load_technology("32nm", temperature=400.0)
    assert hot.off_current_n / hot.off_current_p == pytest.approx(hot32.off_current_n / hot32.off_current_p, rel=0.003)


@pytest.mark.parametrize(("name", "roadmap", "junction", "sidewall"), [
    ("130nm", "hp", 0.0006396, 1.861e-10), ("22nm", "lstp", 0.0007171, 2.007e-10), ("7nm", "lstp", 0.00075, 2.068e-10),
])  # fmt: skip
def test_junctions_are_the_sources(name, roadmap, junction, sidewall):
    # Printed in the transistor table of peng2021neurosim_v2 with four digits, hence 0.1 %.
    tech = load_technology(name, roadmap)
    assert tech.junction_capacitance == pytest.approx(junction, rel=1e-3)
    assert tech.sidewall_capacitance == pytest.approx(sidewall, rel=1e-3)
    assert tech.channel_capacitance == pytest.approx(sidewall / 5, rel=1e-3)  # 0.5 against 2.5 in the source


def test_currents_between_the_ends():
    # Table: 22 nm LSTP on-current n 791.9 A/m at 300 K and 501.7 A/m at 400 K; off-current n 1e-4 and 2.139e-3 A/m.
    # On-currents linear in temperature, off-currents exponential: 1e-4 x 21.39^0.25 = 2.1506e-4 (five digits).
    tech = load_technology("22nm", temperature=np.array([300.0, 325.0, 400.0]))
    assert tech.on_current_n == pytest.approx([791.9, 0.75 * 791.9 + 0.25 * 501.7, 501.7], rel=1e-12)
    assert tech.off_current_n == pytest.approx([1e-4, 2.1506e-4, 2.139e-3], rel=1e-4)


@pytest.mark.parametrize(("name", "roadmap"), EVERY)
def test_off_currents_grow_by_a_constant_factor_per_kelvin(name, roadmap):
    tech = load_technology(name, roadmap, temperature=np.linspace(300.0, 400.0, 5))
    for current in (tech.off_current_n, tech.off_current_p):
        ratios = current[1:] / current[:-1]
        assert ratios == pytest.approx(np.full(4, ratios[0]), rel=1e-12)  # exact but for rounding
        assert ratios[0] > 1


def test_corners_choose_of_what_has_a_spread():
    spread = {"low": 1.0, "typical": 2.0, "high": 5.0}
    for corner, value in spread.items():
        tech = load_technology("22nm", corner=corner)
        assert tech.at_corner(spread) == value
        assert tech.at_corner(3.0) == 3.0
    assert load_technology("22nm").corner == "typical"
    with pytest.raises(UnknownName, match="did you mean 'high'"):
        load_technology("22nm", corner="hihg")


def test_wires_warm_up():
    # 0.451 % per kelvin over 100 K, exact arithmetic
    cold, hot = load_technology("22nm"), load_technology("22nm", temperature=400.0)
    assert hot.wire_resistance / cold.wire_resistance == pytest.approx(1.451, rel=1e-12)


def test_supply_scales_the_drive_by_the_alpha_power_law():
    # By hand: ((0.7 - 0.4199) / (0.85 - 0.4199))^1.3 = (0.28010 / 0.43010)^1.3 = 0.65124^1.3 = 0.57264
    tech, low = load_technology("22nm"), load_technology("22nm", supply=0.7)
    assert low.vdd == 0.7
    assert low.on_current_n / tech.on_current_n == pytest.approx(0.57264, rel=1e-4)
    assert low.off_current_n == tech.off_current_n
    assert load_technology("22nm", supply=tech.vdd) == tech


def test_what_leaves_the_data_is_recorded():
    with record() as found:
        load_technology("22nm", temperature=250.0, supply=1.2)
    assert len(found.extrapolations) == 2
    assert {"peng2021neurosim_v2", "sakurai1990alpha"} == found.sources


def test_arrays_equal_a_loop():
    temperatures, supplies = np.array([300.0, 360.0]), np.array([[0.7], [0.8], [0.9]])
    both = load_technology("22nm", temperature=temperatures, supply=supplies)
    for i, supply in enumerate(supplies[:, 0]):
        for j, temperature in enumerate(temperatures):
            one = load_technology("22nm", temperature=temperature, supply=supply)
            assert both.on_current_p[i, j] == pytest.approx(one.on_current_p, rel=1e-14)


def test_names_are_forgiving_but_not_guessed():
    assert load_technology("22 nm") == load_technology("22nm")
    with pytest.raises(UnknownName, match="did you mean '22nm'"):
        load_technology("22nmm")
    with pytest.raises(UnknownName, match="lstp"):
        load_technology("22nm", roadmap="lp")


def test_supply_below_threshold_is_refused():
    with pytest.raises(ValueError, match="threshold"):
        load_technology("22nm", supply=np.array([0.8, 0.4]))
