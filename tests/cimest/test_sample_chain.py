"""The chain that takes samples one by one in machine code: it does what the trainer does layer by layer."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from cimest.config.chip import Periphery as Choice
from cimest.datasets import Data
from cimest.kernels import in_memory_types as types
from cimest.kernels import sample_chain
from cimest.kernels.types import Address, Periphery
from cimest.learning import Trainer, whole_vector
from cimest.learning.extract import extract
from cimest.learning.sample_chain import _fully_connected
from cimest.mapping.operands import Operand
from cimest.network import NETWORKS
from cimest.pricing import build_network, price_experiment
from hwlib.devices import load_device
from tests.cimest.designs import experiment
from tests.cimest.learning_cases import trainer

AROUND = {
    "kind": "whole_vector", "noise_management": "abs_max", "bound_management": "iterative", "output_range": 1.0,
}  # fmt: skip
SOFT = {"states": 20, "update": {"law": "soft_bounds", "low": -1, "high": 1}, "cycle_to_cycle": {"sigma": 0.01}}


def chained(
    rule="tiki_taka_v2", noise=1.275, activation="tanh", epochs=1, periphery=AROUND, layerwise=False, **changes
):
    """A training of bars, sample by sample on arrays of 32 by 20, by the chain or layer by layer."""
    chip = {"periphery": periphery, "adc": {"bits": 9, "noise": noise}, "array": {"rows": 32, "columns": 20},
            "weight_gradient": {"unit": "in_array"}, **changes.pop("chip", {})}  # fmt: skip
    network = {"name": "mlp", "hidden": [24, 12], "activation": activation}
    rule = rule if isinstance(rule, dict) else {"name": rule}
    made = trainer(**{"device": SOFT, "chip": chip, "network": network, "epochs": epochs, "batch": 1, "rate": 0.1,
                      "rule": rule, "initial_range": 0.3, "stacked": False, **changes})  # fmt: skip
    if layerwise:
        made.chain = None
    return made


def test_what_the_chain_covers():
    assert chained().chain is not None
    assert chained("sgd").chain is not None
    assert chained(batch=2).chain is None
    assert chained(periphery={}).chain is None  # bit by bit
    assert chained("sgd", chip={"weight_gradient": {"unit": "digital"}}).chain is None
    assert not _fully_connected(NETWORKS.get("lenet5")((1, 28, 28), 10))
    assert not _fully_connected(NETWORKS.get("lstm")((28, 28, 1), 10))
    assert chained(weight_noise=0.1).chain is None
    noise = {"spectrum": "white", "coefficient": {"form": "polynomial", "coefficients": [0.1]}, "read_time": 1e-6}
    noisy = {"read_noise": noise, "sources": {**load_device("rram").sources, "read_noise": "own_choice"}}
    assert chained(device=SOFT | noisy).chain is None


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("rule", ["tiki_taka_v2", "mixed_precision"])
def test_without_noise_of_reads_it_leaves_the_same_weights(rule, activation):
    """Pulses have the same random numbers: only where a sum lies between two codes may rounding tell them apart."""
    plain = {**AROUND, "noise_management": "none"}
    one, other = (chained(rule, 0.0, activation, periphery=plain, layerwise=way) for way in (False, True))
    one.run()
    other.run()
    assert one.history[0].loss == pytest.approx(other.history[0].loss, rel=1e-3)
    for left, right in zip(one.model.matrices, other.model.matrices, strict=True):
        # one step is 0.1; none of 240 samples should differ, one that does moves a few rows
        assert np.mean(np.abs(left.tile.weights - right.tile.weights) > 1e-3) < 0.02
    for left, right in zip(one.entries().values(), other.entries().values(), strict=True):
        for pass_ in ("forward", "backward"):
            assert left["reads"][pass_] == pytest.approx(right["reads"][pass_], rel=0.01)
            assert left["converted"][pass_] == pytest.approx(right["converted"][pass_], rel=0.01)


def test_with_noise_it_learns_with_the_same_statistics():
    """Six runs of each: means agree within four of their standard errors, and weights have one distribution."""
    figures, weights = {}, {}
    for way in (False, True):
        runs = [chained(seed=seed, layerwise=way) for seed in range(6)]
        for made in runs:
            made.run()
        reads = [[entry["reads"]["forward"] for entry in made.entries().values()] for made in runs]
        losses = [[epoch.loss for epoch in made.history] for made in runs]
        pulses = [[epoch.pulses for epoch in made.history] for made in runs]
        tested = [[made.history[-1].test_accuracy] for made in runs]
        figures[way] = np.concatenate([reads, losses, pulses, tested], axis=1)
        weights[way] = np.concatenate([made.model.matrices[1].tile.weights.reshape(-1) for made in runs])
    error = np.sqrt(figures[False].var(axis=0, ddof=1) / 6 + figures[True].var(axis=0, ddof=1) / 6)
    assert (np.abs(figures[False].mean(axis=0) - figures[True].mean(axis=0)) < 4 * error + 1e-6).all()
    assert figures[False][:, :3].max() > 1.05  # there are repetitions to agree on
    # the first weights are the same in both, so that this is stricter than for two samples that are independent
    assert ks_2samp(weights[False], weights[True]).pvalue > 1e-3


@pytest.mark.parametrize("rule", ["tiki_taka_v2", "agad"])
def test_it_goes_on_as_if_never_stopped_and_pieces_do_not_matter(rule):
    whole, first, second = (chained(rule, epochs=2) for _ in range(3))
    whole.run()
    first.history.append(first._epoch(None, stops=(7, 100)))
    second.restore(first.state())
    second.run(stops={300})
    for one, other in zip(whole.model.matrices, second.model.matrices, strict=True):
        np.testing.assert_array_equal(one.tile.weights, other.tile.weights)
    assert [epoch.test_loss for epoch in whole.history] == [epoch.test_loss for epoch in second.history]
    assert whole.entries() == second.entries()
    assert whole.activity() == second.activity()


def test_it_converts_what_is_priced_and_reports_what_it_did():
    chip = {"periphery": AROUND, "array": {"rows": 48, "columns": 20}, "weight_gradient": {"unit": "in_array"}}
    training = {"rule": {"name": "tiki_taka_v2"}, "batch": 1, "epochs": 2}
    network = {"name": "mlp", "hidden": [30, 20]}
    exp = experiment(network, chip=chip, training=training, dataflow={"loop_order": "image_outer"})
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 1, 28, 28)).astype(np.uint8), np.arange(40) % 10
    made = Trainer(exp, build_network(exp), Data(images, labels, images[:0], labels[:0]), False)
    assert made.chain is not None
    made.run()
    priced = price_experiment(exp, made.activity()).estimate
    for layer, entry in made.entries().items():
        for pass_, part in (("forward", "adc"), ("backward", "backward_adc")):
            counted = priced.count.get((layer, pass_, part), 0.0) * 80
            assert entry["converted"][pass_] == pytest.approx(counted), (layer, pass_)
    assert max(entry["reads"]["forward"] for entry in made.entries().values()) > 1
    for state in made.states:
        assert state["counts"][types.VECTORS] == 80


def test_readings_of_the_weights_fall_where_they_are_due():
    made = chained(epochs=2)
    found = extract(made, readings=6, words=(4,), device=made.experiment.chip.device)
    assert found.readings == 6
    assert len(made.history) == 2


@pytest.mark.parametrize("way", [0, 1])
def test_a_read_goes_through_dac_noise_and_adc(way):
    rng = np.random.default_rng(1)
    stored = rng.uniform(-1, 1, (30, 20)).astype(np.float32)
    words = rng.integers(-127, 128, stored.shape[way]).astype(np.float32)
    words[0] = 127  # of which 63 levels are no halves
    weights = stored.T if way else stored
    step, noise, edges = np.float32(12 / 255), 0.06, np.array([0, 11, len(words)])
    both = [np.full((2, 1), value, np.float32) for value in (127, step, 12)]
    room = sample_chain.room([stored.shape])

    def read(at, sigma):
        made = sample_chain.Converters(1 / 63, *both, np.full((2, 1), sigma, np.float32), True, 4)
        out, stats = np.zeros(30 + types.SPARE, np.float32), np.zeros(3, np.int64)
        sample_chain.read(
            stored, np.uint32(1), np.uint32(7), np.uint32(at), words, way, 0, edges, made, room, out, stats
        )
        return out[: weights.shape[1]], stats

    choice = Choice(kind="whole_vector", noise_management="abs_max", bound_management="iterative")
    expected = whole_vector.product(
        words[None].astype(np.int8), weights, None, edges, Operand(8, "two_phase"), choice,
        Periphery(1 / 63, step, 12.0, 0.0), lambda: Address(0, 0, 0),
    )  # fmt: skip
    found, stats = read(5, 0.0)
    assert stats.tolist() == [1, expected.reads, expected.clipped]
    # one step of an ADC where a sum lies at a threshold, else the order of summation
    differing = np.abs(found - expected.y[0]) > 1e-3
    assert differing.mean() <= 0.1
    assert np.abs(found - expected.y[0]).max() <= 1.01 * step * np.abs(words).max()
    outputs = [read(at, noise)[0] for at in range(400)]
    # in each of two blocks noise of 0.06 and a step, whose rounding adds a twelfth of its square, at full input
    wanted = np.sqrt(2 * (noise**2 + step**2 / 12)) * np.abs(words).max()
    assert np.sqrt(np.mean(np.var(outputs, axis=0))) == pytest.approx(wanted, rel=0.05)


def test_it_follows_the_gradient_of_its_loss():
    """Mixed precision keeps the outer products digitally: those of one sample against finite differences."""
    ideal = {"adc": {"kind": "ideal"}, "periphery": {"kind": "whole_vector", "dac_bits": 10}, "error_bits": 8}
    made = chained({"name": "mixed_precision", "vectors": 10_000, "bits": 24}, chip=ideal)
    made._step(0, 0, np.arange(2))  # sets the scales of words
    before = [state["hidden"].copy() for state in made.states]
    made.chain.train(np.array([1]), np.array([0.1]))
    image, label = made.data.train_images[1].reshape(-1) / 256, made.data.train_labels[1]
    shifts = [part.centring for part in made.model.matrices]
    weights = [part.tile.weights.astype(float) for part in made.model.matrices]

    def loss(layer, changed):
        y = image
        for number, shift in enumerate(shifts):
            y = y @ (changed if number == layer else weights[number]) * shift.scale + shift.constant
            y = np.tanh(y) if number + 1 < len(shifts) else y
        return np.log(np.exp(y - y.max()).sum()) + y.max() - y[label]

    rng = np.random.default_rng(0)
    for layer, (state, old) in enumerate(zip(made.states, before, strict=True)):
        step = state["hidden"] - old
        rows, columns = (index[rng.permutation(len(index))[:40]] for index in np.nonzero(step))
        slopes = []
        for row, column in zip(rows, columns, strict=True):
            up, down = weights[layer].copy(), weights[layer].copy()
            up[row, column] += 1e-5
            down[row, column] -= 1e-5
            slopes.append((loss(layer, up) - loss(layer, down)) / 2e-5)
        found, wanted = -step[rows, columns], np.array(slopes)
        # a factor of the layer between them, and words of 8 bits: compare directions
        assert found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted) > 0.999, layer
