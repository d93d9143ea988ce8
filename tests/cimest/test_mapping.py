"""Mapping: blocks cover each weight once, the plan's counts are those of the blocks, tiles belong to layers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimest.config.chip import Chip
from cimest.mapping import column_edges, gradient_edges, place, row_edges
from cimest.mapping.floorplan import blocks
from cimest.network import NETWORKS, Conv
from hwlib.devices import load_device

MAPPINGS = ["unrolled", "kernel_position"]


def chip(**changes):
    return Chip(device=load_device("rram"), **changes)


layers = st.builds(
    Conv,
    name=st.just("layer"),
    input=st.tuples(st.integers(1, 300), st.just(8), st.just(8)),
    out_channels=st.integers(1, 300),
    kernel=st.sampled_from([1, 3, 5]),
    padding=st.just(1),
)


@given(layer=layers, rows=st.integers(2, 200), columns=st.integers(2, 200), mapping=st.sampled_from(MAPPINGS))
def test_blocks_cover_every_weight_once_and_fit_an_array(layer, rows, columns, mapping):
    for edges, size, limit in [
        (row_edges(layer, rows, mapping), layer.fan_in, rows),
        (column_edges(layer, columns), layer.fan_out, columns),
    ]:
        assert edges[0] == 0
        assert edges[-1] == size
        assert np.all(np.diff(edges) >= 1)
        assert np.all(np.diff(edges) <= limit)


@given(layer=layers, rows=st.integers(2, 200), columns=st.integers(2, 200), mapping=st.sampled_from(MAPPINGS))
def test_the_estimate_prices_as_many_blocks_as_the_simulator_quantises(layer, rows, columns, mapping):
    counted = blocks(layer, chip(array={"rows": rows, "columns": columns}, mapping=mapping))
    assert counted == (len(row_edges(layer, rows, mapping)) - 1, len(column_edges(layer, columns)) - 1)


def test_kernel_position_blocks_never_cross_a_position():
    layer = Conv("c", (96, 8, 8), 16, kernel=3, padding=1)
    assert list(row_edges(layer, 64, "kernel_position")[:5]) == [0, 64, 96, 160, 192]


@given(images=st.integers(1, 9), positions=st.integers(1, 300), rows=st.integers(2, 128))
def test_gradient_blocks_hold_one_image_unless_stacked(images, positions, rows):
    apart = gradient_edges(images * positions, rows, positions)
    together = gradient_edges(images * positions, rows, None)
    assert len(apart) - 1 == images * -(-positions // rows)
    assert len(together) - 1 == -(-images * positions // rows)
    assert set(range(0, images * positions + 1, positions)) <= set(apart.tolist())


def test_vgg8_arrays_by_hand():
    """128x128 arrays, kernel positions apart: 1, 9·1, 9·2, 9·2·2, 9·2·4, 9·4·4, 64·8 and 8·1 arrays."""
    plan = place(NETWORKS.get("vgg8")((3, 32, 32), 10), chip(mapping="kernel_position"))
    assert [placement.arrays for placement in plan.placements] == [1, 9, 18, 36, 72, 144, 512, 8]
    # tiles of 32 arrays keep 800 of 960 in use, those of 64 only 800 of 1152
    assert plan.arrays_per_tile == 32
    assert plan.tiles == 1 + 1 + 1 + 2 + 3 + 5 + 16 + 1
    assert plan.utilisation == pytest.approx(800 / 960)


def test_small_networks_get_small_tiles():
    """LeNet-5 fills nine arrays in five layers; tiles of one PE waste least."""
    plan = place(NETWORKS.get("lenet5")((1, 28, 28), 10), chip())
    assert [placement.arrays for placement in plan.placements] == [1, 2, 4, 1, 1]
    assert plan.arrays_per_tile == 4


def test_copies_fill_the_tile_and_no_more():
    plan = place(NETWORKS.get("lenet5")((1, 28, 28), 10), chip(duplication="fill_tile"))
    assert [placement.copies for placement in plan.placements] == [4, 2, 1, 4, 4]
    assert plan.utilisation == 1


def test_a_plan_broadcasts_over_array_sizes():
    sizes = np.array([32, 64, 100, 128, 256])
    net = NETWORKS.get("lenet5")((1, 28, 28), 10)
    base = chip()
    swept = base.model_copy(update={"array": base.array.model_copy(update={"rows": sizes, "columns": sizes})})
    together = place(net, swept)
    for i, size in enumerate(sizes):
        alone = place(net, chip(array={"rows": size, "columns": size}))
        assert together.arrays[i] == alone.arrays
        assert together.utilisation[i] == pytest.approx(alone.utilisation)
