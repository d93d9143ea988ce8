"""Which gradients have room while a batch passes, what waits for them, and how a gradient without room is cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimest.dataflow.gradient import cut, repeats
from cimest.network import Attention, Conv, Network, linear
from cimest.pricing import price_experiment
from tests.cimest.designs import vgg8
from tests.cimest.test_dataflow import TINY, total
from tests.cimest.test_network_pricing import priced
from tests.cimest.test_schedule import BATCH, counts, tiny
from tests.cimest.test_waiting import design_of

GRADIENTS = {"conv": 54 * 16, "fc": 60 * 16}
"""Bits: 54 and 60 weights of 16 bits."""

KEPT = {"conv": 32 * 8 + 12 * 8 + 12 * 3, "fc": 12 * 8 + 5 * 8}
"""Bits of an image: inputs, errors in the pooled map, and three bits of their way."""


def where(unit="digital", room="own", own=8e6, size=8e6, **flow):
    """Room under `slice_outer`, for buffers of these sizes. [bit]"""
    flow = {"loop_order": "slice_outer", "gradient": {"room": room, **flow}}
    exp = tiny(unit, flow, chip={"global_buffer": {"size": size, "word_bits": 8}, "bus_bits": 16}, buffer=own)
    design = design_of(exp, TINY)
    return design, {name: float(early) for name, early in design.room.early.items()}


def test_a_layer_whose_gradient_has_room_takes_images_as_they_come():
    """Of a bit of gradient conv keeps most, so that it comes first; then there is no room for fc."""
    design, early = where(own=GRADIENTS["fc"] + 1, size=BATCH * KEPT["fc"] + KEPT["conv"])
    assert early == {"conv": 1.0, "fc": 0.0}
    conv, fc = design.plan.placements
    assert [design.images_waiting(p, design.waits(p)) for p in (conv, fc)] == [1, BATCH]
    assert design.spill(conv) == design.spill(fc) == 0  # one image's of conv and a batch's of fc have just room
    assert where(own=sum(GRADIENTS.values()))[1] == {"conv": 1.0, "fc": 1.0}
    assert where(own=GRADIENTS["conv"] - 1)[1] == {"conv": 0.0, "fc": 0.0}
    assert where(early=False)[1] == {"conv": 0.0, "fc": 0.0}
    for other in ("dram", "in_unit"):  # one image's, or what lanes hold
        assert where(accumulate=other)[1] == {"conv": 0.0, "fc": 0.0}


def test_rows_of_arrays_take_places_of_several_images():
    """128 rows have room for 8 maps of 16 places, and for more than a batch of 10 images of one place."""
    design, early = where("sram_cim")
    assert early == {"conv": 1.0, "fc": 1.0}
    assert [design.images_waiting(p, design.waits(p)) for p in design.plan.placements] == [8, BATCH]


def test_early_gradients_convert_and_write_as_often_as_late_ones():
    """Only when a layer's gradient is formed changes: the blocks of positions that meet a converter stay."""
    late, early = (counts(tiny("sram_cim", {"gradient": {"early": choice}})) for choice in (False, True))
    for part, action in (("gradient_adc", "convert"), ("gradient_array", "write_row"), ("gradient_array", "read")):
        assert total(early, part, action) == pytest.approx(total(late, part, action))


def test_gradients_share_the_global_buffer_where_all_that_waits_has_no_room():
    """Own room for 900 bits, 2 100 in the global buffer, of which the largest maps, 32 and 12 values, need 352."""
    design, early = where(room="shared", own=900.0, size=2100.0)
    assert BATCH * sum(KEPT.values()) > 2100
    # conv: its gradient in its own room and 388 bits of one image beside it; fc would need 924 + 136 of 1 360
    assert early == {"conv": 1.0, "fc": 1.0}
    assert design.room.in_global == pytest.approx({"conv": 0.0, "fc": (960 - 36) / 960})
    design, early = where(room="shared", own=900.0, size=1600.0)  # 860 left: conv takes 388, fc waits
    assert early == {"conv": 1.0, "fc": 0.0}
    assert [float(design.spill(p)) for p in design.plan.placements] == [0.0, 1.0]
    assert design.room.slices["fc"] == 1  # of 900 + 1 600 - 352 bits, once all images have passed
    # where everything has room nothing is shared
    assert not any(where(room="shared", own=900.0, size=8e6)[0].room.in_global.values())


@given(slices=st.integers(1, 500), one=st.integers(1, 10**6), other=st.integers(1, 10**6))
def test_cuts_give_enough_slices_and_both_ways_are_among_them(slices, one, other):
    ways = cut(slices, one, other)
    assert all(down * across >= slices for down, across in ways)
    assert (slices, 1.0) in ways
    assert (1.0, slices) in ways


def test_a_gradient_that_is_cut_both_ways_needs_its_operands_less_often():
    """36 slices of operands of the same size: 6 x 6 cuts need each 6 times, instead of one once and one 36 times."""
    network = Network("n", (linear("fc", 36, 36),))
    flow = {"loop_order": "slice_outer", "gradient": {"early": False, "room": "own"}}
    exp = tiny("sram_cim", flow, chip={"bus_bits": 16}, buffer=36 * 16.0)
    design = design_of(exp, network)
    assert repeats(design, design.plan.placements[0]) == (6, 6)
    # kernel positions share their channels: of 9 of one channel and 4 outputs, rows cut beyond it read it again
    conv = Network("c", (Conv("conv", (1, 4, 4), 4, kernel=3, padding=1),))
    design = design_of(tiny("sram_cim", flow, chip={"bus_bits": 16}, buffer=16.0), conv)
    activations, errors = repeats(design, design.plan.placements[0])
    assert design.gradient_slices(design.plan.placements[0]) == 36
    assert activations * 16 + errors * 64 <= min(36 * 16 + 64, 9 * 4 * 16 + 9 * 64)


def test_sums_are_where_their_room_is():
    """Words of a gradient that lies in both buffers are read and written in both, in proportion."""
    flow = {"loop_order": "slice_outer", "gradient": {"room": "shared"}}
    buffers = {"global_buffer": {"size": 2100.0, "word_bits": 8}, "bus_bits": 16}
    actions = counts(tiny("digital", flow, chip=buffers, buffer=900.0))
    own = total(actions, "gradient_buffer", "write", "fc", "weight_gradient") * 16
    assert own == pytest.approx(36)  # of 960 bits, as each image adds to them
    assert total(actions, "global_buffer", "write", "fc", "weight_gradient") * 8 == pytest.approx(924)


def test_a_chip_is_priced_for_each_size_as_alone():
    """Room is decided for each of many sizes by itself."""
    sizes = 8 * 2.0 ** np.arange(14, 24, 3)
    exp = vgg8()

    def system(size):
        buffer = exp.chip.global_buffer.model_copy(update={"size": size})
        chip = exp.chip.model_copy(update={"global_buffer": buffer})
        return sum(price_experiment(exp.model_copy(update={"chip": chip})).estimate.energy.values())

    together = system(sizes)
    assert together == pytest.approx([system(float(size)) for size in sizes], rel=1e-12)


def test_results_of_attention_cross_its_unit():
    """Two products of 4 steps: scores of 4 x 4, and 4 x 2 sums, 8 bits each, beside their operands."""
    network = Network("a", (linear("qkv", 2, 6, positions=4), Attention("attention", (6, 4, 1), heads=1)))
    result = priced(network)
    bits = 1024 * sum(
        row.count for row in result.actions if (row.part, row.pass_) == ("attention_interconnect", "forward")
    )
    read = 256 * sum(
        row.count for row in result.actions
        if (row.part, row.action, row.pass_, row.layer) == ("global_buffer", "read", "forward", "qkv")
    )  # fmt: skip
    assert bits >= 8 * (16 + 8)
    assert bits - 8 * (16 + 8) <= read  # operands that the buffer gave
    area = result.estimate.area["attention_lanes"]
    assert result.parts["attention_interconnect"].component.length == pytest.approx(np.sqrt(area))
