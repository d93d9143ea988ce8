"""Action counts: a tiny network by hand, conservation of data, and what each choice of the schedule changes."""

from collections import defaultdict

import pytest

from cimest.actions import Action
from cimest.activity import Activity
from cimest.dataflow import Design, resolve, training_step
from cimest.mapping import place
from cimest.mapping.part import technology
from cimest.mapping.parts import inventory
from cimest.network import Conv, MaxPool, Network, linear, relu
from cimest.pricing import build_network, price_experiment
from cimest.rules import RULES
from tests.cimest.designs import experiment, vgg8

TINY = Network(
    "tiny",
    (
        Conv("conv", (2, 4, 4), 3, kernel=3, padding=1),
        relu("relu", (3, 4, 4)),
        MaxPool("pool", (3, 4, 4), 2),
        linear("fc", 12, 5),
    ),
)
"""16 positions of an 18 x 3 matrix, then one of a 12 x 5 matrix."""


def step(base="optimised", network=TINY, rule="sgd", **sections) -> list[Action]:
    """The actions of a training step on arrays of 8x4 cells with 2 columns for each ADC."""
    chip = {"array": {"rows": 8, "columns": 4}, "adc": {"columns_per_adc": 2}}
    return actions_of(experiment(chip=chip, training={"batch": 10}, dataflow={"base": base, **sections}), network, rule)


def actions_of(exp, network, rule) -> list[Action]:
    """The actions of an experiment's training step."""
    schedule = resolve(exp.dataflow)
    plan, its_rule = place(network, exp.chip), RULES.get(rule)()
    tech = technology(exp.chip)
    own, centred = its_rule.parts(network, exp.chip), exp.centred(network.chain)
    parts = inventory(network, exp.chip, plan, tech, schedule.gradient_bits, own, centred=centred != "none")
    design = Design(network, exp.chip, plan, schedule, exp.training.batch, parts, centred=centred)
    return training_step(design, its_rule, Activity.default(network))


def total(actions, part, action, layer=None, pass_=None) -> float:
    """Sum of counts."""
    return sum(
        row.count
        for row in actions
        if (row.part, row.action) == (part, action) and layer in (None, row.layer) and pass_ in (None, row.pass_)
    )


def test_forward_and_backward_counts_by_hand():
    actions = step()
    # conv: 18 rows in 8-row arrays are 3 blocks, 3 columns are 1 block; fc: 2 row blocks, 2 column blocks.
    # Conversions: positions x input bits x row blocks x columns.
    assert total(actions, "adc", "convert", "conv") == 16 * 8 * 3 * 3
    assert total(actions, "adc", "convert", "fc") == 1 * 8 * 2 * 5
    # Backward, not for the first layer: 14 cycles (7 magnitude bits, two signs), 2 column blocks, 12 rows.
    assert total(actions, "backward_adc", "convert", "conv") == 0
    assert total(actions, "backward_adc", "convert", "fc") == 1 * 14 * 2 * 12
    # Every conversion's code is added once.
    assert total(actions, "shift_add", "shift_add") == total(actions, "adc", "convert")
    assert total(actions, "backward_shift_add", "shift_add") == total(actions, "backward_adc", "convert")
    # Reads: positions x bits x groups x arrays; 3 columns on 2 ADCs are 2 groups, 4 columns as well.
    assert total(actions, "array", "read", "conv") == 16 * 8 * 2 * 3
    assert total(actions, "array", "read", "fc") == 1 * 8 * 2 * 4
    # Digital: one rectification per output and per error that comes back to it, one pooling per window.
    assert total(actions, "relu", "apply", pass_="forward") == 48
    assert total(actions, "relu", "apply", pass_="backward") == 48
    assert total(actions, "max_pool", "pool") == 12


def test_weight_gradient_counts_by_hand():
    # Naive: each image by itself, 16 positions in one block of 128 rows; 2 channels x 8 bits in 128 columns.
    actions = step("naive")
    assert total(actions, "gradient_adc", "convert", "conv") == 18 * 3 * 14 * 8
    assert total(actions, "gradient_array", "write_row", "conv") == 9 * 16
    # 16 of 128 columns are used, as many as there are converters: one group.
    assert total(actions, "gradient_array", "read", "conv") == 9 * 3 * 14
    assert total(actions, "gradient_driver", "drive", "conv") == 9 * 3 * 14
    assert total(actions, "gradient_mux", "select", "conv") == 9 * 3
    assert total(actions, "gradient_decoder", "decode", "conv") == 9 * 16
    # Optimised: 10 images of 16 places fill two blocks of 128 rows, a fifth of a block for one image.
    actions = step("optimised")
    assert total(actions, "gradient_adc", "convert", "conv") == pytest.approx(18 * 3 * 14 * 8 * 2 / 10)
    assert total(actions, "gradient_array", "write_row", "conv") == 16


def test_a_digital_unit_multiplies_each_pair_once():
    chip = {"array": {"rows": 8, "columns": 4}, "weight_gradient": {"unit": "digital", "lanes": 4}}
    actions = actions_of(experiment(chip=chip, training={"batch": 10}), TINY, "sgd")
    # Blocks of 2 x 2 gradients: 16 positions of 9 x 2 blocks (18 x 3 weights), one position of 6 x 3 (12 x 5).
    assert total(actions, "outer_product", "accumulate", "conv") == 16 * 9 * 2
    assert total(actions, "outer_product", "accumulate", "fc") == 6 * 3
    assert not any(row.part.startswith("gradient_a") for row in actions)
    # Its buffer holds an image, so that 12 activations and 5 errors of 8 bits cross the wires once; then each block of
    # each position reads one word with both operands of its lanes.
    fetched = total(actions, "global_buffer", "read", "fc", "weight_gradient") * exp_word()
    assert fetched == (12 + 5) * 8
    assert total(actions, "operand_interconnect", "transfer", "fc", "weight_gradient") * 1024 == fetched
    assert total(actions, "operand_buffer", "write", "fc") * 2 * 16 == fetched
    assert total(actions, "operand_buffer", "read") == total(actions, "outer_product", "accumulate")
    # A block's sum joins the gradient buffer after each image; the first of ten finds nothing there.
    bits = total(actions, "gradient_buffer", "write", pass_="weight_gradient") * 1024
    assert bits == pytest.approx((54 + 60) * 16)
    bits = total(actions, "gradient_buffer", "read", pass_="weight_gradient") * 1024
    assert bits == pytest.approx((54 + 60) * 16 * 9 / 10)


def exp_word() -> int:
    """Bits of a word of the global buffer."""
    return experiment().chip.global_buffer.word_bits


def test_update_counts_by_hand():
    actions = step(rule="momentum")
    assert total(actions, "update_control", "convert") == pytest.approx((54 + 60) / 10)
    assert total(actions, "momentum", "update") == pytest.approx((54 + 60) / 10)
    # Rows: 18 x 1 column block and 12 x 2, once for each batch of 10.
    assert total(actions, "array", "write_row") == pytest.approx((18 + 24) / 10)


def test_kind_and_number_of_drams_set_energy_and_time():
    """LPDDR4 takes 8 pJ/bit where HBM2 takes 3.9; two devices take half the time of one, and the same energy."""
    found = {}
    for kind, devices in (("hbm2", 1), ("lpddr4", 1), ("lpddr4", 2)):
        exp = experiment(chip={"dram": {"kind": kind, "devices": devices}}, dataflow={"base": "naive"})
        estimate = price_experiment(exp).estimate
        time = sum(value for (_, _, part), value in estimate.latency.items() if part == "dram")
        found[kind, devices] = sum(value for (_, _, part), value in estimate.energy.items() if part == "dram"), time
    assert found["lpddr4", 1][0] / found["hbm2", 1][0] == pytest.approx(8 / 3.9)
    assert found["lpddr4", 2] == pytest.approx((found["lpddr4", 1][0], found["lpddr4", 1][1] / 2))


def test_naive_dram_traffic_by_hand():
    """Bits, for each sample; an activation or error has 8, the place of a pooling window's largest value 2, and 1 says
    whether the rectifier let that pass."""
    actions = step("naive")
    gradients = (54 + 60) * 16
    # Written: the first layer's 12 pooled outputs and their places, the second layer's 12 errors in and 5 out.
    assert total(actions, "dram", "write") == 12 * 8 + 12 * 3 + 12 * 8 + 5 * 8 + gradients
    # Read: the image twice (forward, weight gradient), the activations twice (forward, weight gradient), the last
    # errors twice (backward, weight gradient), the first layer's errors and places once (weight gradient).
    assert total(actions, "dram", "read") == 2 * 32 * 8 + 2 * 12 * 8 + 2 * 5 * 8 + 12 * (8 + 3) + gradients


def test_optimised_dram_traffic_of_a_network_that_fits_is_its_images():
    actions = step("optimised")
    assert total(actions, "dram", "write") == 0
    assert total(actions, "dram", "read") == 32 * 8


def test_what_does_not_fit_into_the_global_buffer_is_written_once_and_comes_back():
    """A buffer of half of what one batch keeps: half of all activations, errors and places go out and come back."""
    # Of both layers: inputs and errors; and where in each pooling window the largest value is, if it passed at all.
    kept = 32 * 8 + 12 * 8 + 12 * 8 + 5 * 8 + 12 * 3
    chip = {"array": {"rows": 8, "columns": 4}, "global_buffer": {"size": kept * 10 / 2}}
    late = {"gradient": {"early": False}}
    actions = actions_of(experiment(chip=chip, training={"batch": 10}, dataflow=late), TINY, "sgd")
    assert total(actions, "dram", "write") == (kept - 32 * 8) / 2
    assert total(actions, "dram", "read") == 32 * 8 + kept / 2


def test_naive_gradients_cost_the_papers_dram_energy():
    """Two transfers of 12.97 M gradients of 16 bits for each image take 1619 uJ at 3.9 pJ/bit (Huang et al. 2022)."""
    exp = vgg8(dataflow={"base": "naive"})
    actions = actions_of(exp, build_network(exp), "sgd")
    bits = total(actions, "dram", "write", pass_="weight_gradient")
    assert bits == 12_973_440 * 16
    assert 2 * bits * 3.9e-12 == pytest.approx(1619e-6, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"loop_order": "slice_outer", "gradient": {"accumulate": "on_chip"}}, "dram"),
        ({"gradient": {"accumulate": "on_chip"}}, "dram"),
        ({"operand_writes": "once"}, "gradient_array"),
        ({"activations": "buffer"}, "dram"),
    ],
)
def test_each_choice_of_the_schedule_can_be_switched_by_itself(change, part):
    exp, other = vgg8(dataflow={"base": "naive"}), vgg8(dataflow={"base": "naive", **change})
    network = build_network(exp)
    before, after = defaultdict(float), defaultdict(float)
    for actions, sums in ((actions_of(exp, network, "sgd"), before), (actions_of(other, network, "sgd"), after)):
        for row in actions:
            sums[row.part] += row.count
    assert after[part] < before[part]


def test_optimised_is_naive_with_every_choice_switched():
    spelled = {
        "base": "naive",
        "loop_order": "slice_outer",
        "gradient": {"accumulate": "on_chip", "early": True, "room": "shared"},
        "operand_writes": "once",
        "activations": "buffer",
        "overlap": True,
    }
    assert resolve(experiment(dataflow=spelled).dataflow) == resolve(experiment().dataflow)


def test_copies_save_time_and_no_conversions():
    alone = step(network=TINY)
    exp = experiment(
        chip={
            "array": {"rows": 8, "columns": 4},
            "adc": {"columns_per_adc": 2},
            "duplication": "fill_tile",
            "tile": {"pes": 4},
        },
        training={"batch": 10},
    )
    copied = actions_of(exp, TINY, "sgd")
    assert total(copied, "adc", "convert") == total(alone, "adc", "convert")
    assert total(copied, "array", "write_row") > total(alone, "array", "write_row")
    times = [sum(row.serial for row in actions if row.part == "adc") for actions in (alone, copied)]
    assert times[1] < times[0]


def test_a_load_of_the_unit_touches_the_gradients_of_its_channels_only():
    """1024 channels of 8 bits fill 64 column blocks; on 16 arrays they take 4 loads of a quarter of the gradients."""
    network = Network("wide", (linear("a", 1024, 6), relu("r", (6, 1, 1)), linear("b", 6, 2)))
    exp = experiment(chip={"weight_gradient": {"arrays": 16}}, training={"batch": 10}, dataflow={"base": "naive"})
    words = total(actions_of(exp, network, "sgd"), "gradient_buffer", "write", "a", "weight_gradient")
    assert words * 1024 == pytest.approx(1024 * 6 * 16)


def test_each_line_keeps_its_operand_and_selects_a_bit_for_each_read():
    actions = step("naive")
    # conv: 16 positions; 3 arrays with 18 / 3 lines each store a word, of which 8 bits are applied to 2 groups
    assert total(actions, "input_register", "store", "conv") == 16 * 3 * 6
    assert total(actions, "input_register", "select", "conv") == 16 * 3 * 6 * 8 * 2
    # fc backward: 5 errors, each on 2 of the 4 arrays; 14 cycles for 2 groups, as 8 rows share 4 converters
    assert total(actions, "error_register", "store", "fc") == 5 * 2
    assert total(actions, "error_register", "select", "fc") == 5 * 2 * 14 * 2
    # Weight gradient: 9 kernel positions x 3 channels, 16 places of the map, one group of 16 columns, 14 cycles.
    assert total(actions, "gradient_register", "store", "conv") == 9 * 3 * 16
    assert total(actions, "gradient_register", "select", "conv") == 9 * 3 * 16 * 14
