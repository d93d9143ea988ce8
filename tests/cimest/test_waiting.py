"""What waits for other images, for a scale or for another load, where it waits, and what a training waits for."""

import json
from dataclasses import replace
from math import ceil
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimest.activity import Activity, LayerActivity
from cimest.config import ConfigError, load
from cimest.dataflow import Design, resolve
from cimest.dataflow.accelerator import accelerator
from cimest.dataflow.gradient import deliveries
from cimest.estimate import energies, metrics
from cimest.estimate.metrics import lifetime
from cimest.explore.functional import functional, key
from cimest.explore.space import Space, with_values
from cimest.explore.sweep import read_sweep
from cimest.mapping import place
from cimest.network import Activation, Conv, MaxPool, Network, Normalise, linear, relu
from cimest.pricing import batch_time, price_experiment
from cimest.rules import RULES
from tests.cimest.designs import experiment
from tests.cimest.test_dataflow import TINY, actions_of, total
from tests.cimest.test_network import RESIDUAL
from tests.cimest.test_network_pricing import priced as price_network
from tests.cimest.test_run import LENET
from tests.cimest.test_schedule import BATCH, counts, tiny
from tests.cimest.test_sweep import write

LATE = {"gradient": {"early": False}}
"""All gradients wait for the batch."""

WORD = 256
"""Bits of a word of the global buffer."""


def design_of(exp, network):
    """The design of an experiment, without its parts."""
    return Design(network, exp.chip, place(network, exp.chip), resolve(exp.dataflow), BATCH, {})


def test_no_image_passes_a_batch_normalisation_alone():
    """Image by image, the layers up to the normalisation behind `a` keep the whole batch, those behind it one image."""
    design = design_of(tiny(dataflow={"loop_order": "image_outer"}), RESIDUAL)
    assert [design.images_waiting(placement, design.waits(placement)) for placement in design.plan.placements] == [
        BATCH,
        BATCH,
        1,
        1,
    ]
    by_place = [replace(layer, kind="layer") if isinstance(layer, Normalise) else layer for layer in RESIDUAL.layers]
    design = design_of(tiny(dataflow={"loop_order": "image_outer"}), replace(RESIDUAL, layers=tuple(by_place)))
    assert [design.images_waiting(placement, design.waits(placement)) for placement in design.plan.placements] == [
        1
    ] * 4


def test_a_pipeline_is_refused_where_batches_are_normalised():
    network = "network={name: resnet18, width: 0.04}"
    with pytest.raises(ConfigError, match=r"norm1 normalises whole batches.*`layer`"):
        load(LENET, [network, "dataflow.pipelined=true"])
    assert load(LENET, [network]).network.name == "resnet18"
    assert load(LENET, ["dataflow.pipelined=true"]).dataflow.pipelined


def test_what_a_batch_normalisation_waits_for_goes_out_and_comes_back_by_hand():
    """A buffer for half of what a batch keeps; maps of 48 values of 8 bits and signs of 48."""
    one, signs = 48 * 8, 48
    # Inputs and errors of all four layers, what is normalised, and the signs of three rectifiers.
    kept = (32 * 8 + one) + (one + one + one) + (one + one) + (one + 5 * 8) + 3 * signs
    result = price_network(RESIDUAL, LATE, global_buffer={"size": kept * 10 / 2})
    half = {(p, v): 2 * sum(row.count for row in result.actions if (row.part, row.action, row.pass_) == ("dram", v, p))
            for p in ("forward", "backward") for v in ("read", "write")}  # fmt: skip
    # Forward: inputs of a, b and fc, what is normalised, signs; the sample is read whole.
    assert half["forward", "write"] == pytest.approx(3 * one + one + 3 * signs)
    assert half["forward", "read"] == pytest.approx(2 * 32 * 8 + one)
    # Backward: errors at the matrices of a and the stem; those that come back to a, b and fc wait there.
    assert half["backward", "write"] == pytest.approx(2 * one + one + one + 5 * 8)
    # a reads errors, signs and what was normalised twice, the stem its signs.
    assert half["backward", "read"] == pytest.approx(2 * (one + one + signs) + signs)


@pytest.mark.parametrize("order", [{"loop_order": "image_outer"}, {"loop_order": "split", "image_layers": 1}, LATE])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_all_that_leaves_for_dram_comes_back(order, share):
    """But for the sample: it lies there, is read by the forward pass, and again as far as the buffer lost it."""
    layers = (*TINY.layers[:3], Conv("b", (3, 2, 2), 4, kernel=1), relu("r", (4, 2, 2)), linear("fc", 16, 5))
    network = Network("n", layers)
    whole = design_of(tiny(dataflow=order), network)
    kept = sum(whole.kept_bits(p) * float(whole.images_waiting(p, whole.waits(p))) for p in whole.plan.placements)
    exp = tiny(dataflow=order, chip={"global_buffer": {"size": kept * share, "word_bits": 8}})
    design, actions = design_of(exp, network), counts(exp, network)
    sample = 32 * 8 * (1 + design.spill(design.plan.placements[0]))
    assert total(actions, "dram", "read") - sample == pytest.approx(total(actions, "dram", "write"))
    assert total(actions, "dram", "write") > 0


def test_a_rectifiers_sign_is_remembered_where_it_lets_errors_pass():
    """48 values; behind it a pool of 12, of which only the largest get an error, in one of four places."""
    pooled = design_of(tiny(), TINY)
    assert pooled.route_bits(pooled.plan.placements[0]) == 12 * (1 + 2)
    flat = Network("n", (*TINY.layers[:2], linear("fc", 48, 5)))
    assert design_of(tiny(), flat).route_bits(place(flat, tiny().chip).placements[0]) == 48
    before = Network("n", (TINY.layers[0], MaxPool("pool", (3, 4, 4), 2), relu("relu", (3, 2, 2)), linear("fc", 12, 5)))
    assert design_of(tiny(), before).route_bits(place(before, tiny().chip).placements[0]) == 12 * (1 + 2)


def test_slopes_are_read_from_what_the_next_layer_keeps():
    """6 errors come back to a tanh, whose 6 outputs lie in the buffer as the next layer's inputs; 8 bits each."""
    layers = (linear("a", 5, 6), Activation("t", (6, 1, 1), "tanh"), linear("b", 6, 3))
    result = price_network(Network("n", layers))
    read = sum(
        row.count
        for row in result.actions
        if (row.part, row.action, row.layer, row.pass_) == ("global_buffer", "read", "a", "backward")
    )
    assert read * WORD == pytest.approx(2 * 6 * 8)


@pytest.mark.parametrize("unit", ["sram_cim", "digital"])
def test_a_gradient_waits_for_its_scale_in_dram_as_far_as_the_buffer_is_too_small(unit):
    """54 and 60 weights of 16 bits, of which the buffer holds 432 bits: one half, and 11 of 20 parts, go out."""
    out = 54 * 16 - 432 + 60 * 16 - 432
    exp = tiny(unit, buffer=432.0, chip={"bus_bits": 16})
    sgd, momentum = (actions_of(exp, TINY, rule) for rule in ("sgd", "momentum"))
    assert total(sgd, "dram", "write", pass_="weight_gradient") == pytest.approx(out / BATCH)
    assert total(sgd, "dram", "read", pass_="weight_update") == pytest.approx(out / BATCH)
    # The rest is read from the buffer by the update, and all that enters the buffer leaves it.
    update = 16 * total(sgd, "gradient_buffer", "read", pass_="weight_update")
    assert update == pytest.approx(2 * 432 / BATCH)
    written = total(sgd, "gradient_buffer", "write")
    assert total(sgd, "gradient_buffer", "read") == pytest.approx(written)
    # Averages of 12 bits are read, written, and read again when the scale is known; the gradient never leaves.
    assert total(momentum, "dram", "write", pass_="weight_gradient") == 0
    assert total(momentum, "dram", "read", pass_="weight_update") == pytest.approx(2 * 114 * 12 / BATCH)
    assert total(momentum, "dram", "write", pass_="weight_update") == pytest.approx(114 * 12 / BATCH)
    # A buffer that holds each gradient keeps them.
    assert total(counts(tiny(unit, buffer=960.0, chip={"bus_bits": 16})), "dram", "write") == 0


def test_which_rules_wait_for_the_scale_of_a_gradient():
    rules = {"sgd": {}, "momentum": {"normalised": "gradient"}, "error_feedback": {}}
    assert all(RULES.get(name)(**options).scales_gradient for name, options in rules.items())
    assert not RULES.get("momentum")().scales_gradient
    assert not RULES.get("error_feedback")(gamma=0.9).scales_gradient
    exp = tiny()
    by_gradient = RULES.get("momentum")(normalised="gradient")
    verbs = [row.action for row in by_gradient.actions(TINY.matrices[0], exp.chip, BATCH) if row.part == "dram"]
    assert verbs == ["read", "write"]


def test_lanes_that_sum_several_images_give_what_the_buffer_lost_to_dram_once_for_all():
    """Two images together; a buffer for half of both gradients: the other half goes out and back for each two."""
    flow = {"loop_order": "image_outer", "image_group": 2, "gradient": {"accumulate": "in_unit"}}
    actions = counts(tiny(dataflow=flow, buffer=114 * 16 / 2, chip={"bus_bits": 16}))
    assert total(actions, "dram", "write", pass_="weight_gradient") == pytest.approx(114 * 16 / 2 / 2)


def test_errors_follow_each_write_of_the_activations():
    """32 activations and 12 errors of 8 bits with 36 bits of their places, for each of 9 kernel positions, or once."""
    for base, times in (("naive", 9), ("optimised", 1)):
        read = total(counts(tiny("sram_cim", {"base": base})), "global_buffer", "read", "conv", "weight_gradient")
        assert read * WORD == pytest.approx(times * (32 * 8 + 12 * 8 + 36))


@given(apart=st.integers(1, 30), alike=st.integers(1, 30), arrays=st.integers(1, 40))
def test_deliveries_by_counting(apart, alike, arrays):
    """Each load needs the errors of every group of which it has a block."""
    blocks = [(place_ // alike, place_ // arrays) for place_ in range(apart * alike)]
    assert deliveries(apart, alike, arrays) == pytest.approx(len(set(blocks)) / apart)


def test_errors_are_delivered_to_each_load_of_arrays():
    """1024 channels of 8 bits are 64 blocks beside each other; on 16 arrays four loads need all 6 errors."""
    network = Network("wide", (linear("a", 1024, 6), relu("r", (6, 1, 1)), linear("b", 6, 2)))
    exp = experiment(chip={"weight_gradient": {"arrays": 16}}, training={"batch": BATCH}, dataflow={"base": "naive"})
    read = total(actions_of(exp, network, "sgd"), "global_buffer", "read", "a", "weight_gradient")
    # 6 errors of 8 bits, each with the bit that says whether the rectifier let it pass.
    assert read * WORD == pytest.approx(1024 * 8 + 4 * 6 * (8 + 1))


def test_the_accelerators_gradient_shares_the_global_buffer():
    """Kept by the batch 10 x 524 bits, and 960 of the larger gradient: of a buffer of half of that, half goes out."""
    kept = 10 * (32 * 8 + 12 * 8 + 12 * 8 + 5 * 8 + 12 * 3) + 960
    exp = tiny(chip={"global_buffer": {"size": kept / 2}})
    design = replace(design_of(exp, TINY), parts=price_experiment(exp).parts)
    _, actions = accelerator(design, RULES.get("sgd")(), Activity.default(TINY))
    written = sum(
        row.count for row in actions if (row.part, row.action, row.pass_) == ("dram", "write", "weight_gradient")
    )
    assert written == pytest.approx((54 + 60) * 16 / 2 / BATCH)
    _, actions = accelerator(design, RULES.get("momentum")(), Activity.default(TINY))
    assert not any(
        (row.part, row.action, row.pass_) == ("dram", "write", "weight_gradient") and row.count for row in actions
    )


def test_executed_products_are_those_that_are_priced():
    """Multipliers of mixed precision skip zeros like those of a digital weight-gradient unit: 0.6² remain."""
    exp = experiment(
        "mlp",
        chip={"weight_gradient": {"unit": "in_array"}},
        training={"rule": {"name": "mixed_precision"}},
        dataflow={"loop_order": "image_outer"},
    )
    result = price_experiment(exp)
    lanes = exp.chip.weight_gradient.lanes
    rows = [row for row in result.actions if row.part == "outer_product"]
    carried_out = 2 * lanes * sum(row.count * row.arguments["executed"] for row in rows)
    found = metrics(result.estimate, result.network, exp.chip.device, result.activity, BATCH, 1)
    gradient = 2 * result.network.macs
    assert found["executed_ops_per_sample"] == pytest.approx(found["ops_per_sample"] - gradient + carried_out)
    assert carried_out == pytest.approx(0.36 * gradient)


def test_wear_is_that_of_the_pulses_that_are_priced():
    """Each cell of conv has the coincidences of a slot pair of 16 positions, in every image of a batch of 10."""
    with patch("cimest.pricing.build_network", lambda _: TINY):
        result = price_experiment(tiny("in_array", {"loop_order": "image_outer"}, train_length=7))
    (conv,) = [row for row in result.actions if row.action == "pulse_outer_product" and row.layer == "conv"]
    filled = 6 / 8 * 3 / 4  # of each array
    pulses = 16 * conv.arguments["coincidences"] / filled * BATCH
    assert result.activity.layers["conv"].most_written == pytest.approx(pulses)
    assert pulses > 1  # the default of an update by rows is half a pulse
    device = experiment().chip.device.model_copy(update={"endurance": 1e9})
    assert lifetime(device, result.activity, BATCH) == pytest.approx(1e9 / pulses * BATCH)
    by_rows = price_network(TINY)
    assert by_rows.activity.layers["conv"].most_written == LayerActivity().most_written


def test_measured_wear_is_kept():
    exp = experiment("mlp", chip={"weight_gradient": {"unit": "in_array"}}, training={"rule": {"name": "tiki_taka"}},
                     dataflow={"loop_order": "image_outer"})  # fmt: skip
    network = price_experiment(exp).network
    measured = LayerActivity(train_slots=3.0, train_rows=0.2, train_columns=0.1, most_written=4.0)
    activity = Activity("measured", {layer.name: measured for layer in network.matrices})
    assert price_experiment(exp, activity).activity == activity
    # What was measured with another unit says nothing of pulses in the arrays.
    other = Activity("measured", {layer.name: LayerActivity() for layer in network.matrices})
    assert all(layer.most_written != 0.5 for layer in price_experiment(exp, other).activity.layers.values())


def test_lifetime_of_many_chips():
    """Most written of two layers in two designs; no pulse in the second design of either layer: no end."""
    device = experiment().chip.device.model_copy(update={"endurance": 1e6})
    layers = {"a": LayerActivity(most_written=np.array([2.0, 0.0])), "b": LayerActivity(most_written=0.0)}
    assert lifetime(device, Activity("swept", layers), 10) == pytest.approx(np.array([5e6, np.inf]))


def test_noise_of_surveyed_converters_is_swept_like_one_by_one():
    """A component's behaviour is a dataclass of its own, whose arrays have to be seen."""
    exp = experiment(chip={"adc": {"kind": "survey", "bits": 8}})
    noise = np.array([0.0, 0.5, 1.0, 1.5] * 3)  # more values than layers, and not as many

    def spent(value):
        return energies(price_experiment(with_values(exp, {"chip.adc.noise": value})).estimate)["system"]

    assert spent(noise) == pytest.approx([spent(value) for value in noise.tolist()], rel=1e-12)


POLYNOMIAL = "{{form: polynomial, coefficients: [{}]}}"
DRIFT = f"{{exponent_mean: {POLYNOMIAL.format(0.05)}, exponent_sigma: {POLYNOMIAL.format(0.01)}, start: 20 s}}"


def drifting(*overrides):
    return load(LENET, ["chip.device.base=rram", f"chip.device.drift={DRIFT}", *overrides])


def test_a_training_that_drifts_for_as_long_as_the_chip_takes_depends_on_the_chip():
    slow, fast = drifting("chip.clock=500 MHz"), drifting()
    assert functional(fast)["batch_time"] == batch_time(fast) != batch_time(slow)
    assert key(slow) != key(fast)
    assert key(drifting("chip.dram=gddr5", "training.batch_time=1 ms")) == key(
        drifting("chip.clock=500 MHz", "training.batch_time=1 ms")
    )
    assert "batch_time" not in functional(load(LENET))


def test_no_axis_broadcasts_where_a_training_depends_on_its_time(tmp_path):
    device = f"chip.device: {{base: rram, drift: {DRIFT}}}"
    for fixed, looped in (("", []), (device, ["chip.clock"]), (f"{device}, training.batch_time: 1 ms", [])):
        text = f"set: {{{fixed}}}\naxes: {{chip.clock: [0.5 GHz, 1 GHz]}}\naccuracy: {{repeats: 1}}"
        space = Space(read_sweep(write(tmp_path, text)), keep_functional=True)
        assert [axis.name for axis in space.looped] == looped


def test_the_key_of_a_training_that_cannot_be_priced_is_its_refusal(monkeypatch):
    monkeypatch.setattr("cimest.explore.functional.batch_time", lambda _: (_ for _ in ()).throw(ValueError("no such")))
    assert functional(drifting())["batch_time"] == "no such"
    assert json.dumps(functional(drifting()))


def test_blocks_by_hand():
    """Three groups of four blocks on three arrays: every group meets two loads."""
    assert deliveries(3, 4, 3) == 2
    assert deliveries(3, 4, 4) == deliveries(3, 4, 24) == 1
    assert deliveries(1, 8, 2) == ceil(8 / 2)
    np.testing.assert_allclose(deliveries(np.array([3, 1]), np.array([4.0, 8.0]), np.array([3, 2])), [2, 4])
