"""Periphery of whole vectors: levels on the lines, one conversion, noise and bound management, simulated and priced."""

from dataclasses import replace

import numpy as np
import pytest

from cimest.activity import Activity, LayerActivity
from cimest.caveats import learning_warnings
from cimest.config import ConfigError, load
from cimest.config.chip import Adc, Chip
from cimest.config.chip import Periphery as Choice
from cimest.kernels.types import Address, Periphery
from cimest.learning import whole_vector
from cimest.learning.census import MEANS, power
from cimest.learning.codes import Errors
from cimest.learning.tile import AnalogTile
from cimest.learning.trainer import CALIBRATE_TOGETHER
from cimest.mapping.operands import Operand
from cimest.network import Conv, linear
from cimest.pricing import price_experiment
from hwlib.devices import load_device
from tests.cimest.designs import experiment
from tests.cimest.learning_cases import trainer

MINIMAL = "network: mlp\ndataset: {name: mnist_subset}\nchip: {device: rram}\n"
WHOLE = {"kind": "whole_vector"}
SIGNED = Operand(8, "two_phase")


def read(x, weights, edges=None, choice=None, bound=np.inf, step=0.0, noise=0.0, dac=0.0, variance=None, seed=0):
    """A product of whole vectors by its parts."""
    numbers = iter(range(1, 1000))
    edges = np.array([0, len(weights)]) if edges is None else np.array(edges)
    return whole_vector.product(
        np.asarray(x, np.int8), np.asarray(weights, np.float32), variance, edges, SIGNED, Choice(**(choice or WHOLE)),
        Periphery(dac, step, bound, noise), lambda: Address(seed, next(numbers), 0),
    )  # fmt: skip


# What is allowed


REFUSED = [
    (["periphery.noise_management=abs_max"], "chip.periphery.noise_management: is for kind whole_vector: bit_serial"),
    (["periphery.bound_management=iterative"], "chip.periphery.bound_management: is for kind whole_vector"),
    (["periphery.dac_bits=6"], "chip.periphery.dac_bits: is for kind whole_vector: bit_serial puts each bit"),
    (["periphery.output_range=12"], "chip.periphery.output_range: is for kind whole_vector"),
    (["periphery=whole_vector", "signed_inputs=twos_complement"], "chip.signed_inputs: under whole_vector a line"),
    (["periphery=whole_vector", "adc.offset=0.5"], "chip.adc.offset: is simulated where each bit is converted"),
    (["periphery=whole_vector", "backward_adc.inl=0.5"], "chip.backward_adc.inl: is simulated where each bit"),
    (["periphery=whole_vector", "adc.bits=1"], "chip.adc.bits: 1 bit has no code for either sign"),
    (["periphery=whole_vector", "periphery.retries=2"], "chip.periphery.retries: are those of bound_management"),
    (["periphery={kind: whole_vector, bound_management: iterative}", "adc.kind=ideal"],
     "chip.periphery.bound_management: chip.adc is ideal and has no range"),
    (["periphery={kind: whole_vector, bound_management: iterative}", "adc.bits=2"],
     "chip.adc.bits: 2 bits have no code but zero within the range"),
    (["periphery={kind: whole_vector, bound_management: iterative, dac_bits: 5}"],
     "chip.periphery.retries: after 4 halvings no input is a step of 5 bits"),
    (["periphery.kind=vector"], "chip.periphery.kind: 'vector' is not among the choices"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_what_makes_no_sense_is_refused_with_its_reason(tmp_path, changes, message):
    (tmp_path / "e.yaml").write_text(MINIMAL)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "e.yaml", [f"chip.{change}" for change in changes])
    assert message in str(caught.value)


def test_neurosims_accounting_and_inference_alone_know_only_bits(tmp_path):
    (tmp_path / "e.yaml").write_text(MINIMAL)
    for change, message in (
        ("dataflow={base: naive, accounting: neurosim}", "neurosim counts inputs applied bit by bit only"),
    ):
        with pytest.raises(ConfigError, match=message):
            load(tmp_path / "e.yaml", ["chip.periphery=whole_vector", change])


# Products by hand


def test_levels_of_lines_by_hand():
    # 3 bits: three levels on either side. Without scaling 127 is full: 60 / 127 · 3 = 1.42 -> 1; scaled, 60 is full
    words = np.array([[127, 60, -30], [60, 20, -30]], dtype=np.int8)
    plain = whole_vector.levels(words, SIGNED, Choice(kind="whole_vector", dac_bits=3))
    scaled = whole_vector.levels(words, SIGNED, Choice(kind="whole_vector", dac_bits=3, noise_management="abs_max"))
    np.testing.assert_allclose(plain * 3, [[3, 1, -1], [1, 0, -1]], atol=1e-6)
    np.testing.assert_allclose(scaled * 3, [[3, 1, -1], [3, 1, -2]], atol=1e-6)  # -1.5 is between -1 and -2


def test_without_converters_and_noise_a_read_is_the_product():
    rng = np.random.default_rng(0)
    x, weights = rng.integers(-127, 128, (20, 33)), rng.uniform(-1, 1, (33, 9))
    for management in ("none", "abs_max"):
        found = read(x, weights, [0, 10, 33], WHOLE | {"noise_management": management})
        # single precision: sums of 33 words up to 127
        np.testing.assert_allclose(found.y, x @ weights, atol=2e-3)
        assert (found.reads, found.clipped) == (20, 0)


def test_a_vector_that_ends_the_range_is_read_again_with_half_the_inputs():
    # full inputs on weights 0.75 and 0.75: sums of 1.5 end a range of 1; halved, 0.75 is within
    choice = WHOLE | {"bound_management": "iterative"}
    x, weights = [[127, 127], [0, 60]], [[0.75], [0.75]]
    found = read(x, weights, None, choice, bound=1.0, step=1 / 255)
    assert (found.reads, found.clipped) == (3, 0)
    # one code is 127 · 2 / 255 after a repetition
    np.testing.assert_allclose(found.y[:, 0], [127 * 1.5, 60 * 0.75], atol=1.0)
    once = read(x, weights, None, WHOLE, bound=1.0, step=1 / 255)
    assert (once.reads, once.clipped) == (2, 1)
    np.testing.assert_allclose(once.y[0], 127.0, atol=1e-3)  # at the end of the range
    few = read([[127] * 8], [[1.0]] * 8, None, choice | {"retries": 2}, bound=1.0, step=1 / 255)
    assert (few.reads, few.clipped) == (3, 1)  # eight full inputs on a range of one: a quarter of them is still beyond


def test_one_block_at_its_end_repeats_all_blocks():
    found = read(
        [[127, 127]], [[1.0], [0.1]], [0, 1, 2], WHOLE | {"bound_management": "iterative"}, bound=1.0, step=1 / 8
    )
    # 1 is the last code: the converter cannot tell it from more. Halved: 0.5 -> 4/8, 0.05 -> 0
    assert found.reads == 2
    assert found.y[0, 0] == pytest.approx(2 * 127 * 4 / 8, abs=1e-3)


def test_every_block_adds_the_noise_of_its_conversion():
    x = np.full((4000, 6), 127)
    for edges, blocks in (([0, 6], 1), ([0, 2, 4, 6], 3)):
        found = read(x, np.zeros((6, 4)), edges, noise=0.06).y / 127
        # 16 000 draws: their deviation is known to 0.6 %; four times that
        assert found.std() == pytest.approx(0.06 * blocks**0.5, rel=0.024)
    scaled = read(x // 4, np.zeros((6, 4)), None, WHOLE | {"noise_management": "abs_max"}, noise=0.06).y / 127
    assert scaled.std() == pytest.approx(0.06 * (127 // 4) / 127, rel=0.024)  # with the inputs, noise is scaled back


def test_read_noise_of_cells_comes_with_the_level_of_their_line():
    variance = np.full((3, 2), 0.01, dtype=np.float32)
    found = read(np.tile([127, 64, 0], (8000, 1)), np.zeros((3, 2)), variance=variance).y / 127
    # independent cells: 0.1 · sqrt(1 + (64/127)²); 16 000 draws
    assert found.std() == pytest.approx(0.1 * (1 + (64 / 127) ** 2) ** 0.5, rel=0.024)


def tile(periphery, **chip):
    return AnalogTile(
        linear("fc", 40, 12),
        Chip(device=load_device("ideal"), periphery=WHOLE | periphery, **chip),
        3,
        0,
        0.5,
        True,
        32,
    )


def test_both_directions_of_a_tile_and_what_they_count():
    made = tile(
        {"bound_management": "iterative", "output_range": 4.0}, array={"rows": 16, "columns": 5}, adc={"bits": 9}
    )
    rng = np.random.default_rng(0)
    x, codes = rng.integers(0, 256, (30, 40)).astype(np.uint8), rng.integers(-127, 128, (30, 12)).astype(np.int8)
    y, e = made.forward(x), made.backward(Errors(codes, 0.5))
    # 7 bits of DAC and 9 of ADC: errors of 1/126 of each input and 1/127 of a range of 4, in three blocks
    assert np.abs(y - x @ made.weights).max() < 255 * (0.5 * 40**0.5 * 3 / 126 + 3 * 4 / 255)
    assert np.abs(e / 0.5 - codes @ made.weights.T).max() < 127 * (0.5 * 12**0.5 * 3 / 126 + 3 * 4 / 255)
    assert made.converted["forward"] == made.read_vectors["forward"] * 12 * 3  # rows in blocks of 16, 16 and 8
    assert made.converted["backward"] == made.read_vectors["backward"] * 40 * 3  # columns of 5, 5 and 2
    assert made.vectors == {"forward": 30, "backward": 30}


def test_a_calibrated_range_fits_the_sums_of_the_vectors():
    x = np.random.default_rng(0).integers(0, 256, (200, 40)).astype(np.uint8)
    made = tile({"noise_management": "abs_max"}, adc={"bits": 6})
    y = made.forward(x)
    exact = x @ made.weights
    # some 31 steps for the largest sums: rounding is 1/sqrt(12) of a step; three times that holds clipping and the DAC
    assert np.sqrt(np.mean((y - exact) ** 2)) < 3 * np.abs(exact).max() / 31 / 12**0.5
    full = whole_vector.range_of(
        x, made.weights, made.row_edges, Adc(bits=6, range="full"), Operand(8, "none"), made.chip.periphery
    )
    assert full.step * full.high == pytest.approx(40)  # all rows full, on cells at an end


def test_a_range_stays_where_no_line_is_driven():
    made = tile({}, adc={"bits": 6})
    x = np.random.default_rng(0).integers(0, 256, (50, 40)).astype(np.uint8)
    made.forward(x)
    before = made.converters["forward"]
    made.forward(np.zeros_like(x))
    assert made.converters["forward"] == before


def test_ranges_and_operands_of_samples_one_by_one_rest_on_many():
    """At batch 1 what a calibration finds is what the same samples together give, not what the lone sample does."""
    whole = {"periphery": {"kind": "whole_vector", "noise_management": "abs_max"}, "adc": {"bits": 6}}
    one = trainer(epochs=1, batch=1, chip=whole)
    order = np.random.default_rng((0, 0)).permutation(240)
    first, (matrix, *_) = np.sort(order[:CALIBRATE_TOGETHER]), one.model.matrices
    one._step(0, 0, order)
    words = one.data.train_images[first].reshape(CALIBRATE_TOGETHER, -1)
    scaled = np.square(whole_vector.levels(words, matrix.tile.operands["forward"], matrix.tile.chip.periphery))
    assert one.census.sums[0, MEANS.index("input_power")] == pytest.approx(scaled.mean(), rel=1e-6)
    assert one.census.operand_batches == 1
    # nothing that calibrating reads is counted: one sample has passed, forward and backward
    assert [one_.tile.vectors for one_ in one.model.matrices] == [{"forward": 1}, {"forward": 1, "backward": 1}]


def test_the_power_of_groups_is_that_of_their_own_scales():
    """One group of small words, one of large ones: each line is at full scale, since each group has a scale."""
    layer = Conv("c", (2, 1, 1), 2, 1, groups=2)
    chip = Chip(device=load_device("ideal"), periphery=WHOLE | {"noise_management": "abs_max"})
    made = AnalogTile(layer, chip, 0, 0, 0.5, True, 32)
    codes = np.array([[1, 255]] * 4, dtype=np.uint8)
    groups = [inputs for inputs, _ in made.groups()]
    assert power(codes, made.operands["forward"], made, groups) == 1.0


# Training and its price


MANAGED = {"noise_management": "abs_max", "bound_management": "iterative", "output_range": 1.0}


@pytest.mark.parametrize(
    "network", [{"name": "mlp", "hidden": [24]}, {"name": "lstm", "hidden": 12, "predict": "sequence"}]
)
def test_networks_learn_through_it(network):
    made = trainer(network=network, chip={"periphery": WHOLE | MANAGED, "adc": {"bits": 8, "noise": 0.5}}, epochs=5)
    history = made.run()
    assert history[-1].test_accuracy > 0.9  # as they do bit by bit; by chance 0.25
    for entry in made.entries().values():
        assert 1 <= entry["reads"]["forward"] <= 5
    assert max(entry["reads"]["forward"] for entry in made.entries().values()) > 1


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not():
    changes = {"chip": {"periphery": WHOLE | MANAGED, "adc": {"noise": 0.5}}, "epochs": 2}
    whole, first, second = (trainer(**changes) for _ in range(3))
    whole.run()
    first.history.append(first._epoch(None))
    second.restore(first.state())
    second.run()
    assert [epoch.test_loss for epoch in second.history] == [epoch.test_loss for epoch in whole.history]
    assert second.entries() == whole.entries()


def priced(periphery, activity=None, **chip):
    exp = experiment({"name": "mlp", "hidden": [30]}, chip={"periphery": periphery, **chip})
    return price_experiment(exp, activity)


def test_counts_by_hand():
    """784 inputs and 30 outputs on arrays of 128 by 128: 7 blocks of 112 lines."""
    found = priced(WHOLE | MANAGED, array={"rows": 128, "columns": 128})
    count = found.estimate.count
    assert count["fc1", "forward", "dac"] == 784
    assert count["fc1", "forward", "adc"] == 30 * 7  # once a column and block, not once a bit
    # 16 ADCs of 8 columns each, 30 columns: two turns, for which the levels stay on the lines
    assert count["fc1", "forward", "array"] == 7 * 2
    assert count["fc1", "forward", "wordline_driver"] == 7
    assert count["fc2", "backward", "backward_dac"] == 10
    assert count["fc2", "backward", "backward_adc"] == 30
    assert count["fc1", "forward", "scale_comparator"] == 784
    assert count["fc1", "forward", "scale_multiplier"] == 784 + 30  # words of inputs, and results
    assert not {"shift_add", "input_register", "error_register"} & set(found.parts)
    plain = priced(WHOLE)
    assert not any(part.startswith("scale_") for part in plain.parts)


def test_repeated_reads_cost_what_they_repeat():
    names = ["fc1", "fc2"]
    once = Activity("once", dict.fromkeys(names, LayerActivity()))
    twice = Activity("twice", {name: replace(LayerActivity(), forward_reads=2.0) for name in names})
    first, second = (priced(WHOLE | MANAGED, activity).estimate for activity in (once, twice))
    for part in ("dac", "adc", "array", "mux", "wordline_driver"):
        for layer in names:
            assert second.energy[layer, "forward", part] == pytest.approx(2 * first.energy[layer, "forward", part])
            assert second.latency[layer, "forward", part] == pytest.approx(2 * first.latency[layer, "forward", part])
    for part in ("scale_comparator", "scale_multiplier", "tile_buffer"):
        assert second.energy["fc1", "forward", part] == first.energy["fc1", "forward", part]


def test_lines_heat_with_the_square_of_their_levels():
    layers = {"fc1": LayerActivity(input_power=0.2), "fc2": LayerActivity()}
    low, high = (
        priced(WHOLE, Activity("measured", layers | {"fc1": LayerActivity(input_power=power)})).estimate
        for power in (0.2, 0.4)
    )
    none = priced(WHOLE, Activity("measured", layers | {"fc1": LayerActivity(input_power=0.0)})).estimate
    cell = "fc1", "forward", "array"
    assert high.energy[cell] - none.energy[cell] == pytest.approx(2 * (low.energy[cell] - none.energy[cell]))


def test_frequent_repetitions_are_explained():
    made = trainer(chip={"periphery": WHOLE | MANAGED}, epochs=1)
    made.run()
    ledger = made.entries()
    ledger["fc1"]["reads"]["forward"] = 2.25
    found = learning_warnings(ledger, made.experiment.chip)
    assert any("fc1, forward: each vector is read 2.2 times" in text and "output_range" in text for text in found)
    ledger["fc1"]["reads"]["forward"] = 1.05
    assert not any("fc1, forward: each vector" in text for text in learning_warnings(ledger, made.experiment.chip))
