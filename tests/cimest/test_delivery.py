"""How operands reach arrays and lanes: tiles that need them, groups apart, orders of blocks, and lengths of wires."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cimest.dataflow.lanes import fetched_bits
from cimest.dataflow.matrix import backward_direction, forward_direction, mux_groups
from cimest.mapping.part import TILE_PARTS
from cimest.network import Conv, Network, linear, relu
from cimest.pricing import price_experiment
from tests.cimest.designs import experiment
from tests.cimest.test_dataflow import TINY, total


def priced(network, base="optimised", training=None, **chip):
    """A network of one's own, priced."""
    exp = experiment(chip=chip, training={"batch": 10, **(training or {})}, dataflow={"base": base})
    with patch("cimest.pricing.build_network", lambda _: network):
        return price_experiment(exp)


# Both operands are cut into blocks of 20 bits, 4 of one and 3 of the other. By hand: with room for none either passes
# for each block of the other, 80·3 + 60·4; with room for one block 60 + 80·3; for two 80 + 60·2; for three
# of the other, all of it stays: 60 + 80. A block and a half help no more than one.
ORDERS = [(10, 480), (20, 300), (30, 300), (40, 200), (60, 140), (1000, 140)]


@pytest.mark.parametrize(("half", "bits"), ORDERS)
def test_orders_of_blocks_by_hand(half, bits):
    assert fetched_bits(80, 60, rows=8, columns=6, edge=2, buffer=2 * half) == bits


def test_orders_of_blocks_broadcast():
    halves, bits = np.array(ORDERS).T
    assert np.all(fetched_bits(80, 60, 8, 6, 2, 2 * halves) == bits)


def test_a_block_that_fits_may_stay_beside_one_that_does_not():
    """Of 80 bits in 4 blocks one has room, of 90 bits in 3 blocks none: it stays while the 90 stream past."""
    assert fetched_bits(80, 90, rows=8, columns=6, edge=2, buffer=2 * 25) == min(80 * 3 + 90 * 4, 80 + 90 * 4)


sizes = st.integers(1, 1000)


@given(one=sizes, other=sizes, rows=sizes, columns=sizes, edge=st.integers(1, 100), buffer=st.integers(1, 4000))
def test_more_room_never_fetches_more(one, other, rows, columns, edge, buffer):
    some, more = (fetched_bits(one, other, rows, columns, edge, room) for room in (buffer, 2 * buffer))
    assert one + other <= more <= some <= one * np.ceil(columns / edge) + other * np.ceil(rows / edge)


def test_every_tile_of_a_kernel_gets_all_channels():
    """18 rows in arrays of 8 are three tiles of one array, with two to four of the nine positions each.

    So all 32 inputs of 8 bits go to each. If a tile cannot keep three lines of the map it gets its 6 of each
    window's 18 values, 16 times.
    """
    chip = {"array": {"rows": 8, "columns": 4}, "tile": {"arrays_per_pe": 1, "pes": 1, "bus_bits": 8}}
    words = total(priced(TINY, **chip).actions, "tile_buffer", "write", "conv", "forward")
    assert words * 8 == 3 * 32 * 8
    chip["tile"]["buffer"] = 100  # bits, of the 3·4·2·8 of the lines
    words = total(priced(TINY, **chip).actions, "tile_buffer", "write", "conv", "forward")
    assert words * 8 == 16 * 18 * 8


DEPTHWISE = Network(
    "depthwise",
    (
        linear("in", 4, 64, 16),
        relu("r", (64, 16, 1)),
        Conv("depthwise", (64, 16, 1), 64, kernel=1, groups=64),
        relu("s", (64, 16, 1)),
        linear("out", 64, 2, 16),
    ),
)
"""In the middle 64 matrices of one weight, each on an array of its own."""


def test_groups_meet_neither_in_trees_nor_in_accumulators():
    """16 tiles of four arrays: nothing is summed over tiles or arrays, nor are the lines of other groups read."""
    result = priced(DEPTHWISE, tile={"arrays_per_pe": 4, "pes": 1})
    placement = result.plan.placements[1]
    assert (placement.arrays, placement.tile_columns) == (64, 16)
    activity = result.activity.layers["depthwise"]
    for direction in (forward_direction, backward_direction):
        way = direction(result.design, placement, activity)
        assert (way.along, way.across, mux_groups(way)) == (1, 1, 1)
    for pass_ in ("forward", "backward"):
        assert total(result.actions, "adder_tree", "add", "depthwise", pass_) == 0
        assert total(result.actions, "chip_accumulator", "accumulate", "depthwise", pass_) == 0
        # every operand goes to one tile, in a word of 256 bits: 64 channels of 16 places
        assert total(result.actions, "tile_buffer", "write", "depthwise", pass_) == 64 * 16 * 8 / 256
    # backward: positions x cycles x arrays, for the one row in use
    assert total(result.actions, "array", "read_transposed", "depthwise") == 16 * 14 * 64


def test_a_row_of_pulses_drives_the_columns_of_its_group():
    """Two groups of three columns on arrays of four: a write drives three lines, not four."""
    network = Network(
        "two", (Conv("two", (2, 2, 2), 6, kernel=1, groups=2), relu("r", (6, 2, 2)), linear("out", 24, 2))
    )
    rows = [row for row in priced(network, array={"rows": 8, "columns": 4}).actions if row.part == "write_driver"]
    assert [row.arguments["lines_driven"] for row in rows if row.layer == "two"] == [3]


@st.composite
def grouped(draw):
    """Two convolutions with groups, then a classifier."""
    groups, size = draw(st.integers(1, 40)), draw(st.integers(1, 4))
    inside, outside = draw(st.integers(1, 12)), draw(st.integers(1, 40))
    middle = (groups * inside, size, size)
    kernel = draw(st.sampled_from([1, 3]))
    return Network(
        "grouped",
        (
            Conv("first", (groups * draw(st.integers(1, 3)), size, size), middle[0], kernel=1, groups=groups),
            relu("r", middle),
            Conv("second", middle, groups * outside, kernel=kernel, padding=kernel // 2, groups=groups),
            relu("s", (groups * outside, size, size)),
            linear("out", groups * outside * size**2, 2),
        ),
    )


@settings(deadline=None, max_examples=30)
@given(
    network=grouped(),
    rows=st.integers(2, 150),
    columns=st.integers(2, 150),
    pes=st.sampled_from([1, 4, 16]),
    unit=st.sampled_from(["sram_cim", "digital", "in_array"]),
    mapping=st.sampled_from(["unrolled", "kernel_position"]),
)
def test_no_count_or_energy_of_grouped_layers_is_negative(network, rows, columns, pes, unit, mapping):
    chip = {"array": {"rows": rows, "columns": columns}, "tile": {"arrays_per_pe": 1, "pes": pes}, "mapping": mapping}
    exp = experiment(
        chip={**chip, "weight_gradient": {"unit": unit}},
        training={"batch": 10, "rule": {"name": "sgd"}},
        dataflow={"loop_order": "image_outer"},
    )
    with patch("cimest.pricing.build_network", lambda _: network):
        result = price_experiment(exp)
    for row in result.actions:
        assert min(row.count, row.serial, *row.arguments.values(), 0) == 0, row
    assert min(result.estimate.energy.values()) >= 0
    # one convolution of g groups converts as often as g convolutions of a group
    for layer in network.matrices:
        blocks = next(p.row_blocks for p in result.plan.placements if p.layer is layer)
        wanted = layer.positions * blocks * layer.fan_out
        assert total(result.actions, "adc", "convert", layer.name, "forward") == 8 * wanted


@pytest.mark.parametrize("storage", ["dram", "sram"])
def test_the_tree_of_the_chip_is_as_wide_as_the_tiles(storage):
    """Its plan has the area of arrays and tiles, and its own; the digital block lies beside them where it starts."""
    result = priced(TINY, training={"rule": {"name": "momentum", "storage": storage}})
    tree, area = result.parts["chip_interconnect"].component, result.estimate.area
    plan = tree.rows * tree.columns * tree.unit_width * tree.unit_height
    edge = {"row_decoder", "write_driver", "pulse_generator", "chip_accumulator", "chip_interconnect"}
    assert plan == pytest.approx(sum(area[name] for name in result.parts if name in TILE_PARTS | edge))
    assert ("momentum_memory" in area) == (storage == "sram")


@pytest.mark.parametrize("unit", ["sram_cim", "digital"])
def test_sums_cross_the_unit_that_forms_them(unit):
    """Every word of the gradient buffer comes from, or goes to, somewhere in the square of arrays or lanes."""
    result = priced(TINY, weight_gradient={"unit": unit})
    words = total(result.actions, "gradient_interconnect", "transfer")
    assert words == sum(
        total(result.actions, "gradient_buffer", action, pass_="weight_gradient") for action in ("read", "write")
    )
    own = {"sram_cim": ("array", "driver", "register", "decoder", "mux", "adc", "shift_add", "accumulator")}
    parts = [f"gradient_{part}" for part in own[unit]] if unit in own else ["outer_product"]
    area = sum(result.estimate.area[part] for part in parts)
    assert result.parts["gradient_interconnect"].component.length == pytest.approx(np.sqrt(area))
