"""Networks that learn in their arrays, and are averaged afterwards."""

import json

import numpy as np
import pytest

from cimest.cli.main import main
from cimest.kernels import in_memory_types as types
from cimest.learning.extract import Average, quantised, read_out
from tests.cimest.learning_cases import trainer

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


def test_the_mean_of_noisy_readings_is_nearer_than_one_of_them():
    weights = np.random.default_rng(0).uniform(-0.9, 0.9, (40, 30)).astype(np.float32)
    average, periphery = Average.of(weights.shape), types.Periphery(outputs=255, bound=12.0, noise=0.06)
    for number in range(64):
        average = average.add(read_out(weights, periphery, 0, 0, number))
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
