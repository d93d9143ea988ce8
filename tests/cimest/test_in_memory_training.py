"""Networks that learn in their arrays: through the trainer, as a chain in machine code, and averaged afterwards."""

import json

import numpy as np
import pytest

from cimest.cli.main import main
from cimest.kernels import in_memory_types as types
from cimest.learning.extract import Average, quantised, read_out
from cimest.learning.in_memory_chain import PERIPHERY, Chain
from tests.cimest.in_memory_cases import challenging, rule
from tests.cimest.learning_cases import bars, trainer

CHIP = {"weight_gradient": {"unit": "in_array", "train_length": 31}, "adc": {"bits": 9}}
SOFT = {"states": 20, "update": {"law": "soft_bounds", "low": -1, "high": 1}, "cycle_to_cycle": {"sigma": 0.01}}


def in_array(name="tiki_taka_v2", epochs=3, rate=0.3, **options):
    return trainer(
        device=SOFT, chip=CHIP, epochs=epochs, rate=rate, batch=4, rule={"name": name, **options}, stacked=False
    )


@pytest.mark.parametrize(
    ("name", "rate", "options"),
    [("tiki_taka_v2", 0.3, {}), ("agad", 0.3, {}), ("mixed_precision", 0.1, {"vectors": 20}), ("sgd", 0.01, {})],
)
def test_a_network_learns_in_its_arrays(name, rate, options):
    made = in_array(name, epochs=5, rate=rate, **options)
    history = made.run()
    # four classes by chance are a quarter; 20 states with noise learn the bars to three quarters at least
    assert history[-1].test_accuracy > 0.75


def test_a_resumed_run_equals_one_that_never_stopped(tmp_path):
    whole, first, second = (in_array("agad") for _ in range(3))
    whole.run()
    first.history.append(first._epoch(None))
    second.restore(json_free_copy(first.state()))
    second.run()
    for one, other in zip(whole.model.matrices, second.model.matrices, strict=True):
        assert np.array_equal(one.tile.weights, other.tile.weights)
    for one, other in zip(whole.states, second.states, strict=True):
        assert all(np.array_equal(one[key], other[key]) for key in one)


def json_free_copy(value):
    """A state as a checkpoint gives it back: copies of all arrays."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {key: json_free_copy(entry) for key, entry in value.items()}
    return [json_free_copy(entry) for entry in value] if isinstance(value, list) else value


def test_what_the_arrays_did_reaches_the_estimate():
    made = in_array("tiki_taka_v2", epochs=1)
    made.run()
    for state, layer in zip(made.states, made.activity().layers.values(), strict=True):
        counts, (rows, columns) = state["counts"], state["slow"].shape
        assert layer.train_slots == counts[types.SLOTS] / counts[types.VECTORS]
        assert layer.train_rows * rows * counts[types.SLOTS] == pytest.approx(counts[types.LINES_ROWS])
        assert layer.most_written == state["written"].max() / made.census.update_batches
        assert layer.transferred * counts[types.READS] * columns == pytest.approx(counts[types.CELLS_SLOW])
        assert counts[types.READS] == 2 * counts[types.VECTORS]  # two rows are read for each vector


def chain(name="agad", sizes=(64, 24, 4), **options):
    periphery = options.pop("periphery", PERIPHERY)
    return Chain(sizes, "tanh", "cross_entropy", rule(name, **options), challenging(imbalance=0.1), periphery)


def images(data):
    return tuple(
        (part.reshape(len(part), -1) / 255).astype(np.float32) for part in (data.train_images, data.test_images)
    )


def test_a_chain_learns_sample_by_sample_and_needs_no_order_of_calls():
    data = bars(train=400)
    train, test = images(data)
    whole, pieces = chain(strength=0.5), chain(strength=0.5)
    order = np.random.default_rng(0).integers(0, len(train), 3000)
    whole.train(train, data.train_labels, order, 0.3)
    for part in np.array_split(order, 7):
        pieces.train(train, data.train_labels, part, 0.3)
    for one, other in zip(whole.visible, pieces.visible, strict=True):
        assert np.array_equal(one, other)
    assert whole.accuracy(test, data.test_labels) > 0.75  # a quarter by chance
    assert whole.accuracy(test, data.test_labels) == whole.accuracy(test, data.test_labels)


def test_a_chain_without_noise_follows_the_gradient_of_its_loss():
    # mixed precision writes -gain · gradient in steps: one sample, ideal periphery, against finite differences
    data = bars(train=4)
    train, _ = images(data)
    made = chain("mixed_precision", sizes=(64, 6, 4), vectors=10_000, bits=24, periphery=types.IDEAL)
    before = [weights.copy() for weights in made.visible]
    made.train(train, data.train_labels, np.array([0]), 0.1)
    for layer, state in enumerate(made.states):
        hidden = state["hidden"]

        def loss(weights, layer=layer):
            x = train[0].astype(float)
            for number, scale in enumerate(made.scales):
                used = weights if number == layer else before[number]
                x = np.append(x, 1.0) @ used.astype(float) * float(scale)
                x = np.tanh(x) if number < len(made.scales) - 1 else x
            return float(np.log(np.exp(x - x.max()).sum()) + x.max() - x[data.train_labels[0]])

        rows = np.flatnonzero(np.abs(hidden).sum(axis=1))[:3]
        slopes = np.zeros((len(rows), hidden.shape[1]))
        for i, row in enumerate(rows):
            for column in range(hidden.shape[1]):
                up, down = before[layer].astype(float), before[layer].astype(float)
                up[row, column] += 1e-4
                down[row, column] -= 1e-4
                slopes[i, column] = (loss(up) - loss(down)) / 2e-4
        # the buffer holds the gradient against its sign, by a factor of the layer: compare directions
        found, wanted = -hidden[rows].ravel(), slopes.ravel()
        assert found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted) == pytest.approx(1, abs=1e-5)


def test_the_mean_of_noisy_readings_is_nearer_than_one_of_them():
    weights = np.random.default_rng(0).uniform(-0.9, 0.9, (40, 30)).astype(np.float32)
    average = Average.of(weights.shape)
    for number in range(64):
        average = average.add(read_out(weights, PERIPHERY, 0, 0, number))
    noise = np.sqrt(0.06**2 + (12 / 255) ** 2 / 12)  # of a read, with the rounding of its ADC
    assert (average.mean - weights).std() == pytest.approx(noise / 8, rel=0.15)
    assert average.reads == 64


def test_words_by_hand():
    # 3 bits with sign: steps of a third of the largest
    assert quantised(np.array([0.9, -0.31, 0.1], np.float32), 3) == pytest.approx([0.9, -0.3, 0.0])


def test_extract_goes_on_with_a_run(tmp_path, capsys):
    experiment = tmp_path / "small.yaml"
    experiment.write_text(
        "network: {name: mlp, hidden: [16]}\ndataset: {name: mnist_subset, train: 100, test: 50}\n"
        "chip: {device: rram, weight_gradient: {unit: in_array, train_length: 31}}\n"
        "training: {rule: tiki_taka_v2, epochs: 1, batch: 10}\ndataflow: {loop_order: image_outer}\n"
    )
    run = tmp_path / "run"
    assert main(["run", str(experiment), "--out", str(run), "--quiet"]) == 0
    assert main(["extract", str(run), "--readings", "5", "--json", "--out", str(tmp_path / "mean.npz")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["readings"] == 5
    assert set(found["accuracy"]) == {
        *("last", "mean", "mean_3_bits", "mean_4_bits", "mean_6_bits", "last_written", "mean_written")
    }
    assert found["energy_j"] > 0
    with np.load(tmp_path / "mean.npz") as means:
        assert sum(values.size for values in means.values()) == 784 * 16 + 16 * 10
