"""The table of circuits over nodes: it falls with the node, and where it does not, the data say why."""

from itertools import pairwise, product

import pytest

from hwlib.components.adder_tree import Adder
from hwlib.scaling import table
from hwlib.technology import load_technology, technology_names

CIRCUITS = {"inverter", "adder_8_bit", "sar_adc_6_bit", "array_read_128", "wire_1_mm"}
FIGURES = ("energy", "delay", "area", "leakage")

FINS = ("14nm", "22nm")
"""A minimum transistor has one fin at 14 nm, 2 x 23 + 10 = 56 nm of channel, wider than the 44 nm drawn at 22 nm, so
that it leaks more; on the high-performance roadmap its gate has more capacitance per width too, 1.26 against
0.85 fF/µm (both by the table of peng2021neurosim_v2)."""

KINKS = {
    ("lstp", "inverter", "leakage"): {FINS},
    ("lstp", "sar_adc_6_bit", "leakage"): {FINS},
    ("lstp", "array_read_128", "leakage"): {FINS},
    ("hp", "inverter", "energy"): {FINS},
    ("hp", "adder_8_bit", "energy"): {FINS},
    ("hp", "array_read_128", "energy"): {FINS},
    ("hp", "inverter", "delay"): {FINS},
    ("hp", "adder_8_bit", "delay"): {FINS},
    ("hp", "inverter", "leakage"): {FINS},
    ("hp", "adder_8_bit", "leakage"): {FINS},
    ("hp", "sar_adc_6_bit", "leakage"): {FINS},
    ("hp", "array_read_128", "leakage"): {FINS},
}
"""Where a figure falls from one node to the next larger."""


def series(roadmap, circuit, figure):
    return [row[figure] for row in table(roadmap) if row["circuit"] == circuit]


def falls(values):
    """Steps to the next larger node at which a figure falls."""
    names = technology_names()
    return {step for step, (small, large) in zip(pairwise(names), pairwise(values), strict=True) if large < small}


def test_table_is_complete():
    rows = table()
    assert len(rows) == len(technology_names()) * len(CIRCUITS)
    assert {row["circuit"] for row in rows} == CIRCUITS
    assert all(row[figure] > 0 for row in rows for figure in FIGURES)
    # a figure of the table is that of the component
    adder = next(row for row in rows if row["circuit"] == "adder_8_bit" and row["node"] == 22e-9)
    assert adder["energy"] == Adder(8).add(load_technology("22nm")).energy


@pytest.mark.parametrize(
    ("roadmap", "circuit", "figure"), list(product(("lstp", "hp"), sorted(CIRCUITS - {"wire_1_mm"}), FIGURES))
)
def test_figures_grow_with_the_node_but_for_known_kinks(roadmap, circuit, figure):
    assert falls(series(roadmap, circuit, figure)) == KINKS.get((roadmap, circuit, figure), set())


@pytest.mark.parametrize("roadmap", ["lstp", "hp"])
def test_wires_get_slower_as_they_get_thinner(roadmap):
    # resistance per length grows from 0.29 to 180 ohm/µm (peng2021neurosim_v2), faster than repeaters can make good
    delays = series(roadmap, "wire_1_mm", "delay")
    for small, large in pairwise(delays[:-1]):
        assert large < 1.1 * small  # repeaters come in halves, within a slack of 10 %
    assert delays[0] > 5 * delays[-2]
    # the source has one wire for 90 and 130 nm, which the faster repeaters of 90 nm drive faster
    assert delays[-1] > delays[-2]
    for figure in ("energy", "area"):
        assert falls(series(roadmap, "wire_1_mm", figure)) == set()


def test_converter_has_one_clock_at_all_nodes():
    # 7 periods of 1 ns for 6 bits: the fits of neurosim_v2_1 are at that clock
    assert series("lstp", "sar_adc_6_bit", "delay") == pytest.approx([7e-9] * 9)


def test_corners_and_temperature_reach_the_table():
    # off-currents grow 21 times (table at 22 nm) and on-currents fall: hot inverters leak more and are slower
    cold, hot = table(), table(temperature=400.0)
    for one, other in zip(cold, hot, strict=True):
        if one["circuit"] == "inverter":
            assert other["leakage"] > 5 * one["leakage"]
            assert other["delay"] > one["delay"]
    assert [row["area"] for row in table(corner="high")] == [row["area"] for row in cold]
